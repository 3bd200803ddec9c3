//! `syrinx inspect`: what is in a pack.

use std::collections::BTreeMap;

use syrinx::Result;
use syrinx::lab::pack::{EarsPack, listens};
use syrinx_quant::gguf::TensorInfo;
use syrinx_quant::manifest::{DECODER_FILE, ENCODER_FILE, WHISPER};
use syrinx_quant::shape::whisper::SPECTRA_PER_ROW;
use syrinx_quant::shape::{Realtime, Whisper};
use syrinx_quant::{DType, GgufFile, Manifest};

use super::output::outln;

#[derive(Debug, clap::Args)]
pub struct Inspect {
    #[command(flatten)]
    pack: super::arguments::PackArguments,
    /// List every tensor.
    #[arg(long)]
    tensors: bool,
}

impl Inspect {
    pub fn run(self) -> Result<()> {
        if listens(&self.pack.folder()?)? {
            return self.ears();
        }
        let pack = self.pack.open()?;
        let (manifest, shape) = (pack.manifest(), pack.shape());
        page(manifest)?;
        outln!("voices       {}", pack.voices().join(", "))?;
        let samples = shape.codec.samples_per_frame();
        outln!(
            "frame        {} codes, {samples} samples at {} Hz, {:.1} ms",
            shape.audio.codes_per_frame(),
            manifest.sample_rate_hz,
            1e3 * samples as f64 / f64::from(manifest.sample_rate_hz)
        )?;
        let (b, f, c) = (&shape.backbone, &shape.flow, &shape.codec);
        outln!(
            "backbone     {} layers of {}, heads {}/{} of {}",
            b.layers,
            shape.dim,
            b.heads,
            b.kv_heads,
            b.head_dim
        )?;
        let (steps, guidance) = (manifest.defaults.steps, manifest.defaults.guidance);
        outln!("flow head    {} layers of {}, {steps} steps, guidance {guidance}", f.layers, f.dim)?;
        outln!("codec        layers {:?} of {}, windows {:?}", c.lengths, c.dim, c.windows)?;
        provenance(manifest)?;
        let backbone = GgufFile::open(&pack.backbone_path())?;
        let tensors = backbone.tensors().iter().map(|t| ("backbone", t));
        self.tensors(&tensors.chain(pack.speech().tensors().iter().map(by_part)).collect::<Vec<_>>())
    }

    /// A pack that listens.
    fn ears(&self) -> Result<()> {
        let pack = EarsPack::open(&self.pack.folder()?, self.pack.options())?;
        page(pack.manifest())?;
        if pack.manifest().family == WHISPER { self.whisper(&pack) } else { self.realtime(&pack) }
    }

    fn whisper(&self, pack: &EarsPack) -> Result<()> {
        let shape = Whisper::from_metadata(pack.hear())?;
        outln!(
            "window       {:.0} s at {} Hz, {} rows of {SPECTRA_PER_ROW} spectra of {} bands",
            shape.window_samples() as f64 / shape.sampling_rate as f64,
            shape.sampling_rate,
            shape.audio_rows,
            shape.mels
        )?;
        for (name, layers, rows) in
            [("encoder", shape.encoder_layers, shape.audio_rows), ("decoder", shape.decoder_layers, shape.text_rows)]
        {
            outln!("{name}      {layers} layers of {}, {} heads, {rows} positions", shape.dim, shape.heads)?;
        }
        outln!("tokens       {}", shape.vocab_size)?;
        provenance(pack.manifest())?;
        self.tensors(&pack.hear().tensors().iter().map(by_part).collect::<Vec<_>>())
    }

    fn realtime(&self, pack: &EarsPack) -> Result<()> {
        let shape = Realtime::from_metadata(pack.hear())?;
        let Realtime { front, encoder, decoder, text, schedule } = &shape;
        let samples = shape.samples_per_token();
        let ms = 1e3 * samples as f64 / front.sampling_rate as f64;
        outln!(
            "token        {samples} samples at {} Hz, {ms:.1} ms; {} spectra of {} bands",
            front.sampling_rate,
            shape.spectra_per_token(),
            front.mels
        )?;
        outln!("delay        {} ms, {ms} to {} ms", ms * schedule.delay as f64, ms * schedule.longest_delay as f64)?;
        for (name, stack, rows_per_token) in [("encoder", encoder, schedule.rows_per_token), ("decoder", decoder, 1)] {
            outln!(
                "{name}      {} layers of {}, heads {}/{} of {}, window {} rows, {:.0} s",
                stack.layers,
                stack.dim,
                stack.heads,
                stack.kv_heads,
                stack.head_dim,
                stack.window,
                stack.window as f64 / rows_per_token as f64 * ms / 1e3
            )?;
        }
        outln!("tokens       {}, {} of them special", text.vocab_size, text.special_ids)?;
        provenance(pack.manifest())?;
        let files = [ENCODER_FILE, DECODER_FILE].map(|file| GgufFile::open(&pack.path(file)));
        let [encoder, decoder] = files;
        let (encoder, decoder) = (encoder?, decoder?);
        let named = |name: &'static str| move |tensor| (name, tensor);
        let stacks =
            encoder.tensors().iter().map(named("encoder")).chain(decoder.tensors().iter().map(named("decoder")));
        self.tensors(&stacks.chain(pack.hear().tensors().iter().map(by_part)).collect::<Vec<_>>())
    }

    /// Sizes by part, and each tensor if that is wanted.
    fn tensors(&self, tensors: &[(&'static str, &TensorInfo)]) -> Result<()> {
        outln!("\n{:<12} {:>14} {:>12}  types", "part", "values", "bytes")?;
        for (part, sum) in sums(tensors.iter().copied()) {
            let types: Vec<String> = sum.types.iter().map(|(t, n)| format!("{t} ({n})")).collect();
            outln!("{part:<12} {:>14} {:>12}  {}", sum.values, sum.bytes, types.join(", "))?;
        }
        if self.tensors {
            outln!()?;
            for (_, tensor) in tensors {
                outln!("{:<75} {:<6} {:?}", tensor.spec.name, tensor.spec.dtype.name(), tensor.spec.shape)?;
            }
        }
        Ok(())
    }
}

fn page(manifest: &Manifest) -> Result<()> {
    let commercial = if manifest.licence.commercial { "commercial use allowed" } else { "no commercial use" };
    outln!("{} {} ({}, recipe {})", manifest.name, manifest.version, manifest.family, manifest.recipe)?;
    outln!("licence      {}, {commercial}. {}", manifest.licence.spdx, manifest.licence.note)?;
    outln!("languages    {}", manifest.languages.join(", "))
}

fn provenance(manifest: &Manifest) -> Result<()> {
    manifest.provenance.iter().try_for_each(|(key, value)| outln!("provenance   {key}: {value}"))
}

#[derive(Default)]
struct Sum {
    values: usize,
    bytes: usize,
    /// Tensors of each type.
    types: BTreeMap<DType, usize>,
}

fn sums<'a>(tensors: impl Iterator<Item = (&'static str, &'a TensorInfo)>) -> BTreeMap<&'static str, Sum> {
    let mut sums: BTreeMap<&'static str, Sum> = BTreeMap::new();
    for (part, tensor) in tensors {
        let sum = sums.entry(part).or_default();
        sum.values += tensor.spec.shape.iter().product::<usize>();
        sum.bytes += tensor.range.len();
        *sum.types.entry(tensor.spec.dtype).or_default() += 1;
    }
    sums
}

fn by_part(tensor: &TensorInfo) -> (&'static str, &TensorInfo) {
    let parts = [
        ("mm_audio_embeddings.", "tables"),
        ("acoustic_transformer.", "flow head"),
        ("audio_tokenizer.encoder.", "encoder"),
        ("audio_tokenizer.", "codec"),
        ("voice.", "voices"),
        ("conv_layers.", "convolutions"),
        ("audio_language_projection.", "adapter"),
        ("layers.", "delay"),
        ("encoder.", "encoder"),
        ("decoder.", "decoder"),
    ];
    let part = parts.into_iter().find(|(prefix, _)| tensor.spec.name.starts_with(prefix));
    (part.map_or("other", |(_, part)| part), tensor)
}

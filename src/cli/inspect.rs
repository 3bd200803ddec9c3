//! `syrinx inspect`: what is in a pack.

use std::collections::BTreeMap;

use syrinx::Result;
use syrinx_quant::gguf::TensorInfo;
use syrinx_quant::{DType, GgufFile};

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
        let pack = self.pack.open()?;
        let (manifest, shape) = (pack.manifest(), pack.shape());
        let commercial = if manifest.licence.commercial { "commercial use allowed" } else { "no commercial use" };
        outln!("{} {} ({}, recipe {})", manifest.name, manifest.version, manifest.family, manifest.recipe)?;
        outln!("licence      {}, {commercial}. {}", manifest.licence.spdx, manifest.licence.note)?;
        outln!("languages    {}", manifest.languages.join(", "))?;
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
        outln!("flow head    {} layers of {}, {} steps, guidance {}", f.layers, f.dim, f.steps, f.guidance)?;
        outln!("codec        layers {:?} of {}, windows {:?}", c.lengths, c.dim, c.windows)?;
        for (key, value) in &manifest.provenance {
            outln!("provenance   {key}: {value}")?;
        }
        let backbone = GgufFile::open(&pack.backbone_path())?;
        let tensors =
            || backbone.tensors().iter().map(|t| ("backbone", t)).chain(pack.speech().tensors().iter().map(by_part));
        outln!("\n{:<12} {:>14} {:>12}  types", "part", "values", "bytes")?;
        for (part, sum) in sums(tensors()) {
            let types: Vec<String> = sum.types.iter().map(|(t, n)| format!("{t} ({n})")).collect();
            outln!("{part:<12} {:>14} {:>12}  {}", sum.values, sum.bytes, types.join(", "))?;
        }
        if self.tensors {
            outln!()?;
            for (_, tensor) in tensors() {
                outln!("{:<75} {:<6} {:?}", tensor.spec.name, tensor.spec.dtype.name(), tensor.spec.shape)?;
            }
        }
        Ok(())
    }
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
    ];
    let part = parts.into_iter().find(|(prefix, _)| tensor.spec.name.starts_with(prefix));
    (part.map_or("other", |(_, part)| part), tensor)
}

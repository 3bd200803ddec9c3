//! `syrinx trace`: the porting microscope. In: a pack and a text (or codes). Out: a safetensors file with what every
//! stage computed, under the names, shapes and types of the reference goldens.
//!
//! Noise can be given, and each frame be fed from a reference (`--teacher`): implementations are compared frame by frame.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use syrinx::lab::backbone::KvType;
use syrinx::lab::codec::{CodecDecoder, CodecWeights};
use syrinx::lab::flow::{Solver, noise};
use syrinx::lab::frame::{END, Frame};
use syrinx::lab::kernel::Pool;
use syrinx::lab::pack::Pack;
use syrinx::{Error, ErrorKind, Result};
use syrinx_quant::shape::SPECIAL_CODES;

use super::stages::Stages;

mod against;

#[derive(Debug, clap::Args)]
pub struct Trace {
    #[command(flatten)]
    pack: crate::cli::arguments::PackArguments,
    /// Text to trace, taken as it is.
    #[arg(long, required_unless_present = "codes")]
    text: Option<String>,
    #[arg(long)]
    voice: Option<String>,
    /// Frames to trace.
    #[arg(long, default_value_t = 8)]
    frames: usize,
    /// A file whose tensor `noise` (frames × acoustic codes) replaces the seeded noise.
    #[arg(long, value_name = "FILE")]
    noise: Option<PathBuf>,
    /// A file whose tensor `frame.embed` is fed back instead of the own one.
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    solver: crate::cli::solver::SolverArguments,
    /// Decode codes (without offset) from this file instead of tracing a text.
    #[arg(long, value_name = "FILE", requires = "codes_tensor", conflicts_with = "text")]
    codes: Option<PathBuf>,
    /// Name of the tensor in the codes file.
    #[arg(long, value_name = "NAME")]
    codes_tensor: Option<String>,
    /// Frames per call of the decoder; 0 decodes all at once.
    #[arg(long, default_value_t = 0)]
    chunk: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Type of the key/value cache.
    #[arg(long, value_enum)]
    kv: Option<crate::cli::arguments::Kv>,
    /// What computes the flow head.
    #[arg(long, value_enum, default_value_t = crate::cli::arguments::Engine::Auto)]
    flow_engine: crate::cli::arguments::Engine,
    /// A reference that every traced tensor must be near.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// How near: the largest difference, in units of the reference's root mean square. Codes must be equal.
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4, requires = "against")]
    within: f64,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Trace {
    pub fn run(self) -> Result<()> {
        let pack = self.pack.open()?;
        let pool = Pool::new(self.threads);
        let tensors = match (&self.codes, &self.codes_tensor, &self.text) {
            (Some(file), Some(name), _) => self.decode(&pack, &pool, file, name)?,
            (_, _, Some(text)) => self.speak(&pack, &pool, text)?,
            _ => return Err(Error::new(ErrorKind::BadOption, "trace needs --text or --codes")),
        };
        tensors.write(&self.out)?;
        self.against.as_deref().map_or(Ok(()), |reference| against::compare(&tensors, reference, self.within))
    }

    fn decode(&self, pack: &Pack, pool: &Pool, file: &Path, name: &str) -> Result<Tensors> {
        let (codes, shape) = read_i32(file, name)?;
        let width = pack.shape().audio.codes_per_frame();
        if shape.get(1) != Some(&width) {
            let message = format!("{name} in {} has shape {shape:?}, expected frames of {width}", file.display());
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        let with_offset = |&code: &i32| u16::try_from(code).ok()?.checked_add(SPECIAL_CODES as u16);
        let frames: Option<Vec<Frame>> = codes
            .chunks_exact(width)
            .map(|codes| Frame::from_codes(&codes.iter().map(with_offset).collect::<Option<Vec<_>>>()?))
            .collect();
        let frames = frames.ok_or_else(|| {
            Error::new(ErrorKind::BadOption, format!("{name} in {} holds values that are no codes", file.display()))
        })?;
        let chunk = if self.chunk == 0 { frames.len().max(1) } else { self.chunk };
        let mut codec = CodecDecoder::new(&CodecWeights::open(pack.speech(), pack.shape())?, chunk);
        let samples = codec.samples_per_frame();
        let mut pcm = vec![0.0; frames.len() * samples];
        for (frames, pcm) in frames.chunks(chunk).zip(pcm.chunks_mut(chunk * samples)) {
            codec.decode(frames, pcm, pool);
        }
        let mut tensors = Tensors::default();
        let len = pcm.len();
        tensors.f32("codec.pcm", pcm, &[len]);
        Ok(tensors)
    }

    fn speak(&self, pack: &Arc<Pack>, pool: &Pool, text: &str) -> Result<Tensors> {
        let (shape, audio) = (pack.shape(), &pack.shape().audio);
        let (dim, width) = (shape.dim, audio.n_acoustic);
        let given_noise = self.noise.as_deref().map(|file| read_f32(file, "noise", width)).transpose()?;
        let teacher = self.teacher.as_deref().map(|file| read_f32(file, "frame.embed", dim)).transpose()?;
        let solver = self.solver.solver(Solver::of(&pack.manifest().defaults));
        solver.validate()?;

        let voices = pack.load_voices()?;
        let voice = voices.get(self.voice.as_deref())?;
        let mut stages = Stages::open(pack, self.kv.map(KvType::from), self.flow_engine.into(), pool)?;
        let all = stages.start(voice, text)?;

        let mut t = Tensors::default();
        let mut frames = 0;
        let mut embed = vec![0.0; dim];
        while frames < self.frames && stages.semantic().code != END {
            t.extend("frame.hidden", stages.hidden());
            t.extend("frame.logits", stages.logits());
            let mut x = vec![0.0; width];
            match given_noise.as_ref().map(|noise| noise.chunks_exact(width).nth(frames)) {
                None => noise::fill(self.seed, frames as u64, &mut x),
                Some(Some(noise)) => x.copy_from_slice(noise),
                Some(None) => return Err(too_short("noise", frames)),
            }
            t.extend("frame.x", &x);
            let frame = stages.solve(solver, &mut x, pool, |step| {
                t.extend("frame.v_cond", step.conditional);
                t.extend("frame.v_uncond", step.unconditional);
                t.extend("frame.v", step.velocity);
                t.extend("frame.x", step.x);
            })?;
            t.extend_i32("frame.codes", frame.codes.iter().map(|&c| i32::from(c)));
            stages.embed(&frame, &mut embed)?;
            t.extend("frame.embed", &embed);
            if let Some(teacher) = &teacher {
                embed.copy_from_slice(
                    teacher.chunks_exact(dim).nth(frames).ok_or_else(|| too_short("frame.embed", frames))?,
                );
            }
            frames += 1;
            if frames < self.frames {
                stages.feed(&embed)?;
            }
        }
        // Last, since it takes the place of what the frames need.
        let prefill = stages.backbone.all_hidden(&all.embeds)?;
        let prompt = all.ids.len();
        t.i32("prompt.ids", all.ids.iter().map(|&id| id as i32).collect(), &[prompt]);
        t.f32("prompt.embeds", all.embeds, &[prompt, dim]);
        t.f32("prefill.hidden", prefill, &[prompt, dim]);
        let head = audio.head_rows;
        let steps = solver.steps;
        let guided = t.len("frame.v_uncond") / (frames * width).max(1);
        for (name, shape) in [
            ("frame.hidden", vec![frames, dim]),
            ("frame.logits", vec![frames, head]),
            ("frame.v_cond", vec![frames, steps, width]),
            ("frame.v_uncond", vec![frames, guided, width]),
            ("frame.v", vec![frames, steps, width]),
            ("frame.x", vec![frames, steps + 1, width]),
            ("frame.codes", vec![frames, audio.codes_per_frame()]),
            ("frame.embed", vec![frames, dim]),
        ] {
            t.shape(name, shape);
        }
        Ok(t)
    }
}

fn too_short(name: &str, frame: usize) -> Error {
    Error::new(ErrorKind::BadOption, format!("tensor {name} has no row for frame {frame}: lower --frames"))
}

/// Little-endian bytes of named tensors on their way to a file.
#[derive(Default)]
struct Tensors(BTreeMap<&'static str, (Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    fn f32(&mut self, name: &'static str, values: Vec<f32>, shape: &[usize]) {
        self.extend(name, &values);
        self.shape(name, shape.to_vec());
    }

    fn i32(&mut self, name: &'static str, values: Vec<i32>, shape: &[usize]) {
        self.extend_i32(name, values.into_iter());
        self.shape(name, shape.to_vec());
    }

    fn extend(&mut self, name: &'static str, values: &[f32]) {
        let entry = self.0.entry(name).or_insert_with(|| (Dtype::F32, Vec::new(), Vec::new()));
        entry.2.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    fn extend_i32(&mut self, name: &'static str, values: impl Iterator<Item = i32>) {
        let entry = self.0.entry(name).or_insert_with(|| (Dtype::I32, Vec::new(), Vec::new()));
        entry.2.extend(values.flat_map(i32::to_le_bytes));
    }

    /// Values of a tensor so far.
    fn len(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |(.., bytes)| bytes.len() / 4)
    }

    fn shape(&mut self, name: &'static str, shape: Vec<usize>) {
        self.0.entry(name).or_insert_with(|| (Dtype::F32, Vec::new(), Vec::new())).1 = shape;
    }

    fn write(&self, path: &Path) -> Result<()> {
        let fail =
            |e: &dyn std::fmt::Display| Error::new(ErrorKind::Io, format!("cannot write {}: {e}", path.display()));
        let views = self
            .0
            .iter()
            .map(|(name, (dtype, shape, bytes))| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)));
        let views =
            views.collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>().map_err(|e| fail(&e))?;
        let bytes = serialize(views, None).map_err(|e| fail(&e))?;
        std::fs::write(path, bytes).map_err(|e| fail(&e))
    }
}

fn bad(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::BadOption, format!("{}: {what}", path.display()))
}

/// The tensors of a file. Errors: `Io`; `BadOption` where it holds none.
fn with_tensors<T>(path: &Path, with: impl FnOnce(&SafeTensors<'_>) -> Result<T>) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    with(&SafeTensors::deserialize(&bytes).map_err(|e| bad(path, format_args!("not a safetensors file: {e}")))?)
}

fn read(path: &Path, name: &str, dtype: Dtype) -> Result<(Vec<[u8; 4]>, Vec<usize>)> {
    with_tensors(path, |file| {
        let tensor = file.tensor(name).map_err(|_| bad(path, format_args!("has no tensor {name}")))?;
        if tensor.dtype() != dtype {
            return Err(bad(path, format_args!("tensor {name} is {:?}, expected {dtype:?}", tensor.dtype())));
        }
        Ok((tensor.data().as_chunks::<4>().0.to_vec(), tensor.shape().to_vec()))
    })
}

fn read_f32(path: &Path, name: &str, width: usize) -> Result<Vec<f32>> {
    let (bytes, shape) = read(path, name, Dtype::F32)?;
    if shape.last() != Some(&width) {
        let message = format!("{}: tensor {name} has shape {shape:?}, expected rows of {width}", path.display());
        return Err(Error::new(ErrorKind::BadOption, message));
    }
    Ok(bytes.into_iter().map(f32::from_le_bytes).collect())
}

fn read_i32(path: &Path, name: &str) -> Result<(Vec<i32>, Vec<usize>)> {
    let (bytes, shape) = read(path, name, Dtype::I32)?;
    Ok((bytes.into_iter().map(i32::from_le_bytes).collect(), shape))
}

//! A session: one generator and one decoder, kept between texts. In: options once, then texts. Out: a [`Synthesis`]
//! for each.

use std::path::PathBuf;
use std::sync::Arc;

use super::cost::FrameBytes;
use super::generator::{Generator, Request};
use super::synthesis::{Canceller, Synthesis};
use crate::backbone::{BackboneOptions, KvType};
use crate::codec::CodecDecoder;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{FlowEngine, Guided, Method, Solver};
use crate::kernel::Pool;
use crate::pack::{Pack, Voices};
use crate::text::{Speller, nothing_to_say};

/// How a session uses the machine.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Threads of the kernels and of llama.cpp (they take turns). 1 by default; no more are made than may run at once
    /// ([`crate::kernel::allowed_threads`]).
    pub threads: usize,
    /// Positions of a clause: voice rows, text and frames together. `None`: the model's, at most 2048.
    pub context: Option<usize>,
    /// Type of the key/value cache. `None`: F32 for the recipe `f32`, else F16.
    pub kv: Option<KvType>,
    /// What computes the flow head.
    pub flow_engine: FlowEngine,
    /// Bytes that weights, key/value cache and buffers may take. `None`: what the system says is available.
    pub memory_budget_bytes: Option<u64>,
    /// Folder for voice prefixes; `None` keeps them in memory only.
    pub prefix_folder: Option<PathBuf>,
    /// Frames that the codec decodes per pass: more is quicker in all, later at first.
    pub frames_per_block: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            context: None,
            kv: None,
            flow_engine: FlowEngine::Auto,
            memory_budget_bytes: None,
            prefix_folder: None,
            frames_per_block: 1,
        }
    }
}

impl SessionOptions {
    /// The backbone's part of it.
    pub fn backbone(&self) -> BackboneOptions {
        BackboneOptions {
            context: self.context,
            kv: self.kv,
            threads: self.threads,
            memory_budget_bytes: self.memory_budget_bytes,
        }
    }
}

/// How a text is spoken. `None` means what the pack says.
#[derive(Clone, Debug, Default)]
pub struct SpeakOptions {
    /// Name of a voice; the pack's first by default.
    pub voice: Option<String>,
    pub seed: Option<u64>,
    /// Evaluations of the flow head, of Euler its steps.
    pub steps: Option<usize>,
    pub guidance: Option<f32>,
    pub method: Option<Method>,
    pub guided: Option<Guided>,
    /// Frames (80 ms each) after which the speech is cut.
    pub max_frames: Option<u64>,
}

impl SpeakOptions {
    /// How to solve a frame, for a pack that asks for `default`.
    pub fn solver(&self, default: Solver) -> Solver {
        Solver {
            method: self.method.unwrap_or(default.method),
            steps: self.steps.unwrap_or(default.steps),
            guidance: self.guidance.unwrap_or(default.guidance),
            guided: self.guided.unwrap_or(default.guided),
        }
    }
}

/// Speaks one text after another.
#[derive(Debug)]
pub struct Session {
    pub(super) generator: Generator,
    pub(super) codec: CodecDecoder,
    pub(super) pool: Arc<Pool>,
    pub(super) speller: Speller,
    pub(super) canceller: Canceller,
    pub(super) sample_rate_hz: u32,
    voices: Voices,
    solver: Solver,
    seed: u64,
    max_frames: u64,
}

impl Session {
    /// Most bytes of text that [`Session::speak`] takes at once.
    pub const MAX_TEXT_BYTES: usize = 100_000;

    /// Loads the weights. Errors: `BadPack`, `BadOption`, `OutOfMemory`, `Backend`, `Unsupported`.
    pub fn open(pack: &Pack, options: &SessionOptions) -> Result<Self> {
        let pool = Arc::new(Pool::new(options.threads));
        let defaults = &pack.manifest().defaults;
        Ok(Self {
            generator: Generator::open_for(pack, options, pool.clone())?,
            codec: CodecDecoder::open(pack.speech(), pack.shape(), options.frames_per_block)?,
            pool,
            speller: Speller::new(&pack.manifest().text)?,
            canceller: Canceller::default(),
            sample_rate_hz: pack.manifest().sample_rate_hz,
            voices: pack.load_voices()?,
            solver: Solver::of(defaults),
            seed: defaults.seed,
            max_frames: u64::from(defaults.frame_budget),
        })
    }

    /// Samples per second.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Samples per frame.
    pub fn samples_per_frame(&self) -> usize {
        self.codec.samples_per_frame()
    }

    /// Stops a [`Synthesis`] of this session from any thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Computes a voice's prefix now, so that the first text in it starts sooner. Errors: `UnknownVoice`, `Backend`.
    pub fn warm(&mut self, voice: Option<&str>) -> Result<()> {
        let voice = self.voices.get(voice)?.clone();
        self.generator.warm(&voice)
    }

    /// Speaks `text`: nothing is computed before the first block is pulled.
    ///
    /// Errors: `BadText` (nothing to say, or more than [`Session::MAX_TEXT_BYTES`]), `UnknownVoice`, `BadOption`.
    pub fn speak(&mut self, text: &str, options: &SpeakOptions) -> Result<Synthesis<'_>> {
        if text.len() > Self::MAX_TEXT_BYTES {
            let message = format!("the text has {} bytes, the limit is {}: split it", text.len(), Self::MAX_TEXT_BYTES);
            return Err(Error::new(ErrorKind::BadText, message));
        }
        let clauses = self.speller.clauses(text);
        if clauses.is_empty() {
            return Err(nothing_to_say(text));
        }
        let voice = self.voices.get(options.voice.as_deref())?.clone();
        let solver = options.solver(self.solver);
        let max_frames = options.max_frames.unwrap_or(self.max_frames);
        if max_frames == 0 {
            return Err(Error::new(ErrorKind::BadOption, "a frame budget of 0 leaves nothing to hear: raise it"));
        }
        self.generator.begin(Request { solver, seed: options.seed.unwrap_or(self.seed) })?;
        self.codec.reset();
        self.canceller.rearm();
        Ok(Synthesis::new(self, clauses, voice, max_frames))
    }

    /// Bytes of weights that a frame reads.
    pub fn frame_bytes(&self, options: &SpeakOptions) -> FrameBytes {
        let (backbone, flow) = self.generator.frame_bytes(options.solver(self.solver));
        FrameBytes { backbone, flow, codec: self.codec.pass_bytes() }
    }

    /// Where the flow head computes: `native`, or ggml's name of the device.
    pub fn flow_device(&self) -> &str {
        self.generator.flow_device()
    }

    /// How frames are solved with these options.
    pub fn solver(&self, options: &SpeakOptions) -> Solver {
        options.solver(self.solver)
    }
}

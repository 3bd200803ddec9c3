//! A model: weights, opened once, for any number of speakers. In: a pack, a few options. Out: what sessions stand on, each
//! with a cache and scratch of its own.
//!
//! llama.cpp's model, the packed flow head and codec, tables, tokenizer, voices and the rules of the text are here, all
//! immutable and shared. What the pack's `family` can do is decided here too, so that one that this build does not know
//! is refused by name. Memory is counted before it is taken, once for the weights and then for each session.

#[allow(missing_docs)]
pub mod budget;
mod turns;
#[allow(missing_docs)]
pub mod work;

#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::backbone::prompt::Prompter;
use crate::backbone::{BackboneWeights, KvType, PrefixCache};
use crate::codec::{CodecDecoder, CodecWeights};
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{FlowEngine, FlowWeights};
use crate::kernel::Pool;
use crate::pack::{OpenOptions, Pack, Voices};
use crate::text::Speller;
use crate::watermark::Watermark;
pub use turns::Lane;
pub(crate) use turns::Turns;

/// Sessions that a model may have where nobody says otherwise.
const MAX_SESSIONS: usize = 64;

/// How a model is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelOptions {
    /// Compare every file with its hash. Only very slow media justify turning this off.
    pub verify: bool,
    /// Refuse a pack whose licence forbids commercial use.
    pub commercial: bool,
    /// Threads of the kernels and of llama.cpp, which take turns; no more than the processors that this process may use.
    pub threads: usize,
    /// Sessions that may compute at the same time, with `threads` each. The others wait for their turn, a frame at most.
    pub parallel: usize,
    /// Sessions that may be open; more are refused with [`ErrorKind::Busy`].
    pub max_sessions: usize,
    /// What computes the flow head.
    pub flow_engine: FlowEngine,
    /// Bytes that weights and sessions may take. `None`: what the system says is available.
    pub memory_budget_bytes: Option<u64>,
    /// Folder for voice prefixes; `None` keeps them in memory only.
    pub prefix_folder: Option<PathBuf>,
    /// Mark speech as synthetic, so that `syrinx detect` tells; `None`: as the pack says.
    pub watermark: Option<bool>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            verify: true,
            commercial: false,
            threads: 1,
            parallel: 1,
            max_sessions: MAX_SESSIONS,
            flow_engine: FlowEngine::Auto,
            memory_budget_bytes: None,
            prefix_folder: None,
            watermark: None,
        }
    }
}

impl ModelOptions {
    crate::setters::setters! {
        verify: bool, commercial: bool, threads: usize, parallel: usize, max_sessions: usize, flow_engine: FlowEngine,
        memory_budget_bytes: Option<u64>, prefix_folder: Option<PathBuf>, watermark: Option<bool>,
    }
}

/// What a model is, for people and for programs that choose.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Name and version of the pack.
    pub name: String,
    /// As the pack numbers itself.
    pub version: String,
    /// What kind of model it is: `voxtral-tts`.
    pub family: String,
    /// BCP 47 tags of the languages that it speaks.
    pub languages: Vec<String>,
    /// SPDX identifier of its licence.
    pub licence: String,
    /// Whether that permits commercial use.
    pub commercial: bool,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Samples of a frame, the block in which speech is made.
    pub samples_per_frame: usize,
    /// Names of its voices, the default first.
    pub voices: Vec<String>,
}

/// Weights, shared by whoever has a clone.
#[derive(Clone)]
pub struct Model(Arc<Shared>);

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("info", &self.0.info).finish_non_exhaustive() // not its weights
    }
}

#[derive(Debug)]
struct Shared {
    pack: Arc<Pack>,
    info: ModelInfo,
    options: ModelOptions,
    backbone: Arc<BackboneWeights>,
    flow: Arc<FlowWeights>,
    codec: Arc<CodecWeights>,
    marks: bool,
    prompter: Prompter,
    voices: Voices,
    speller: Arc<Speller>,
    pool: Arc<Pool>,
    turns: Turns,
    open: Arc<Open>,
}

/// The sessions that a model has, and the bytes that they take.
#[derive(Debug, Default)]
struct Open {
    sessions: AtomicUsize,
    bytes: AtomicU64,
}

/// A session's place among those that the model may have, and its bytes; both are free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    open: Arc<Open>,
    bytes: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.sessions.fetch_sub(1, Ordering::AcqRel);
        self.open.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Model {
    /// Opens a pack, a folder, and loads its weights.
    ///
    /// Errors: `BadPack` (absent, truncated, wrong hash, contradictory sizes), `NewerPack`, `Licence`, `Io`,
    /// `Unsupported` (a family, a type or an operation that this build does not know), `BadOption`, `OutOfMemory`,
    /// `Backend`.
    pub fn open(folder: impl AsRef<Path>, options: ModelOptions) -> Result<Self> {
        let open = OpenOptions { verify: options.verify, commercial: options.commercial };
        Self::load(&Arc::new(Pack::open(folder.as_ref(), open)?), options)
    }

    /// Loads the weights of a pack that was opened. Errors: as [`Model::open`].
    #[doc(hidden)]
    pub fn load(pack: &Arc<Pack>, options: ModelOptions) -> Result<Self> {
        let manifest = pack.manifest();
        budget::check_model(pack, options.memory_budget_bytes)?;
        let threads = crate::kernel::allowed_threads(options.threads);
        let pool = Arc::new(Pool::new(threads));
        let prefixes = options.prefix_folder.clone().map_or_else(PrefixCache::in_memory, PrefixCache::on_disk);
        let codec = CodecWeights::open(pack.speech(), pack.shape())?;
        let marks = options.watermark.unwrap_or(manifest.watermark);
        if marks {
            Watermark::new(manifest.sample_rate_hz)?; // refused here, and not when somebody speaks
        }
        let info = ModelInfo {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            family: manifest.family.clone(),
            languages: manifest.languages.clone(),
            licence: manifest.licence.spdx.clone(),
            commercial: manifest.licence.commercial,
            sample_rate_hz: manifest.sample_rate_hz,
            samples_per_frame: pack.shape().codec.samples_per_frame(),
            voices: pack.voices().to_vec(),
        };
        // The rules of the text are compiled meanwhile, and here: what that leaves of the heap is used again by what follows.
        let (backbone, flow, speller) = std::thread::scope(|scope| -> Result<_> {
            let weights = std::thread::Builder::new().name("syrinx-weights".into());
            let weights = weights.spawn_scoped(scope, || -> Result<_> {
                let backbone = BackboneWeights::open(pack, threads, prefixes)?;
                Ok((backbone, FlowWeights::open(pack.speech(), pack.shape(), options.flow_engine, threads)?))
            });
            let weights = weights.map_err(|e| {
                Error::new(ErrorKind::OutOfMemory, format!("cannot start the thread syrinx-weights: {e}"))
                    .with_source(e)
            })?;
            let speller = Speller::of_pack(pack.dir(), &pack.manifest().text);
            let panicked = |_| Error::new(ErrorKind::Backend, "the thread that loads the weights panicked");
            let (backbone, flow) = weights.join().map_err(panicked)??;
            Ok((backbone, flow, speller?))
        })?;
        Ok(Self(Arc::new(Shared {
            info,
            backbone,
            flow,
            codec,
            marks,
            prompter: Prompter::open(pack)?,
            voices: pack.load_voices()?,
            speller: Arc::new(speller),
            pool,
            turns: Turns::new(options.parallel),
            open: Arc::default(),
            pack: pack.clone(),
            options,
        })))
    }

    /// What it is.
    pub fn info(&self) -> &ModelInfo {
        &self.0.info
    }

    /// A place for one more session. Errors: `Busy`, `OutOfMemory`, `BadOption`.
    pub(crate) fn seat(&self, context: Option<usize>, kv: Option<KvType>) -> Result<Seat> {
        let bytes = self.bytes_of_session(context, kv)?;
        let (most, open) = (self.0.options.max_sessions, &self.0.open);
        // Both are counted before they are judged: of two sessions that are opened at once, each sees the other.
        let sessions = open.sessions.fetch_add(1, Ordering::AcqRel);
        let taken = open.bytes.fetch_add(bytes, Ordering::AcqRel);
        let seat = Seat { open: open.clone(), bytes };
        if sessions >= most {
            let message = format!("{most} sessions are open: close one, try later, or raise max_sessions");
            return Err(Error::new(ErrorKind::Busy, message));
        }
        let (pack, kv) = (&self.0.pack, self.kv_type(kv));
        let positions = crate::backbone::positions(pack, context)?;
        budget::check_session(pack, positions, kv, taken, self.0.options.memory_budget_bytes)?;
        Ok(seat)
    }

    /// Bytes that a session takes beside the weights. Errors: `BadOption`, `Io`.
    pub(crate) fn bytes_of_session(&self, context: Option<usize>, kv: Option<KvType>) -> Result<u64> {
        let positions = crate::backbone::positions(&self.0.pack, context)?;
        Ok(budget::Need::of(&self.0.pack, positions, self.kv_type(kv))?.session_bytes())
    }

    pub(crate) fn kv_type(&self, asked: Option<KvType>) -> KvType {
        crate::backbone::kv_type(&self.0.pack, asked)
    }

    /// The pack that it was loaded from.
    #[doc(hidden)]
    pub fn pack(&self) -> &Arc<Pack> {
        &self.0.pack
    }

    /// Where the flow head computes: `native`, or ggml's name of the device.
    #[doc(hidden)]
    pub fn flow_device(&self) -> &str {
        self.0.flow.device()
    }

    pub(crate) fn backbone(&self) -> &Arc<BackboneWeights> {
        &self.0.backbone
    }

    pub(crate) fn flow(&self) -> &Arc<FlowWeights> {
        &self.0.flow
    }

    /// A decoder of its own, a frame at a time, whose samples are marked where they are to be. Errors: `Unsupported`.
    pub(crate) fn decoder(&self) -> Result<CodecDecoder> {
        let watermark = self.0.marks.then(|| Watermark::new(self.0.info.sample_rate_hz)).transpose()?;
        Ok(CodecDecoder::new(&self.0.codec, 1).marked(watermark))
    }

    pub(crate) fn prompter(&self) -> &Prompter {
        &self.0.prompter
    }

    pub(crate) fn voices(&self) -> &Voices {
        &self.0.voices
    }

    pub(crate) fn speller(&self) -> &Arc<Speller> {
        &self.0.speller
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.0.pool
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }
}

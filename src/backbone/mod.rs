//! The backbone. In: embedding rows, of the prompt and then of each frame. Out: the hidden state after the final norm
//! and the semantic logits of the last row.
//!
//! llama.cpp computes it ([`llama`] is the only module that sees its pointers). Prompt rows run without outputs and
//! the last row alone with them, in fixed batch shapes, since results depend on the shape of a batch. The rows of a
//! voice come first in every prompt, so their keys and values are computed once and kept ([`prefix`]).

mod embed;
mod llama;
mod prefix;
pub mod prompt;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::pack::{Pack, Voice};
pub use embed::FrameEmbedding;
pub use llama::{Abort, KvType, LlamaOptions, instruction_sets};
use llama::{Context, Model};
pub use prefix::{PrefixCache, user_cache_folder};
pub use rows::{Rows, RowsOptions, RowsState, RowsWeights, Variant};

/// The set of Syrinx's own kernels that compute llama.cpp's products and attention on this processor (`avx2`,
/// `avx512vnni`, `amx`, `neon`, `dotprod`, `i8mm`), or `ggml` where llama.cpp computes with its own. Errors: `Unsupported` where this
/// build of llama.cpp needs instructions that the processor lacks.
pub fn kernel_set() -> Result<&'static str> {
    crate::ggml::kernels()
}

/// Rows of a prompt that are computed at a time.
pub const PIECE_ROWS: usize = llama::BATCH;
/// Positions of a clause where nobody says otherwise, or the model's if those are fewer.
const DEFAULT_CONTEXT: usize = 2048;
/// The tensor of `backbone.gguf` that llama.cpp wants and Syrinx does not use.
const TOKEN_TABLE: &str = "token_embd.weight";

/// Positions of a clause: prompt and frames together. Errors: `BadOption`.
pub fn positions(pack: &Pack, asked: Option<usize>) -> Result<usize> {
    let most = pack.shape().max_context;
    let positions = asked.unwrap_or(DEFAULT_CONTEXT.min(most));
    if positions < 16 || positions > most {
        return Err(Error::new(ErrorKind::BadOption, format!("context {positions}: choose 16 to {most}")));
    }
    Ok(positions)
}

/// Type of the key/value cache: F32 for the recipe `f32`, else F16, unless somebody asks for another.
pub fn kv_type(pack: &Pack, asked: Option<KvType>) -> KvType {
    asked.unwrap_or(if pack.manifest().recipe == "f32" { KvType::F32 } else { KvType::F16 })
}

/// A pack's backbone, for any number of [`Backbone`]s, and the voice prefixes that they share.
#[derive(Debug)]
pub struct BackboneWeights {
    pack: Arc<Pack>,
    model: Arc<Model>,
    threads: usize,
    step_bytes: usize,
    prefixes: Mutex<PrefixCache>,
}

impl BackboneWeights {
    /// Loads the weights. Errors: `BadPack`, `Backend`.
    pub fn open(pack: &Arc<Pack>, threads: usize, prefixes: PrefixCache) -> Result<Arc<Self>> {
        let shape = pack.shape();
        // llama.cpp aborts on some contradictions; the bounded reader refuses a damaged file before it sees it.
        let path = pack.backbone_path();
        let step_bytes = check_backbone(pack, &path)?;
        let model = Arc::new(Model::load(&path)?);
        model.expect("backbone.gguf", "speech.gguf expects", shape.dim, shape.audio.audio_rows)?;
        Ok(Arc::new(Self { pack: pack.clone(), model, threads, step_bytes, prefixes: Mutex::new(prefixes) }))
    }

    fn prefixes(&self) -> MutexGuard<'_, PrefixCache> {
        self.prefixes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One speaker's worth of llama.cpp state.
#[derive(Debug)]
pub struct Backbone {
    weights: Arc<BackboneWeights>,
    context: Context,
    dim: usize,
    positions: usize,
    /// Rows fed so far.
    used: usize,
    /// Voice whose prefix occupies the first rows, and how many those are.
    prefix: Option<(Arc<Voice>, usize)>,
    /// What kept states are of, but for the voice's rows; and all of it for a prefix that is being fed.
    identity: String,
    feeding: String,
}

/// What a step leaves behind, valid until the next.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// `[dim]`.
    pub hidden: &'a [f32],
    /// `[audio rows]`; rows beyond the semantic head are padding.
    pub logits: &'a [f32],
}

impl Backbone {
    /// A cache and buffers over weights; `context` and `kv` as [`positions`] and [`kv_type`] take them.
    /// Errors: `BadOption`, `Backend`.
    pub fn new(weights: &Arc<BackboneWeights>, context: Option<usize>, kv: Option<KvType>) -> Result<Self> {
        let pack = &weights.pack;
        let (positions, kv) = (positions(pack, context)?, kv_type(pack, kv));
        let llama = LlamaOptions { positions, kv, threads: weights.threads, batch: PIECE_ROWS, endless: false };
        Ok(Self {
            context: Context::new(weights.model.clone(), &llama)?,
            dim: pack.shape().dim,
            positions,
            used: 0,
            prefix: None,
            // Another build's rows may differ in the last bits, and so may those of other kernels.
            identity: format!("{}-{kv:?}-{positions}-{}-{}", pack.identity(), instruction_sets(), kernel_set()?),
            feeding: String::new(),
            weights: weights.clone(),
        })
    }

    /// What stops a computation in its midst; it is an error of the kind `Cancelled` then.
    pub fn set_abort(&mut self, abort: Abort) {
        self.context.set_abort(abort);
    }

    /// Positions in all.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Positions that are left.
    pub fn remaining(&self) -> usize {
        self.positions - self.used
    }

    /// Bytes of weights that one step reads.
    pub fn step_bytes(&self) -> usize {
        self.weights.step_bytes
    }

    /// Starts a clause with the rows of a voice's prefix (`[n][dim]`). True where they are in effect, from this cache or
    /// the kept states; else they are to be fed, and then kept by [`Backbone::keep_prefix`]. Errors: `OutOfBudget`,
    /// `Backend`.
    pub fn start(&mut self, voice: &Arc<Voice>, prefix: &[f32]) -> Result<bool> {
        let rows = prefix.len() / self.dim;
        if self.prefix.as_ref().is_some_and(|(known, n)| Arc::ptr_eq(known, voice) && *n == rows) {
            self.context.rewind(rows)?;
            self.used = rows;
            return Ok(true);
        }
        self.prefix = None;
        self.context.rewind(0)?;
        self.used = 0;
        self.expect_room(rows)?;
        let key = prefix::key(&self.identity, prefix);
        let state = self.weights.prefixes().get(&key);
        if state.is_some_and(|state| self.context.restore(&state, rows)) {
            self.used = rows;
            self.prefix = Some((voice.clone(), rows));
            return Ok(true);
        }
        self.context.rewind(0)?;
        self.feeding = key;
        Ok(false)
    }

    /// The first `rows` rows, just fed, are a voice's prefix: later clauses in it begin with them.
    pub fn keep_prefix(&mut self, voice: &Arc<Voice>, rows: usize) {
        match self.context.state() {
            Some(state) => self.weights.prefixes().put(&self.feeding, state),
            None => log::warn!("the prefix of voice {} cannot be kept: its state is empty", voice.name),
        }
        self.prefix = Some((voice.clone(), rows));
    }

    /// Feeds rows (`[n][dim]`, at most [`PIECE_ROWS`] at a time where it is to be stopped soon) without their states.
    /// Errors: `OutOfBudget`, `Backend`, `Cancelled`.
    pub fn feed(&mut self, rows: &[f32]) -> Result<()> {
        self.expect_room(rows.len() / self.dim)?;
        self.context.feed(rows, self.used)?;
        self.used += rows.len() / self.dim;
        Ok(())
    }

    /// Feeds the rest of a prompt (`[n][dim]`) and gives the state of its last row, which makes frame 0.
    /// Errors: `OutOfBudget`, `Backend`, `Cancelled`.
    pub fn prompt(&mut self, rows: &[f32]) -> Result<Output<'_>> {
        let split = rows.len().saturating_sub(self.dim);
        self.feed(&rows[..split])?;
        self.step(&rows[split..])
    }

    /// Feeds one row and gives its state. Errors: `OutOfBudget`, `Backend`.
    pub fn step(&mut self, row: &[f32]) -> Result<Output<'_>> {
        self.expect_room(1)?;
        self.context.feed_with_outputs(row, self.used)?;
        self.used += 1;
        self.context.output()
    }

    /// The states of all rows of a whole prompt, `[n][dim]`, from an empty cache: for comparison with a reference.
    pub fn all_hidden(&mut self, rows: &[f32]) -> Result<Vec<f32>> {
        self.prefix = None;
        self.context.rewind(0)?;
        self.used = 0;
        let mut hidden = Vec::with_capacity(rows.len());
        for row in rows.chunks_exact(self.dim) {
            hidden.extend_from_slice(self.step(row)?.hidden);
        }
        Ok(hidden)
    }

    fn expect_room(&self, rows: usize) -> Result<()> {
        if rows <= self.remaining() {
            return Ok(());
        }
        let message =
            format!("the context of {} positions is full: shorten the text or raise --context", self.positions);
        Err(Error::new(ErrorKind::OutOfBudget, message))
    }
}

/// Kept keys and values that cannot be used.
fn no_state(why: &str) -> Error {
    Error::new(ErrorKind::Backend, format!("the kept state of a stream {why}"))
}

/// The backbone's own sizes must be those of the pack's shape, or its rows would be misread. Gives the bytes of all
/// tensors that a step multiplies with.
fn check_backbone(pack: &Pack, path: &std::path::Path) -> Result<usize> {
    let file = syrinx_quant::GgufFile::open(path)?;
    let shape = pack.shape();
    let expected = [
        ("llama.embedding_length", shape.dim),
        ("llama.block_count", shape.backbone.layers),
        ("llama.attention.head_count", shape.backbone.heads),
        ("llama.attention.head_count_kv", shape.backbone.kv_heads),
        ("llama.vocab_size", shape.audio.audio_rows),
    ];
    for (key, expected) in expected {
        let found = file.get_u32(key)? as usize;
        if found != expected {
            let message = format!("{}: {key} is {found}, speech.gguf says {expected}", path.display());
            return Err(Error::new(ErrorKind::BadPack, format!("{message}: import the pack again")));
        }
    }
    // Rows come in as embeddings: the table of tokens is never looked at.
    let read = file.tensors().iter().filter(|tensor| tensor.spec.name != TOKEN_TABLE);
    Ok(read.map(|tensor| tensor.range.len()).sum())
}

//! The backbone. In: embedding rows, of the prompt and then of each frame. Out: the hidden state after the final norm
//! and the semantic logits of the last row.
//!
//! llama.cpp computes it ([`llama`] is the only module that sees its pointers). Prompt rows run without outputs and
//! the last row alone with them, in fixed batch shapes, since results depend on the shape of a batch. The rows of a
//! voice come first in every prompt, so their keys and values are computed once and kept ([`prefix`]).

mod embed;
mod llama;
mod prefix;

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::pack::Pack;
pub use embed::FrameEmbedding;
use llama::{Context, Model};
pub use llama::{KvType, LlamaOptions, instruction_sets};
pub use prefix::{PrefixCache, user_cache_folder};

/// The set of Syrinx's own kernels that compute llama.cpp's products and attention on this processor (`avx2`,
/// `avx512vnni`), or `ggml` where llama.cpp computes with its own. Errors: `Unsupported` where this build of llama.cpp needs
/// instructions that the processor lacks.
pub fn kernel_set() -> Result<&'static str> {
    crate::ggml::kernels()
}

/// How the backbone is run.
#[derive(Clone, Debug)]
pub struct BackboneOptions {
    /// Positions of an utterance: prompt and frames together. `None`: the model's, at most 2048.
    pub context: Option<usize>,
    /// Type of the key/value cache. `None`: F32 for the recipe `f32`, else F16.
    pub kv: Option<KvType>,
    pub threads: usize,
    /// Bytes that weights, cache and buffers may take; `None`: what the system says is available.
    pub memory_budget_bytes: Option<u64>,
}

impl Default for BackboneOptions {
    fn default() -> Self {
        Self { context: None, kv: None, threads: 1, memory_budget_bytes: None }
    }
}

impl BackboneOptions {
    /// Positions for a pack. Errors: `BadOption`.
    pub fn positions(&self, pack: &Pack) -> Result<usize> {
        let most = pack.shape().max_context;
        let positions = self.context.unwrap_or(DEFAULT_CONTEXT.min(most));
        if positions < 16 || positions > most {
            return Err(Error::new(ErrorKind::BadOption, format!("context {positions}: choose 16 to {most}")));
        }
        Ok(positions)
    }

    /// The cache's type for a pack.
    pub fn kv_type(&self, pack: &Pack) -> KvType {
        self.kv.unwrap_or(if pack.manifest().recipe == "f32" { KvType::F32 } else { KvType::F16 })
    }
}

const DEFAULT_CONTEXT: usize = 2048;
/// The tensor of `backbone.gguf` that llama.cpp wants and Syrinx does not use.
const TOKEN_TABLE: &str = "token_embd.weight";

/// One utterance's worth of llama.cpp state.
#[derive(Debug)]
pub struct Backbone {
    context: Context,
    dim: usize,
    positions: usize,
    /// Rows fed so far.
    used: usize,
    /// The voice's rows that occupy the first positions, `[n][dim]`; empty where none do.
    prefix: Vec<f32>,
    cache: PrefixCache,
    identity: String,
    step_bytes: usize,
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
    /// Loads the weights. Errors: `BadPack`, `BadOption`, `OutOfMemory`, `Backend`.
    pub fn open(pack: &Pack, options: &BackboneOptions, cache: PrefixCache) -> Result<Self> {
        let shape = pack.shape();
        let (positions, kv) = (options.positions(pack)?, options.kv_type(pack));
        // llama.cpp aborts on some contradictions; the bounded reader refuses a damaged file before it sees it.
        let path = pack.backbone_path();
        let step_bytes = check_backbone(pack, &path)?;
        let model = Arc::new(Model::load(&path)?);
        model.expect(shape.dim, shape.audio.audio_rows)?;
        let llama = LlamaOptions { positions, kv, threads: options.threads };
        Ok(Self {
            context: Context::new(model, &llama)?,
            dim: shape.dim,
            positions,
            used: 0,
            prefix: Vec::new(),
            cache,
            // Another build's rows may differ in the last bits, and so may those of other kernels.
            identity: format!("{}-{kv:?}-{positions}-{}-{}", pack.identity(), instruction_sets(), kernel_set()?),
            step_bytes,
        })
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
        self.step_bytes
    }

    /// Starts an utterance: the rows of a voice's prefix (`[n][dim]`) come into effect, from the cache if they are
    /// there. The voice's name is for messages. Errors: `OutOfBudget`, `Backend`.
    pub fn start(&mut self, voice: &str, prefix: &[f32]) -> Result<()> {
        let rows = prefix.len() / self.dim;
        self.expect_room(rows)?;
        // Compared, not hashed: this comes before every clause.
        if rows > 0 && self.prefix == prefix {
            self.context.rewind(rows)?;
            self.used = rows;
            return Ok(());
        }
        self.prefix.clear();
        self.context.rewind(0)?;
        self.used = 0;
        let key = prefix::key(&self.identity, prefix);
        let restored = match self.cache.get(&key) {
            Some(state) => self.context.restore(&state, rows),
            None => false,
        };
        if !restored {
            self.context.rewind(0)?;
            self.context.feed(prefix, 0)?;
            match self.context.state() {
                Some(state) => self.cache.put(&key, state),
                None => log::warn!("the prefix of voice {voice} cannot be kept: its state is empty"),
            }
        }
        self.used = rows;
        self.prefix.extend_from_slice(prefix);
        Ok(())
    }

    /// Feeds the rest of the prompt (`[n][dim]`) and gives the state of its last row, which makes frame 0.
    /// Errors: `OutOfBudget`, `Backend`.
    pub fn prompt(&mut self, rows: &[f32]) -> Result<Output<'_>> {
        let split = rows.len().saturating_sub(self.dim);
        self.expect_room(rows.len() / self.dim)?;
        self.context.feed(&rows[..split], self.used)?;
        self.used += split / self.dim;
        self.step(&rows[split..])
    }

    /// Feeds one row and gives its state. Errors: `OutOfBudget`, `Backend`.
    pub fn step(&mut self, row: &[f32]) -> Result<Output<'_>> {
        self.expect_room(1)?;
        self.context.feed_with_output(row, self.used)?;
        self.used += 1;
        self.context.output()
    }

    /// The states of all rows of a whole prompt, `[n][dim]`, from an empty cache: for comparison with a reference.
    pub fn all_hidden(&mut self, rows: &[f32]) -> Result<Vec<f32>> {
        self.prefix.clear();
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

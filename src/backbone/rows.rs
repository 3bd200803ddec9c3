//! A causal transformer with a window, run without end: the encoder and the decoder of what listens. In: rows, a few at a
//! time. Out: the state after the final norm, and the logits, of each of them.
//!
//! Positions count on for as long as the stream lasts. What has left the window is taken out of the cache before each step,
//! so the cache is as large as the window, and a `llama`, which has no window of its own, has it exactly where rows come one
//! by one. The same rows in the same steps give the same bits, whatever came before [`Rows::start`].

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::Output;
use super::llama::{Context, KvType, LlamaOptions, Model};
use crate::error::Result;

/// The weights of a stack, for any number of [`Rows`].
#[derive(Debug)]
pub struct RowsWeights {
    model: Arc<Model>,
    dim: usize,
    /// Of which variant the vectors are that lie in the model now. Whoever computes with one holds the lock for reading.
    in_place: RwLock<Option<usize>>,
    bytes: u64,
}

/// Vectors that stand in for some of a model's: one model serves streams that differ in them.
#[derive(Debug)]
pub struct Variant {
    /// Tells variants of a model apart.
    pub number: usize,
    /// Names of tensors, and their values.
    pub vectors: Vec<(String, Vec<f32>)>,
}

/// How a stream of rows is run.
#[derive(Clone, Copy, Debug)]
pub struct RowsOptions {
    /// Keys that a row sees, its own among them.
    pub window: usize,
    /// Rows of a step.
    pub rows: usize,
    pub kv: KvType,
    pub threads: usize,
}

/// One stream: a cache, and how far it is.
#[derive(Debug)]
pub struct Rows {
    weights: Arc<RowsWeights>,
    context: Context,
    options: RowsOptions,
    variant: Option<Arc<Variant>>,
    used: usize,
}

/// A place in a stream, to which any stream of the same weights, options and variant can go.
#[derive(Clone, Debug)]
pub struct RowsState {
    used: usize,
    cache: Arc<[u8]>,
}

impl RowsWeights {
    /// Loads a GGUF file whose rows are `dim` wide and whose output has `outputs` rows. Errors: `BadPack`, `Backend`.
    pub fn open(path: &Path, dim: usize, outputs: usize) -> Result<Arc<Self>> {
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        let model = Arc::new(Model::load(path)?);
        model.expect(&path.display().to_string(), "expected", dim, outputs)?;
        Ok(Arc::new(Self { model, dim, in_place: RwLock::new(None), bytes }))
    }

    /// Bytes of its file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Computes while the vectors of a variant are in place. Streams of one variant compute side by side, those of
    /// different ones in turn.
    fn with(&self, variant: &Variant, compute: impl FnOnce() -> Result<()>) -> Result<()> {
        let in_place = self.in_place.read().unwrap_or_else(PoisonError::into_inner);
        if *in_place == Some(variant.number) {
            return compute();
        }
        drop(in_place);
        let mut in_place = self.in_place.write().unwrap_or_else(PoisonError::into_inner);
        *in_place = None;
        self.model.set_vectors(&variant.vectors)?;
        *in_place = Some(variant.number);
        compute()
    }
}

impl Rows {
    /// An empty stream. Errors: `Backend`.
    pub fn new(weights: &Arc<RowsWeights>, options: RowsOptions, variant: Option<Arc<Variant>>) -> Result<Self> {
        let llama = LlamaOptions {
            positions: options.window + options.rows,
            kv: options.kv,
            threads: options.threads,
            batch: options.rows,
            endless: true,
        };
        let context = Context::new(weights.model.clone(), &llama)?;
        Ok(Self { weights: weights.clone(), context, options, variant, used: 0 })
    }

    /// Rows so far.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Another variant from the next row on. What is in the cache is of the one before: to be used before
    /// [`Rows::start`] or [`Rows::clear`].
    pub fn set_variant(&mut self, variant: Arc<Variant>) {
        self.variant = Some(variant);
    }

    /// Computes the next rows, `[n][dim]`, with the state and logits of each. Errors: `Backend`.
    pub fn step(&mut self, rows: &[f32]) -> Result<()> {
        self.run(rows, true)
    }

    /// Computes the next rows without them. Errors: `Backend`.
    pub fn feed(&mut self, rows: &[f32]) -> Result<()> {
        self.run(rows, false)
    }

    fn run(&mut self, rows: &[f32], with_outputs: bool) -> Result<()> {
        let Self { weights, context, options, variant, used } = self;
        let first = *used;
        let mut compute = || {
            context.forget_before((first + 1).saturating_sub(options.window))?;
            if with_outputs {
                context.feed_with_outputs(rows, first)?
            } else {
                context.feed(rows, first)?
            }
            context.wait();
            Ok(())
        };
        match variant {
            None => compute(),
            Some(variant) => weights.with(variant, compute),
        }?;
        *used += rows.len() / weights.dim;
        Ok(())
    }

    /// What the last [`Rows::step`] made of its row `row`. Errors: `Backend`.
    pub fn output(&mut self, row: usize) -> Result<Output<'_>> {
        self.context.output_of(row)
    }

    /// Where the stream is now. Errors: `Backend`.
    pub fn state(&mut self) -> Result<RowsState> {
        let cache = self.context.state().ok_or_else(|| super::no_state("is empty"))?;
        Ok(RowsState { used: self.used, cache: cache.into() })
    }

    /// Goes to a place, from wherever it is. Errors: `Backend`.
    pub fn start(&mut self, at: &RowsState) -> Result<()> {
        self.context.clear();
        if !self.context.restore(&at.cache, at.used) {
            return Err(super::no_state("does not fit"));
        }
        self.used = at.used;
        Ok(())
    }

    /// Goes to the beginning.
    pub fn clear(&mut self) {
        self.context.clear();
        self.used = 0;
    }
}

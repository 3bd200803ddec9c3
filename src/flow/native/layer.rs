//! One pre-norm layer of the flow head's transformer: full attention over the three tokens of a branch, then SwiGLU
//! (Voxtral specification section 5.2; no positions, no mask).

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::Flow;

use super::TOKENS;
use crate::error::Result;
use crate::kernel::{Columns, Matrix, Pool};
use crate::net::attention::{Heads, attend, level};
use crate::net::{Block, BlockScratch, Sizes};

/// Weights of a layer.
#[derive(Debug)]
pub(super) struct FlowLayer {
    block: Block,
    heads: Heads,
    query: Matrix,
    /// Keys above values.
    key_value: Matrix,
}

/// Queries, keys and values of all tokens, `[branch * TOKENS + token][width]`; a key and its value side by side.
#[derive(Debug)]
pub(super) struct Qkv {
    pub query: Vec<f32>,
    pub key_value: Vec<f32>,
}

/// Which tokens go on after a layer's attention: all, or in the last layer only the first of each branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    All,
    First,
}

/// Buffers of a layer, for at most two branches.
#[derive(Debug)]
pub(super) struct Scratch {
    block: BlockScratch,
    normed_first: Columns,
    first_query: Vec<f32>,
}

impl Scratch {
    pub fn new(flow: &Flow) -> Self {
        Self {
            block: BlockScratch::new(flow.into(), 2 * TOKENS),
            normed_first: Columns::new(flow.dim, 2),
            first_query: vec![0.0; flow.heads * flow.head_dim * 2],
        }
    }
}

impl Qkv {
    pub fn new(flow: &Flow, tokens: usize) -> Self {
        let (q, kv) = (flow.heads * flow.head_dim, flow.kv_heads * flow.head_dim);
        Self { query: vec![0.0; q * tokens], key_value: vec![0.0; 2 * kv * tokens] }
    }

    /// Copies token `from` of `source` to token `to`.
    pub fn copy_token(&mut self, to: usize, source: &Qkv, from: usize, flow: &Flow) {
        let copy = |to_all: &mut [f32], from_all: &[f32], width: usize| {
            to_all[to * width..][..width].copy_from_slice(&from_all[from * width..][..width]);
        };
        copy(&mut self.query, &source.query, flow.heads * flow.head_dim);
        copy(&mut self.key_value, &source.key_value, 2 * flow.kv_heads * flow.head_dim);
    }
}

impl FlowLayer {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, flow: &Flow, index: usize) -> Result<Self> {
        let sizes = Sizes::from(flow);
        let (q, kv) = (sizes.heads.query_width(), sizes.heads.kv_width());
        let prefix = format!("acoustic_transformer.layers.{index}");
        let name = |part: &str| format!("{prefix}.attention.{part}.weight");
        Ok(Self {
            block: Block::open(file, &prefix, sizes, false)?,
            heads: sizes.heads,
            query: Matrix::open(file, &name("wq"), q, sizes.dim)?,
            key_value: Matrix::open_stacked(file, &[(&name("wk"), kv), (&name("wv"), kv)], sizes.dim)?,
        })
    }

    /// Bytes of weights that one pass reads.
    pub fn bytes(&self) -> usize {
        self.projection_bytes() + self.block.bytes()
    }

    /// Bytes of weights that [`FlowLayer::project`] reads.
    pub fn projection_bytes(&self) -> usize {
        self.query.bytes() + self.key_value.bytes()
    }

    /// Norms `tokens` (`[n][dim]`) and projects them. With [`Keep::First`] only the first token of each branch gets a
    /// query, at its own place.
    pub fn project(&self, tokens: &[f32], keep: Keep, scratch: &mut Scratch, out: &mut Qkv, pool: &Pool) {
        let (q, kv) = (self.query.rows(), self.key_value.rows());
        let Scratch { block: BlockScratch { normed, .. }, normed_first, first_query } = scratch;
        self.block.norm_into(&self.key_value, tokens, normed, pool);
        let (count, dim) = (normed.count(), normed.len());
        self.key_value.mul(normed, &mut out.key_value[..count * kv], pool);
        if keep == Keep::All {
            self.query.mul(normed, &mut out.query[..count * q], pool);
            return;
        }
        let branches = count / TOKENS;
        let first = normed_first.fill(branches);
        for (to, from) in first.chunks_exact_mut(dim).zip(normed.values().chunks_exact(TOKENS * dim)) {
            to.copy_from_slice(&from[..dim]);
        }
        let queries = &mut first_query[..branches * q];
        self.query.mul(normed_first, queries, pool);
        for (branch, query) in queries.chunks_exact(q).enumerate() {
            out.query[branch * TOKENS * q..][..q].copy_from_slice(query);
        }
    }

    /// Attention and feed-forward. In: the residual stream of all tokens and their projections. Out: the stream of the
    /// kept tokens, moved to the front: `[branch * kept + token][dim]`.
    pub fn finish(&self, stream: &mut [f32], qkv: &Qkv, keep: Keep, scratch: &mut Scratch, pool: &Pool) {
        let dim = self.query.columns();
        let branches = stream.len() / (TOKENS * dim);
        let kept = if keep == Keep::All { TOKENS } else { 1 };
        let count = branches * kept;
        if keep == Keep::First {
            for branch in 1..branches {
                stream.copy_within(branch * TOKENS * dim..(branch * TOKENS + 1) * dim, branch * dim);
            }
        }
        self.block.finish(&mut stream[..count * dim], &mut scratch.block, pool, |output, attended| {
            output.inputs(attended, count, pool, |i, out| self.attend(qkv, i / kept, i % kept, out));
        });
    }

    /// Attention of one token over the three of its branch.
    fn attend(&self, qkv: &Qkv, branch: usize, token: usize, out: &mut [f32]) {
        let (q, kv) = (self.heads.query_width(), self.heads.kv_width());
        let query = &qkv.query[(branch * TOKENS + token) * q..][..q];
        let seen = &qkv.key_value[branch * TOKENS * 2 * kv..][..TOKENS * 2 * kv];
        attend(&self.heads, query, seen, level, &mut [0.0; TOKENS], out);
    }
}

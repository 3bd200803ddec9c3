//! A pre-norm transformer block. In: the residual stream of some tokens, `[n][dim]`, and what attention makes of them. Out:
//! the stream after attention and SwiGLU.
//!
//! Which tokens a query sees, how they are projected and what is kept of them is the caller's: a block norms what goes
//! into the projections ([`Block::norm_into`]) and takes over when attention is to be computed ([`Block::finish`]).

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::{Codec, Flow};

use super::RmsNorm;
use super::attention::Heads;
use crate::error::Result;
use crate::kernel::{Columns, Matrix, Pool, ops};
use crate::pack::vector;

/// Sizes of a block.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub dim: usize,
    /// Values in the middle of SwiGLU.
    pub hidden_dim: usize,
    pub heads: Heads,
    pub norm_eps: f32,
}

impl From<&Flow> for Sizes {
    fn from(flow: &Flow) -> Self {
        let heads = Heads { count: flow.heads, kv_count: flow.kv_heads, dim: flow.head_dim };
        Self { dim: flow.dim, hidden_dim: flow.hidden_dim, heads, norm_eps: flow.norm_eps }
    }
}

impl From<&Codec> for Sizes {
    fn from(codec: &Codec) -> Self {
        let heads = Heads { count: codec.heads, kv_count: codec.kv_heads, dim: codec.head_dim };
        Self { dim: codec.dim, hidden_dim: codec.hidden_dim, heads, norm_eps: codec.norm_eps }
    }
}

/// Weights of a block, but for attention's own.
#[derive(Debug)]
pub struct Block {
    sizes: Sizes,
    attention_norm: RmsNorm,
    output: Matrix,
    ffn_norm: RmsNorm,
    /// Gate above up.
    gate_up: Matrix,
    down: Matrix,
    /// What attention and SwiGLU are multiplied with before they are added to the stream.
    scales: Option<[Vec<f32>; 2]>,
}

/// Buffers of a block, for so many tokens; blocks that run one after the other share them.
#[derive(Debug)]
pub struct BlockScratch {
    /// What goes into a projection.
    pub normed: Columns,
    attended: Columns,
    hidden: Columns,
    gate_up: Vec<f32>,
    delta: Vec<f32>,
}

impl BlockScratch {
    pub fn new(sizes: Sizes, tokens: usize) -> Self {
        Self {
            normed: Columns::new(sizes.dim, tokens),
            attended: Columns::new(sizes.heads.query_width(), tokens),
            hidden: Columns::new(sizes.hidden_dim, tokens),
            gate_up: vec![0.0; 2 * sizes.hidden_dim * tokens],
            delta: vec![0.0; sizes.dim * tokens],
        }
    }
}

impl Block {
    /// Of the tensors whose names begin with `prefix`; `scaled`: it has layer scales.
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, prefix: &str, sizes: Sizes, scaled: bool) -> Result<Self> {
        let Sizes { dim, hidden_dim, heads, norm_eps } = sizes;
        let name = |part: &str| format!("{prefix}.{part}.weight");
        let (gate, up) = (name("feed_forward.w1"), name("feed_forward.w3"));
        let scale = |part: &str| vector(file, &format!("{prefix}.{part}_scale"), dim);
        Ok(Self {
            attention_norm: RmsNorm::open(file, &name("attention_norm"), dim, norm_eps)?,
            output: Matrix::open(file, &name("attention.wo"), dim, heads.query_width())?,
            ffn_norm: RmsNorm::open(file, &name("ffn_norm"), dim, norm_eps)?,
            gate_up: Matrix::open_stacked(file, &[(&gate, hidden_dim), (&up, hidden_dim)], dim)?,
            down: Matrix::open(file, &name("feed_forward.w2"), dim, hidden_dim)?,
            scales: if scaled { Some([scale("attention")?, scale("ffn")?]) } else { None },
            sizes,
        })
    }

    /// Bytes of weights that one pass reads.
    pub fn bytes(&self) -> usize {
        [&self.output, &self.gate_up, &self.down].map(Matrix::bytes).iter().sum()
    }

    /// Norms `tokens`, `[n][dim]`, on their way into attention's first product.
    pub fn norm_into(&self, projection: &Matrix, tokens: &[f32], normed: &mut Columns, pool: &Pool) {
        norm_into(&self.attention_norm, projection, tokens, normed, self.sizes.dim, pool);
    }

    /// Attention and SwiGLU, each added to `stream`, `[n][dim]`. `attend` fills the columns that go into the given matrix:
    /// for each token what its heads saw.
    pub fn finish(
        &self,
        stream: &mut [f32],
        scratch: &mut BlockScratch,
        pool: &Pool,
        attend: impl FnOnce(&Matrix, &mut Columns),
    ) {
        let Sizes { dim, hidden_dim, .. } = self.sizes;
        let count = stream.len() / dim;
        let [attention_scale, ffn_scale] = match &self.scales {
            Some([attention, ffn]) => [Some(attention.as_slice()), Some(ffn.as_slice())],
            None => [None; 2],
        };
        let delta = &mut scratch.delta[..count * dim];
        attend(&self.output, &mut scratch.attended);
        self.output.mul(&mut scratch.attended, delta, pool);
        add(stream, delta, attention_scale);

        norm_into(&self.ffn_norm, &self.gate_up, stream, &mut scratch.normed, dim, pool);
        let gate_up = &mut scratch.gate_up[..2 * count * hidden_dim];
        self.gate_up.mul(&mut scratch.normed, gate_up, pool);
        self.down.inputs(&mut scratch.hidden, count, pool, |i, out| {
            let (gate, up) = gate_up[2 * i * hidden_dim..][..2 * hidden_dim].split_at(hidden_dim);
            ops::silu_mul(gate, up, out);
        });
        self.down.mul(&mut scratch.hidden, delta, pool);
        add(stream, delta, ffn_scale);
    }
}

fn norm_into(norm: &RmsNorm, matrix: &Matrix, tokens: &[f32], normed: &mut Columns, dim: usize, pool: &Pool) {
    matrix.inputs(normed, tokens.len() / dim, pool, |i, out| norm.apply(&tokens[i * dim..][..dim], out));
}

fn add(stream: &mut [f32], delta: &[f32], scale: Option<&[f32]>) {
    let Some(scale) = scale else { return ops::add(stream, delta) };
    for (x, y) in stream.chunks_exact_mut(scale.len()).zip(delta.chunks_exact(scale.len())) {
        ops::add_scaled(x, scale, y);
    }
}

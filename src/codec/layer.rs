//! One transformer layer of the codec: windowed causal attention with ALiBi, then SwiGLU, both with layer scale
//! (Voxtral specification section 6.2). The keys and values of the window are its state; there are no positions, since
//! ALiBi is relative.

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::Codec;

use crate::error::Result;
use crate::kernel::{Matrix, Pool};
use crate::net::attention::{Heads, attend};
use crate::net::{Block, BlockScratch, RmsNorm, Sizes};

/// Weights of a layer.
#[derive(Debug)]
pub(super) struct CodecLayer {
    block: Block,
    heads: Heads,
    /// Queries above keys above values.
    qkv: Matrix,
    /// Over the whole vector, before it is split into heads.
    query_norm: RmsNorm,
    key_norm: RmsNorm,
    /// Positions before its own that a query sees.
    window: usize,
}

/// The keys and values that a layer still needs.
#[derive(Debug)]
pub(super) struct Window {
    /// Positions in the window so far, at most the layer's `window`.
    past: usize,
    /// `[past + n][2 * kv width]`, a key and its value side by side: the window, then the positions of this call.
    key_values: Vec<f32>,
}

/// Buffers shared by all layers, for `capacity` positions.
#[derive(Debug)]
pub(super) struct Scratch {
    block: BlockScratch,
    qkv: Vec<f32>,
    scores: Vec<f32>,
}

impl Scratch {
    pub fn new(codec: &Codec, capacity: usize) -> Self {
        let sizes = Sizes::from(codec);
        let window = codec.windows.iter().copied().max().unwrap_or(0);
        Self {
            block: BlockScratch::new(sizes, capacity),
            qkv: vec![0.0; (sizes.heads.query_width() + 2 * sizes.heads.kv_width()) * capacity],
            scores: vec![0.0; window + 1],
        }
    }
}

impl Window {
    /// The next position is the first.
    pub fn reset(&mut self) {
        self.past = 0;
    }
}

impl CodecLayer {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, codec: &Codec, prefix: &str, window: usize) -> Result<Self> {
        let sizes = Sizes::from(codec);
        let (q, kv) = (sizes.heads.query_width(), sizes.heads.kv_width());
        let name = |part: &str| format!("{prefix}.attention.{part}.weight");
        let (query, key, value) = (name("wq"), name("wk"), name("wv"));
        Ok(Self {
            block: Block::open(file, prefix, sizes, true)?,
            heads: sizes.heads,
            qkv: Matrix::open_stacked(file, &[(&query, q), (&key, kv), (&value, kv)], sizes.dim)?,
            query_norm: RmsNorm::open(file, &name("q_norm"), q, codec.qk_norm_eps)?,
            key_norm: RmsNorm::open(file, &name("k_norm"), kv, codec.qk_norm_eps)?,
            window,
        })
    }

    /// State for calls of at most `capacity` positions.
    pub fn window(&self, capacity: usize) -> Window {
        Window { past: 0, key_values: vec![0.0; (self.window + capacity) * 2 * self.heads.kv_width()] }
    }

    pub fn bytes(&self) -> usize {
        self.qkv.bytes() + self.block.bytes()
    }

    /// Moves `stream`, `[n][dim]`, through the layer.
    pub fn step(&self, stream: &mut [f32], window: &mut Window, scratch: &mut Scratch, pool: &Pool) {
        let (q, kv) = (self.heads.query_width(), self.heads.kv_width());
        let Scratch { block: scratch, qkv, scores } = scratch;
        self.block.norm_into(&self.qkv, stream, &mut scratch.normed, pool);
        let count = scratch.normed.count();
        let qkv = &mut qkv[..count * (q + 2 * kv)];
        self.qkv.mul(&mut scratch.normed, qkv, pool);
        let new = window.key_values[window.past * 2 * kv..].chunks_exact_mut(2 * kv);
        for (qkv, key_value) in qkv.chunks_exact_mut(q + 2 * kv).zip(new) {
            key_value.copy_from_slice(&qkv[q..]);
            self.query_norm.apply_in_place(&mut qkv[..q]);
            self.key_norm.apply_in_place(&mut key_value[..kv]);
        }

        self.block.finish(stream, scratch, pool, |_, attended| {
            let attended = attended.fill(count);
            for (i, (qkv, out)) in qkv.chunks_exact(q + 2 * kv).zip(attended.chunks_exact_mut(q)).enumerate() {
                let at = window.past + i;
                let first = at.saturating_sub(self.window);
                let seen = &window.key_values[first * 2 * kv..(at + 1) * 2 * kv];
                let slope = |head: usize| (-8.0 * head as f32 / self.heads.count as f32).exp2();
                attend(&self.heads, &qkv[..q], seen, slope, &mut scores[..=at - first], out);
            }
        });

        let end = window.past + count;
        let keep = end.min(self.window);
        window.key_values.copy_within((end - keep) * 2 * kv..end * 2 * kv, 0);
        window.past = keep;
    }
}

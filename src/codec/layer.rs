//! One transformer layer of the codec: windowed causal attention with ALiBi, then SwiGLU, both with layer scale
//! (Voxtral specification section 6.2). The keys and values of the window are its state; there are no positions, since
//! ALiBi is relative.

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::Codec;

use crate::error::Result;
use crate::kernel::{Columns, Matrix, Pool, ops};
use crate::pack::vector;

/// Weights of a layer.
#[derive(Debug)]
pub(super) struct Layer {
    attention_norm: Vec<f32>,
    /// Queries above keys above values.
    qkv: Matrix,
    output: Matrix,
    query_norm: Vec<f32>,
    key_norm: Vec<f32>,
    attention_scale: Vec<f32>,
    ffn_norm: Vec<f32>,
    /// Gate above up.
    gate_up: Matrix,
    down: Matrix,
    ffn_scale: Vec<f32>,
    /// Positions before its own that a query sees.
    window: usize,
}

/// The keys and values that a layer still needs.
#[derive(Debug)]
pub(super) struct Window {
    /// Positions in the window so far, at most the layer's `window`.
    past: usize,
    /// `[past + n][kv width]`: the window, then the positions of this call.
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Buffers shared by all layers, for `capacity` positions.
#[derive(Debug)]
pub(super) struct Scratch {
    normed: Columns,
    attended: Columns,
    hidden: Columns,
    qkv: Vec<f32>,
    gate_up: Vec<f32>,
    delta: Vec<f32>,
    scores: Vec<f32>,
}

impl Scratch {
    pub fn new(codec: &Codec, capacity: usize) -> Self {
        let width = codec.heads * codec.head_dim;
        let window = codec.windows.iter().copied().max().unwrap_or(0);
        Self {
            normed: Columns::new(codec.dim, capacity),
            attended: Columns::new(width, capacity),
            hidden: Columns::new(codec.hidden_dim, capacity),
            qkv: vec![0.0; (width + 2 * codec.kv_heads * codec.head_dim) * capacity],
            gate_up: vec![0.0; 2 * codec.hidden_dim * capacity],
            delta: vec![0.0; codec.dim * capacity],
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

impl Layer {
    pub fn open(file: &Arc<GgufFile>, codec: &Codec, prefix: &str, window: usize) -> Result<Self> {
        let name = |part: &str| format!("{prefix}.{part}.weight");
        let matrix = |part: &str, rows, columns| Matrix::open(file, &name(part), rows, columns);
        let stacked = |parts: &[(&str, usize)]| {
            let names: Vec<_> = parts.iter().map(|&(part, rows)| (name(part), rows)).collect();
            let parts: Vec<_> = names.iter().map(|(name, rows)| (name.as_str(), *rows)).collect();
            Matrix::open_stacked(file, &parts, codec.dim)
        };
        let (q, kv, dim) = (codec.heads * codec.head_dim, codec.kv_heads * codec.head_dim, codec.dim);
        Ok(Self {
            attention_norm: vector(file, &name("attention_norm"), dim)?,
            qkv: stacked(&[("attention.wq", q), ("attention.wk", kv), ("attention.wv", kv)])?,
            output: matrix("attention.wo", dim, q)?,
            query_norm: vector(file, &name("attention.q_norm"), q)?,
            key_norm: vector(file, &name("attention.k_norm"), kv)?,
            attention_scale: vector(file, &format!("{prefix}.attention_scale"), dim)?,
            ffn_norm: vector(file, &name("ffn_norm"), dim)?,
            gate_up: stacked(&[("feed_forward.w1", codec.hidden_dim), ("feed_forward.w3", codec.hidden_dim)])?,
            down: matrix("feed_forward.w2", dim, codec.hidden_dim)?,
            ffn_scale: vector(file, &format!("{prefix}.ffn_scale"), dim)?,
            window,
        })
    }

    /// State for calls of at most `capacity` positions.
    pub fn window(&self, codec: &Codec, capacity: usize) -> Window {
        let room = (self.window + capacity) * codec.kv_heads * codec.head_dim;
        Window { past: 0, keys: vec![0.0; room], values: vec![0.0; room] }
    }

    pub fn bytes(&self) -> usize {
        [&self.qkv, &self.output, &self.gate_up, &self.down].map(Matrix::bytes).iter().sum()
    }

    /// Moves `stream`, `[n][dim]`, through the layer.
    pub fn step(&self, codec: &Codec, stream: &mut [f32], window: &mut Window, scratch: &mut Scratch, pool: &Pool) {
        let (q, kv, dim) = (codec.heads * codec.head_dim, codec.kv_heads * codec.head_dim, codec.dim);
        let count = stream.len() / dim;

        self.qkv.inputs(&mut scratch.normed, count, pool, |i, out| {
            ops::rms_norm(&stream[i * dim..][..dim], &self.attention_norm, codec.norm_eps, out);
        });
        let qkv = &mut scratch.qkv[..count * (q + 2 * kv)];
        self.qkv.mul(&mut scratch.normed, qkv, pool);
        let keys = window.keys[window.past * kv..].chunks_exact_mut(kv);
        let values = window.values[window.past * kv..].chunks_exact_mut(kv);
        for ((qkv, key), value) in qkv.chunks_exact_mut(q + 2 * kv).zip(keys).zip(values) {
            key.copy_from_slice(&qkv[q..q + kv]);
            value.copy_from_slice(&qkv[q + kv..]);
            // Over the whole vector, before it is split into heads.
            ops::rms_norm_mut(&mut qkv[..q], &self.query_norm, codec.qk_norm_eps);
            ops::rms_norm_mut(key, &self.key_norm, codec.qk_norm_eps);
        }

        let attended = scratch.attended.fill(count);
        for (i, (qkv, out)) in qkv.chunks_exact(q + 2 * kv).zip(attended.chunks_exact_mut(q)).enumerate() {
            let at = window.past + i;
            let first = at.saturating_sub(self.window);
            let (keys, values) = (&window.keys[first * kv..(at + 1) * kv], &window.values[first * kv..(at + 1) * kv]);
            attend(codec, &qkv[..q], keys, values, &mut scratch.scores, out);
        }
        let delta = &mut scratch.delta[..count * dim];
        self.output.mul(&mut scratch.attended, delta, pool);
        stream
            .chunks_exact_mut(dim)
            .zip(delta.chunks_exact(dim))
            .for_each(|(x, y)| ops::add_scaled(x, &self.attention_scale, y));

        self.gate_up.inputs(&mut scratch.normed, count, pool, |i, out| {
            ops::rms_norm(&stream[i * dim..][..dim], &self.ffn_norm, codec.norm_eps, out);
        });
        let gate_up = &mut scratch.gate_up[..2 * count * codec.hidden_dim];
        self.gate_up.mul(&mut scratch.normed, gate_up, pool);
        self.down.inputs(&mut scratch.hidden, count, pool, |i, out| {
            let (gate, up) = gate_up[2 * i * codec.hidden_dim..][..2 * codec.hidden_dim].split_at(codec.hidden_dim);
            ops::silu_mul(gate, up, out);
        });
        self.down.mul(&mut scratch.hidden, delta, pool);
        stream
            .chunks_exact_mut(dim)
            .zip(delta.chunks_exact(dim))
            .for_each(|(x, y)| ops::add_scaled(x, &self.ffn_scale, y));

        let end = window.past + count;
        let keep = end.min(self.window);
        window.keys.copy_within((end - keep) * kv..end * kv, 0);
        window.values.copy_within((end - keep) * kv..end * kv, 0);
        window.past = keep;
    }
}

/// One query over the window's keys, itself the last. Head h lowers the score of a key at distance d by
/// `2^(-8h / heads) * d`.
fn attend(codec: &Codec, query: &[f32], keys: &[f32], values: &[f32], scores: &mut [f32], out: &mut [f32]) {
    let (dim, group) = (codec.head_dim, codec.heads / codec.kv_heads);
    let kv = codec.kv_heads * dim;
    let scale = 1.0 / (dim as f32).sqrt();
    let count = keys.len() / kv;
    let scores = &mut scores[..count];
    for (head, (query, out)) in query.chunks_exact(dim).zip(out.chunks_exact_mut(dim)).enumerate() {
        let slope = (-8.0 * head as f32 / codec.heads as f32).exp2();
        let at = head / group * dim;
        for (j, (score, key)) in scores.iter_mut().zip(keys.chunks_exact(kv)).enumerate() {
            let distance = (count - 1 - j) as f32;
            *score = ops::dot(query, &key[at..at + dim]) * scale - slope * distance;
        }
        ops::softmax(scores);
        out.fill(0.0);
        for (score, value) in scores.iter().zip(values.chunks_exact(kv)) {
            ops::add_multiple(out, *score, &value[at..at + dim]);
        }
    }
}

//! One pre-norm layer of the flow head's transformer: full attention over the three tokens of a branch, then SwiGLU
//! (Voxtral specification section 5.2; no positions, no mask).

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::Flow;

use super::TOKENS;
use crate::error::Result;
use crate::kernel::{Columns, Matrix, Pool, ops};
use crate::pack::vector;

/// Weights of a layer.
#[derive(Debug)]
pub(super) struct Layer {
    attention_norm: Vec<f32>,
    query: Matrix,
    /// Keys above values.
    key_value: Matrix,
    output: Matrix,
    ffn_norm: Vec<f32>,
    /// Gate above up.
    gate_up: Matrix,
    down: Matrix,
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
    normed: Columns,
    normed_first: Columns,
    first_query: Vec<f32>,
    attended: Columns,
    hidden: Columns,
    gate_up: Vec<f32>,
    delta: Vec<f32>,
}

impl Scratch {
    pub fn new(flow: &Flow) -> Self {
        let columns = 2 * TOKENS;
        Self {
            normed: Columns::new(flow.dim, columns),
            normed_first: Columns::new(flow.dim, 2),
            first_query: vec![0.0; flow.heads * flow.head_dim * 2],
            attended: Columns::new(flow.heads * flow.head_dim, columns),
            hidden: Columns::new(flow.hidden_dim, columns),
            gate_up: vec![0.0; 2 * flow.hidden_dim * columns],
            delta: vec![0.0; flow.dim * columns],
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

impl Layer {
    pub fn open(file: &Arc<GgufFile>, flow: &Flow, index: usize) -> Result<Self> {
        let name = |part: &str| format!("acoustic_transformer.layers.{index}.{part}.weight");
        let matrix = |part: &str, rows, columns| Matrix::open(file, &name(part), rows, columns);
        let stacked = |upper: &str, lower: &str, rows| {
            Matrix::open_stacked(file, &[(&name(upper), rows), (&name(lower), rows)], flow.dim)
        };
        let (q, kv) = (flow.heads * flow.head_dim, flow.kv_heads * flow.head_dim);
        Ok(Self {
            attention_norm: vector(file, &name("attention_norm"), flow.dim)?,
            query: matrix("attention.wq", q, flow.dim)?,
            key_value: stacked("attention.wk", "attention.wv", kv)?,
            output: matrix("attention.wo", flow.dim, q)?,
            ffn_norm: vector(file, &name("ffn_norm"), flow.dim)?,
            gate_up: stacked("feed_forward.w1", "feed_forward.w3", flow.hidden_dim)?,
            down: matrix("feed_forward.w2", flow.dim, flow.hidden_dim)?,
        })
    }

    /// Bytes of weights that one pass reads.
    pub fn bytes(&self) -> usize {
        [&self.query, &self.key_value, &self.output, &self.gate_up, &self.down].map(Matrix::bytes).iter().sum()
    }

    /// Bytes of weights that [`Layer::project`] reads.
    pub fn projection_bytes(&self) -> usize {
        self.query.bytes() + self.key_value.bytes()
    }

    /// Norms `tokens` (`[n][dim]`) and projects them. With [`Keep::First`] only the first token of each branch gets a
    /// query, at its own place.
    pub fn project(&self, flow: &Flow, tokens: &[f32], keep: Keep, scratch: &mut Scratch, out: &mut Qkv, pool: &Pool) {
        let count = tokens.len() / flow.dim;
        let (q, kv) = (self.query.rows(), self.key_value.rows());
        self.key_value.inputs(&mut scratch.normed, count, pool, |i, out| {
            ops::rms_norm(&tokens[i * flow.dim..][..flow.dim], &self.attention_norm, flow.norm_eps, out);
        });
        self.key_value.mul(&mut scratch.normed, &mut out.key_value[..count * kv], pool);
        if keep == Keep::All {
            self.query.mul(&mut scratch.normed, &mut out.query[..count * q], pool);
            return;
        }
        let branches = count / TOKENS;
        let first = scratch.normed_first.fill(branches);
        for (to, from) in first.chunks_exact_mut(flow.dim).zip(scratch.normed.values().chunks_exact(TOKENS * flow.dim))
        {
            to.copy_from_slice(&from[..flow.dim]);
        }
        let queries = &mut scratch.first_query[..branches * q];
        self.query.mul(&mut scratch.normed_first, queries, pool);
        for (branch, query) in queries.chunks_exact(q).enumerate() {
            out.query[branch * TOKENS * q..][..q].copy_from_slice(query);
        }
    }

    /// Attention and feed-forward. In: the residual stream of all tokens and their projections. Out: the stream of the
    /// kept tokens, moved to the front: `[branch * kept + token][dim]`.
    pub fn finish(&self, flow: &Flow, stream: &mut [f32], qkv: &Qkv, keep: Keep, scratch: &mut Scratch, pool: &Pool) {
        let branches = stream.len() / (TOKENS * flow.dim);
        let kept = if keep == Keep::All { TOKENS } else { 1 };
        let count = branches * kept;
        if keep == Keep::First {
            for branch in 1..branches {
                stream.copy_within(branch * TOKENS * flow.dim..(branch * TOKENS + 1) * flow.dim, branch * flow.dim);
            }
        }
        let stream = &mut stream[..count * flow.dim];

        self.output.inputs(&mut scratch.attended, count, pool, |i, out| attend(flow, qkv, i / kept, i % kept, out));
        let delta = &mut scratch.delta[..count * flow.dim];
        self.output.mul(&mut scratch.attended, delta, pool);
        ops::add(stream, delta);

        self.gate_up.inputs(&mut scratch.normed, count, pool, |i, out| {
            ops::rms_norm(&stream[i * flow.dim..][..flow.dim], &self.ffn_norm, flow.norm_eps, out);
        });
        let gate_up = &mut scratch.gate_up[..2 * count * flow.hidden_dim];
        self.gate_up.mul(&mut scratch.normed, gate_up, pool);
        self.down.inputs(&mut scratch.hidden, count, pool, |i, out| {
            let (gate, up) = gate_up[2 * i * flow.hidden_dim..][..2 * flow.hidden_dim].split_at(flow.hidden_dim);
            ops::silu_mul(gate, up, out);
        });
        self.down.mul(&mut scratch.hidden, delta, pool);
        ops::add(stream, delta);
    }
}

/// Attention of one token over the three of its branch; query head h reads key/value head `h / (heads / kv_heads)`.
fn attend(flow: &Flow, qkv: &Qkv, branch: usize, token: usize, out: &mut [f32]) {
    let (dim, group) = (flow.head_dim, flow.heads / flow.kv_heads);
    let (q, kv) = (flow.heads * dim, flow.kv_heads * dim);
    let scale = 1.0 / (dim as f32).sqrt();
    let query = &qkv.query[(branch * TOKENS + token) * q..][..q];
    let key_values = &qkv.key_value[branch * TOKENS * 2 * kv..][..TOKENS * 2 * kv];
    for (head, (query, out)) in query.chunks_exact(dim).zip(out.chunks_exact_mut(dim)).enumerate() {
        let at = head / group * dim;
        let mut scores = [0.0; TOKENS];
        for (score, key_value) in scores.iter_mut().zip(key_values.chunks_exact(2 * kv)) {
            *score = ops::dot(query, &key_value[at..][..dim]) * scale;
        }
        ops::softmax(&mut scores);
        out.fill(0.0);
        for (score, key_value) in scores.iter().zip(key_values.chunks_exact(2 * kv)) {
            ops::add_multiple(out, *score, &key_value[kv + at..][..dim]);
        }
    }
}

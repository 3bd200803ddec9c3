//! What both stacks of Whisper are made of. In: tensors by their names. Out: linear layers, norms, and attention of heads whose
//! keys lie side by side.

use std::sync::Arc;

use syrinx_quant::GgufFile;

use crate::error::Result;
use crate::kernel::{Columns, Matrix, Pool, ops};
use crate::pack::vector;

/// `W · x + b`.
#[derive(Debug)]
pub struct Linear {
    pub weight: Matrix,
    bias: Vec<f32>,
}

impl Linear {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, name: &str, rows: usize, columns: usize) -> Result<Self> {
        Ok(Self {
            weight: Matrix::open(file, &format!("{name}.weight"), rows, columns)?,
            bias: vector(file, &format!("{name}.bias"), rows)?,
        })
    }

    /// `y` is `[count][rows]`.
    pub fn mul(&self, x: &mut Columns, y: &mut [f32], pool: &Pool) {
        self.weight.mul(x, y, pool);
        y.chunks_exact_mut(self.bias.len()).for_each(|y| ops::add(y, &self.bias));
    }
}

/// A layer norm.
#[derive(Debug)]
pub struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl Norm {
    /// Errors: `BadPack`.
    pub fn open(file: &GgufFile, name: &str, dim: usize, eps: f32) -> Result<Self> {
        let part = |part: &str| vector(file, &format!("{name}.{part}"), dim);
        Ok(Self { weight: part("weight")?, bias: part("bias")?, eps })
    }

    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        ops::layer_norm(x, &self.weight, &self.bias, self.eps, out);
    }

    /// Norms `[count][dim]` on their way into a product.
    pub fn norm_columns(&self, x: &[f32], matrix: &Matrix, columns: &mut Columns, pool: &Pool) {
        let dim = self.weight.len();
        matrix.inputs(columns, x.len() / dim, pool, |i, out| self.apply(&x[i * dim..][..dim], out));
    }
}

/// The middle and the end of a layer.
#[derive(Debug)]
pub struct FeedForward {
    norm: Norm,
    up: Linear,
    down: Linear,
}

impl FeedForward {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, layer: &str, dim: usize, hidden_dim: usize, eps: f32) -> Result<Self> {
        Ok(Self {
            norm: Norm::open(file, &format!("{layer}.ffn.norm"), dim, eps)?,
            up: Linear::open(file, &format!("{layer}.ffn.up"), hidden_dim, dim)?,
            down: Linear::open(file, &format!("{layer}.ffn.down"), dim, hidden_dim)?,
        })
    }

    /// Adds to the stream, `[count][dim]`.
    pub fn step(&self, stream: &mut [f32], scratch: &mut Scratch, pool: &Pool) {
        let Scratch { normed, hidden, wide, narrow, .. } = scratch;
        self.norm.norm_columns(stream, &self.up.weight, normed, pool);
        let rows = self.up.weight.rows();
        let count = normed.count();
        let wide = &mut wide[..count * rows];
        self.up.mul(normed, wide, pool);
        self.down.weight.inputs(hidden, count, pool, |i, out| {
            out.copy_from_slice(&wide[i * rows..][..rows]);
            ops::gelu(out);
        });
        let narrow = &mut narrow[..stream.len()];
        self.down.mul(hidden, narrow, pool);
        ops::add(stream, narrow);
    }
}

/// Buffers for so many columns at a time.
#[derive(Debug)]
pub struct Scratch {
    pub capacity: usize,
    pub normed: Columns,
    pub attended: Columns,
    hidden: Columns,
    /// The widest product's result.
    pub wide: Vec<f32>,
    pub narrow: Vec<f32>,
}

impl Scratch {
    pub fn new(dim: usize, hidden_dim: usize, capacity: usize) -> Self {
        Self {
            capacity,
            normed: Columns::new(dim, capacity),
            attended: Columns::new(dim, capacity),
            hidden: Columns::new(hidden_dim, capacity),
            wide: vec![0.0; hidden_dim.max(3 * dim) * capacity],
            narrow: vec![0.0; dim * capacity],
        }
    }
}

/// Keys and values of so many positions, by head. A key's values lie apart, so that one vector takes as many keys.
#[derive(Debug)]
pub struct KeyValues {
    heads: usize,
    head_dim: usize,
    capacity: usize,
    len: usize,
    /// `[heads][head_dim][capacity]`.
    keys: Vec<f32>,
    /// `[heads][capacity][head_dim]`.
    values: Vec<f32>,
}

impl KeyValues {
    pub fn new(heads: usize, head_dim: usize, capacity: usize) -> Self {
        let all = heads * head_dim * capacity;
        Self { heads, head_dim, capacity, len: 0, keys: vec![0.0; all], values: vec![0.0; all] }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Forgets the positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Takes a position: a key and its value, side by side. There is room for it.
    pub fn push(&mut self, key_value: &[f32]) {
        let Self { heads, head_dim, capacity, len, .. } = *self;
        let (key, value) = key_value.split_at(heads * head_dim);
        for (d, k) in key.iter().enumerate() {
            self.keys[d * capacity + len] = *k;
        }
        for (head, value) in value.chunks_exact(head_dim).enumerate() {
            self.values[(head * capacity + len) * head_dim..][..head_dim].copy_from_slice(value);
        }
        self.len += 1;
    }

    /// What a query, `[heads][head_dim]`, sees of the first `seen` positions.
    pub fn attend(&self, query: &[f32], seen: usize, out: &mut [f32]) {
        let Self { head_dim, capacity, .. } = *self;
        let scale = 1.0 / (head_dim as f32).sqrt();
        let mut scores = vec![0.0; seen];
        for (head, (query, out)) in query.chunks_exact(head_dim).zip(out.chunks_exact_mut(head_dim)).enumerate() {
            let at = head * head_dim * capacity;
            ops::products(query, &self.keys[at..at + head_dim * capacity], capacity, &mut scores);
            scores.iter_mut().for_each(|score| *score *= scale);
            ops::softmax(&mut scores);
            ops::weighted_sum(&scores, &self.values[at..at + seen * head_dim], out);
        }
    }
}

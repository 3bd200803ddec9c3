//! Whisper's decoder. In: the encoder's rows, tokens one after the other. Out: for the last token the logits of the next.

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::Whisper as Shape;
use syrinx_quant::whisper::names::{NORMS, POSITIONS, TOKENS};

use super::layers::{FeedForward, KeyValues, Linear, Norm, Scratch};
use crate::error::Result;
use crate::kernel::{Columns, Matrix, Pool, ops};
use crate::pack::Table;

#[derive(Debug)]
pub struct DecoderWeights {
    tokens: Table,
    /// `[text_rows][dim]`.
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    /// The table of tokens as the output.
    output: Matrix,
    dim: usize,
    heads: usize,
    text_rows: usize,
}

#[derive(Debug)]
struct Layer {
    norm: Norm,
    qkv: Linear,
    out: Linear,
    cross_norm: Norm,
    cross_query: Linear,
    cross_key_value: Linear,
    cross_out: Linear,
    ffn: FeedForward,
}

/// What has been heard and said in one window of sound.
#[derive(Debug)]
pub struct Said {
    /// Of each layer: its own positions, and the encoder's rows.
    layers: Vec<[KeyValues; 2]>,
    tokens: Table,
    stream: Vec<f32>,
    last: Columns,
    logits: Vec<f32>,
}

impl DecoderWeights {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, shape: &Shape) -> Result<Self> {
        let &Shape { dim, hidden_dim, heads, norm_eps, vocab_size, text_rows, .. } = shape;
        let layer = |i: usize| -> Result<Layer> {
            let name = format!("decoder.layers.{i}");
            let linear = |part: &str, rows: usize| Linear::open(file, &format!("{name}.{part}"), rows, dim);
            let norm = |part: &str| Norm::open(file, &format!("{name}.{part}.norm"), dim, norm_eps);
            Ok(Layer {
                norm: norm("self")?,
                qkv: linear("self.qkv", 3 * dim)?,
                out: linear("self.out", dim)?,
                cross_norm: norm("cross")?,
                cross_query: linear("cross.q", dim)?,
                cross_key_value: linear("cross.kv", 2 * dim)?,
                cross_out: linear("cross.out", dim)?,
                ffn: FeedForward::open(file, &name, dim, hidden_dim, norm_eps)?,
            })
        };
        let positions = file.tensor(POSITIONS[0])?;
        positions.expect_shape(&[text_rows, dim])?;
        Ok(Self {
            tokens: Table::open(file, TOKENS, vocab_size, dim)?,
            positions: positions.to_f32()?,
            layers: (0..shape.decoder_layers).map(layer).collect::<Result<_>>()?,
            norm: Norm::open(file, NORMS[0], dim, norm_eps)?,
            output: Matrix::open(file, TOKENS, vocab_size, dim)?,
            dim,
            heads,
            text_rows,
        })
    }

    /// Begins a text of the encoder's rows, `[rows][dim]`.
    pub fn begin(&self, rows: &[f32], scratch: &mut Scratch, pool: &Pool) -> Said {
        let (dim, head_dim) = (self.dim, self.dim / self.heads);
        let layers = self.layers.iter().map(|layer| {
            let mut heard = KeyValues::new(self.heads, head_dim, rows.len() / dim);
            for rows in rows.chunks(scratch.capacity * dim) {
                layer.cross_key_value.weight.inputs(&mut scratch.normed, rows.len() / dim, pool, |i, out| {
                    out.copy_from_slice(&rows[i * dim..][..dim]);
                });
                let key_values = &mut scratch.wide[..2 * rows.len()];
                layer.cross_key_value.mul(&mut scratch.normed, key_values, pool);
                key_values.chunks_exact(2 * dim).for_each(|key_value| heard.push(key_value));
            }
            [KeyValues::new(self.heads, head_dim, self.text_rows), heard]
        });
        Said {
            layers: layers.collect(),
            tokens: self.tokens.clone(),
            stream: Vec::new(),
            last: Columns::new(dim, 1),
            logits: vec![0.0; self.output.rows()],
        }
    }

    /// Positions that are left.
    pub fn room(&self, said: &Said) -> usize {
        self.text_rows - said.len()
    }

    /// Says tokens, no more than [`DecoderWeights::room`] and the scratch's capacity, and gives the logits of the next.
    /// Errors: `BadPack`.
    pub fn step<'a>(
        &self,
        tokens: &[u32],
        said: &'a mut Said,
        scratch: &mut Scratch,
        pool: &Pool,
    ) -> Result<&'a mut [f32]> {
        let dim = self.dim;
        let before = said.len();
        let Said { layers, tokens: table, stream, last, logits } = said;
        stream.clear();
        for &token in tokens {
            stream.extend_from_slice(table.row(token as usize)?);
        }
        ops::add(stream, &self.positions[before * dim..(before + tokens.len()) * dim]);
        for (layer, [own, heard]) in self.layers.iter().zip(layers) {
            layer.norm.norm_columns(stream, &layer.qkv.weight, &mut scratch.normed, pool);
            let qkv = &mut scratch.wide[..3 * stream.len()];
            layer.qkv.mul(&mut scratch.normed, qkv, pool);
            qkv.chunks_exact(3 * dim).for_each(|qkv| own.push(&qkv[dim..]));
            layer.out.weight.inputs(&mut scratch.attended, tokens.len(), pool, |i, out| {
                own.attend(&qkv[3 * dim * i..][..dim], before + i + 1, out);
            });
            let added = &mut scratch.narrow[..stream.len()];
            layer.out.mul(&mut scratch.attended, added, pool);
            ops::add(stream, added);

            layer.cross_norm.norm_columns(stream, &layer.cross_query.weight, &mut scratch.normed, pool);
            let queries = &mut scratch.wide[..stream.len()];
            layer.cross_query.mul(&mut scratch.normed, queries, pool);
            layer.cross_out.weight.inputs(&mut scratch.attended, tokens.len(), pool, |i, out| {
                heard.attend(&queries[i * dim..][..dim], heard.len(), out);
            });
            layer.cross_out.mul(&mut scratch.attended, added, pool);
            ops::add(stream, added);
            layer.ffn.step(stream, scratch, pool);
        }
        let state = &stream[stream.len() - dim..];
        self.norm.norm_columns(state, &self.output, last, pool);
        self.output.mul(last, logits, pool);
        Ok(logits)
    }
}

impl Said {
    /// Tokens that were said.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, |[own, _]| own.len())
    }

    /// Takes back what was said from `len` tokens on.
    pub fn truncate(&mut self, len: usize) {
        self.layers.iter_mut().for_each(|[own, _]| own.truncate(len));
    }
}

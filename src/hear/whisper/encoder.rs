//! Whisper's encoder. In: spectra. Out: rows, 20 ms each. It has seen 30 s at a time when it was made; here it gets as many rows
//! as there is sound, and a little silence (`Options::padding_ms` says why).

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::Whisper as Shape;
use syrinx_quant::shape::whisper::{SPECTRA_PER_ROW, TAPS};
use syrinx_quant::whisper::names::{CONVOLUTIONS, NORMS, POSITIONS};

use super::layers::{FeedForward, Linear, Norm, Scratch};
use crate::error::Result;
use crate::kernel::{Columns, Heads, Pool, ops};

#[derive(Debug)]
pub struct EncoderWeights {
    convs: [Linear; 2],
    /// `[audio_rows][dim]`.
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    dim: usize,
    heads: usize,
}

#[derive(Debug)]
struct Layer {
    norm: Norm,
    qkv: Linear,
    out: Linear,
    ffn: FeedForward,
}

impl EncoderWeights {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, shape: &Shape) -> Result<Self> {
        let &Shape { dim, hidden_dim, heads, norm_eps, .. } = shape;
        let layer = |i: usize| -> Result<Layer> {
            let name = format!("encoder.layers.{i}");
            Ok(Layer {
                norm: Norm::open(file, &format!("{name}.self.norm"), dim, norm_eps)?,
                qkv: Linear::open(file, &format!("{name}.self.qkv"), 3 * dim, dim)?,
                out: Linear::open(file, &format!("{name}.self.out"), dim, dim)?,
                ffn: FeedForward::open(file, &name, dim, hidden_dim, norm_eps)?,
            })
        };
        let positions = file.tensor(POSITIONS[1])?;
        positions.expect_shape(&[shape.audio_rows, dim])?;
        Ok(Self {
            convs: [
                Linear::open(file, CONVOLUTIONS[0], dim, TAPS * shape.mels)?,
                Linear::open(file, CONVOLUTIONS[1], dim, TAPS * dim)?,
            ],
            positions: positions.to_f32()?,
            layers: (0..shape.encoder_layers).map(layer).collect::<Result<_>>()?,
            norm: Norm::open(file, NORMS[1], dim, norm_eps)?,
            dim,
            heads,
        })
    }

    /// `rows` rows, `[rows][dim]`, of two spectra each. Errors: `OutOfMemory`.
    pub fn run(&self, spectra: &[f32], rows: usize, scratch: &mut Scratch, pool: &Pool) -> Result<Vec<f32>> {
        let dim = self.dim;
        let inner =
            convolve(&self.convs[0], spectra, spectra.len() / (rows * SPECTRA_PER_ROW), 1, scratch.capacity, pool);
        let mut stream = convolve(&self.convs[1], &inner, dim, SPECTRA_PER_ROW, scratch.capacity, pool);
        ops::add(&mut stream, &self.positions[..rows * dim]);
        let mut heads = Heads::new(self.heads, dim / self.heads, rows)?;
        let batch = scratch.capacity * dim;
        for layer in &self.layers {
            for (b, stream) in stream.chunks(batch).enumerate() {
                layer.norm.norm_columns(stream, &layer.qkv.weight, &mut scratch.normed, pool);
                let qkv = &mut scratch.wide[..3 * stream.len()];
                layer.qkv.mul(&mut scratch.normed, qkv, pool);
                for (i, qkv) in qkv.chunks_exact(3 * dim).enumerate() {
                    heads.set(b * scratch.capacity + i, qkv);
                }
            }
            heads.attend(pool);
            for (b, stream) in stream.chunks_mut(batch).enumerate() {
                let count = stream.len() / dim;
                layer.out.weight.inputs(&mut scratch.attended, count, pool, |i, out| {
                    heads.get(b * scratch.capacity + i, out);
                });
                let added = &mut scratch.narrow[..stream.len()];
                layer.out.mul(&mut scratch.attended, added, pool);
                ops::add(stream, added);
                layer.ffn.step(stream, scratch, pool);
            }
        }
        let mut out = vec![0.0; rows * dim];
        for (x, out) in stream.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
            self.norm.apply(x, out);
        }
        Ok(out)
    }
}

/// A convolution of three taps with a position of zeros on either side, then GELU. In: `[n][channels]`.
fn convolve(conv: &Linear, x: &[f32], channels: usize, stride: usize, batch: usize, pool: &Pool) -> Vec<f32> {
    let (rows, inputs) = (conv.weight.rows(), x.len() / channels);
    let count = inputs.div_ceil(stride);
    let mut out = vec![0.0; count * rows];
    let mut columns = Columns::new(TAPS * channels, batch);
    for (b, out) in out.chunks_mut(batch * rows).enumerate() {
        conv.weight.inputs(&mut columns, out.len() / rows, pool, |i, column| {
            for (tap, to) in column.chunks_exact_mut(channels).enumerate() {
                let at = ((b * batch + i) * stride + tap).checked_sub(1);
                match at.and_then(|at| x.get(at * channels..(at + 1) * channels)) {
                    Some(from) => to.copy_from_slice(from),
                    None => to.fill(0.0),
                }
            }
        });
        conv.mul(&mut columns, out, pool);
        ops::gelu(out);
    }
    out
}

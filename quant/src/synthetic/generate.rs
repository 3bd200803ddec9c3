//! Random weights, fast. In: a planned tensor. Out: encoded rows that depend on seed, name and place only.
//!
//! Drawing four thousand million values and searching K-quant scales for each block would take longer than reading a
//! real checkpoint. So each tensor draws a pool of blocks, encodes it once, and every block of a row is one of them,
//! chosen by a hash of its place. The same choice is made for every recipe, so recipes can be compared. Distributions
//! are those of the tiny test checkpoint: states stay near 1 in size and velocities lead back to [-1, 1].

use std::ops::Range;

use rayon::prelude::*;

use crate::block::quantise;
use crate::dtype::DType;
use crate::error::{Result, misshapen};
use crate::layout::{AUDIO_TABLE, Origin, Planned, SEMANTIC_HEAD, TEXT_TABLE};
use crate::shape::Shape;
use crate::weights::{RowEncoder, encode_values, rows_and_columns};

/// Blocks of a tensor's pool.
const POOL_BLOCKS: usize = 2048;

/// Row of the semantic head that ends an utterance; zero, so that it never wins and length is set by the frame budget.
const END_ROW: usize = 1;

/// Mean and standard deviation of a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Normal {
    mean: f32,
    deviation: f32,
}

pub(super) fn encoder<'a>(shape: &Shape, seed: u64, tensor: &Planned, dtype: DType) -> Result<RowEncoder<'a>> {
    let (rows, columns) = rows_and_columns(&tensor.shape);
    let source = source_name(tensor);
    if source.ends_with("acoustic_codebook_output.weight") {
        let values = velocity_head(shape, seed, source, columns);
        return Ok(encode_values(tensor, dtype, move |range, out| {
            let rows = values.get(range.start * columns..range.end * columns);
            out.copy_from_slice(rows.filter(|r| r.len() == out.len()).ok_or_else(|| misshapen("no such rows"))?);
            Ok(())
        }));
    }
    let pool = Pool::draw(seed, source, distribution(shape, tensor), rows, columns);
    let encoded = pool.encode(dtype)?;
    let block_bytes = encoded.len() / pool.blocks;
    let zero_from = if source == SEMANTIC_HEAD { shape.audio.head_rows } else { rows };
    let silent = (source == SEMANTIC_HEAD).then_some(END_ROW);
    Ok(Box::new(move |range: Range<usize>, out: &mut [u8]| {
        let row_bytes = out.len() / range.len().max(1);
        for (row, bytes) in range.zip(out.chunks_exact_mut(row_bytes)) {
            if row >= zero_from || Some(row) == silent {
                bytes.fill(0); // zero in every type
                continue;
            }
            for (i, block) in bytes.chunks_exact_mut(block_bytes).enumerate() {
                let start = pool.choose(row, i) * block_bytes;
                block.copy_from_slice(&encoded[start..start + block_bytes]);
            }
        }
        Ok(())
    }))
}

/// The checkpoint's name of a tensor, so that both files of a pack hold the same audio table.
fn source_name(tensor: &Planned) -> &str {
    match &tensor.origin {
        Origin::Tensor { name, .. } | Origin::Taps { name, .. } => name,
        _ => &tensor.name,
    }
}

fn distribution(shape: &Shape, tensor: &Planned) -> Normal {
    let (_, columns) = rows_and_columns(&tensor.shape);
    let name = source_name(tensor);
    let centred = |deviation: f32| Normal { mean: 0.0, deviation };
    let linear = |gain: f32| centred(gain / (columns as f32).sqrt());
    let residual = match name {
        _ if name.starts_with("acoustic_transformer.") => 0.5,
        _ if name.starts_with("audio_tokenizer.") => 1.0,
        _ => 0.15,
    };
    match &tensor.origin {
        Origin::Codebook => return centred(0.6),
        Origin::Voice { .. } => return centred(0.02),
        // The gain is per input channel, whose weights are spread over `outputs * kernel` values.
        Origin::Transposed { outputs, kernel, .. } => return centred(1.4 / ((outputs * kernel) as f32).sqrt()),
        Origin::Convolution { base, .. } => return linear(if base.ends_with("output_proj") { 0.08 } else { 1.0 }),
        Origin::Constant { value } => return Normal { mean: *value, deviation: 0.0 },
        Origin::Taps { .. } | Origin::Tensor { .. } => {}
    }
    let stem = name.strip_suffix(".weight").unwrap_or(name);
    match stem.rsplit('.').next().unwrap_or(stem) {
        _ if name == TEXT_TABLE => centred(0.02),
        _ if name == AUDIO_TABLE => centred(0.02 / (shape.audio.codes_per_frame() as f32).sqrt()),
        last if last.ends_with("norm") => Normal { mean: 1.0, deviation: 0.1 },
        last if last.ends_with("_scale") => Normal { mean: 0.4, deviation: 0.1 },
        "wq" | "wk" | "w1" => linear(1.5),
        "wo" | "w2" => linear(residual),
        "time_projection" => linear(1.4),
        "semantic_codebook_output" => linear(2.0),
        _ => linear(1.0),
    }
}

/// `-0.9 W_in^T / |W_in|^2` and noise: a velocity that leads x back to zero.
fn velocity_head(shape: &Shape, seed: u64, name: &str, dim: usize) -> Vec<f32> {
    let n = shape.audio.n_acoustic;
    let input = "acoustic_transformer.input_projection.weight";
    let input =
        Pool::draw(seed, input, Normal { mean: 0.0, deviation: 1.0 / (n as f32).sqrt() }, dim, n).values(dim, n);
    let noise = Normal { mean: 0.0, deviation: 0.75 / (dim as f32).sqrt() };
    let mut head = Pool::draw(seed, name, noise, n, dim).values(n, dim);
    for (k, row) in head.chunks_exact_mut(dim).enumerate() {
        let column = || input.iter().skip(k).step_by(n);
        let square: f32 = column().map(|w| w * w).sum();
        row.iter_mut().zip(column()).for_each(|(out, w)| *out -= 0.9 * w / square);
    }
    head
}

/// Distinct blocks of one tensor.
struct Pool {
    key: u64,
    blocks: usize,
    blocks_per_row: usize,
    drawn: Vec<f32>,
}

impl Pool {
    fn draw(seed: u64, name: &str, normal: Normal, rows: usize, columns: usize) -> Self {
        // The largest block that fills a row, so that it is whole blocks of whatever type the row gets.
        let size = [256, 32, 4].into_iter().find(|&size| columns.is_multiple_of(size)).unwrap_or(1);
        let blocks_per_row = columns / size;
        let blocks = (rows * blocks_per_row).clamp(1, POOL_BLOCKS);
        let key = mix(fnv1a(name.as_bytes()) ^ mix(seed));
        let value = |i: usize| normal.mean + normal.deviation * standard_normal(mix(key.wrapping_add(i as u64)));
        Self { key, blocks, blocks_per_row, drawn: (0..blocks * size).map(value).collect() }
    }

    /// The pool's block that stands at block `i` of `row`.
    fn choose(&self, row: usize, i: usize) -> usize {
        let place = (row * self.blocks_per_row + i) as u64;
        (mix(self.key ^ mix(place)) % self.blocks as u64) as usize
    }

    fn encode(&self, dtype: DType) -> Result<Vec<u8>> {
        let size = self.drawn.len() / self.blocks;
        let block_bytes =
            dtype.row_bytes(size).ok_or_else(|| misshapen(format!("blocks of {size} are not {dtype}")))?;
        let mut bytes = vec![0; self.blocks * block_bytes];
        let chunk = 64;
        bytes
            .par_chunks_mut(chunk * block_bytes)
            .zip(self.drawn.par_chunks(chunk * size))
            .try_for_each(|(out, values)| quantise(dtype, values, out))?;
        Ok(bytes)
    }

    /// All values of the tensor.
    fn values(&self, rows: usize, columns: usize) -> Vec<f32> {
        let size = self.drawn.len() / self.blocks;
        let mut values = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for i in 0..self.blocks_per_row {
                let start = self.choose(row, i) * size;
                values.extend(&self.drawn[start..start + size]);
            }
        }
        values
    }
}

/// SplitMix64's finaliser: every input bit reaches every output bit.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

/// The sum of eight bytes is near enough to normal: mean 8 * 127.5, variance 8 * (256^2 - 1) / 12.
fn standard_normal(bits: u64) -> f32 {
    let sum: u32 = bits.to_le_bytes().iter().map(|&b| u32::from(b)).sum();
    (sum as f32 - 1020.0) / 43_690.0f32.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_values_have_the_mean_and_deviation_that_were_asked_for() {
        let pool = Pool::draw(1, "x", Normal { mean: 0.5, deviation: 0.25 }, 4096, 256);
        let n = pool.drawn.len() as f32;
        let mean = pool.drawn.iter().sum::<f32>() / n;
        let deviation = (pool.drawn.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n).sqrt();
        assert!((mean - 0.5).abs() < 2e-3 && (deviation - 0.25).abs() < 2e-3, "{mean} {deviation}");
    }

    #[test]
    fn seeds_and_names_give_different_values() {
        let draw = |seed, name| Pool::draw(seed, name, Normal { mean: 0.0, deviation: 1.0 }, 8, 256).values(8, 256);
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }
}

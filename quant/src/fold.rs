//! Weights that a pack stores ready for use. In: a checkpoint's weight-normed convolutions and its codebook's running
//! sums. Out: plain matrices, laid out so that every convolution of the codec is one matrix product.

use crate::error::{Result, corrupt};
use crate::gguf::TensorView;

/// A convolution's weight `[first, second, kernel]` with its norm folded in.
pub(crate) struct Folded(Vec<f32>);

/// `w = g * v / |v|`, the norm over all axes but the first (voxtral-tts.md, 6.2).
pub(crate) fn fold(gain: &TensorView, direction: &TensorView) -> Result<Folded> {
    let gains = gain.to_f32()?;
    let mut weight = direction.to_f32()?;
    let slice = weight.len().checked_div(gains.len()).unwrap_or(0).max(1);
    for (values, gain) in weight.chunks_exact_mut(slice).zip(gains) {
        let norm = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        if norm == 0.0 {
            return Err(corrupt(format!("tensor {}: a direction of length zero", direction.name)));
        }
        let scale = f64::from(gain) / norm;
        values.iter_mut().for_each(|v| *v = (f64::from(*v) * scale) as f32);
    }
    Ok(Folded(weight))
}

impl Folded {
    /// One without a norm.
    pub fn plain(weight: &TensorView) -> Result<Self> {
        weight.to_f32().map(Self)
    }

    /// `[out, in, kernel]` → `[out, kernel * in]`: column block j is tap j.
    pub fn to_taps(&self, inputs: usize, kernel: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.0.len());
        for row in self.0.chunks_exact(inputs * kernel) {
            for tap in 0..kernel {
                out.extend(row.iter().skip(tap).step_by(kernel));
            }
        }
        out
    }

    /// `[in, out, kernel]` → `[stride * out, (kernel / stride) * in]`: row r * out + o, column block j is the tap
    /// j * stride + r, which carries the input of j positions ago to output phase r.
    pub fn to_phases(&self, inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.0.len());
        for phase in 0..stride {
            for output in 0..outputs {
                for tap in (phase..kernel).step_by(stride) {
                    out.extend(self.0.iter().skip(output * kernel + tap).step_by(outputs * kernel).take(inputs));
                }
            }
        }
        out
    }
}

/// `embedding_sum / max(cluster_usage, 1e-5)` (voxtral-tts.md, 6.1).
pub(crate) fn codebook(sum: &TensorView, usage: &TensorView, columns: usize) -> Result<Vec<f32>> {
    let mut rows = sum.to_f32()?;
    for (row, usage) in rows.chunks_exact_mut(columns.max(1)).zip(usage.to_f32()?) {
        row.iter_mut().for_each(|x| *x /= usage.max(1e-5));
    }
    Ok(rows)
}

//! What networks are made of. In: tensors of a pack by their names, streams of activations. Out: the same streams, further.
//!
//! The flow head and the codec are transformers of one kind: pre-norm blocks with SwiGLU, which differ in their attention
//! alone. A [`Block`] is given that as a parameter. Weights are here without state, so that they can be shared; state and
//! scratch are values of their own, which allocate when they are made and never afterwards.

pub mod attention;
mod block;
pub mod conv;

pub use block::{Block, BlockScratch, Sizes};

use syrinx_quant::GgufFile;

use crate::error::Result;
use crate::kernel::ops;
use crate::pack::vector;

/// Division by the root of the mean square, then a weight for each value.
#[derive(Debug)]
pub struct RmsNorm {
    weight: Vec<f32>,
    eps: f32,
}

impl RmsNorm {
    /// Of the F32 tensor `name`, of `len` values. Errors: `BadPack`.
    pub fn open(file: &GgufFile, name: &str, len: usize, eps: f32) -> Result<Self> {
        Ok(Self { weight: vector(file, name, len)?, eps })
    }

    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        ops::rms_norm(x, &self.weight, self.eps, out);
    }

    pub fn apply_in_place(&self, x: &mut [f32]) {
        ops::rms_norm_mut(x, &self.weight, self.eps);
    }
}

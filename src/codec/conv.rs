//! The codec's causal convolutions as matrix products, with the inputs that they still need as state.
//!
//! A pack stores a kernel as one matrix: `[out, taps * in]` for a plain convolution (the last tap meets the newest
//! input), `[stride * out, taps * in]` for a transposed one (the first tap meets the newest input, each group of rows
//! makes one of `stride` output positions). Voxtral specification sections 6.2 and 6.3.

use std::sync::Arc;

use syrinx_quant::GgufFile;

use crate::error::Result;
use crate::kernel::{Columns, Matrix, Pool};

/// What a convolution sees before the first input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The first input, repeated.
    Replicate,
    /// The inputs after the first, mirrored: `x[-k] = x[k]`.
    Reflect,
}

/// Stride one, as many outputs as inputs.
#[derive(Debug)]
pub(super) struct CausalConv {
    kernel: Matrix,
    start: Start,
    taps: usize,
    channels: usize,
    /// The last `taps - 1` inputs, then the inputs of this call.
    inputs: Vec<f32>,
    columns: Columns,
    started: bool,
}

impl CausalConv {
    pub fn open(
        file: &Arc<GgufFile>,
        name: &str,
        out: usize,
        taps: usize,
        channels: usize,
        start: Start,
        capacity: usize,
    ) -> Result<Self> {
        Ok(Self {
            kernel: Matrix::open(file, name, out, taps * channels)?,
            start,
            taps,
            channels,
            inputs: vec![0.0; (taps - 1 + capacity) * channels],
            columns: Columns::new(taps * channels, capacity),
            started: false,
        })
    }

    pub fn reset(&mut self) {
        self.started = false;
    }

    pub fn bytes(&self) -> usize {
        self.kernel.bytes()
    }

    /// In: `[n][channels]`. Out: `[n][out]`. The first call after a reset needs at least `taps` inputs where the start
    /// is a reflection.
    pub fn step(&mut self, x: &[f32], y: &mut [f32], pool: &Pool) {
        let (past, channels) = (self.taps - 1, self.channels);
        let count = x.len() / channels;
        if !self.started {
            self.started = true;
            for k in 1..=past {
                let source = if self.start == Start::Reflect { k } else { 0 };
                self.inputs[(past - k) * channels..][..channels].copy_from_slice(&x[source * channels..][..channels]);
            }
        }
        self.inputs[past * channels..][..x.len()].copy_from_slice(x);
        let columns = self.columns.fill(count);
        for (p, column) in columns.chunks_exact_mut(self.taps * channels).enumerate() {
            column.copy_from_slice(&self.inputs[p * channels..][..self.taps * channels]);
        }
        self.kernel.mul(&mut self.columns, y, pool);
        self.inputs.copy_within(count * channels..(count + past) * channels, 0);
    }
}

/// Transposed convolution: `stride` outputs per input, none of which looks ahead.
#[derive(Debug)]
pub(super) struct Upsample {
    kernel: Matrix,
    taps: usize,
    channels: usize,
    /// The last `taps - 1` inputs, newest last, then the inputs of this call. Zero at the start.
    inputs: Vec<f32>,
    columns: Columns,
}

impl Upsample {
    pub fn open(
        file: &Arc<GgufFile>,
        name: &str,
        channels: usize,
        kernel: usize,
        stride: usize,
        capacity: usize,
    ) -> Result<Self> {
        let taps = kernel / stride;
        Ok(Self {
            kernel: Matrix::open(file, name, stride * channels, taps * channels)?,
            taps,
            channels,
            inputs: vec![0.0; (taps - 1 + capacity) * channels],
            columns: Columns::new(taps * channels, capacity),
        })
    }

    pub fn reset(&mut self) {
        self.inputs.fill(0.0);
    }

    pub fn bytes(&self) -> usize {
        self.kernel.bytes()
    }

    /// In: `[n][channels]`. Out: `[n * stride][channels]`.
    pub fn step(&mut self, x: &[f32], y: &mut [f32], pool: &Pool) {
        let (past, channels) = (self.taps - 1, self.channels);
        let count = x.len() / channels;
        self.inputs[past * channels..][..x.len()].copy_from_slice(x);
        let columns = self.columns.fill(count);
        for (p, column) in columns.chunks_exact_mut(self.taps * channels).enumerate() {
            for (tap, part) in column.chunks_exact_mut(channels).enumerate() {
                part.copy_from_slice(&self.inputs[(p + past - tap) * channels..][..channels]);
            }
        }
        self.kernel.mul(&mut self.columns, y, pool);
        self.inputs.copy_within(count * channels..(count + past) * channels, 0);
    }
}

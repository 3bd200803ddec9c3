//! Causal convolutions as matrix products, and the inputs that they still need as state.
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
pub enum Start {
    /// The first input, repeated.
    Replicate,
    /// The inputs after the first, mirrored: `x[-k] = x[k]`.
    Reflect,
}

/// Stride one, as many outputs as inputs.
#[derive(Debug)]
pub struct CausalConv {
    kernel: Matrix,
    start: Start,
    taps: usize,
    channels: usize,
}

/// Transposed convolution: `stride` outputs per input, none of which looks ahead. Before the first input it sees zeros.
#[derive(Debug)]
pub struct Upsample {
    kernel: Matrix,
    taps: usize,
    channels: usize,
}

/// What a convolution has seen and still needs, and room for the inputs of a call.
#[derive(Debug)]
pub struct Past {
    /// The last `taps - 1` inputs, newest last, then the inputs of this call.
    inputs: Vec<f32>,
    /// For each of these its taps.
    columns: Columns,
    taps: usize,
    channels: usize,
    started: bool,
}

impl Past {
    /// For calls of at most `capacity` inputs of `channels` values each.
    fn new(taps: usize, channels: usize, capacity: usize) -> Self {
        Self {
            inputs: vec![0.0; (taps - 1 + capacity) * channels],
            columns: Columns::new(taps * channels, capacity),
            taps,
            channels,
            started: false,
        }
    }

    /// The next input is the first.
    pub fn reset(&mut self) {
        self.started = false;
    }

    /// Takes the inputs of a call; `begin` writes what is seen before the first of all.
    fn take(&mut self, x: &[f32], begin: impl Fn(&mut [f32])) {
        let before = (self.taps - 1) * self.channels;
        if !std::mem::replace(&mut self.started, true) {
            begin(&mut self.inputs[..before]);
        }
        self.inputs[before..][..x.len()].copy_from_slice(x);
    }

    /// Multiplies the call's columns, which `arrange` makes of each input and those before it, and keeps what the next
    /// call needs.
    fn multiply(
        &mut self,
        kernel: &Matrix,
        count: usize,
        y: &mut [f32],
        pool: &Pool,
        arrange: impl Fn(&[f32], &mut [f32]),
    ) {
        let width = self.taps * self.channels;
        let columns = self.columns.fill(count);
        for (p, column) in columns.chunks_exact_mut(width).enumerate() {
            arrange(&self.inputs[p * self.channels..][..width], column);
        }
        kernel.mul(&mut self.columns, y, pool);
        let kept = (self.taps - 1) * self.channels;
        self.inputs.copy_within(count * self.channels..count * self.channels + kept, 0);
    }
}

impl CausalConv {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(
        file: &Arc<GgufFile>,
        name: &str,
        out: usize,
        taps: usize,
        channels: usize,
        start: Start,
    ) -> Result<Self> {
        Ok(Self { kernel: Matrix::open(file, name, out, taps * channels)?, start, taps, channels })
    }

    /// State for calls of at most `capacity` inputs.
    pub fn past(&self, capacity: usize) -> Past {
        Past::new(self.taps, self.channels, capacity)
    }

    pub fn bytes(&self) -> usize {
        self.kernel.bytes()
    }

    /// In: `[n][channels]`. Out: `[n][out]`. The first call after a reset needs at least `taps` inputs where the start
    /// is a reflection.
    pub fn step(&self, x: &[f32], y: &mut [f32], past: &mut Past, pool: &Pool) {
        let (before, channels) = (self.taps - 1, self.channels);
        past.take(x, |seen| {
            for k in 1..=before {
                let source = if self.start == Start::Reflect { k } else { 0 };
                seen[(before - k) * channels..][..channels].copy_from_slice(&x[source * channels..][..channels]);
            }
        });
        past.multiply(&self.kernel, x.len() / channels, y, pool, |inputs, column| column.copy_from_slice(inputs));
    }
}

impl Upsample {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, name: &str, channels: usize, kernel: usize, stride: usize) -> Result<Self> {
        let taps = kernel / stride;
        Ok(Self { kernel: Matrix::open(file, name, stride * channels, taps * channels)?, taps, channels })
    }

    /// State for calls of at most `capacity` inputs.
    pub fn past(&self, capacity: usize) -> Past {
        Past::new(self.taps, self.channels, capacity)
    }

    pub fn bytes(&self) -> usize {
        self.kernel.bytes()
    }

    /// In: `[n][channels]`. Out: `[n * stride][channels]`.
    pub fn step(&self, x: &[f32], y: &mut [f32], past: &mut Past, pool: &Pool) {
        let channels = self.channels;
        past.take(x, |seen| seen.fill(0.0));
        past.multiply(&self.kernel, x.len() / channels, y, pool, |inputs, column| {
            for (newest_first, input) in column.chunks_exact_mut(channels).zip(inputs.rchunks_exact(channels)) {
                newest_first.copy_from_slice(input);
            }
        });
    }
}

//! From samples to the encoder's rows, and from its states to the decoder's: spectra, two causal convolutions, the adapter
//! (`voxtral-realtime.md`, sections 3 and 4). In: samples in any pieces. Out: the rows of one token at a time.

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::realtime::layout::{ADAPTER, CONVOLUTIONS};
use syrinx_quant::shape::Realtime;
use syrinx_quant::shape::realtime::{SPECTRA_PER_ROW, TAPS};

use crate::error::Result;
use crate::hear::mel::{Mel, MelSizes};
use crate::kernel::{Columns, Matrix, Pool, ops};
use crate::pack::vector;

/// Decades below the loudest that a spectrum reaches.
const RANGE: f32 = 8.0;

/// Weights, for any number of [`Front`]s.
#[derive(Debug)]
pub struct FrontWeights {
    convolutions: [Convolution; 2],
    adapter: [Matrix; 2],
}

/// Kernel 3; as many inputs before the first as the stride leaves of it, all zero.
#[derive(Debug)]
struct Convolution {
    kernel: Matrix,
    bias: Vec<f32>,
    stride: usize,
    channels: usize,
}

impl FrontWeights {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(hear: &Arc<GgufFile>, shape: &Realtime) -> Result<Self> {
        let (width, dim) = (shape.encoder.dim, shape.decoder.dim);
        let convolution = |name: &str, channels: usize, stride: usize| -> Result<Convolution> {
            let kernel = Matrix::open(hear, &format!("{name}.weight"), width, TAPS * channels)?;
            Ok(Convolution { kernel, bias: vector(hear, &format!("{name}.bias"), width)?, stride, channels })
        };
        let [first, second] = CONVOLUTIONS;
        let stacked = width * shape.schedule.rows_per_token;
        Ok(Self {
            convolutions: [convolution(first, shape.front.mels, 1)?, convolution(second, width, SPECTRA_PER_ROW)?],
            adapter: [Matrix::open(hear, ADAPTER[0], dim, stacked)?, Matrix::open(hear, ADAPTER[1], dim, dim)?],
        })
    }

    /// Bytes that a token reads.
    pub fn bytes(&self) -> usize {
        let convolutions: usize = self.convolutions.iter().map(|c| c.kernel.bytes()).sum();
        convolutions + self.adapter.iter().map(Matrix::bytes).sum::<usize>()
    }
}

/// A convolution's inputs, those of before first, and room for a token's.
#[derive(Clone, Debug)]
struct Inputs {
    values: Vec<f32>,
    before: usize,
}

impl Convolution {
    fn inputs(&self, count: usize) -> Inputs {
        let before = (TAPS - self.stride) * self.channels;
        Inputs { values: vec![0.0; before + count * self.channels], before }
    }

    /// All outputs of the inputs, `[count / stride][out]`; then the last inputs are those of before.
    fn step(&self, inputs: &mut Inputs, columns: &mut Columns, out: &mut [f32], pool: &Pool) {
        let width = TAPS * self.channels;
        let count = out.len() / self.bias.len();
        for (row, column) in columns.fill(count).chunks_exact_mut(width).enumerate() {
            column.copy_from_slice(&inputs.values[row * self.stride * self.channels..][..width]);
        }
        self.kernel.mul(columns, out, pool);
        for row in out.chunks_exact_mut(self.bias.len()) {
            ops::add(row, &self.bias);
        }
        ops::gelu(out);
        let kept = inputs.values.len() - inputs.before..;
        inputs.values.copy_within(kept, 0);
    }
}

/// What a stream has heard and still needs.
pub struct Front {
    weights: Arc<FrontWeights>,
    mel: Mel,
    floor: f32,
    hop: usize,
    /// Samples of a token, and those that its spectra reach over.
    advance: usize,
    reach: usize,
    samples: Vec<f32>,
    inputs: [Inputs; 2],
    columns: [Columns; 4],
    rows: Vec<f32>,
    hidden: Vec<f32>,
}

/// The part of it that differs from place to place in a stream.
#[derive(Clone, Debug)]
pub struct FrontState {
    samples: Vec<f32>,
    inputs: [Inputs; 2],
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Front({} samples wait)", self.samples.len())
    }
}

impl Front {
    /// At the beginning of a stream: half a window of silence is before it. Errors: `BadPack`.
    pub fn new(weights: &Arc<FrontWeights>, shape: &Realtime) -> Result<Self> {
        let front = &shape.front;
        let mel = Mel::new(MelSizes { rate_hz: front.sampling_rate, window: front.window, bands: front.mels })?;
        let spectra = shape.spectra_per_token();
        let [first, second] = &weights.convolutions;
        let [stack, project] = &weights.adapter;
        let columns = |matrix: &Matrix, count: usize| Columns::new(matrix.columns(), count);
        let reach = (spectra - 1) * front.hop + front.window;
        let mut samples = Vec::with_capacity(reach);
        samples.resize(front.window / 2, 0.0);
        Ok(Self {
            mel,
            floor: front.log_mel_max - RANGE,
            hop: front.hop,
            advance: shape.samples_per_token(),
            reach,
            samples,
            inputs: [first.inputs(spectra), second.inputs(spectra)],
            columns: [
                columns(&first.kernel, spectra),
                columns(&second.kernel, spectra / SPECTRA_PER_ROW),
                columns(stack, 1),
                columns(project, 1),
            ],
            rows: vec![0.0; shape.schedule.rows_per_token * shape.encoder.dim],
            hidden: vec![0.0; shape.decoder.dim],
            weights: weights.clone(),
        })
    }

    /// Takes samples up to the end of the next token; gives how many. What is no number counts as silence.
    pub fn take(&mut self, samples: &[f32]) -> usize {
        let count = samples.len().min(self.reach - self.samples.len());
        self.samples.extend(samples[..count].iter().map(|&x| if x.is_finite() { x } else { 0.0 }));
        count
    }

    /// Samples of the future that the last spectrum of a token sees.
    pub fn look_ahead(&self) -> usize {
        self.mel.window() / 2 - self.hop
    }

    /// The encoder's rows of the next token, `[rows][dim]`; `None` before its last sample has come.
    pub fn rows(&mut self, pool: &Pool) -> Option<&[f32]> {
        if self.samples.len() < self.reach {
            return None;
        }
        let Self { inputs: [spectra, rows], columns: [c0, c1, ..], weights, floor, .. } = self;
        let bands = self.mel.bands();
        let windows = self.samples.windows(self.mel.window()).step_by(self.hop);
        for (spectrum, window) in spectra.values[spectra.before..].chunks_exact_mut(bands).zip(windows) {
            self.mel.frame(window, spectrum);
            spectrum.iter_mut().for_each(|v| *v = (v.max(*floor) + 4.0) / 4.0);
        }
        self.samples.drain(..self.advance);
        let [first, second] = &weights.convolutions;
        let before = rows.before;
        first.step(spectra, c0, &mut rows.values[before..], pool);
        second.step(rows, c1, &mut self.rows, pool);
        Some(&self.rows)
    }

    /// The spectra of the rows given last, `[spectra][bands]`: for comparison with a reference. The first ones have made
    /// room for the last.
    pub fn last_spectra(&self) -> &[f32] {
        let [spectra, _] = &self.inputs;
        &spectra.values[spectra.before..]
    }

    /// The decoder's row of a token, of all its encoder states side by side.
    pub fn adapt(&mut self, states: &[f32], out: &mut [f32], pool: &Pool) {
        let Self { columns: [.., c2, c3], weights, hidden, .. } = self;
        let [stack, project] = &weights.adapter;
        c2.fill(1).copy_from_slice(states);
        stack.mul(c2, hidden, pool);
        ops::gelu(hidden);
        c3.fill(1).copy_from_slice(hidden);
        project.mul(c3, out, pool);
    }

    pub fn state(&self) -> FrontState {
        FrontState { samples: self.samples.clone(), inputs: self.inputs.clone() }
    }

    /// Goes to a place.
    pub fn start(&mut self, at: &FrontState) {
        self.samples.clear();
        self.samples.extend_from_slice(&at.samples);
        self.inputs.clone_from(&at.inputs);
    }
}

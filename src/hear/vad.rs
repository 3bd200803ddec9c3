//! Voice activity. In: frames of 512 samples at 16 kHz, one after the other. Out: for each the probability that somebody
//! speaks in it.
//!
//! The network is Silero VAD 6.2 (`models/silero-vad`): the magnitudes of a short Fourier transform that is a convolution,
//! four convolutions, one recurrent cell, one output. It is part of the program, not of a pack, since what listens for
//! speech listens for all packs. It stays F32: a frame is 0.7 million multiplications, and it shall be the original to
//! the fourth digit.

mod weights;

use std::sync::Arc;

use crate::error::Result;
use crate::kernel::{Columns, Pool, ops};
pub use weights::VadWeights;

/// Full scale is 1; what is far beyond it is a fault of who gives it.
const LOUDEST: f32 = 16.0;

/// One stream's state. Allocates when made, never afterwards.
#[derive(Debug)]
pub struct Vad {
    weights: Arc<VadWeights>,
    pool: Pool,
    /// The end of the frame before, this frame, and its end mirrored.
    samples: Vec<f32>,
    /// Inputs and outputs of the Fourier transform and the convolutions.
    columns: Vec<Columns>,
    outputs: Vec<f32>,
    stream: Vec<f32>,
    recurrent: Columns,
    gates: Vec<f32>,
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

impl Vad {
    /// A stream of its own over the program's weights. Errors: `OutOfMemory`.
    pub fn new() -> Result<Self> {
        let weights = VadWeights::shared()?;
        let mut columns = vec![Columns::new(weights.stft.columns(), weights.positions)];
        let mut positions = weights.positions;
        for conv in &weights.convs {
            positions = conv.positions(positions);
            columns.push(Columns::new(conv.kernel.columns(), positions));
        }
        let widest = weights.convs.iter().map(|conv| conv.kernel.rows()).max().unwrap_or(0).max(weights.stft.rows());
        let dim = weights.hidden_dim;
        Ok(Self {
            pool: Pool::new(1),
            samples: vec![0.0; weights.context + weights.frame + weights.padding],
            columns,
            outputs: vec![0.0; widest * weights.positions],
            stream: vec![0.0; widest * weights.positions],
            recurrent: Columns::new(weights.lstm.columns(), 1),
            gates: vec![0.0; weights.lstm.rows()],
            hidden: vec![0.0; dim],
            cell: vec![0.0; dim],
            weights,
        })
    }

    /// Samples of a frame.
    pub fn frame_samples(&self) -> usize {
        self.weights.frame
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.samples.fill(0.0);
        self.hidden.fill(0.0);
        self.cell.fill(0.0);
    }

    /// The probability of speech in the next frame, of [`Vad::frame_samples`] samples.
    pub fn step(&mut self, frame: &[f32]) -> f32 {
        let w = &*self.weights;
        debug_assert_eq!(frame.len(), w.frame);
        self.samples.copy_within(w.frame..w.frame + w.context, 0);
        // What is no number would stay in the state for ever.
        for (to, &sample) in self.samples[w.context..].iter_mut().zip(frame) {
            *to = if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
        }
        let last = w.context + w.frame - 1;
        for k in 1..=w.padding {
            self.samples[last + k] = self.samples[last - k];
        }

        let window = w.stft.columns();
        let into = self.columns[0].fill(w.positions);
        for (position, column) in into.chunks_exact_mut(window).enumerate() {
            column.copy_from_slice(&self.samples[position * w.hop..][..window]);
        }
        let transformed = &mut self.outputs[..w.positions * w.stft.rows()];
        w.stft.mul(&mut self.columns[0], transformed, &self.pool);
        let bins = w.stft.rows() / 2;
        for (magnitudes, values) in self.stream.chunks_exact_mut(bins).zip(transformed.chunks_exact(2 * bins)) {
            let (real, imaginary) = values.split_at(bins);
            for ((magnitude, re), im) in magnitudes.iter_mut().zip(real).zip(imaginary) {
                *magnitude = (re * re + im * im).sqrt();
            }
        }

        let mut positions = w.positions;
        for (conv, columns) in w.convs.iter().zip(&mut self.columns[1..]) {
            let from = &self.stream[..positions * conv.channels];
            positions = conv.positions(positions);
            let into = columns.fill(positions);
            for (position, column) in into.chunks_exact_mut(conv.kernel.columns()).enumerate() {
                conv.arrange(from, position, column);
            }
            let outputs = &mut self.outputs[..positions * conv.kernel.rows()];
            conv.kernel.mul(columns, outputs, &self.pool);
            for (stream, outputs) in
                self.stream.chunks_exact_mut(conv.bias.len()).zip(outputs.chunks_exact(conv.bias.len()))
            {
                for ((x, y), bias) in stream.iter_mut().zip(outputs).zip(&conv.bias) {
                    *x = (y + bias).max(0.0);
                }
            }
        }
        self.recur()
    }

    /// The recurrent cell (Hochreiter and Schmidhuber, with a forget gate; rows in the order of PyTorch: input, forget,
    /// cell, output), and what it says.
    fn recur(&mut self) -> f32 {
        let w = &*self.weights;
        let dim = w.hidden_dim;
        let (input, hidden) = self.recurrent.fill(1).split_at_mut(w.lstm.columns() - dim);
        input.copy_from_slice(&self.stream[..input.len()]);
        hidden.copy_from_slice(&self.hidden);
        w.lstm.mul(&mut self.recurrent, &mut self.gates, &self.pool);
        ops::add(&mut self.gates, &w.lstm_bias);
        for i in 0..dim {
            let [input, forget, candidate, output] = [0, 1, 2, 3].map(|gate| self.gates[gate * dim + i]);
            self.cell[i] = sigmoid(forget) * self.cell[i] + sigmoid(input) * candidate.tanh();
            self.hidden[i] = sigmoid(output) * self.cell[i].tanh();
        }
        let said: f32 = self.hidden.iter().zip(&w.output).map(|(h, w)| h.max(0.0) * w).sum();
        sigmoid(said + w.output_bias)
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use safetensors::SafeTensors;

    /// Three pieces of commands and what the original, run by ONNX Runtime, says of their frames.
    const GOLDEN: &[u8] = include_bytes!("../../tests/data/hear/golden_vad.safetensors");

    /// A command of five seconds.
    pub fn command() -> Vec<f32> {
        golden(&SafeTensors::deserialize(GOLDEN).unwrap(), 0).0
    }

    fn golden(file: &SafeTensors<'_>, piece: usize) -> (Vec<f32>, Vec<f32>) {
        let samples = file.tensor(&format!("{piece}.samples")).unwrap();
        let samples = samples.data().as_chunks().0.iter().map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0);
        let probabilities = file.tensor(&format!("{piece}.probabilities")).unwrap();
        (samples.collect(), probabilities.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    fn probabilities(vad: &mut Vad, samples: &[f32]) -> Vec<f32> {
        samples.chunks_exact(vad.frame_samples()).map(|frame| vad.step(frame)).collect()
    }

    #[test]
    fn it_says_what_the_original_says_to_a_ten_thousandth() {
        let file = SafeTensors::deserialize(GOLDEN).unwrap();
        let mut vad = Vad::new().unwrap();
        for piece in 0..3 {
            let (samples, expected) = golden(&file, piece);
            vad.reset();
            let said = probabilities(&mut vad, &samples);
            assert_eq!(said.len(), expected.len());
            assert!(expected.iter().any(|p| *p > 0.9) && expected.iter().any(|p| *p < 0.1), "the golden shows both");
            let worst = said.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "piece {piece}: {worst:e}");
        }
    }

    #[test]
    fn it_remembers_and_forgets() {
        let file = SafeTensors::deserialize(GOLDEN).unwrap();
        let (samples, _) = golden(&file, 0);
        let mut vad = Vad::new().unwrap();
        let first = probabilities(&mut vad, &samples);
        assert_ne!(probabilities(&mut vad, &samples), first, "the second time there is a past");
        vad.reset();
        assert_eq!(probabilities(&mut vad, &samples), first);
    }

    #[test]
    fn what_is_no_number_does_not_stay() {
        let samples = command();
        let mut vad = Vad::new().unwrap();
        for nothing in [f32::NAN, f32::INFINITY, f32::MIN] {
            vad.reset();
            vad.step(&vec![nothing; vad.frame_samples()]);
            let said = probabilities(&mut vad, &samples);
            assert!(said.iter().all(|p| (0.0..=1.0).contains(p)) && said.iter().any(|p| *p > 0.9));
        }
    }

    #[test]
    fn silence_clipping_and_a_constant_are_no_speech() {
        let mut vad = Vad::new().unwrap();
        let square = |i: usize| if (i / 40).is_multiple_of(2) { 1.0 } else { -1.0 };
        let sounds: [&dyn Fn(usize) -> f32; 3] = [&|_| 0.0, &|_| 0.9, &square];
        for (kind, sound) in sounds.iter().enumerate() {
            vad.reset();
            let samples: Vec<f32> = (0..64_000).map(sound).collect();
            let said = probabilities(&mut vad, &samples);
            assert!(said.iter().skip(4).all(|p| *p < 0.5), "sound {kind}: {said:?}");
        }
    }
}

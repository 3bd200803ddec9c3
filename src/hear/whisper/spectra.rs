//! Whisper's spectra. In: samples at 16 kHz. Out: spectra, two for each row of the encoder. (`log_mel_spectrogram` and
//! `pad_or_trim` of openai/whisper: frames around every 160th sample, the recording mirrored at its beginning, the loudest band
//! less 8 as a floor.)

use syrinx_quant::shape::Whisper as Shape;

use crate::error::Result;
use crate::hear::mel::{Mel, MelSizes};

/// Logarithms that a spectrum reaches down from its window's loudest.
const RANGE: f32 = 8.0;

/// Full scale is 1; what is far beyond it is a fault of who gives it.
const LOUDEST: f32 = 16.0;

#[derive(Debug)]
pub struct Spectra {
    mel: Mel,
    hop: usize,
    padded: Vec<f32>,
}

impl Spectra {
    /// Errors: `BadPack`.
    pub fn new(shape: &Shape) -> Result<Self> {
        let sizes = MelSizes { rate_hz: shape.sampling_rate, window: shape.window, bands: shape.mels };
        Ok(Self { mel: Mel::new(sizes)?, hop: shape.hop, padded: Vec::new() })
    }

    /// `count` spectra of samples with silence behind them, `[count][bands]`.
    pub fn compute(&mut self, samples: &[f32], count: usize, out: &mut Vec<f32>) {
        let (window, bands) = (self.mel.window(), self.mel.bands());
        let half = window / 2;
        let padded = &mut self.padded;
        padded.clear();
        let sound = |sample: f32| if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
        padded.extend((0..half).map(|i| sound(samples.get(half - i).copied().unwrap_or(0.0))));
        padded.extend(samples.iter().copied().map(sound));
        padded.resize(count * self.hop + window, 0.0);
        out.clear();
        out.resize(count * bands, 0.0);
        for (i, out) in out.chunks_exact_mut(bands).enumerate() {
            self.mel.frame(&padded[i * self.hop..][..window], out);
        }
        let floor = out.iter().fold(f32::NEG_INFINITY, |m, &v| m.max(v)) - RANGE;
        out.iter_mut().for_each(|v| *v = (v.max(floor) + 4.0) / 4.0);
    }
}

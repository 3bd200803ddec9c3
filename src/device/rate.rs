//! From the model's rate to the device's. In: frames of samples. Out: about as much time at the other rate, exactly
//! the input where the rates are equal.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

use crate::error::{Error, ErrorKind, Result};

/// Converts blocks of one length, with state from block to block. Allocates when it is made and at the end of speech,
/// never in between.
pub struct RateConverter {
    resampler: Option<Fft<f32>>,
    block: usize,
    from_hz: u32,
    to_hz: u32,
    /// Samples taken and given since the last reset.
    taken: u64,
    given: u64,
    out: Vec<f32>,
    /// Samples of the resampler's own delay that are still to be dropped.
    delay_left: usize,
}

impl std::fmt::Debug for RateConverter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateConverter").field("block", &self.block).finish_non_exhaustive()
    }
}

impl RateConverter {
    /// For blocks of `block` samples. Errors: `BadOption` for a rate that cannot be reached.
    pub fn new(from_hz: u32, to_hz: u32, block: usize) -> Result<Self> {
        let resampler = match from_hz == to_hz {
            true => None,
            false => Some(Fft::new(from_hz as usize, to_hz as usize, block, 1, FixedSync::Input).map_err(|e| {
                let message = format!("cannot convert {from_hz} Hz to {to_hz} Hz: {e}");
                Error::new(ErrorKind::BadOption, message).with_source(e)
            })?),
        };
        let out = vec![0.0; resampler.as_ref().map_or(block, Fft::output_frames_max)];
        let mut converter = Self { resampler, block, from_hz, to_hz, taken: 0, given: 0, out, delay_left: 0 };
        converter.reset();
        Ok(converter)
    }

    /// From and to.
    pub fn rates_hz(&self) -> (u32, u32) {
        (self.from_hz, self.to_hz)
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        (self.taken, self.given) = (0, 0);
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
            self.delay_left = resampler.output_delay();
        }
    }

    /// Converts one block. Errors: `BadOption` for one of another length.
    pub fn convert(&mut self, samples: &[f32]) -> Result<&[f32]> {
        let Some(resampler) = &mut self.resampler else {
            self.out.clear();
            self.out.extend_from_slice(samples);
            return Ok(&self.out);
        };
        let bad = |e: &dyn std::fmt::Display| Error::new(ErrorKind::BadOption, format!("rate conversion: {e}"));
        let input = InterleavedSlice::new(samples, 1, samples.len()).map_err(|e| bad(&e))?;
        let frames = self.out.len();
        let mut output = InterleavedSlice::new_mut(&mut self.out, 1, frames).map_err(|e| bad(&e))?;
        let (_, written) = resampler.process_into_buffer(&input, &mut output, None).map_err(|e| bad(&e))?;
        let dropped = self.delay_left.min(written);
        self.delay_left -= dropped;
        self.taken += samples.len() as u64;
        self.given += (written - dropped) as u64;
        Ok(self.out.get(dropped..written).unwrap_or_default())
    }

    /// What the delay has held back, at the end of speech. Errors: as [`RateConverter::convert`].
    pub fn flush(&mut self) -> Result<Vec<f32>> {
        let mut tail = Vec::new();
        if self.resampler.is_some() {
            let owed =
                (self.taken * u64::from(self.to_hz) / u64::from(self.from_hz)).saturating_sub(self.given) as usize;
            let silence = vec![0.0; self.block];
            while tail.len() < owed {
                tail.extend_from_slice(self.convert(&silence)?);
            }
            tail.truncate(owed);
        }
        Ok(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(frequency: f32, rate_hz: u32, samples: usize) -> Vec<f32> {
        (0..samples).map(|i| (i as f32 * frequency * std::f32::consts::TAU / rate_hz as f32).sin()).collect()
    }

    #[test]
    fn equal_rates_change_nothing() {
        let input = sine(440.0, 24_000, 1920);
        let mut converter = RateConverter::new(24_000, 24_000, 1920).unwrap();
        assert_eq!(converter.convert(&input).unwrap(), input);
        assert!(converter.flush().unwrap().is_empty());
    }

    #[test]
    fn a_tone_keeps_its_place_length_and_form() {
        for to_hz in [48_000, 44_100, 16_000] {
            let input = sine(440.0, 24_000, 5 * 1920);
            let mut converter = RateConverter::new(24_000, to_hz, 1920).unwrap();
            let mut output = Vec::new();
            for block in input.chunks(1920) {
                output.extend_from_slice(converter.convert(block).unwrap());
            }
            output.extend(converter.flush().unwrap());
            let expected = sine(440.0, to_hz, 5 * 1920 * to_hz as usize / 24_000);
            assert!(output.len().abs_diff(expected.len()) <= 2, "{to_hz}: {} of {}", output.len(), expected.len());
            let inner = 500..expected.len() - 500;
            let worst = inner.map(|i| (output[i] - expected[i]).abs()).fold(0.0, f32::max);
            assert!(worst < 0.01, "{to_hz}: {worst}");
        }
    }
}

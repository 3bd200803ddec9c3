//! Sound of any rate for ears of one. In: mono samples, in pieces of any length. Out: 16 kHz, 40 ms at a time.
//!
//! Recordings and microphones both end here. What comes in is counted against what goes out, so that a stretch of sound is as
//! long behind the resampler as before it.

use super::wav::RATE_HZ;
use crate::device::rate::RateConverter;
use crate::error::Result;

/// Blocks in a second.
const BLOCKS: usize = 25;

/// A stretch of sound on its way to 16 kHz.
#[derive(Debug)]
pub struct Intake {
    rate_hz: u64,
    converter: RateConverter,
    block: Vec<f32>,
    filled: usize,
    /// Samples taken at their rate, and given at 16 kHz.
    taken: u64,
    given: u64,
}

impl Intake {
    /// Errors: `BadOption` for a rate that cannot be converted.
    pub fn new(rate_hz: u32) -> Result<Self> {
        let block = (rate_hz as usize).div_ceil(BLOCKS);
        let converter = RateConverter::new(rate_hz, RATE_HZ, block)?;
        let rate_hz = u64::from(rate_hz);
        Ok(Self { rate_hz, converter, block: vec![0.0; block], filled: 0, taken: 0, given: 0 })
    }

    /// Takes samples, and appends what is ready. Errors: none that a caller could cause.
    pub fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        self.taken += samples.len() as u64;
        while !samples.is_empty() {
            let (now, rest) = samples.split_at(samples.len().min(self.block.len() - self.filled));
            self.block[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            samples = rest;
            if self.filled == self.block.len() {
                self.convert(out)?;
            }
        }
        Ok(())
    }

    /// The stretch ends here: appends what is still owed. What follows is another. Errors: as [`Intake::push`].
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        // The last block is filled up with zeros, whose samples are not the sound's.
        let owed = usize::try_from(self.owed()).unwrap_or(usize::MAX);
        let before = out.len();
        if self.filled > 0 {
            self.block[self.filled..].fill(0.0);
            self.convert(out)?;
        }
        out.extend(self.converter.flush()?);
        out.truncate(before.saturating_add(owed));
        self.converter.reset();
        (self.filled, self.taken, self.given) = (0, 0, 0);
        Ok(())
    }

    /// Samples at 16 kHz of what was taken and is not given yet.
    pub fn owed(&self) -> u64 {
        (self.taken * u64::from(RATE_HZ) / self.rate_hz).saturating_sub(self.given)
    }

    fn convert(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let ready = self.converter.convert(&self.block)?;
        out.extend_from_slice(ready);
        self.given += ready.len() as u64;
        self.filled = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_as_long_as_before_whatever_the_pieces_and_the_next_knows_nothing_of_it() {
        for rate_hz in [8_000, 11_025, 16_000, 44_100, 48_000, 96_000] {
            let mut intake = Intake::new(rate_hz).unwrap();
            let tone: Vec<f32> = (0..rate_hz as usize + 77).map(|i| (i as f32 * 0.05).sin()).collect();
            let mut all = Vec::new();
            for piece in [1, 441, 1920, tone.len()] {
                let mut out = Vec::new();
                for samples in tone.chunks(piece) {
                    intake.push(samples, &mut out).unwrap();
                }
                let owed = intake.owed() as usize;
                let given = out.len();
                intake.finish(&mut out).unwrap();
                assert_eq!((out.len(), intake.owed()), (given + owed, 0));
                all.push(out);
            }
            assert_eq!(all[0].len(), tone.len() * RATE_HZ as usize / rate_hz as usize);
            assert!(all.iter().all(|out| *out == all[0]), "{rate_hz}");
            let mut none = Vec::new();
            intake.finish(&mut none).unwrap();
            assert_eq!(none, [0f32; 0]);
        }
    }
}

//! The mark by which speech is told to be synthetic. In: samples as the codec makes them, or any recording. Out: the samples
//! with the mark in them; or whether a recording has it.
//!
//! The mark is a filter: 64 faint echoes, 2 to 20 ms behind the sound, half of them upside down, whose pattern is the mark.
//! Together they are 20 dB below the sound, as the walls of a small room are, and colour it by about 1 dB. So
//! the mark follows speech by itself and is not there in silence, costs additions alone, adds no latency, and is found again
//! in any part of a recording, whatever was cut, resampled, filtered or compressed: a filter has no place in time. Who knows
//! the pattern can take it out again; it tells honest people, not forgers.
//!
//! Bits are equal on every processor: additions in one order, and one multiplication. And the echoes reach over the borders of
//! blocks, so that any division of speech into blocks gives the same samples.

mod detect;

pub use detect::{Detection, Detector};

use crate::error::{Error, ErrorKind, Result};

/// The rate of what is marked.
const RATE_HZ: u32 = 24_000;
/// Delays are multiples of 125 microseconds, so that 8 kHz, of a telephone, has them too.
const SAMPLES_PER_UNIT: usize = 3;
/// A unit less than the shortest delay is what is computed at once.
const AT_ONCE: usize = 32;
/// Samples that are marked between two moves of the past.
const BLOCK: usize = 960;

/// Delays in units: of echoes as they are, and upside down. Drawn 1,500 times; of these the one that
/// unmarked speech resembles least, and itself at other places.
const HIGHER: [u8; 32] = [
    30, 32, 39, 40, 45, 46, 50, 51, 52, 61, 65, 69, 74, 75, 76, 77, 78, 86, 87, 90, 93, 96, 103, 105, 112, 120, 123,
    127, 134, 139, 154, 159,
];
const LOWER: [u8; 32] = [
    16, 24, 33, 35, 43, 44, 48, 49, 53, 54, 58, 67, 79, 80, 81, 82, 84, 85, 89, 94, 115, 118, 121, 122, 136, 138, 141,
    146, 151, 153, 157, 158,
];
/// Of one sample of an echo, which is three samples long: that keeps it below 8 kHz. All of them together: 0.1.
const GAIN: f32 = 0.007_217;

/// The longest delay, in samples, with the echo's last sample.
const REACH: usize = 160 * SAMPLES_PER_UNIT;

/// Marks one speech. Allocates when it is made, never afterwards.
#[derive(Debug)]
pub struct Watermark {
    /// Sums of three neighbouring samples: `REACH` of the past, then a block's.
    sums: Vec<f32>,
    /// The last two samples.
    before: [f32; 2],
}

impl Watermark {
    /// For samples of a rate. Errors: `Unsupported` for another rate than 24 kHz.
    pub fn new(rate_hz: u32) -> Result<Self> {
        if rate_hz != RATE_HZ {
            let message =
                format!("speech of {rate_hz} Hz cannot be marked, only of {RATE_HZ} Hz: switch the watermark off");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(Self { sums: vec![0.0; REACH + BLOCK], before: [0.0; 2] })
    }

    /// Nothing of the past is heard in what follows.
    pub fn reset(&mut self) {
        self.sums.fill(0.0);
        self.before = [0.0; 2];
    }

    /// Marks the next samples.
    pub fn mark(&mut self, pcm: &mut [f32]) {
        for block in pcm.chunks_mut(BLOCK) {
            for (sum, &sample) in self.sums[REACH..].iter_mut().zip(block.iter()) {
                *sum = sample + self.before[0] + self.before[1];
                self.before = [sample, self.before[0]];
            }
            for (i, samples) in block.chunks_mut(AT_ONCE).enumerate() {
                let echoes = self.echoes(i * AT_ONCE);
                samples.iter_mut().zip(echoes).for_each(|(sample, echo)| *sample += GAIN * echo);
            }
            self.sums.copy_within(block.len()..block.len() + REACH, 0);
        }
    }

    /// What is added to the samples from `at` on: they all lie behind what it is made of.
    fn echoes(&self, at: usize) -> [f32; AT_ONCE] {
        let past = |&delay: &u8| &self.sums[REACH + at + 1 - usize::from(delay) * SAMPLES_PER_UNIT..][..AT_ONCE];
        let mut sum = [0.0; AT_ONCE];
        for delay in &HIGHER {
            sum.iter_mut().zip(past(delay)).for_each(|(sum, past)| *sum += past);
        }
        for delay in &LOWER {
            sum.iter_mut().zip(past(delay)).for_each(|(sum, past)| *sum -= past);
        }
        sum
    }
}

#[cfg(test)]
mod tests;

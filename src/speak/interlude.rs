//! What a document has between its words. In: a length of silence, or a prepared phrase. Out: its samples, block by block.

use super::phrase::Phrase;
use crate::error::Result;

/// Heard in place of words.
#[derive(Clone, Debug)]
pub(crate) enum Interlude {
    Silence { ms: u32 },
    Sound(Phrase),
}

impl Interlude {
    /// The same for another rate. Errors: `BadOption` where it cannot be converted to.
    pub fn at_rate(self, rate_hz: u32) -> Result<Self> {
        Ok(match self {
            Self::Silence { ms } => Self::Silence { ms },
            Self::Sound(phrase) => {
                let samples = phrase.at_rate(rate_hz)?;
                Self::Sound(Phrase { sample_rate_hz: rate_hz, samples, ..phrase })
            }
        })
    }

    /// Writes what comes behind the first `given` samples, at its own rate or `rate_hz`. How many; 0 at the end.
    pub fn read(&self, given: u64, rate_hz: u32, gain: f32, pcm: &mut [f32]) -> usize {
        let from = usize::try_from(given).unwrap_or(usize::MAX);
        match self {
            Self::Silence { ms } => {
                let length = u64::from(*ms) * u64::from(rate_hz) / 1000;
                let left = usize::try_from(length.saturating_sub(given)).unwrap_or(usize::MAX);
                let samples = left.min(pcm.len());
                pcm.iter_mut().take(samples).for_each(|sample| *sample = 0.0);
                samples
            }
            Self::Sound(phrase) => {
                let rest = phrase.samples.get(from..).unwrap_or_default();
                pcm.iter_mut().zip(rest).for_each(|(sample, sound)| *sample = sound * gain);
                rest.len().min(pcm.len())
            }
        }
    }
}

//! What samples become on their way to a client. In: blocks of samples. Out: bytes of the form that was asked for, as soon as
//! they are complete.

mod flac;
mod mp3;
mod opus;
mod rate;

use std::io;

use syrinx::lab::device::wav;
use syrinx::lab::provenance;
use syrinx::to_i16;

use crate::form::Wrap;
use crate::refusal::Refusal;

pub use mp3::is_here as has_mp3;

/// One sound's encoder.
pub struct Encoder {
    /// None where the pack's own rate is wanted.
    rate: Option<rate::Rate>,
    wrapper: Wrapper,
    /// Samples that were wrapped.
    samples: usize,
}

enum Wrapper {
    Pcm,
    Float,
    Wav { rate_hz: u32 },
    Flac(Box<flac::Flac>),
    Opus(Box<opus::Opus>),
    Mp3(mp3::Mp3),
}

impl Encoder {
    /// From `own_hz` to `rate_hz`. Errors: a rate that cannot be reached, or of which the form knows nothing.
    pub fn new(wrap: Wrap, own_hz: u32, rate_hz: u32) -> Result<Self, Refusal> {
        let converted = (own_hz != rate_hz).then(|| rate::Rate::new(own_hz, rate_hz)).transpose();
        let rate = converted.map_err(|e| Refusal::of_field("sample_rate", "unsupported_sample_rate", e.message()))?;
        let refused = |e: &dyn std::fmt::Display| {
            let message = format!("{} cannot be made of {rate_hz} Hz ({e}): choose wav or pcm", wrap.name());
            Refusal::of_field("response_format", "unsupported_response_format", message)
        };
        let wrapper = match wrap {
            Wrap::Pcm => Wrapper::Pcm,
            Wrap::Float => Wrapper::Float,
            Wrap::Wav => Wrapper::Wav { rate_hz },
            Wrap::Flac => Wrapper::Flac(Box::new(flac::Flac::new(rate_hz).map_err(|e| refused(&e))?)),
            Wrap::Opus => Wrapper::Opus(Box::new(opus::Opus::new(rate_hz).map_err(|e| refused(&e))?)),
            Wrap::Mp3 => Wrapper::Mp3(mp3::Mp3::new(rate_hz).map_err(|e| refused(&e))?),
        };
        Ok(Self { rate, wrapper, samples: 0 })
    }

    /// What comes before all else; where the sound is `complete`, it says how long that is.
    pub fn head(&mut self, complete: bool) -> io::Result<Vec<u8>> {
        let samples = complete.then_some(self.samples);
        match &mut self.wrapper {
            Wrapper::Pcm | Wrapper::Float => Ok(Vec::new()),
            Wrapper::Wav { rate_hz } => Ok(wav::head(*rate_hz, samples)),
            Wrapper::Mp3(_) => Ok(provenance::id3_tag()),
            Wrapper::Flac(flac) => flac.head(samples),
            Wrapper::Opus(opus) => Ok(opus.bytes()),
        }
    }

    pub fn block(&mut self, samples: &[f32]) -> io::Result<Vec<u8>> {
        match &mut self.rate {
            None => self.wrapped(samples),
            Some(rate) => {
                let samples = rate.block(samples).map_err(io::Error::other)?;
                self.wrapped(&samples)
            }
        }
    }

    /// What the conversion has held back, after the last block.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        match &mut self.rate {
            None => Ok(Vec::new()),
            Some(rate) => {
                let samples = rate.end().map_err(io::Error::other)?;
                self.wrapped(&samples)
            }
        }
    }

    fn wrapped(&mut self, samples: &[f32]) -> io::Result<Vec<u8>> {
        self.samples += samples.len();
        match &mut self.wrapper {
            Wrapper::Float => Ok(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()),
            Wrapper::Pcm | Wrapper::Wav { .. } => {
                Ok(samples.iter().flat_map(|&sample| to_i16(sample).to_le_bytes()).collect())
            }
            Wrapper::Flac(flac) => flac.block(samples),
            Wrapper::Opus(opus) => opus.block(samples),
            Wrapper::Mp3(mp3) => mp3.block(samples),
        }
    }

    /// What comes at the very end.
    pub fn end(self) -> io::Result<Vec<u8>> {
        match self.wrapper {
            Wrapper::Pcm | Wrapper::Float | Wrapper::Wav { .. } => Ok(Vec::new()),
            Wrapper::Flac(mut flac) => flac.end(),
            Wrapper::Opus(opus) => opus.end(),
            Wrapper::Mp3(mp3) => mp3.end(),
        }
    }
}

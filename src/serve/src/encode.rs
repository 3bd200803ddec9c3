//! What samples become on their way to a client. In: blocks of samples. Out: bytes of the form that was asked for, as soon as
//! they are complete.

mod flac;
mod opus;

use std::io;

use syrinx::to_i16;

use crate::form::Wrap;
use crate::refusal::Refusal;

/// One sound's encoder.
pub enum Encoder {
    Pcm,
    Float,
    Wav { rate_hz: u32 },
    Flac(Box<flac::Flac>),
    Opus(Box<opus::Opus>),
}

impl Encoder {
    /// Errors: a rate of which the form knows nothing.
    pub fn new(wrap: Wrap, rate_hz: u32) -> Result<Self, Refusal> {
        let refused = |e: &dyn std::fmt::Display| {
            let message = format!("{} cannot be made of {rate_hz} Hz ({e}): choose wav or pcm", wrap.name());
            Refusal::of_field("response_format", "unsupported_response_format", message)
        };
        Ok(match wrap {
            Wrap::Pcm => Self::Pcm,
            Wrap::Float => Self::Float,
            Wrap::Wav => Self::Wav { rate_hz },
            Wrap::Flac => Self::Flac(Box::new(flac::Flac::new(rate_hz).map_err(|e| refused(&e))?)),
            Wrap::Opus => Self::Opus(Box::new(opus::Opus::new(rate_hz).map_err(|e| refused(&e))?)),
        })
    }

    /// What comes before all else. `samples`: all of them, where they are known.
    pub fn head(&mut self, samples: Option<usize>) -> io::Result<Vec<u8>> {
        match self {
            Self::Pcm | Self::Float => Ok(Vec::new()),
            Self::Wav { rate_hz } => Ok(wav_header(*rate_hz, samples)),
            Self::Flac(flac) => flac.head(samples),
            Self::Opus(opus) => Ok(opus.bytes()),
        }
    }

    pub fn block(&mut self, samples: &[f32]) -> io::Result<Vec<u8>> {
        match self {
            Self::Float => Ok(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()),
            Self::Pcm | Self::Wav { .. } => {
                Ok(samples.iter().flat_map(|&sample| to_i16(sample).to_le_bytes()).collect())
            }
            Self::Flac(flac) => flac.block(samples),
            Self::Opus(opus) => opus.block(samples),
        }
    }

    /// What comes after the last block.
    pub fn end(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Pcm | Self::Float | Self::Wav { .. } => Ok(Vec::new()),
            Self::Flac(mut flac) => flac.end(),
            Self::Opus(opus) => opus.end(),
        }
    }
}

/// 16 bits, one channel. Where the length is not known it is the largest, as OpenAI streams it.
fn wav_header(rate_hz: u32, samples: Option<usize>) -> Vec<u8> {
    let data = samples.and_then(|samples| u32::try_from(2 * samples).ok()).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(44);
    header.extend(b"RIFF");
    header.extend(data.saturating_add(36).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16u32.to_le_bytes());
    header.extend(1u16.to_le_bytes()); // integers
    header.extend(1u16.to_le_bytes());
    header.extend(rate_hz.to_le_bytes());
    header.extend((2 * rate_hz).to_le_bytes());
    header.extend(2u16.to_le_bytes());
    header.extend(16u16.to_le_bytes());
    header.extend(b"data");
    header.extend(data.to_le_bytes());
    header
}

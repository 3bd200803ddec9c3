//! The head of a WAV file, up to its first sample. In: bytes. Out: how samples are stored and how many bytes of them are
//! promised. (RIFF of IBM and Microsoft, 1991; `WAVE_FORMAT_EXTENSIBLE` of `mmreg.h`.)

use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// Promised lengths from here on are those of a writer that did not know: the sound goes on as long as the stream.
pub(super) const ENDLESS: u64 = 0x7FFF_0000;
/// Bytes of a format chunk that are looked at; the rest of a longer one is skipped.
const FORMAT_BYTES: usize = 40;
/// Marks a header whose encoding stands in its extension.
const EXTENSIBLE: u16 = 0xFFFE;

/// How one sample is stored; little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Unsigned, 128 is silence.
    U8,
    S16,
    S24,
    S32,
    F32,
    F64,
}

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub rate_hz: u32,
    pub channels: u16,
    pub encoding: Encoding,
}

impl Encoding {
    const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::S16 => 2,
            Self::S24 => 3,
            Self::S32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// A sample against full scale; 0 for what is no number.
    fn value(self, bytes: &[u8]) -> f32 {
        let value = match (self, bytes) {
            (Self::U8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::S16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::S24, &[a, b, c]) => i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0,
            (Self::S32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0,
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => 0.0,
        };
        if value.is_finite() { value } else { 0.0 }
    }
}

impl Format {
    /// Bytes of one sample of each channel.
    pub fn frame_bytes(self) -> usize {
        self.encoding.bytes() * usize::from(self.channels)
    }

    /// The mean of a frame's channels.
    pub(super) fn mono(self, frame: &[u8]) -> f32 {
        let sum: f32 = frame.chunks_exact(self.encoding.bytes()).map(|bytes| self.encoding.value(bytes)).sum();
        sum / f32::from(self.channels)
    }
}

/// Why a header is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    Io(std::io::Error),
    /// It is no WAV file, or a damaged one.
    Wrong(String),
}

impl Refusal {
    /// The error of the stream `name`.
    pub fn of(self, name: &str) -> Error {
        match self {
            Self::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                let message = format!("{name}: ends before its first sample: it is no WAV file, or was cut off");
                Error::new(ErrorKind::Unsupported, message)
            }
            Self::Io(e) => Error::io("read", Path::new(name), e),
            Self::Wrong(what) => Error::new(ErrorKind::Unsupported, format!("{name}: {what}")),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e)
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Wrong(what.into()))
}

/// Reads up to the first sample: the format, and the bytes of samples that are promised.
pub(super) fn read(reader: &mut impl Read) -> Result<(Format, u64), Refusal> {
    let (kind, _, form) = (array::<4>(reader)?, array::<4>(reader)?, array::<4>(reader)?);
    match (&kind, &form) {
        (b"RIFF", b"WAVE") => {}
        (b"RF64" | b"BW64" | b"RIFX", _) => {
            return wrong("is a WAV file of another kind than RIFF: convert it to one of 16 bits");
        }
        _ => return wrong("is no WAV file: convert it to one, or say that its samples are bare"),
    }
    let mut format = None;
    loop {
        let (kind, length) = (array::<4>(reader)?, u32::from_le_bytes(array(reader)?));
        match (&kind, format) {
            (b"fmt ", _) => format = Some(read_format(reader, length)?),
            (b"data", Some(format)) => return Ok((format, promised(length))),
            (b"data", None) => return wrong("has samples before their format: convert it"),
            _ => skip(reader, u64::from(length) + u64::from(length % 2))?,
        }
    }
}

/// A length that was not known is any length.
fn promised(length: u32) -> u64 {
    if u64::from(length) < ENDLESS { u64::from(length) } else { u64::MAX }
}

fn read_format(reader: &mut impl Read, length: u32) -> Result<Format, Refusal> {
    let mut bytes = [0; FORMAT_BYTES];
    let kept = FORMAT_BYTES.min(length as usize);
    if kept < 16 {
        return wrong(format!("its format takes {length} bytes, expected 16 or more: convert it"));
    }
    reader.read_exact(&mut bytes[..kept])?;
    skip(reader, u64::from(length) - kept as u64 + u64::from(length % 2))?;
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let [a, b, c, d] = [bytes[4], bytes[5], bytes[6], bytes[7]];
    let (channels, rate_hz, block, bits) = (u16_at(2), u32::from_le_bytes([a, b, c, d]), u16_at(12), u16_at(14));
    // The extension names the encoding in the first two bytes of a GUID.
    let tag = if u16_at(0) == EXTENSIBLE { u16_at(24) } else { u16_at(0) };
    let encoding = match (tag, bits) {
        (1, 8) => Encoding::U8,
        (1, 16) => Encoding::S16,
        (1, 24) => Encoding::S24,
        (1, 32) => Encoding::S32,
        (3, 32) => Encoding::F32,
        (3, 64) => Encoding::F64,
        (1 | 3, _) => return wrong(format!("has samples of {bits} bits: convert them to 16")),
        _ => return wrong(format!("has samples of encoding {tag}, which is not linear: convert them to 16 bits")),
    };
    let format = Format { rate_hz, channels, encoding };
    if usize::from(block) != format.frame_bytes() {
        let message = format!("says {block} bytes for {channels} samples of {bits} bits");
        return wrong(format!("its format contradicts itself ({message}): convert it"));
    }
    Ok(format)
}

fn array<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(reader: &mut impl Read, bytes: u64) -> Result<(), Refusal> {
    let skipped = std::io::copy(&mut reader.by_ref().take(bytes), &mut std::io::sink())?;
    if skipped < bytes { Err(Refusal::Io(std::io::ErrorKind::UnexpectedEof.into())) } else { Ok(()) }
}

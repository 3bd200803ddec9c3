//! Recorded sound. In: a WAV file or stream of 8 to 96 kHz and any channels, or bare samples, from a file or standard
//! input. Out: 16 kHz mono, 40 ms at a time, so that ten hours take no more memory than a second.
//!
//! The header is read here and not by hound, which refuses the lengths that programs write into a pipe before they know
//! better (all ones, or nearly), and loses its way behind a chunk of odd length. What is cut off ends where it ends: a
//! recording that broke off is still worth hearing.

mod header;

use std::fs::File;
use std::io::{BufReader, ErrorKind as IoKind, Read};
use std::path::Path;

use super::intake::Intake;
use crate::error::{Error, ErrorKind, Result};
pub use header::{Encoding, Format};

/// The rate of everything that listens.
pub const RATE_HZ: u32 = 16_000;
/// Rates that are taken.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=384_000;
/// Frames that are read at a time.
const FRAMES: usize = 2048;
/// Most channels: what is read at once grows with them, whoever has written the header.
const MOST_CHANNELS: u16 = 64;

/// A recording that is being read.
pub struct Recording {
    name: String,
    reader: Box<dyn Read + Send>,
    format: Format,
    /// Bytes of samples that the header promises and that are still to come.
    left: u64,
    intake: Intake,
    bytes: Vec<u8>,
    mono: Vec<f32>,
    ended: bool,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("name", &self.name).field("format", &self.format).finish_non_exhaustive()
    }
}

impl Recording {
    /// A WAV file; `-` is standard input. Errors: `Io`; `Unsupported` for what is no WAV file of linear samples.
    pub fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Self::wav("standard input", Box::new(std::io::stdin()));
        }
        let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
        Self::wav(&path.display().to_string(), Box::new(file))
    }

    /// A WAV file as a stream of bytes. Errors: as [`Recording::open`].
    pub fn wav(name: &str, reader: Box<dyn Read + Send>) -> Result<Self> {
        let mut reader = BufReader::new(reader);
        let (format, bytes) = header::read(&mut reader).map_err(|e| e.of(name))?;
        Self::new(name, Box::new(reader), format, bytes)
    }

    /// Bare samples, channels in turn, to the end of the stream. Errors: `Unsupported` for a rate or a number of channels
    /// that cannot be.
    pub fn raw(name: &str, reader: Box<dyn Read + Send>, format: Format) -> Result<Self> {
        Self::new(name, Box::new(BufReader::new(reader)), format, u64::MAX)
    }

    fn new(name: &str, reader: Box<dyn Read + Send>, format: Format, left: u64) -> Result<Self> {
        let unsupported = |what: String| Err(Error::new(ErrorKind::Unsupported, format!("{name}: {what}")));
        let Format { rate_hz, channels, .. } = format;
        if !RATES_HZ.contains(&rate_hz) {
            let (least, most) = RATES_HZ.into_inner();
            return unsupported(format!("{rate_hz} Hz, expected {least} to {most}: convert it"));
        }
        if !(1..=MOST_CHANNELS).contains(&channels) {
            return unsupported(format!("{channels} channels, expected 1 to {MOST_CHANNELS}: convert it"));
        }
        Ok(Self {
            name: name.to_owned(),
            reader,
            left,
            intake: Intake::new(rate_hz)?,
            bytes: vec![0; FRAMES * format.frame_bytes()],
            mono: vec![0.0; FRAMES],
            format,
            ended: false,
        })
    }

    /// How its samples are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Appends the next samples to `out`; false where none are left. Errors: `Io`.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let frames = self.fill()?;
        let before = out.len();
        self.intake.push(&self.mono[..frames], out)?;
        self.ended = frames < self.mono.len();
        if self.ended {
            self.intake.finish(out)?;
        }
        Ok(!self.ended || out.len() > before)
    }

    /// All that is left. Errors: as [`Recording::read`].
    pub fn read_all(&mut self) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        while self.read(&mut all)? {}
        Ok(all)
    }

    /// Reads a block, makes it mono, and says how many frames it has: fewer than all at the end alone.
    fn fill(&mut self) -> Result<usize> {
        let frame_bytes = self.format.frame_bytes();
        let wanted = usize::try_from(self.left).map_or(self.bytes.len(), |left| left.min(self.bytes.len()));
        let mut got = 0;
        while got < wanted {
            match self.reader.read(&mut self.bytes[got..wanted]) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == IoKind::Interrupted => {}
                Err(e) => return Err(Error::io("read", Path::new(&self.name), e)),
            }
        }
        if got < wanted && self.left < header::ENDLESS {
            let missing = self.left - got as u64;
            log::warn!("{}: is cut off, {missing} bytes of sound are missing", self.name);
        }
        self.left -= got as u64;
        for (mono, frame) in self.mono.iter_mut().zip(self.bytes[..got].chunks_exact(frame_bytes)) {
            *mono = self.format.mono(frame);
        }
        Ok(got / frame_bytes)
    }
}

#[cfg(test)]
mod tests;

//! FLAC (RFC 9639), frame by frame. In: samples. Out: the 16-bit integers that they would be in a WAV file, without loss.

use std::fmt::Display;
use std::io;

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, StreamInfo};
use flacenc::config;
use flacenc::encode_fixed_size_frame;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Fill, FrameBuf};
use syrinx::lab::provenance;
use syrinx::to_i16;

/// Samples of a frame: 80 ms at 24 kHz, which the blocks of speech mostly have.
const FRAME: usize = 1920;
/// Before the stream's description: its kind and its length.
const DESCRIPTION: [u8; 4] = [0, 0, 0, 34];
/// The kind of a comment, and that it is the last block before the sound.
const LAST_COMMENT: u8 = 0x80 | 4;

/// The crate's errors are many, and belong to one thread.
fn failed(e: impl Display) -> io::Error {
    io::Error::other(e.to_string())
}

pub struct Flac {
    config: Verified<config::Encoder>,
    info: StreamInfo,
    frame: FrameBuf,
    waiting: Vec<i32>,
    number: usize,
}

impl Flac {
    /// Errors: a rate that the format cannot name.
    pub fn new(rate_hz: u32) -> io::Result<Self> {
        let mut info = StreamInfo::new(rate_hz as usize, 1, 16).map_err(failed)?;
        info.set_block_sizes(FRAME, FRAME).map_err(failed)?;
        info.set_frame_sizes(0, 0).map_err(failed)?;
        Ok(Self {
            config: config::Encoder::default().into_verified().map_err(|(_, e)| failed(e))?,
            frame: FrameBuf::with_size(1, FRAME).map_err(failed)?,
            info,
            waiting: Vec::new(),
            number: 0,
        })
    }

    pub fn head(&mut self, samples: Option<usize>) -> io::Result<Vec<u8>> {
        self.info.set_total_samples(samples.unwrap_or_default());
        let mut sink = ByteSink::new();
        self.info.write(&mut sink).map_err(failed)?;
        let comment = provenance::vorbis_comment();
        let [_, length @ ..] = (comment.len() as u32).to_be_bytes();
        Ok([b"fLaC", &DESCRIPTION[..], sink.as_slice(), &[LAST_COMMENT], &length, &comment].concat())
    }

    pub fn block(&mut self, samples: &[f32]) -> io::Result<Vec<u8>> {
        self.waiting.extend(samples.iter().map(|&sample| i32::from(to_i16(sample))));
        let whole = self.waiting.len() / FRAME * FRAME;
        let ready: Vec<i32> = self.waiting.drain(..whole).collect();
        self.frames(&ready)
    }

    /// The last frame, which may be shorter.
    pub fn end(&mut self) -> io::Result<Vec<u8>> {
        let rest = std::mem::take(&mut self.waiting);
        self.frames(&rest)
    }

    fn frames(&mut self, samples: &[i32]) -> io::Result<Vec<u8>> {
        let mut sink = ByteSink::new();
        for part in samples.chunks(FRAME) {
            if part.len() < FRAME {
                self.frame = FrameBuf::with_size(1, part.len()).map_err(failed)?;
            }
            self.frame.fill_interleaved(part).map_err(failed)?;
            let frame = encode_fixed_size_frame(&self.config, &self.frame, self.number, &self.info);
            frame.map_err(failed)?.write(&mut sink).map_err(failed)?;
            self.number += 1;
        }
        Ok(sink.into_inner())
    }
}

//! Opus in Ogg (RFC 6716, RFC 7845). In: samples. Out: pages, one for each 20 ms, which is sent when the next one is there.

use std::io;

use opus_pure::{Application, MAX_PACKET_BYTES, OggOpusWriter, OpusEncoder, OpusHead, OpusTags};
use syrinx::lab::provenance::TAGS;

/// Speech of 24 kHz is as good as it gets; the application for speech would shift its phases by a filter that it needs not.
const BITS_PER_SECOND: i32 = 32_000;
/// Packets of a second.
const PACKETS_HZ: u32 = 50;
/// Positions in the stream count samples of this rate, whatever was encoded.
const TICKS_HZ: u32 = 48_000;

pub struct Opus {
    encoder: OpusEncoder,
    writer: OggOpusWriter<Vec<u8>>,
    waiting: Vec<f32>,
    packet: Vec<u8>,
    /// Samples of a packet.
    frame: usize,
    ticks_per_sample: u64,
    pre_skip: u64,
    samples: u64,
}

impl Opus {
    /// Errors: a rate that Opus does not have.
    pub fn new(rate_hz: u32) -> io::Result<Self> {
        let rate = i32::try_from(rate_hz).unwrap_or(i32::MAX);
        let mut encoder = OpusEncoder::new(rate, 1, Application::Audio).map_err(io::Error::other)?;
        encoder.bitrate_bps = BITS_PER_SECOND;
        let head = OpusHead::for_encoder(&encoder, rate_hz);
        let pre_skip = u64::from(head.pre_skip);
        let mut tags = OpusTags::new();
        TAGS.iter().try_for_each(|(name, value)| tags.push(name, value)).map_err(io::Error::other)?;
        let mut writer = OggOpusWriter::with_tags(Vec::new(), head, tags).map_err(io::Error::other)?;
        writer.set_page_target(1); // whoever plays it as it comes waits for no page to be filled
        Ok(Self {
            encoder,
            writer,
            waiting: Vec::new(),
            packet: vec![0; MAX_PACKET_BYTES],
            frame: (rate_hz / PACKETS_HZ) as usize,
            ticks_per_sample: u64::from(TICKS_HZ / rate_hz),
            pre_skip,
            samples: 0,
        })
    }

    /// What is complete by now.
    pub fn bytes(&mut self) -> Vec<u8> {
        self.writer.get_mut().map(std::mem::take).unwrap_or_default()
    }

    pub fn block(&mut self, samples: &[f32]) -> io::Result<Vec<u8>> {
        self.waiting.extend_from_slice(samples);
        self.samples += samples.len() as u64;
        let whole = self.waiting.len() / self.frame * self.frame;
        let ready: Vec<f32> = self.waiting.drain(..whole).collect();
        for frame in ready.chunks(self.frame) {
            self.packet(frame, None)?;
        }
        Ok(self.bytes())
    }

    /// What the encoder holds back comes out by silence, and the last page says where the sound ends.
    pub fn end(mut self) -> io::Result<Vec<u8>> {
        let held = self.waiting.len() + self.pre_skip.div_ceil(self.ticks_per_sample) as usize;
        self.waiting.resize(held.div_ceil(self.frame) * self.frame, 0.0);
        let last = std::mem::take(&mut self.waiting);
        let packets = last.len() / self.frame;
        let all = self.pre_skip + self.samples * self.ticks_per_sample;
        for (i, frame) in last.chunks(self.frame).enumerate() {
            self.packet(frame, (i + 1 == packets).then_some(all))?;
        }
        self.writer.finish().map_err(io::Error::other)
    }

    /// `all`: ticks of the whole sound, for its last packet.
    fn packet(&mut self, samples: &[f32], all: Option<u64>) -> io::Result<()> {
        let bytes = self.encoder.encode(samples, self.frame, &mut self.packet).map_err(io::Error::other)?;
        let packet = &self.packet[..bytes];
        let written = match all {
            None => self.writer.write_packet(packet),
            Some(all) => {
                let before = u64::try_from(self.writer.granule()).unwrap_or_default();
                let ticks = u32::try_from(all.saturating_sub(before)).unwrap_or_default();
                self.writer.write_packet_with_duration(packet, ticks)
            }
        };
        written.map_err(io::Error::other)
    }
}

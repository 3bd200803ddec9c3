//! The thread of the codec. In: packets of the generator. Out: samples at the device's rate in the ring, and for the
//! desk the index of each clause's first and last sample.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;

use super::desk::Desk;
use super::generator_thread::{Packet, Part, Signs};
use crate::board::Rung;
use crate::board::system::Cores;
use crate::codec::CodecDecoder;
use crate::device::control::Control;
use crate::device::rate::RateConverter;
use crate::error::Result;
use crate::frame::Frame;
use crate::kernel::Pool;
use crate::ring::SampleWriter;

/// How long a full ring is left alone, and how long an empty one.
const FULL: Duration = Duration::from_millis(4);
const EMPTY: Duration = Duration::from_millis(100);
/// Frames that an interrupted clause waits for before it goes on: one more gap rather than many.
const REBUFFER_FRAMES: u64 = 2;

/// Silence before the first word, for sinks that swallow the beginning when they wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preroll {
    pub silence_ms: u32,
    /// A sink is awake for so long after the last word.
    pub after_ms: u32,
}

impl Default for Preroll {
    fn default() -> Self {
        Self { silence_ms: 0, after_ms: 3000 }
    }
}

/// The clause being decoded.
#[derive(Clone, Copy, Debug)]
struct Clause {
    utterance: u64,
    span: u64,
    /// Samples to have before it may be heard; `None` since it may.
    held_for: Option<u64>,
}

pub(super) struct CodecThread {
    pub packets: HeapCons<Packet>,
    pub writer: SampleWriter,
    pub codec: CodecDecoder,
    pub pool: Pool,
    pub rate: RateConverter,
    /// Rate of the model, of the device now, and of the device when `rate` was made.
    pub model_hz: u32,
    pub device_hz: Arc<AtomicU32>,
    pub rate_hz: u32,
    pub preroll: Preroll,
    /// Below this root mean square a frame counts as silent.
    pub silence: f32,
    pub desk: Arc<Desk>,
    pub control: Arc<Control>,
    pub signs: Arc<Signs>,
    pub closing: Arc<AtomicBool>,
    pub pcm: Vec<f32>,
    pub spoken: State,
    /// Where it runs while the board is hot, and, meanwhile, where it ran before.
    pub spare_cores: Vec<usize>,
    pub usual_cores: Option<Cores>,
}

/// Where the stream of packets stands.
#[derive(Debug, Default)]
pub(super) struct State {
    clause: Option<Clause>,
    silent_frames: u64,
}

impl CodecThread {
    /// Works until the engine closes.
    pub fn run(mut self) {
        while !self.closing.load(Ordering::Acquire) {
            let Some(packet) = self.packets.try_pop() else {
                std::thread::park_timeout(EMPTY);
                continue;
            };
            if let Err(e) = self.take(packet) {
                self.desk.fail(e.message(), true);
            }
        }
    }

    fn is_stale(&self, epoch: u64) -> bool {
        self.control.gate().epoch() > epoch || self.closing.load(Ordering::Acquire)
    }

    fn take(&mut self, Packet { epoch, part }: Packet) -> Result<()> {
        while self.writer.epoch() != epoch && !self.is_stale(epoch) {
            if self.writer.begin(epoch) {
                self.spoken = State::default();
                self.follow_device()?;
            } else {
                std::thread::park_timeout(FULL);
            }
        }
        if self.is_stale(epoch) {
            return Ok(());
        }
        match part {
            Part::Clause { utterance, span, start_frames, fresh } => {
                if fresh {
                    self.begin_anew(epoch);
                }
                self.begin_clause(utterance, span, start_frames);
            }
            Part::Frame(frame) => return self.frame(epoch, &frame),
            Part::ClauseEnd => {
                self.writer.hold();
                if let Some(Clause { span, .. }) = self.spoken.clause.take() {
                    self.desk.clause_ends(span, self.writer.index());
                }
            }
            Part::End => {
                let tail = self.rate.flush()?;
                self.send(epoch, &tail);
                self.writer.hold();
            }
        }
        Ok(())
    }

    /// The device may have come back with another rate.
    fn follow_device(&mut self) -> Result<()> {
        let device_hz = self.device_hz.load(Ordering::Acquire);
        if device_hz != self.rate_hz {
            self.rate = RateConverter::new(self.model_hz, device_hz, self.pcm.len())?;
            self.rate_hz = device_hz;
        }
        Ok(())
    }

    /// Nothing of the past is heard in what follows; a sink that sleeps is woken.
    fn begin_anew(&mut self, epoch: u64) {
        self.codec.reset();
        self.rate.reset();
        let idle_ms = self.control.trailing() * 1000 / u64::from(self.rate_hz.max(1));
        let fell_asleep = idle_ms >= u64::from(self.preroll.after_ms) && !self.control.keeps_awake();
        let asleep = self.signs.new_device.swap(false, Ordering::Relaxed) || fell_asleep;
        if self.preroll.silence_ms > 0 && asleep && self.writer.buffered() == 0 {
            let silence = vec![0.0; (self.rate_hz as usize * self.preroll.silence_ms as usize).div_ceil(1000)];
            self.writer.release();
            self.send(epoch, &silence);
        }
    }

    fn begin_clause(&mut self, utterance: u64, span: u64, start_frames: usize) {
        self.follow_heat();
        self.writer.hold();
        self.spoken.silent_frames = 0;
        self.signs.silent_frames.store(0, Ordering::Relaxed);
        self.desk.clause_starts(span, self.writer.index());
        let held_for = Some(start_frames as u64 * self.frame_samples());
        self.spoken.clause = Some(Clause { utterance, span, held_for });
    }

    /// Leaves the fast cores while the board is hot, and comes back.
    fn follow_heat(&mut self) {
        let spare = Rung::from_index(self.signs.rung.load(Ordering::Relaxed)).spares_cores();
        match self.usual_cores {
            None if spare && !self.spare_cores.is_empty() => {
                self.usual_cores = Cores::current();
                if !Cores::of(&self.spare_cores).keep_to() {
                    log::warn!("the codec may not run on cores {:?}: it stays where it is", self.spare_cores);
                    self.spare_cores.clear();
                }
            }
            Some(usual) if !spare => {
                usual.keep_to();
                self.usual_cores = None;
            }
            _ => {}
        }
    }

    /// Samples of a frame at the device's rate.
    fn frame_samples(&self) -> u64 {
        self.pcm.len() as u64 * u64::from(self.rate_hz) / u64::from(self.model_hz.max(1))
    }

    fn frame(&mut self, epoch: u64, frame: &Frame) -> Result<()> {
        let frame_samples = self.frame_samples();
        if let Some(clause) = self.spoken.clause.as_mut().filter(|clause| clause.held_for.is_none())
            && self.writer.ran_dry()
        {
            self.desk.underrun(clause.utterance);
            clause.held_for = Some(REBUFFER_FRAMES * frame_samples);
            self.writer.hold();
        }
        self.codec.decode(std::slice::from_ref(frame), &mut self.pcm, &self.pool);
        let power = self.pcm.iter().map(|x| x * x).sum::<f32>() / self.pcm.len().max(1) as f32;
        self.spoken.silent_frames = if power.sqrt() < self.silence { self.spoken.silent_frames + 1 } else { 0 };
        self.signs.silent_frames.store(self.spoken.silent_frames, Ordering::Relaxed);
        let samples = self.rate.convert(&self.pcm)?;
        let mut at = 0;
        while at < samples.len() && !self.control.gate().is_past(epoch) && !self.closing.load(Ordering::Acquire) {
            at += self.writer.push(samples.get(at..).unwrap_or_default());
            if let Some(clause) = &mut self.spoken.clause
                && let Some(needed) = clause.held_for
                && (at == samples.len() && self.writer.buffered() >= needed.max(1) || self.writer.vacant() == 0)
            {
                clause.held_for = None;
                self.writer.release();
            }
            if at < samples.len() {
                std::thread::park_timeout(FULL);
            }
        }
        Ok(())
    }

    /// Waits for room, unless the samples become stale.
    fn send(&mut self, epoch: u64, samples: &[f32]) {
        let mut at = 0;
        while let Some(rest) = samples.get(at..).filter(|rest| !rest.is_empty()) {
            if self.is_stale(epoch) {
                return;
            }
            match self.writer.push(rest) {
                0 => std::thread::park_timeout(FULL),
                count => at += count,
            }
        }
    }
}

//! The thread of the codec. In: packets of the generator. Out: samples at the device's rate in the ring, under the
//! ticket of their clause, which says when they are all there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;

use super::packet::{Packet, Part, Signs};
use super::shared::Shared;
use crate::board::system::Cores;
use crate::codec::CodecDecoder;
use crate::device::control::Control;
use crate::device::rate::RateConverter;
use crate::error::Result;
use crate::frame::Frame;
use crate::kernel::Pool;
use crate::ring::SampleWriter;
use crate::speak::{Interlude, Silence, Tempo};

/// How long a full ring is left alone, and how long an empty one.
const FULL: Duration = Duration::from_millis(4);
const EMPTY: Duration = Duration::from_millis(100);
/// Frames that an interrupted clause waits for before it goes on: one more gap rather than many.
const REBUFFER_FRAMES: u64 = 2;

/// Silence before the first word, for sinks that swallow the beginning when they wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preroll {
    /// Its length; 0 for none.
    pub silence_ms: u32,
    /// A sink is awake for so long after the last word.
    pub after_ms: u32,
}

impl Default for Preroll {
    fn default() -> Self {
        Self { silence_ms: 0, after_ms: 3000 }
    }
}

/// What makes samples of frames; [`CodecDecoder`], but for tests of what is heard of which frame.
pub(super) trait Decode: Send {
    fn samples_per_frame(&self) -> usize;
    /// Nothing of the past is to be heard in what follows.
    fn reset(&mut self);
    fn decode(&mut self, frame: &Frame, pcm: &mut [f32]);
}

/// The codec, on a thread of its own.
impl Decode for (CodecDecoder, Pool) {
    fn samples_per_frame(&self) -> usize {
        self.0.samples_per_frame()
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn decode(&mut self, frame: &Frame, pcm: &mut [f32]) {
        self.0.decode(std::slice::from_ref(frame), pcm, &self.1);
    }
}

pub(super) struct CodecThread<D> {
    packets: HeapCons<Packet>,
    writer: SampleWriter,
    codec: D,
    rate: RateConverter,
    /// Rate of the model, and of the device when `rate` was made.
    model_hz: u32,
    rate_hz: u32,
    preroll: Preroll,
    silence: Silence,
    shared: Arc<Shared>,
    control: Arc<Control>,
    signs: Arc<Signs>,
    pcm: Vec<f32>,
    /// How much louder the present clause is than the model makes it, and how fast.
    gain: f32,
    tempo: Tempo,
    /// Samples to have before the present clause may be heard; `None` since it may.
    held_for: Option<u64>,
    /// Where it runs while the board is hot, and, meanwhile, where it ran before.
    spare_cores: Vec<usize>,
    usual_cores: Option<Cores>,
}

/// What the thread is given.
pub(super) struct Stage<D> {
    pub packets: HeapCons<Packet>,
    pub writer: SampleWriter,
    pub codec: D,
    pub model_hz: u32,
    pub shared: Arc<Shared>,
    pub control: Arc<Control>,
    pub signs: Arc<Signs>,
}

impl<D: Decode> CodecThread<D> {
    /// Errors: `BadOption` for a device whose rate cannot be reached.
    pub fn new(stage: Stage<D>, preroll: Preroll, silence: Silence, spare_cores: Vec<usize>) -> Result<Self> {
        let Stage { packets, writer, codec, model_hz, shared, control, signs } = stage;
        let (rate_hz, samples) = (signs.device_hz(), codec.samples_per_frame());
        Ok(Self {
            packets,
            writer,
            codec,
            rate: RateConverter::new(model_hz, rate_hz, samples)?,
            model_hz,
            rate_hz,
            preroll,
            silence,
            shared,
            control,
            signs,
            pcm: vec![0.0; samples],
            gain: 1.0,
            tempo: Tempo::new(),
            held_for: None,
            spare_cores,
            usual_cores: None,
        })
    }

    /// Works until the engine closes. A panic or an error ends speech for good, and everybody hears of it.
    pub fn run(mut self) {
        let shared = self.shared.clone();
        match catch_unwind(AssertUnwindSafe(|| self.work())) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => shared.fail(e.message(), true),
            Err(_) => shared.fail("the codec's thread panicked", true),
        }
    }

    fn work(&mut self) -> Result<()> {
        while !self.signs.is_closing() {
            match self.packets.try_pop() {
                Some(packet) => self.take(packet)?,
                None => std::thread::park_timeout(EMPTY),
            }
        }
        Ok(())
    }

    /// Nothing more of a clause is to be decoded.
    fn is_stale(&self, ticket: u64) -> bool {
        !self.control.gate().tickets().is_open(ticket) || self.signs.is_closing()
    }

    fn take(&mut self, Packet { ticket, part }: Packet) -> Result<()> {
        if self.is_stale(ticket) {
            return Ok(());
        }
        match part {
            Part::Clause { start_frames, fresh, prosody } => {
                if fresh {
                    self.begin_anew(ticket)?;
                }
                self.gain = prosody.gain;
                self.tempo.begin(prosody.speed, self.rate_hz)?;
                self.begin_clause(ticket, start_frames);
            }
            Part::Frame(frame) => return self.frame(ticket, &frame),
            Part::Interlude(interlude) => return self.interlude(ticket, interlude),
            Part::ClauseEnd => {
                self.give_out(ticket);
                self.writer.hold();
                self.writer.close();
            }
            Part::End => {
                let tail = self.rate.flush()?;
                self.send_through(ticket, &tail);
                self.give_out(ticket);
                self.writer.hold();
                self.writer.close();
            }
        }
        Ok(())
    }

    /// The device may have come back with another rate.
    fn follow_device(&mut self) -> Result<()> {
        let device_hz = self.signs.device_hz();
        if device_hz != self.rate_hz {
            self.rate = RateConverter::new(self.model_hz, device_hz, self.pcm.len())?;
            self.rate_hz = device_hz;
        }
        Ok(())
    }

    /// Nothing of the past is heard in what follows; a sink that sleeps is woken.
    fn begin_anew(&mut self, ticket: u64) -> Result<()> {
        self.codec.reset();
        self.follow_device()?;
        self.rate.reset();
        let idle_ms = self.control.trailing() * 1000 / u64::from(self.rate_hz.max(1));
        let fell_asleep = idle_ms >= u64::from(self.preroll.after_ms) && !self.control.keeps_awake();
        let asleep = self.signs.new_device.swap(false, Ordering::Relaxed) || fell_asleep;
        if self.preroll.silence_ms > 0 && asleep && self.writer.buffered() == 0 && self.mark(ticket, true) {
            let silence = vec![0.0; (self.rate_hz as usize * self.preroll.silence_ms as usize).div_ceil(1000)];
            self.writer.release();
            self.send(ticket, &silence);
        }
        Ok(())
    }

    fn begin_clause(&mut self, ticket: u64, start_frames: usize) {
        self.follow_heat();
        self.silence.begin();
        self.held_for = Some(start_frames as u64 * self.frame_samples());
        self.mark(ticket, false);
    }

    /// What is pushed from now on is of this clause, or stands before it. False where it is not wanted any more.
    fn mark(&mut self, ticket: u64, lead: bool) -> bool {
        while !self.is_stale(ticket) {
            if self.writer.begin(ticket, lead) {
                return true;
            }
            std::thread::park_timeout(FULL);
        }
        false
    }

    /// Leaves the fast cores while the board is hot, and comes back.
    fn follow_heat(&mut self) {
        let spare = self.signs.rung().spares_cores();
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
        self.tempo.length(self.pcm.len() as u64 * u64::from(self.rate_hz) / u64::from(self.model_hz.max(1)))
    }

    fn frame(&mut self, ticket: u64, frame: &Frame) -> Result<()> {
        if self.held_for.is_none() && self.writer.ran_dry() {
            self.shared.underrun(ticket);
            self.held_for = Some(REBUFFER_FRAMES * self.frame_samples());
            self.writer.hold();
        }
        self.codec.decode(frame, &mut self.pcm);
        let astray = self.silence.hears(&self.pcm);
        if self.gain != 1.0 {
            self.pcm.iter_mut().for_each(|sample| *sample *= self.gain);
        }
        let samples = self.tempo.through(self.rate.convert(&self.pcm)?);
        let mut at = 0;
        let tickets = self.control.gate().tickets();
        while at < samples.len() && tickets.is_open(ticket) && !self.signs.is_closing() {
            at += self.writer.push(samples.get(at..).unwrap_or_default());
            if let Some(needed) = self.held_for
                && (at == samples.len() && self.writer.buffered() >= needed.max(1) || self.writer.vacant() == 0)
            {
                self.held_for = None;
                self.writer.release();
            }
            if at < samples.len() {
                std::thread::park_timeout(FULL);
            }
        }
        if let Some(frames) = astray {
            tickets.leave(ticket);
            self.writer.hold();
            self.writer.close();
            self.shared.astray(ticket, frames);
        }
        Ok(())
    }

    /// Exact to the device's sample: what the converter holds back of the words before comes first.
    fn interlude(&mut self, ticket: u64, interlude: Interlude) -> Result<()> {
        let tail = self.rate.flush()?;
        self.rate.reset();
        self.held_for = None;
        self.writer.release();
        self.send_through(ticket, &tail);
        self.give_out(ticket);
        let interlude = interlude.at_rate(self.rate_hz)?;
        let mut block = [0.0; 1024];
        let mut given = 0;
        loop {
            let samples = interlude.read(given, self.rate_hz, self.gain, &mut block);
            if samples == 0 || self.is_stale(ticket) {
                return Ok(());
            }
            self.send(ticket, block.get(..samples).unwrap_or_default());
            given += samples as u64;
        }
    }

    /// What another speed than 1 has held back of a clause that is over.
    fn give_out(&mut self, ticket: u64) {
        let tail = self.tempo.flush().to_vec();
        if !tail.is_empty() {
            self.held_for = None;
            self.writer.release();
            self.send(ticket, &tail);
        }
    }

    fn send_through(&mut self, ticket: u64, samples: &[f32]) {
        let samples = self.tempo.through(samples).to_vec();
        self.send(ticket, &samples);
    }

    /// Waits for room, unless the samples become stale.
    fn send(&mut self, ticket: u64, samples: &[f32]) {
        let mut at = 0;
        while let Some(rest) = samples.get(at..).filter(|rest| !rest.is_empty()) {
            if self.is_stale(ticket) {
                return;
            }
            match self.writer.push(rest) {
                0 => std::thread::park_timeout(FULL),
                count => at += count,
            }
        }
    }
}

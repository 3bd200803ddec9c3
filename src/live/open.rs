//! Live speech: the threads around a model and a device, and what a caller can do with them. In: a model, a device,
//! calls of any thread. Out: utterances.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ringbuf::HeapRb;
use ringbuf::traits::Split;

use super::codec::{CodecThread, Decode, Preroll, Stage};
use super::generator::{GeneratorThread, OpenSource, Others, Out};
use super::heat::Heat;
use super::lane::Lanes;
use super::pace::{Governor, Pace};
use super::packet::Signs;
use super::shared::Shared;
use super::utterance::Utterance;
use super::watch::{OpenSink, WatchThread};
use crate::board::Cooling;
use crate::codec::CodecDecoder;
use crate::device::callback::Callback;
use crate::device::control::Control;
use crate::device::overlay::{self, PhraseQueue, phrase_path};
use crate::device::{self, DeviceOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::Pool;
use crate::model::Model;
use crate::ring::sample_path;
use crate::speak::{FrameSource, Generator, Lane, Phrase, SessionOptions, Silence, SpeakOptions};

/// Speech that the sample ring holds where nobody says otherwise.
const RING_MS: u32 = 4000;
/// Packets between the generator and the codec.
const PACKETS: usize = 32;
/// Time after which a frame, or a piece of a prompt, is not waited for any more.
const STUCK_MS: u64 = 10_000;
/// Devices up to this rate find the ring large enough.
const MAX_DEVICE_HZ: u32 = 48_000;

/// How live speech uses the machine.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LiveOptions {
    /// Of the one session that all utterances are spoken with.
    pub session: SessionOptions,
    /// Which device, and how it is opened.
    pub device: DeviceOptions,
    /// Who interrupts whom.
    pub lanes: Lanes,
    /// Time that a frame or a piece of a prompt may take before the model counts as stuck; `None`: 10 s.
    pub stuck_ms: Option<u64>,
    /// Silence before the first word, for sinks that sleep.
    pub preroll: Preroll,
    /// Inaudible pulses in silence, for sinks that sleep when they are given nothing but zeros.
    pub keep_alive: bool,
    /// Trade quality for continuity where the machine is too slow, by declared and reported steps.
    pub governor: bool,
    /// Give up by declared and reported steps what the board is too hot for.
    pub cooling: Option<Cooling>,
    /// Speech that the sample ring holds, the largest start buffer; `None`: 4 s.
    pub ring_ms: Option<u32>,
    /// Frames to have before a clause begins; `None`: as many as the machine's pace asks for.
    pub start_frames: Option<usize>,
}

impl LiveOptions {
    crate::setters::setters! {
        session: SessionOptions, device: DeviceOptions, lanes: Lanes, stuck_ms: Option<u64>, preroll: Preroll,
        keep_alive: bool, governor: bool, cooling: Option<Cooling>, ring_ms: Option<u32>, start_frames: Option<usize>,
    }
}

/// Speaks in real time. Dropping it ends speech and its threads; every utterance then has its last event.
///
/// Every call is short and may come from any thread.
#[derive(Debug)]
pub struct Live {
    shared: Arc<Shared>,
    pub(super) control: Arc<Control>,
    signs: Arc<Signs>,
    threads: Vec<JoinHandle<()>>,
    phrases: Mutex<PhraseQueue>,
    phrase_number: AtomicU64,
    model: Model,
    session: SessionOptions,
}

/// A decoder of the model's, a frame at a time.
pub(super) fn codec(model: &Model) -> Result<(CodecDecoder, Pool)> {
    Ok((model.decoder()?, Pool::new(1)))
}

impl Live {
    /// Opens the device. Errors: as [`Model::session`], and `Device`.
    pub fn open(model: &Model, options: LiveOptions) -> Result<Self> {
        let (device, rate_hz) = (options.device.clone(), model.info().sample_rate_hz);
        Self::open_with(model, options, Box::new(move || device::open(&device, rate_hz)))
    }

    /// As [`Live::open`], with a sink of the caller's; it is opened again whenever it was lost.
    pub fn open_with(model: &Model, options: LiveOptions, open_sink: OpenSink) -> Result<Self> {
        let (again, session) = (model.clone(), options.session.clone());
        let open_source = move |signs: &Arc<Signs>, control: &Arc<Control>| {
            let (signs, gate) = (signs.clone(), control.gate().clone());
            let open = move || {
                let mut generator = Generator::open(&again, &session)?;
                let (signs, gate) = (signs.clone(), gate.clone());
                let unwanted = move |ticket: u64| ticket != 0 && !gate.tickets().is_open(ticket);
                let abort = move || signs.is_closing() || unwanted(signs.ticket.load(Ordering::Acquire));
                generator.set_abort(Arc::new(abort));
                Ok(generator)
            };
            Box::new(open) as OpenSource<Generator>
        };
        Self::start(model, options, open_sink, open_source, Some(model.clone()), codec(model)?)
    }

    /// Starts the threads around any source of frames and any decoder.
    #[cfg(test)]
    pub(super) fn assemble<S: FrameSource + 'static>(
        model: &Model,
        options: LiveOptions,
        open_sink: OpenSink,
        open_source: OpenSource<S>,
        codec: impl Decode + 'static,
    ) -> Result<Self> {
        Self::start(model, options, open_sink, |_, _| open_source, None, codec)
    }

    fn start<S: FrameSource + 'static>(
        model: &Model,
        options: LiveOptions,
        mut open_sink: OpenSink,
        open_source: impl FnOnce(&Arc<Signs>, &Arc<Control>) -> OpenSource<S>,
        others: Others,
        codec: impl Decode + 'static,
    ) -> Result<Self> {
        let info = model.info();
        let (model_hz, frame) = (info.sample_rate_hz, info.samples_per_frame);
        let mut sink = open_sink()?;
        let rate_hz = sink.format().sample_rate_hz;
        let control = Arc::new(Control::default());
        control.set_keep_alive(options.keep_alive);
        let shared = Arc::new(Shared::new(control.gate(), options.lanes));
        let signs = Arc::new(Signs::new(rate_hz));
        let mut open_source = open_source(&signs, &control);
        let source = open_source()?;

        let ring_seconds = options.ring_ms.unwrap_or(RING_MS) as f32 / 1e3;
        let (writer, reader) =
            sample_path(control.gate().clone(), (ring_seconds * rate_hz.max(MAX_DEVICE_HZ) as f32) as usize);
        let (phrases, overlay) = phrase_path();
        let (packets_in, packets) = HeapRb::new(PACKETS).split();
        let guards = options.session.guards.unwrap_or(model.pack().manifest().guards);
        let spare_cores = options.cooling.as_ref().map_or_else(Vec::new, |cooling| cooling.spare_cores.clone());
        let stage = Stage {
            packets,
            writer,
            codec,
            model_hz,
            shared: shared.clone(),
            control: control.clone(),
            signs: signs.clone(),
        };
        let codec = CodecThread::new(stage, options.preroll, Silence::new(&guards), spare_cores)?;
        let frame_seconds = frame as f32 / model_hz.max(1) as f32;
        let most_frames = ((ring_seconds / frame_seconds) as usize).saturating_sub(2).max(1);
        let governor = Governor::new(Pace::new(options.start_frames, most_frames), options.governor);
        sink.start(Callback::new(reader, overlay, control.clone(), rate_hz))?;

        let mut live = Self {
            shared: shared.clone(),
            control: control.clone(),
            signs: signs.clone(),
            threads: Vec::new(),
            phrases: Mutex::new(phrases),
            phrase_number: AtomicU64::new(0),
            model: model.clone(),
            session: options.session,
        };
        let codec = live.spawn("syrinx-codec", move || codec.run())?;
        let out = Out {
            shared: shared.clone(),
            signs: signs.clone(),
            gate: control.gate().clone(),
            packets: packets_in,
            codec,
        };
        let generator = GeneratorThread::new(source, open_source, out, governor, frame_seconds, others);
        live.spawn("syrinx-generator", move || generator.run())?;
        let heat = options.cooling.map(Heat::new);
        let watch = WatchThread::new(shared, sink, open_sink, signs, options.stuck_ms.unwrap_or(STUCK_MS), heat);
        live.spawn("syrinx-watch", move || watch.run())?;
        Ok(live)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<std::thread::Thread> {
        let handle = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let handle = handle.map_err(|e| {
            Error::new(ErrorKind::OutOfMemory, format!("cannot start the thread {name}: {e}")).with_source(e)
        })?;
        let thread = handle.thread().clone();
        self.threads.push(handle);
        Ok(thread)
    }

    /// Begins an utterance; nothing is spoken before text is pushed.
    ///
    /// Errors: `UnknownVoice`, `BadOption`; `Busy` where too many are open; `Backend` where the model has failed for
    /// good.
    pub fn utterance(&self, options: &SpeakOptions) -> Result<Utterance> {
        Utterance::open(&self.shared, options.lane, self.model.script(options, &self.session)?)
    }

    /// Speaks a whole text, by whole sentences, as there is nothing to be waited for: the samples of
    /// [`crate::Session::speak`]. Errors: as [`Live::utterance`] and [`Utterance::push`].
    pub fn speak(&self, text: &str, options: &SpeakOptions) -> Result<Utterance> {
        Utterance::speak(&self.shared, options.lane, self.model.script(options, &self.session)?, text)
    }

    /// Computes a voice's prefix in the background, so that the first text in it starts sooner.
    /// Errors: `UnknownVoice`.
    pub fn warm(&self, voice: Option<&str>) -> Result<()> {
        self.shared.warm(self.model.voices().get(voice)?);
        Ok(())
    }

    /// Plays a prepared phrase from the next period on, over whatever is spoken. `duck`: the gain of the speech below;
    /// 0 holds it until the phrase is over.
    ///
    /// Errors: `Device` where too many phrases wait, `BadOption` for a rate that cannot be reached.
    pub fn play(&self, phrase: &Phrase, duck: f32) -> Result<()> {
        let samples = phrase.at_rate(self.device_hz())?;
        let mut phrases = self.phrases.lock().unwrap_or_else(PoisonError::into_inner);
        while phrases.pop_spent().is_some() {} // freed here, as the callback must not
        let number = self.phrase_number.fetch_add(1, Ordering::Relaxed) + 1;
        phrases.push(overlay::Phrase { number, samples, duck: duck.clamp(0.0, 1.0) }).map_err(|_| {
            Error::new(ErrorKind::Device, "too many phrases wait for the device: play them one after another")
        })
    }

    /// Stops prepared phrases, within a period.
    pub fn stop_phrases(&self) {
        self.control.cut_phrases(self.phrase_number.load(Ordering::Relaxed));
    }

    /// Stops every utterance, within a period.
    pub fn cancel_all(&self) {
        self.shared.cancel_all();
    }

    /// Speech stops where it is, within a period.
    pub fn pause(&self) {
        self.control.set_paused(true);
    }

    /// Speech goes on where it was paused.
    pub fn resume(&self) {
        self.control.set_paused(false);
    }

    /// Volume in 0..=1, reached by a ramp.
    pub fn set_volume(&self, volume: f32) {
        self.control.set_volume(volume);
    }

    /// Lowers speech under something else, by a ramp; 1 is over.
    pub fn set_duck(&self, gain: f32) {
        self.control.set_duck(gain);
    }

    /// Waits until the lane that has the ear is another than `known`, or the time is over, and says which has it then.
    ///
    /// This is the hook for whoever plays something else: `Some` comes before the first sample of speech is heard, to
    /// lower music for it, and `None` when nothing more is to be heard. Prepared phrases do not count: who plays one
    /// knows.
    pub fn wait_lane(&self, known: Option<Lane>, timeout: Duration) -> Option<Lane> {
        self.shared.lane(known, timeout)
    }

    /// How often samples ran out within a clause.
    pub fn underruns(&self) -> u64 {
        self.shared.underruns()
    }

    /// Samples per second of the device.
    pub fn device_hz(&self) -> u32 {
        self.signs.device_hz()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.close();
        self.signs.closing.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join(); // a panic was reported when it happened
        }
    }
}

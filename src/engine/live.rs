//! Speech in real time. In: a pack, a device, text in pieces, calls of any thread. Out: sound, and events.
//!
//! ```text
//! push, finish ─► desk ─► generator thread ─► ring ─► codec thread ─► ring ─► device callback
//! cancel, pause ───┴── epoch ──────┴──────────────────────┴───────────────────────┘
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringbuf::HeapRb;
use ringbuf::traits::Split;

use super::codec_thread::{CodecThread, Preroll, State};
use super::desk::{Desk, Script};
use super::frames::FrameSource;
use super::generator::{Generator, Request};
use super::generator_thread::{GeneratorThread, Signs};
use super::guard::Guards;
use super::heat::Heat;
use super::lane::{Lane, Lanes};
use super::pace::{Pace, Quality};
use super::phrase::Phrase;
use super::session::{SessionOptions, SpeakOptions};
use super::utterance::Utterance;
use super::watch_thread::{OpenSink, WatchThread};
use crate::board::{Cooling, Rung};
use crate::codec::{CodecDecoder, CodecWeights};
use crate::device::callback::Callback;
use crate::device::control::Control;
use crate::device::overlay::{self, PhraseQueue, phrase_path};
use crate::device::{self, DeviceOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Solver;
use crate::kernel::Pool;
use crate::pack::{Pack, Voices};
use crate::ring::sample_path;
use crate::text::Speller;

/// Speech that the sample ring holds where nobody says otherwise.
const RING_MS: u32 = 4000;
/// Packets between the generator and the codec.
const PACKETS: usize = 32;
/// Cuts that the callback may report before anybody looks.
const CUTS: usize = 256;
/// Time after which a frame is not waited for any more.
const STUCK_MS: u64 = 10_000;
/// Devices up to this rate find the ring large enough.
const MAX_DEVICE_HZ: u32 = 48_000;

/// How an engine uses the machine.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    pub session: SessionOptions,
    pub device: DeviceOptions,
    pub lanes: Lanes,
    /// When a clause has gone astray; `None`: as the pack says.
    pub guards: Option<Guards>,
    /// Time that a frame may take before the model counts as stuck; `None`: 10 s.
    pub stuck_ms: Option<u64>,
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
    /// Whole sentences from the start, rather than an early first fragment of text that comes in pieces.
    pub whole_sentences: bool,
}

/// Speaks in real time. Dropping it ends speech and its threads.
///
/// Every call is short and may come from any thread.
#[derive(Debug)]
pub struct Engine {
    desk: Arc<Desk>,
    pub(super) control: Arc<Control>,
    closing: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    phrases: Mutex<PhraseQueue>,
    phrase_number: AtomicU64,
    device_hz: Arc<AtomicU32>,
    voices: Voices,
    solver: Solver,
    seed: u64,
    max_frames: u64,
    sentences: bool,
}

impl Engine {
    /// Loads the weights and opens the device. Errors: as [`super::Session::open`], and `Device`.
    pub fn open(pack: &Arc<Pack>, options: EngineOptions) -> Result<Self> {
        let device = options.device.clone();
        let rate_hz = pack.manifest().sample_rate_hz;
        Self::open_with(pack, options, Box::new(move || device::open(&device, rate_hz)))
    }

    /// As [`Engine::open`], with a sink of the caller's; it is opened again whenever it was lost.
    pub fn open_with(pack: &Arc<Pack>, options: EngineOptions, sink: OpenSink) -> Result<Self> {
        let (pack_again, session) = (pack.clone(), options.session.clone());
        let pool = Arc::new(Pool::new(session.threads));
        let generator = move || Generator::open_for(&pack_again, &session, pool.clone());
        Self::assemble(pack, options, sink, Box::new(generator))
    }

    /// Starts the threads around any source of frames.
    pub(super) fn assemble<S: FrameSource + 'static>(
        pack: &Arc<Pack>,
        options: EngineOptions,
        mut open_sink: OpenSink,
        mut open_source: Box<dyn FnMut() -> Result<S> + Send>,
    ) -> Result<Self> {
        let manifest = pack.manifest();
        let model_hz = manifest.sample_rate_hz;
        let guards = options.guards.unwrap_or(manifest.guards);
        let mut sink = open_sink()?;
        let rate_hz = sink.format().sample_rate_hz;
        let control = Arc::new(Control::default());
        control.set_keep_alive(options.keep_alive);
        let desk = Arc::new(Desk::new(control.clone(), options.lanes));
        let ring_seconds = f64::from(options.ring_ms.unwrap_or(RING_MS)) / 1e3;
        let capacity = (ring_seconds * f64::from(rate_hz.max(MAX_DEVICE_HZ))) as usize;
        let (writer, reader) = sample_path(control.gate().clone(), capacity);
        let (phrases, overlay) = phrase_path();
        let (cuts_in, cuts) = HeapRb::new(CUTS).split();
        let (packets_in, packets) = HeapRb::new(PACKETS).split();
        let codec = CodecDecoder::new(&CodecWeights::open(pack.speech(), pack.shape())?, 1);
        let samples_per_frame = codec.samples_per_frame();
        let source = open_source()?;
        let (device_hz, closing, opened) = (Arc::new(AtomicU32::new(rate_hz)), Arc::default(), Instant::now());
        let signs = Arc::new(Signs { new_device: AtomicBool::new(true), ..Signs::default() });
        let speller = Speller::new(&manifest.text)?;
        let rate = crate::device::rate::RateConverter::new(model_hz, rate_hz, samples_per_frame)?;
        sink.start(Callback::new(reader, overlay, control.clone(), cuts_in, rate_hz))?;

        let mut engine = Self {
            desk: desk.clone(),
            control: control.clone(),
            closing,
            threads: Vec::new(),
            phrases: Mutex::new(phrases),
            phrase_number: AtomicU64::new(0),
            device_hz: device_hz.clone(),
            voices: pack.load_voices()?,
            solver: Solver::of(&pack.manifest().defaults),
            seed: manifest.defaults.seed,
            max_frames: u64::from(manifest.defaults.frame_budget),
            sentences: options.whole_sentences,
        };
        let codec = CodecThread {
            packets,
            writer,
            codec,
            pool: Pool::new(1),
            rate,
            model_hz,
            device_hz: device_hz.clone(),
            rate_hz,
            preroll: options.preroll,
            silence: 10f32.powf(guards.silence_dbfs / 20.0),
            desk: desk.clone(),
            control: control.clone(),
            signs: signs.clone(),
            closing: engine.closing.clone(),
            pcm: vec![0.0; samples_per_frame],
            spoken: State::default(),
            spare_cores: options.cooling.as_ref().map_or_else(Vec::new, |cooling| cooling.spare_cores.clone()),
            usual_cores: None,
        };
        let codec = engine.spawn("syrinx-codec", move || codec.run())?;
        let frame_seconds = samples_per_frame as f32 / model_hz as f32;
        let generator = GeneratorThread {
            source,
            reopen: open_source,
            desk: desk.clone(),
            control,
            speller,
            packets: packets_in,
            codec,
            pace: Pace::new(
                options.start_frames,
                ((ring_seconds as f32 / frame_seconds) as usize).saturating_sub(2).max(1),
            ),
            guards,
            governor: options.governor,
            quality: Quality::Full,
            told: (Quality::Full, Rung::Full),
            frame_seconds,
            device_hz: device_hz.clone(),
            signs: signs.clone(),
            opened,
            courses: HashMap::new(),
            current: None,
            underruns: 0,
        };
        engine.spawn("syrinx-generator", move || generator.run())?;
        let (stuck_ms, closing) = (options.stuck_ms.unwrap_or(STUCK_MS), engine.closing.clone());
        let heat = options.cooling.map(|cooling| Heat::new(cooling, opened));
        let watch = WatchThread {
            desk,
            cuts,
            sink,
            open: open_sink,
            device_hz,
            signs,
            stuck_ms,
            opened,
            closing,
            lost: None,
            heat,
        };
        engine.spawn("syrinx-watch", move || watch.run())?;
        Ok(engine)
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
    /// Errors: `UnknownVoice`, `BadOption`; `Backend` where the model has failed for good.
    pub fn utterance(&self, lane: Lane, options: &SpeakOptions) -> Result<Utterance> {
        let solver = options.solver(self.solver);
        solver.validate()?;
        let max_frames = options.max_frames.unwrap_or(self.max_frames);
        if max_frames == 0 {
            return Err(Error::new(ErrorKind::BadOption, "a frame budget of 0 leaves nothing to hear: raise it"));
        }
        self.desk.open(
            lane,
            Script {
                voice: self.voices.get(options.voice.as_deref())?.clone(),
                request: Request { solver, seed: options.seed.unwrap_or(self.seed) },
                max_frames,
                sentences: self.sentences,
            },
        )
    }

    /// Speaks a whole text, by whole sentences, as there is nothing to be waited for: the samples of
    /// [`super::Session::speak`]. Errors: as [`Engine::utterance`] and [`Utterance::push`].
    pub fn speak(&self, lane: Lane, text: &str, options: &SpeakOptions) -> Result<Utterance> {
        let utterance = self.utterance(lane, options)?;
        self.desk.push(utterance.id, text, true)?;
        Ok(utterance)
    }

    /// Computes a voice's prefix in the background, so that the first text in it starts sooner. Errors: `UnknownVoice`.
    pub fn warm(&self, voice: Option<&str>) -> Result<()> {
        self.desk.warm(self.voices.get(voice)?.clone());
        Ok(())
    }

    /// Plays a prepared phrase from the next period on, over whatever is spoken. `duck`: the gain of the speech below;
    /// 0 holds it until the phrase is over.
    ///
    /// Errors: `Device` where too many phrases wait, `BadOption` for a rate that cannot be reached.
    pub fn play(&self, phrase: &Phrase, duck: f32) -> Result<()> {
        let samples = phrase.at_rate(self.device_hz.load(Ordering::Acquire))?;
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
        self.desk.cancel_all();
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
        self.desk.lane(known, timeout)
    }

    /// How often samples ran out within a clause.
    pub fn underruns(&self) -> u64 {
        self.desk.underruns()
    }

    /// Samples per second of the device.
    pub fn device_hz(&self) -> u32 {
        self.device_hz.load(Ordering::Acquire)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.desk.close();
        self.closing.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join(); // a panic was reported when it happened
        }
    }
}

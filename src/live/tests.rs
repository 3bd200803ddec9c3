//! The engine around a generator that does as it is told: clauses of a given length, panics, slowness.

mod device;
mod endings;
mod joins;
mod lanes;
mod scripts;
mod ssml;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use super::open::codec;
use super::{Event, Live, LiveOptions, OpenSink, Utterance};
use crate::device::callback::Callback;
use crate::device::clocked::ClockedSink;
use crate::device::{Format, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Quality;
use crate::frame::Frame;
use crate::model::Model;
use crate::pack::Voice;
use crate::speak::{FrameSource, Guards, Lane, Phrase, Request, SessionOptions, SpeakOptions, Trip};

const RATE_HZ: u32 = 24_000;
const FRAME: usize = 1920;
const LONG: Duration = Duration::from_secs(60);

static MODEL: LazyLock<(tempfile::TempDir, Model)> =
    LazyLock::new(|| crate::model::tests::tiny(syrinx_quant::Recipe::Q8));

/// Speaks five frames per clause. In a clause with "panic" it panics, with "slow" a frame takes its time, with "round"
/// it never ends unless the seed is another than 0, with "always round" not even then.
#[derive(Default)]
struct Fake {
    text: String,
    frames: usize,
    seed: u64,
    noise: u64,
    /// What was asked for: a clause, or a voice.
    log: Arc<Mutex<Vec<String>>>,
    /// Counts those that are alive.
    _alive: Option<Arc<()>>,
}

const CLAUSE_FRAMES: usize = 5;

impl FrameSource for Fake {
    fn begin(&mut self, request: Request, _: u64) -> Result<()> {
        self.seed = request.seed;
        Ok(())
    }

    fn warm(&mut self, voice: &Arc<Voice>) -> Result<()> {
        self.log.lock().unwrap().push(format!("voice {}", voice.name));
        Ok(())
    }

    fn start_clause(&mut self, text: &str, _: &Arc<Voice>, follows: bool) -> Result<()> {
        self.log.lock().unwrap().push(format!("{}{}", if follows { "… " } else { "" }, text.trim()));
        (self.text, self.frames) = (text.to_lowercase(), 0);
        Ok(())
    }

    fn feed(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        assert!(!self.text.contains("panic"), "as told");
        if self.text.contains("slow") {
            std::thread::sleep(Duration::from_millis(300));
        }
        let round = self.text.contains("round") && (self.seed == 0 || self.text.contains("always"));
        self.frames += 1;
        if self.frames > CLAUSE_FRAMES && !round {
            return Ok(None);
        }
        let codes = MODEL.1.pack().shape().audio.codes_per_frame();
        let next = || {
            self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.noise >> 40) as u16 % 20 + 2
        };
        let mut frame: Vec<u16> = std::iter::repeat_with(next).take(codes).collect();
        if round {
            frame[0] = 2 + (self.frames % 3) as u16;
        }
        Ok(Frame::from_codes(&frame))
    }
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<f32>>>);

impl Recorder {
    fn open(&self, socket: &Arc<Socket>) -> OpenSink {
        self.open_at(socket, RATE_HZ as usize / 100, 1.0)
    }

    /// With periods of so many samples at 24 kHz, on a clock so many times as fast as time.
    fn open_at(&self, socket: &Arc<Socket>, period: usize, speed: f64) -> OpenSink {
        let (recorder, socket) = (self.0.clone(), socket.clone());
        Box::new(move || {
            if socket.gone.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Device, "it is gone"));
            }
            let recorder = recorder.clone();
            let tap = move |samples: &[f32], _: Instant| recorder.lock().unwrap().extend_from_slice(samples);
            let rate_hz = socket.rate_hz.load(Ordering::Relaxed);
            let period = period * rate_hz as usize / RATE_HZ as usize;
            let sink = ClockedSink::tapped(rate_hz, period, Box::new(tap)).at_speed(speed);
            Ok(Box::new(Pluggable { sink, socket: socket.clone(), refused: None }))
        })
    }

    fn samples(&self) -> Vec<f32> {
        self.0.lock().unwrap().clone()
    }

    fn sounding(&self) -> usize {
        self.samples().iter().filter(|&&x| x != 0.0).count()
    }
}

/// Where the device is plugged in, or not.
#[derive(Debug)]
struct Socket {
    gone: AtomicBool,
    /// Starts that are refused, since another program has the device.
    busy: AtomicUsize,
    rate_hz: AtomicU32,
}

impl Default for Socket {
    fn default() -> Self {
        Self { gone: AtomicBool::new(false), busy: AtomicUsize::new(0), rate_hz: AtomicU32::new(RATE_HZ) }
    }
}

/// A device that can be unplugged, busy, and back with another rate.
#[derive(Debug)]
struct Pluggable {
    sink: ClockedSink,
    socket: Arc<Socket>,
    refused: Option<Callback>,
}

impl Sink for Pluggable {
    fn format(&self) -> Format {
        self.sink.format()
    }

    fn start(&mut self, callback: Callback) -> Result<()> {
        let one_less = |busy: usize| busy.checked_sub(1);
        if self.socket.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            self.refused = Some(callback);
            return Err(Error::new(ErrorKind::Device, "EBUSY"));
        }
        self.sink.start(callback)
    }

    fn stop(&mut self) -> Option<Callback> {
        self.refused.take().or_else(|| self.sink.stop())
    }

    fn is_lost(&self) -> bool {
        self.socket.gone.load(Ordering::Relaxed)
    }
}

struct Stage {
    live: Live,
    recorder: Recorder,
    socket: Arc<Socket>,
}

fn stage(options: LiveOptions) -> Stage {
    stage_with(options, || Ok(Fake::default()))
}

fn stage_with(options: LiveOptions, open: impl FnMut() -> Result<Fake> + Send + 'static) -> Stage {
    let (recorder, socket) = (Recorder::default(), Arc::default());
    let sink = recorder.open(&socket);
    let live = Live::assemble(&MODEL.1, options, sink, Box::new(open), codec(&MODEL.1).unwrap()).unwrap();
    Stage { live, recorder, socket }
}

fn options() -> LiveOptions {
    LiveOptions::default().start_frames(CLAUSE_FRAMES)
}

fn guarded(guards: Guards) -> LiveOptions {
    options().session(SessionOptions::default().guards(guards))
}

fn speak(stage: &Stage, lane: Lane, text: &str) -> Utterance {
    stage.live.speak(text, &SpeakOptions::default().seed(0).lane(lane)).unwrap()
}

/// All events, the last one too.
fn events(utterance: &Utterance) -> Vec<Event> {
    let mut events = Vec::new();
    while !events.last().is_some_and(Event::is_last) {
        events.push(utterance.next_event(LONG).expect("an event comes"));
    }
    events
}

fn clauses(events: &[Event]) -> Vec<std::ops::Range<usize>> {
    let chars = |event: &Event| if let Event::Clause { chars } = event { Some(chars.clone()) } else { None };
    events.iter().filter_map(chars).collect()
}

fn wait_for(utterance: &Utterance, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&utterance.next_event(LONG).expect("an event comes")) {}
}

const THREE: &str = "The first one is here. The second one is here. The third one is here.";

#[test]
fn every_clause_is_heard_once_and_in_order() {
    let stage = stage(options());
    let events = events(&speak(&stage, Lane::Answer, THREE));
    assert_eq!(events.first(), Some(&Event::Started));
    assert_eq!(events.last(), Some(&Event::Finished));
    assert_eq!(clauses(&events), [0..22, 22..46, 46..69]);
    assert_eq!(stage.live.underruns(), 0);
    let sounding = stage.recorder.sounding();
    assert!(sounding.abs_diff(3 * CLAUSE_FRAMES * FRAME) < 600, "{sounding} samples");
}

#[test]
fn a_slow_model_pauses_between_clauses_only() {
    let stage = stage(options());
    let text = "The slow one is here. The slow one is here.";
    assert_eq!(speak(&stage, Lane::Answer, text).wait(LONG), Some(Event::Finished));
    assert_eq!(stage.live.underruns(), 0);
    let samples = stage.recorder.samples();
    let sounding = samples.split(|&x| x == 0.0).filter(|run| run.len() > 200).map(<[f32]>::len);
    let sounding: Vec<usize> = sounding.collect();
    assert_eq!(sounding.len(), 2, "{sounding:?}");
    assert!(sounding.iter().all(|run| run.abs_diff(CLAUSE_FRAMES * FRAME) < 200), "{sounding:?}");
}

#[test]
fn a_cancel_of_what_has_not_been_heard_leaves_alone_what_is_heard() {
    let stage = stage(options());
    for generated in [false, true] {
        let before = stage.recorder.sounding();
        let first = speak(&stage, Lane::Answer, "The first one is here.");
        let text = if generated { "The second one is here." } else { "The slow one is here." };
        let second = speak(&stage, Lane::Answer, text);
        wait_for(&first, |event| *event == Event::Started);
        second.cancel();
        let rest = events(&first);
        assert_eq!(rest.last(), Some(&Event::Finished));
        assert_eq!(clauses(&rest).len(), 1, "{rest:?}");
        assert_eq!(second.wait(LONG), Some(Event::Cancelled { position: 0 }));
        let sounding = stage.recorder.sounding() - before;
        assert!(sounding.abs_diff(CLAUSE_FRAMES * FRAME) < 300, "{sounding} samples");
    }
}

#[test]
fn a_panic_of_the_model_fails_what_is_open_and_the_next_utterance_is_spoken() {
    let stage = stage(options());
    let doomed = speak(&stage, Lane::Answer, "Do not panic now.");
    assert!(matches!(doomed.wait(LONG), Some(Event::Failed { position: 0, .. })));
    assert_eq!(stage.recorder.sounding(), 0);
    assert_eq!(speak(&stage, Lane::Answer, "All is well again.").wait(LONG), Some(Event::Finished));
    assert!(stage.recorder.sounding() > 4 * FRAME);
}

#[test]
fn a_model_that_cannot_be_opened_again_says_so() {
    let mut first = Some(Fake::default());
    let open = move || first.take().ok_or_else(|| Error::new(ErrorKind::BadPack, "the pack is gone"));
    let stage = stage_with(options(), open);
    assert!(matches!(speak(&stage, Lane::Answer, "Do panic now.").wait(LONG), Some(Event::Failed { .. })));
    let deadline = Instant::now() + LONG;
    let refused = loop {
        match stage.live.utterance(&SpeakOptions::default()) {
            Err(e) => break e,
            Ok(_) => assert!(Instant::now() < deadline, "it is not refused"),
        }
    };
    assert_eq!(refused.kind(), ErrorKind::Backend);
    assert!(refused.message().contains("the pack is gone"), "{refused}");
    let phrase = Phrase { text: "Ding.".into(), sample_rate_hz: RATE_HZ, samples: vec![0.5; 2400].into() };
    stage.live.play(&phrase, 0.0).unwrap();
    while stage.recorder.sounding() < 2400 {
        assert!(Instant::now() < deadline, "a prepared phrase needs no model");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_clause_that_goes_round_is_spoken_once_more_with_another_seed() {
    let stage = stage(guarded(Guards { most_frames_per_char: 0.0, ..Guards::default() }));
    let events = events(&speak(&stage, Lane::Answer, "It goes round again."));
    assert!(events.contains(&Event::Guard { trip: Trip::Repetition, retried: true }), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Finished));
    assert_eq!(clauses(&events).len(), 2, "once astray, once well");
}

#[test]
fn a_clause_that_goes_astray_twice_is_cut_and_the_next_one_is_spoken() {
    let stage = stage(guarded(Guards { most_frames_per_char: 0.0, ..Guards::default() }));
    let events = events(&speak(&stage, Lane::Answer, "It goes always round here. The second one is here."));
    let retried = |retried| events.contains(&Event::Guard { trip: Trip::Repetition, retried });
    assert!(retried(true) && retried(false), "{events:?}");
    assert_eq!(clauses(&events).last(), Some(&(26..50)));
    assert_eq!(events.last(), Some(&Event::Finished));
}

#[test]
fn a_clause_that_does_not_end_is_noticed_by_its_length() {
    let stage = stage(guarded(Guards {
        most_frames_per_char: 0.1,
        spare_frames: 6,
        repetition_frames: 0,
        ..Guards::default()
    }));
    let events = events(&speak(&stage, Lane::Answer, "It goes round again."));
    assert!(events.contains(&Event::Guard { trip: Trip::Length, retried: true }), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Finished));
}

#[test]
fn a_governor_says_what_it_changes() {
    let stage = stage(options().governor(true));
    let events = events(&speak(&stage, Lane::Answer, "The slow one is here. The second one is here."));
    assert!(events.contains(&Event::Quality { quality: Quality::FewerSteps }), "{events:?}");
}

#[test]
fn a_stuck_model_fails_the_utterance() {
    let stage = stage(options().stuck_ms(50));
    let last = speak(&stage, Lane::Answer, "It is so slow today.").wait(LONG);
    assert!(matches!(&last, Some(Event::Failed { message, .. }) if message.contains("50 ms")), "{last:?}");
}

#[test]
fn a_feeder_that_falls_silent_is_spoken_up_to_its_last_word() {
    let stage = stage(LiveOptions::default());
    let utterance = stage.live.utterance(&SpeakOptions::default()).unwrap();
    utterance.push("Hello my dear fri").unwrap();
    let mut heard = Vec::new();
    wait_for(&utterance, |event| matches!(event, Event::Clause { .. }));
    utterance.push("end. Goodbye for now.").unwrap();
    utterance.finish();
    heard.extend(events(&utterance));
    assert_eq!(clauses(&heard).last().map(|chars| chars.end), Some(38));
    assert_eq!(heard.last(), Some(&Event::Finished));
}

#[test]
fn a_phrase_is_heard_while_the_model_is_busy() {
    let stage = stage(options());
    let busy = speak(&stage, Lane::Answer, "It is so slow today.");
    let samples: Arc<[f32]> = vec![0.5; 2400].into();
    let phrase = Phrase { text: "Ding.".into(), sample_rate_hz: RATE_HZ, samples };
    stage.live.play(&phrase, 0.0).unwrap();
    let deadline = Instant::now() + LONG;
    while stage.recorder.sounding() < 2400 {
        assert!(Instant::now() < deadline, "the phrase is not heard");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(stage.recorder.samples().iter().filter(|&&x| x == 0.5).count(), 2400);
    assert!(busy.next_event(Duration::ZERO).is_none(), "the model has not spoken yet");
}

#[test]
fn a_phrase_holds_speech_and_speech_loses_nothing() {
    let stage = stage(options());
    let utterance = speak(&stage, Lane::Answer, THREE);
    wait_for(&utterance, |event| *event == Event::Started);
    let phrase = Phrase { text: "Hm.".into(), sample_rate_hz: RATE_HZ, samples: vec![0.0; 4800].into() };
    stage.live.play(&phrase, 0.0).unwrap();
    assert_eq!(utterance.wait(LONG), Some(Event::Finished));
    let sounding = stage.recorder.sounding();
    assert!(sounding.abs_diff(3 * CLAUSE_FRAMES * FRAME) < 600, "{sounding} samples");
    let longest = stage.recorder.samples().split(|&x| x != 0.0).map(<[f32]>::len).skip(1).max();
    assert!(longest.is_some_and(|gap| gap > 4000), "the phrase was a gap in speech: {longest:?}");
}

#[test]
fn the_volume_is_a_factor_and_comes_by_a_ramp() {
    let stage = stage(options());
    stage.live.set_volume(0.0);
    assert_eq!(speak(&stage, Lane::Answer, THREE).wait(LONG), Some(Event::Finished));
    assert_eq!(stage.recorder.sounding(), 0, "silent, but spoken to its end");
    stage.live.set_volume(f32::NAN);
    stage.live.set_volume(7.0);
    assert_eq!(speak(&stage, Lane::Answer, "And now aloud again.").wait(LONG), Some(Event::Finished));
    assert!(stage.recorder.sounding() > 4 * FRAME);
}

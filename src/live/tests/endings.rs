//! Clauses that fall silent, threads that die, handles and queues at their limits: everybody hears how it ended.

use super::*;
use crate::live::codec::Decode;

/// The fake's frames as sound, or as silence where the first code says so; it panics at another.
struct Muted;

const SILENT: u16 = 7777;
const FATAL: u16 = 6666;

impl Decode for Muted {
    fn samples_per_frame(&self) -> usize {
        FRAME
    }

    fn reset(&mut self) {}

    fn decode(&mut self, frame: &Frame, pcm: &mut [f32]) {
        assert_ne!(frame.semantic(), FATAL, "as told");
        pcm.fill(if frame.semantic() == SILENT { 0.0 } else { 0.25 });
    }
}

/// Speaks thirty frames a clause. A clause with "mute" is silent from its third frame on unless the seed is another than
/// 0, with "always" even then; one with "fatal" kills the decoder.
struct Long {
    text: String,
    frames: u16,
    seed: u64,
}

impl FrameSource for Long {
    fn begin(&mut self, request: Request, _: u64) -> Result<()> {
        self.seed = request.seed;
        Ok(())
    }

    fn warm(&mut self, _: &Arc<Voice>) -> Result<()> {
        Ok(())
    }

    fn start_clause(&mut self, text: &str, _: &Arc<Voice>, _: bool) -> Result<()> {
        (self.text, self.frames) = (text.to_lowercase(), 0);
        Ok(())
    }

    fn feed(&mut self) -> Result<bool> {
        self.frames += 1;
        if self.text.contains("prompt") && self.frames < 8 {
            std::thread::sleep(Duration::from_millis(40));
            return Ok(true);
        }
        self.frames = 0;
        Ok(false)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        self.frames += 1;
        let mute = self.text.contains("mute") && self.frames > 3 && (self.seed == 0 || self.text.contains("always"));
        let code = if self.text.contains("fatal") { FATAL } else { 100 + self.frames };
        Ok((self.frames <= 30).then(|| Frame::from_codes(&[if mute { SILENT } else { code }]).unwrap()))
    }
}

fn long(options: LiveOptions) -> Stage {
    let (recorder, socket) = (Recorder::default(), Arc::default());
    let open = || Ok(Long { text: String::new(), frames: 0, seed: 0 });
    let sink = recorder.open_at(&socket, 240, 10.0);
    let live = Live::assemble(&MODEL.1, options, sink, Box::new(open), Muted).unwrap();
    Stage { live, recorder, socket }
}

/// The ring holds less than a clause, so that the generator is as far ahead of the ear as it can be.
fn silent_guard() -> LiveOptions {
    let guards = Guards {
        most_frames_per_char: 0.0,
        repetition_frames: 0,
        silence_frames: 10,
        silence_dbfs: -60.0,
        ..Guards::default()
    };
    LiveOptions::default().ring_ms(800u32).session(SessionOptions::default().guards(guards))
}

#[test]
fn a_clause_that_falls_silent_is_spoken_once_more_and_that_is_heard_whole() {
    let stage = long(silent_guard());
    let events = events(&speak(&stage, Lane::Answer, "It is mute at first. The second one is here."));
    assert!(events.contains(&Event::Guard { trip: Trip::Silence, retried: true }), "{events:?}");
    assert!(!events.contains(&Event::Guard { trip: Trip::Silence, retried: false }), "{events:?}");
    assert_eq!(clauses(&events), [0..20, 0..20, 20..44]);
    assert_eq!(events.last(), Some(&Event::Finished));
    let sounding = stage.recorder.sounding();
    assert!(sounding.abs_diff((3 + 30 + 30) * FRAME) < 600, "{sounding} samples");
}

#[test]
fn a_clause_that_falls_silent_twice_is_left_at_the_same_frame_and_the_next_one_is_spoken() {
    let stage = long(silent_guard());
    let events = events(&speak(&stage, Lane::Answer, "It is always mute here. The second one is here."));
    let left = |retried| events.iter().filter(|e| **e == Event::Guard { trip: Trip::Silence, retried }).count();
    assert_eq!((left(true), left(false)), (1, 1), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Finished));
    let sounding = stage.recorder.sounding();
    assert!(sounding.abs_diff((3 + 3 + 30) * FRAME) < 900, "{sounding} samples");
}

#[test]
fn a_long_prompt_that_goes_on_is_not_stuck() {
    let stage = long(silent_guard().stuck_ms(200u64));
    assert_eq!(speak(&stage, Lane::Answer, "The prompt takes its time.").wait(LONG), Some(Event::Finished));
}

#[test]
fn everybody_hears_that_the_codec_s_thread_has_died_and_nothing_more_is_taken() {
    let stage = long(silent_guard());
    let (doomed, waiting) =
        (speak(&stage, Lane::Answer, "This one is fatal."), speak(&stage, Lane::Answer, "The second one is here."));
    for utterance in [doomed, waiting] {
        let last = utterance.wait(LONG);
        assert!(matches!(&last, Some(Event::Failed { message, .. }) if message.contains("codec")), "{last:?}");
    }
    assert_eq!(stage.live.utterance(&SpeakOptions::default()).unwrap_err().kind(), ErrorKind::Backend);
}

/// A device of somebody's whose code panics.
#[derive(Debug)]
struct Faulty(ClockedSink, Arc<AtomicBool>);

impl Sink for Faulty {
    fn format(&self) -> Format {
        self.0.format()
    }

    fn start(&mut self, callback: Callback) -> Result<()> {
        self.0.start(callback)
    }

    fn stop(&mut self) -> Option<Callback> {
        self.0.stop()
    }

    fn is_lost(&self) -> bool {
        assert!(!self.1.load(Ordering::Relaxed), "as told");
        false
    }
}

#[test]
fn everybody_hears_that_the_device_s_code_has_panicked() {
    let faulty = Arc::<AtomicBool>::default();
    let shared = faulty.clone();
    let sink = move || Ok(Box::new(Faulty(ClockedSink::null(RATE_HZ, 240), shared.clone())) as Box<dyn Sink>);
    let open = || Ok(Long { text: String::new(), frames: 0, seed: 0 });
    let live = Live::assemble(&MODEL.1, silent_guard(), Box::new(sink), Box::new(open), Muted).unwrap();
    let heard = live.speak("The first one is here.", &SpeakOptions::default()).unwrap();
    let waiting = live.utterance(&SpeakOptions::default()).unwrap();
    wait_for(&heard, |event| *event == Event::Started);
    faulty.store(true, Ordering::Relaxed);
    for utterance in [heard, waiting] {
        assert!(matches!(utterance.wait(LONG), Some(Event::Failed { .. })));
    }
}

#[test]
fn after_a_panic_another_model_is_opened_when_the_first_has_gone() {
    let alive = Arc::new(());
    let count = alive.clone();
    let log = Arc::<Mutex<Vec<String>>>::default();
    let seen = log.clone();
    let stage = stage_with(options(), move || {
        seen.lock().unwrap().push(Arc::strong_count(&count).to_string());
        Ok(Fake { _alive: Some(count.clone()), ..Fake::default() })
    });
    assert!(matches!(speak(&stage, Lane::Answer, "Do panic now.").wait(LONG), Some(Event::Failed { .. })));
    assert_eq!(speak(&stage, Lane::Answer, "All is well again.").wait(LONG), Some(Event::Finished));
    assert_eq!(*log.lock().unwrap(), ["2", "2"], "no other source is alive when one is opened");
    drop(alive);
}

#[test]
fn one_may_wait_for_ever() {
    let stage = stage(options());
    let utterance = speak(&stage, Lane::Answer, "The first one is here.");
    assert_eq!(utterance.wait(Duration::MAX), Some(Event::Finished));
    assert_eq!(utterance.next_event(Duration::MAX), None, "nothing comes after the last event");
    assert_eq!(utterance.position(), 22, "where it ended is known");
}

#[test]
fn texts_that_are_too_long_leave_nothing_behind() {
    let stage = stage(options());
    let long = "w".repeat(Utterance::MAX_WAITING_BYTES + 1);
    for _ in 0..5000 {
        let refused = stage.live.speak(&long, &SpeakOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
    }
    assert_eq!(speak(&stage, Lane::Answer, "The first one is here.").wait(LONG), Some(Event::Finished));
}

#[test]
fn more_utterances_than_may_be_open_are_refused_for_now() {
    let stage = stage(options());
    let open = || stage.live.utterance(&SpeakOptions::default());
    let all: Vec<Utterance> = (0..4096).map(|_| open().unwrap()).collect();
    assert_eq!(open().unwrap_err().kind(), ErrorKind::Busy);
    drop(all);
    let deadline = Instant::now() + LONG;
    while open().is_err() {
        assert!(Instant::now() < deadline, "those that were dropped are still open");
    }
}

//! The device callback never allocates or frees, and a frame in the midst of speech does not either. The allocator of
//! this program aborts where it happens.

#[path = "support/live.rs"]
mod live;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use live::*;
use syrinx::device::callback::Callback;
use syrinx::device::wav::to_i16;
use syrinx::device::{Format, Sink};
use syrinx::engine::{Engine, Event, Lane, Phrase, Session, SessionOptions};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

/// Set in the process of the control.
const ALLOCATE: &str = "SYRINX_TEST_ALLOCATE";

/// A device of two channels of 16-bit samples whose callback must not allocate.
#[derive(Debug, Default)]
struct Strict {
    stop: Arc<AtomicBool>,
    periods: Arc<AtomicU64>,
    thread: Option<JoinHandle<Callback>>,
}

impl Sink for Strict {
    fn format(&self) -> Format {
        Format { sample_rate_hz: RATE_HZ, channels: 2, period_frames: PERIOD }
    }

    fn start(&mut self, mut callback: Callback) -> syrinx::Result<()> {
        let (stop, periods) = (self.stop.clone(), self.periods.clone());
        let allocate = std::env::var_os(ALLOCATE).is_some();
        self.thread = Some(std::thread::spawn(move || {
            let mut out = vec![0i16; 2 * PERIOD];
            while !stop.load(Ordering::Relaxed) {
                assert_no_alloc(|| {
                    callback.write(&mut out, 2, to_i16);
                    if allocate {
                        drop(std::hint::black_box(vec![0u8; 16]));
                    }
                });
                periods.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
            callback
        }));
        Ok(())
    }

    fn stop(&mut self) -> Option<Callback> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take()?.join().ok()
    }

    fn is_lost(&self) -> bool {
        false
    }
}

fn strict() -> (support::TinyPack, Engine, Arc<AtomicU64>) {
    let (files, pack) = tiny();
    let periods = Arc::new(AtomicU64::new(0));
    let count = periods.clone();
    let open = move || Ok(Box::new(Strict { periods: count.clone(), ..Strict::default() }) as _);
    let engine = Engine::open_with(&pack, options(), Box::new(open)).unwrap();
    (files, engine, periods)
}

#[test]
fn the_callback_does_not_allocate_whatever_happens() {
    let (_files, engine, periods) = strict();
    for round in 0..20 {
        let utterance = engine.speak(Lane::Answer, "It goes on and on and on.", &frames(40)).unwrap();
        while utterance.next_event(LONG) != Some(Event::Started) {}
        let phrase = Phrase { text: "Ding.".into(), sample_rate_hz: RATE_HZ, samples: vec![0.1; 600].into() };
        engine.play(&phrase, (round % 2) as f32).unwrap();
        engine.set_volume(0.1 * (round % 10) as f32);
        engine.pause();
        std::thread::sleep(Duration::from_millis(10));
        engine.resume();
        if round % 3 == 0 {
            engine.stop_phrases();
        }
        std::thread::sleep(Duration::from_millis(30));
        utterance.cancel();
        assert!(utterance.wait(LONG).is_some());
    }
    let utterance = engine.speak(Lane::Answer, "Once more to the end.", &frames(10)).unwrap();
    assert_eq!(utterance.wait(LONG), Some(Event::Finished));
    assert!(periods.load(Ordering::Relaxed) > 100);
}

#[test]
fn an_allocation_in_the_callback_would_abort() {
    if std::env::var_os(ALLOCATE).is_some() {
        let (_files, _engine, periods) = strict();
        until(|| periods.load(Ordering::Relaxed) > 0);
        return;
    }
    let mut control = std::process::Command::new(std::env::current_exe().unwrap());
    let name = "an_allocation_in_the_callback_would_abort";
    let output = control.args(["--exact", name]).env(ALLOCATE, "1").output().unwrap();
    assert!(!output.status.success(), "the allocator lets everything through");
}

#[test]
fn a_frame_in_the_midst_of_speech_does_not_allocate() {
    let (_files, pack) = tiny();
    let mut session = Session::open(&pack, &SessionOptions::default()).unwrap();
    let mut block = vec![0.0; session.samples_per_frame()];
    let mut synthesis = session.speak("The quick brown fox.", &frames(40)).unwrap();
    for _ in 0..5 {
        assert!(synthesis.next_block(&mut block).unwrap());
    }
    for _ in 5..40 {
        assert!(assert_no_alloc(|| synthesis.next_block(&mut block)).unwrap());
    }
}

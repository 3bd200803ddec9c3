//! The device callback neither allocates, frees, locks nor calls the system, and a frame in the midst of speech does not
//! allocate. Where it does, the process ends ([`law`]).

#[path = "support/law.rs"]
mod law;
#[path = "support/live.rs"]
mod live;
mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use law::{sees_calls, under_the_law};
use live::*;
use syrinx::device::callback::Callback;
use syrinx::device::wav::to_i16;
use syrinx::device::{Format, Sink};
use syrinx::engine::{Engine, EngineOptions, Event, Lane, Phrase};

/// Names the crime, in the process of a control.
const CRIME: &str = "SYRINX_TEST_CRIME";

/// What a callback must not do.
fn commit(crime: &str, held: &Mutex<()>) {
    match crime {
        "allocate" => drop(std::hint::black_box(vec![0u8; 16])),
        "lock" => drop(held.lock()),
        "write" => std::io::stderr().write_all(b"\n").unwrap(),
        _ => panic!("there is no crime {crime}"),
    }
}

/// A device of two channels of 16-bit samples whose callback is under the law.
#[derive(Debug, Default)]
struct Strict {
    stop: Arc<AtomicBool>,
    periods: Arc<AtomicU64>,
    /// A lock that somebody else holds.
    held: Arc<Mutex<()>>,
    thread: Option<JoinHandle<Callback>>,
}

impl Sink for Strict {
    fn format(&self) -> Format {
        Format { sample_rate_hz: RATE_HZ, channels: 2, period_frames: PERIOD }
    }

    fn start(&mut self, mut callback: Callback) -> syrinx::Result<()> {
        let (stop, periods, held) = (self.stop.clone(), self.periods.clone(), self.held.clone());
        let crime = std::env::var(CRIME).ok();
        self.thread = Some(std::thread::spawn(move || {
            let mut out = vec![0i16; 2 * PERIOD];
            while !stop.load(Ordering::Relaxed) {
                under_the_law(|| {
                    callback.write(&mut out, 2, to_i16);
                    if let Some(crime) = &crime {
                        commit(crime, &held);
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

fn strict(options: EngineOptions, held: &Arc<Mutex<()>>) -> (support::TinyPack, Engine, Arc<AtomicU64>) {
    let (files, pack) = tiny();
    let periods = Arc::new(AtomicU64::new(0));
    let (count, held) = (periods.clone(), held.clone());
    let open = move || Ok(Box::new(Strict { periods: count.clone(), held: held.clone(), ..Strict::default() }) as _);
    let engine = Engine::open_with(&pack, options, Box::new(open)).unwrap();
    (files, engine, periods)
}

#[test]
fn the_callback_keeps_the_law_whatever_happens() {
    let (_files, engine, periods) = strict(EngineOptions { keep_alive: true, ..options() }, &Arc::default());
    for round in 0..20 {
        let utterance = engine.speak(Lane::Answer, "It goes on and on and on.", &frames(40)).unwrap();
        while utterance.next_event(LONG) != Some(Event::Started) {}
        let phrase = Phrase { text: "Ding.".into(), sample_rate_hz: RATE_HZ, samples: vec![0.1; 600].into() };
        engine.play(&phrase, (round % 2) as f32).unwrap();
        engine.set_volume(0.1 * (round % 10) as f32);
        engine.set_duck(1.0 - 0.1 * (round % 5) as f32);
        engine.pause();
        std::thread::sleep(Duration::from_millis(10));
        engine.resume();
        if round % 3 == 0 {
            engine.stop_phrases();
        }
        if round % 4 == 0 {
            let alert = engine.speak(Lane::Alert, "Brake now please.", &frames(3)).unwrap();
            assert_eq!(alert.wait(LONG), Some(Event::Finished));
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
fn a_callback_that_broke_the_law_would_end_the_process() {
    if std::env::var_os(CRIME).is_some() {
        let held = Arc::<Mutex<()>>::default();
        let _guard = held.lock();
        let (_files, _engine, periods) = strict(options(), &held);
        until(|| periods.load(Ordering::Relaxed) > 0);
        return;
    }
    let mut crimes = vec!["allocate"];
    match sees_calls() {
        true => crimes.extend(["lock", "write"]),
        false => eprintln!("calls of the system are not seen on this machine"),
    }
    let ends = |crime: &str| {
        let mut control = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "a_callback_that_broke_the_law_would_end_the_process";
        let output = control.args(["--exact", name]).env(CRIME, crime).output().unwrap();
        !output.status.success()
    };
    for crime in crimes {
        assert!(ends(crime), "{crime} goes unpunished");
    }
}

/// Its allocations are a matter of speed, and not the sanitizer's.
#[cfg(not(rtsan))]
#[test]
fn a_frame_in_the_midst_of_speech_does_not_allocate() {
    let (_files, pack) = tiny();
    let mut session = syrinx::engine::Session::open(&pack, &Default::default()).unwrap();
    let mut block = vec![0.0; session.samples_per_frame()];
    let mut synthesis = session.speak("The quick brown fox.", &frames(40)).unwrap();
    for _ in 0..5 {
        assert!(synthesis.next_block(&mut block).unwrap());
    }
    for _ in 5..40 {
        assert!(assert_no_alloc::assert_no_alloc(|| synthesis.next_block(&mut block)).unwrap());
    }
}

//! The device callback neither allocates, frees, locks nor calls the system, nor does a microphone's; and a frame in the midst
//! of speech does not allocate. Where it does, the process ends ([`law`]).

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
use syrinx::lab::device::callback::Callback;
use syrinx::lab::device::capture::{Piece, capture_path};
use syrinx::lab::device::wav::to_i16;
use syrinx::lab::device::{Format, Sink};
use syrinx::{Event, Lane, Live, LiveOptions, Next, Phrase, Speech};

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

fn strict(options: LiveOptions, held: &Arc<Mutex<()>>) -> (support::TinyPack, Live, Arc<AtomicU64>) {
    let (files, model) = tiny();
    let periods = Arc::new(AtomicU64::new(0));
    let (count, held) = (periods.clone(), held.clone());
    let open = move || Ok(Box::new(Strict { periods: count.clone(), held: held.clone(), ..Strict::default() }) as _);
    let live = Live::open_with(&model, options, Box::new(open)).unwrap();
    (files, live, periods)
}

#[test]
fn the_callback_keeps_the_law_whatever_happens() {
    let (_files, live, periods) = strict(options().keep_alive(true), &Arc::default());
    for round in 0..20 {
        let utterance = speak(&live, "It goes on and on and on.", 40);
        while utterance.next_event(LONG) != Some(Event::Started) {}
        let phrase = Phrase { text: "Ding.".into(), sample_rate_hz: RATE_HZ, samples: vec![0.1; 600].into() };
        live.play(&phrase, (round % 2) as f32).unwrap();
        live.set_volume(0.1 * (round % 10) as f32);
        live.set_duck(1.0 - 0.1 * (round % 5) as f32);
        live.pause();
        std::thread::sleep(Duration::from_millis(10));
        live.resume();
        if round % 3 == 0 {
            live.stop_phrases();
        }
        if round % 4 == 0 {
            let alert = live.speak("Brake now please.", &frames(3).lane(Lane::Alert)).unwrap();
            heard_to_the_end(&alert);
        }
        std::thread::sleep(Duration::from_millis(30));
        utterance.cancel();
        assert!(utterance.wait(LONG).is_some());
    }
    heard_to_the_end(&speak(&live, "Once more to the end.", 10));
    assert!(periods.load(Ordering::Relaxed) > 100);
}

#[test]
fn what_a_caller_renders_keeps_the_law_and_is_the_speech() {
    let (_files, model) = tiny();
    let text = "The quick brown fox jumps over the lazy dog.";
    let mut session = model.session(unwatched()).unwrap();
    let pulled: Vec<f32> = session.speak(text, &frames(20)).unwrap().map_while(Result::ok).flatten().collect();
    let (live, mut renderer) = Live::open_rendered(&model, options().start_frames(20usize), RATE_HZ).unwrap();
    let utterance = speak(&live, text, 20);
    let mut heard = Vec::new();
    let mut period = vec![1.0; 2 * PERIOD + 1];
    let mut ended = false;
    while !ended {
        under_the_law(|| renderer.render(&mut period, 2));
        assert_eq!(period[2 * PERIOD], 0.0, "a group of channels that is not complete");
        assert!(period[..2 * PERIOD].chunks(2).all(|both| both[0] == both[1]));
        heard.extend(period[..2 * PERIOD].iter().step_by(2));
        std::thread::sleep(Duration::from_millis(1));
        ended = utterance.next_event(Duration::ZERO).is_some_and(|event| event.is_last());
    }
    let (pulled, heard) = (from_first_sound(&pulled), from_first_sound(&heard));
    assert!(heard[..pulled.len()] == pulled[..]);
    speak(&live, text, 20);
    drop(live);
    period.fill(1.0);
    under_the_law(|| renderer.render(&mut period, 2));
    assert!(period.iter().all(|&x| x == 0.0), "live speech is gone");
}

#[test]
fn what_a_microphone_gives_is_taken_by_the_law_whether_or_not_it_fits() {
    let (mut capture, mut captured) = capture_path(5_000);
    let (mut given, mut taken, mut lost) = (0, 0, 0);
    let mut out = vec![0.0; 700];
    let (floats, words, bytes) = (vec![0.25f32; 8_000], vec![8_192i16; 8_000], vec![160u8; 8_000]);
    for round in 0..300 {
        let frames = [0, 1, 160, 256, 257, 1_000][round % 6];
        under_the_law(|| match round % 4 {
            0 => capture.write(&floats[..frames], 1, |x| x),
            1 => capture.write(&words[..2 * frames], 2, |x| f32::from(x) / 32_768.0),
            2 => capture.write(&bytes[..8 * frames], 8, |x| (f32::from(x) - 128.0) / 128.0),
            _ => capture.write(&[f32::NAN], 1, |x| x),
        });
        given += if round % 4 == 3 { 1 } else { frames as u64 };
        if round % 30 > 26 {
            match captured.take(&mut out) {
                Piece::Sound(count) => {
                    assert!(out[..count].iter().all(|&x| x == 0.25 || x == 0.0));
                    taken += count as u64;
                }
                Piece::Missing(samples) => lost += samples,
            }
        }
    }
    // What was lost last is known when something fits again.
    while captured.waiting() > 0 {
        match captured.take(&mut out) {
            Piece::Sound(count) => taken += count as u64,
            Piece::Missing(samples) => lost += samples,
        }
    }
    under_the_law(|| capture.write(&floats[..160], 1, |x| x));
    given += 160;
    while let piece = captured.take(&mut out)
        && piece != Piece::Sound(0)
    {
        match piece {
            Piece::Sound(count) => taken += count as u64,
            Piece::Missing(samples) => lost += samples,
        }
    }
    assert_eq!(taken + lost, given);
    assert!(lost > 10_000 && taken > 5_000, "{lost} lost, {taken} taken");
}

#[test]
fn a_rate_that_no_device_has_is_refused() {
    let (_files, model) = tiny();
    for rate_hz in [0, 7_999, u32::MAX] {
        let refused = Live::open_rendered(&model, options(), rate_hz).unwrap_err();
        assert_eq!(refused.kind(), syrinx::ErrorKind::BadOption);
    }
}

#[test]
fn a_callback_that_broke_the_law_would_end_the_process() {
    if std::env::var_os(CRIME).is_some() {
        let held = Arc::<Mutex<()>>::default();
        let _guard = held.lock();
        let (_files, _live, periods) = strict(options(), &held);
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
    let (_files, model) = tiny();
    let mut session = model.session(unwatched()).unwrap();
    let mut speech = session.speak("The quick brown fox.", &frames(40)).unwrap();
    let mut block = vec![0.0; speech.samples_per_block()];
    let mut is_audio = |speech: &mut Speech| matches!(speech.next_into(&mut block), Ok(Next::Audio(_)));
    for _ in 0..5 {
        assert!(is_audio(&mut speech));
    }
    for _ in 5..40 {
        assert!(assert_no_alloc::assert_no_alloc(|| is_audio(&mut speech)));
    }
}

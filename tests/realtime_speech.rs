//! What is heard is what the model says: all of it, once, and nothing after a cancel.

#[path = "support/live.rs"]
mod live;
mod support;

use std::time::Duration;

use live::*;
use syrinx::ErrorKind;
use syrinx::{Event, Speech};

/// All samples of a speech up to its budget.
fn pulled(speech: Speech) -> Vec<f32> {
    speech.map_while(Result::ok).flatten().collect()
}

#[test]
fn streamed_samples_equal_pulled_samples() {
    let (_files, model) = tiny();
    let text = "The quick brown fox jumps over the lazy dog.";
    let mut session = model.session(unwatched()).unwrap();
    let pulled = pulled(session.speak(text, &frames(30)).unwrap());

    let (live, recorder) = live(&model, options().start_frames(30usize));
    let utterance = live.utterance(&frames(30)).unwrap();
    for piece in ["The qui", "ck brown fox", " jumps over the lazy", " dog."] {
        utterance.push(piece).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    utterance.finish();
    heard_to_the_end(&utterance);
    assert!(utterance.position() > 20, "where it ended is known after its end");

    let (pulled, heard) = (from_first_sound(&pulled), recorder.speech());
    assert!(pulled.len() > 20 * 1920);
    assert_eq!(heard[..pulled.len()], pulled[..]);
    let rest = &heard[pulled.len()..];
    let decay = RATE_HZ as usize / 200;
    assert!(rest.iter().skip(decay).all(|&x| x == 0.0), "nothing is heard after the last sample has decayed");
}

#[test]
fn a_text_spoken_at_once_equals_pulled_samples() {
    let (_files, model) = tiny();
    let text = "You can turn left at the next light, and then go straight on.";
    let mut session = model.session(unwatched()).unwrap();
    let pulled = pulled(session.speak(text, &frames(20)).unwrap());
    let (live, recorder) = live(&model, options().start_frames(20usize));
    heard_to_the_end(&speak(&live, text, 20));
    let (pulled, heard) = (from_first_sound(&pulled), recorder.speech());
    assert_eq!(heard[..pulled.len()], pulled[..]);
}

#[test]
fn another_seed_is_heard_as_other_samples() {
    let (_files, model) = tiny();
    let (live, recorder) = live(&model, options().start_frames(5usize));
    let mut heard = Vec::new();
    for seed in [1, 2] {
        let before = recorder.length();
        let utterance = live.speak("One two three four.", &frames(5).seed(seed)).unwrap();
        heard_to_the_end(&utterance);
        heard.push(from_first_sound(&recorder.samples()[before..])[..4 * 1920].to_vec());
    }
    assert_ne!(heard[0], heard[1]);
}

#[test]
fn a_cancel_silences_speech_within_a_period_and_ten_milliseconds() {
    let (_files, model) = tiny();
    let (live, recorder) = live(&model, options());
    for _ in 0..5 {
        let utterance = speak(&live, "It goes on and on and on.", 200);
        while utterance.next_event(LONG) != Some(Event::Started) {}
        std::thread::sleep(Duration::from_millis(70));
        let before = recorder.samples().len();
        utterance.cancel();
        let last = utterance.wait(LONG);
        assert!(matches!(last, Some(Event::Cancelled { position }) if position < 25), "{last:?}");
        std::thread::sleep(Duration::from_millis(50));
        // What the callback was writing while the call was made, and the fade.
        let limit = before + PERIOD + RATE_HZ as usize / 100;
        assert!(recorder.length() <= limit, "{} samples too many", recorder.length() - limit);
    }
}

#[test]
fn a_cancel_fades() {
    let (_files, model) = tiny();
    let (live, recorder) = live(&model, options());
    let utterance = speak(&live, "It goes on and on and on.", 200);
    until(|| recorder.speech().len() > 4800);
    utterance.cancel();
    assert!(utterance.wait(LONG).is_some());
    let end = recorder.length();
    let fade = &recorder.samples()[end - 24..end];
    let loudest = recorder.speech().iter().fold(0f32, |a, x| a.max(x.abs()));
    assert!(fade.iter().all(|x| x.abs() <= 0.25 * loudest), "the last millisecond is at most a fifth as loud");
}

#[test]
fn a_thousand_rapid_cancels_leave_the_engine_speaking() {
    let (_files, model) = tiny();
    let (live, recorder) = live(&model, options());
    let mut cancelled = Vec::new();
    for round in 0..1000 {
        let utterance = speak(&live, "One two three four five.", 50);
        if round % 10 == 0 {
            std::thread::sleep(Duration::from_millis(round % 7 * 5));
        }
        utterance.cancel();
        cancelled.push(utterance);
    }
    for utterance in cancelled {
        let last = utterance.wait(LONG);
        assert!(matches!(last, Some(Event::Cancelled { .. })), "{last:?}");
    }
    let before = recorder.length();
    let utterance = speak(&live, "And now this.", 10);
    heard_to_the_end(&utterance);
    let heard = recorder.length() - before;
    assert!(heard >= 9 * 1920, "{heard} samples");
}

#[test]
fn a_pause_keeps_every_sample() {
    let (_files, model) = tiny();
    let (live, recorder) = live(&model, options().start_frames(20usize));
    let utterance = speak(&live, "It goes on and on and on.", 20);
    until(|| recorder.speech().len() > 9600);
    live.pause();
    std::thread::sleep(Duration::from_millis(60));
    let paused = recorder.length();
    let position = utterance.position();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(recorder.length(), paused, "silence while paused");
    assert_eq!(utterance.position(), position);
    live.resume();
    heard_to_the_end(&utterance);
    let sounding = recorder.speech().iter().filter(|&&x| x != 0.0).count();
    assert!(sounding >= 20 * 1920 - 300, "{sounding} samples");
}

#[test]
fn other_rates_take_as_much_time() {
    let (_files, model) = tiny();
    for rate_hz in [16_000, 44_100, 48_000] {
        let (live, recorder) = live_at(&model, options().start_frames(12usize), rate_hz);
        let utterance = speak(&live, "One two three.", 12);
        heard_to_the_end(&utterance);
        std::thread::sleep(Duration::from_millis(80));
        let seconds = recorder.speech().len() - (recorder.samples().len() - recorder.length());
        let seconds = seconds as f64 / f64::from(rate_hz);
        assert!((seconds - 0.96).abs() < 0.03, "{seconds} s at {rate_hz} Hz");
    }
}

#[test]
fn positions_grow_and_end_at_the_end() {
    let (_files, model) = tiny();
    let (live, _) = live(&model, options());
    let text = "One two three four five six.";
    let utterance = speak(&live, text, 20);
    let mut last = 0;
    let mut clauses = Vec::new();
    loop {
        let position = utterance.position();
        match utterance.next_event(Duration::from_millis(10)) {
            Some(Event::Clause { chars }) => clauses.push(chars),
            Some(Event::OutOfBudget { .. }) => break,
            _ => {
                assert!(position >= last && position <= text.len(), "{last} then {position}");
                last = position;
            }
        }
    }
    assert_eq!(clauses, std::slice::from_ref(&(0..text.len())));
    assert!(last >= 20, "{last}");
}

#[test]
fn text_that_says_nothing_is_finished_at_once() {
    let (_files, model) = tiny();
    let (live, recorder) = live(&model, options());
    let utterance = speak(&live, "  \n ", 20);
    assert_eq!(utterance.wait(LONG), Some(Event::Finished));
    assert_eq!(recorder.length(), 0);
}

#[test]
fn a_hundred_thousand_characters_at_once_are_taken() {
    let (_files, model) = tiny();
    let (live, recorder) = live(&model, options());
    let utterance = live.utterance(&frames(10)).unwrap();
    utterance.push(&"word ".repeat(20_000)).unwrap();
    utterance.finish();
    heard_to_the_end(&utterance);
    assert!(recorder.length() > 0);
    let flood = live.utterance(&frames(10)).unwrap();
    let too_much = flood.push(&"w".repeat(2 << 20)).unwrap_err();
    assert_eq!(too_much.kind(), ErrorKind::Busy);
}

#[test]
fn push_after_the_end_is_refused() {
    let (_files, model) = tiny();
    let (live, _) = live(&model, options());
    let utterance = live.utterance(&frames(5)).unwrap();
    utterance.finish();
    assert_eq!(utterance.push("more").unwrap_err().kind(), ErrorKind::Ended);
}

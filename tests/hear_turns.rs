//! Promise: a pack that hears turn by turn gives a text for each turn, whatever the pieces in which the sound comes, and none
//! where nobody speaks.

mod support;

use std::ops::Range;

use support::hear::EarsOf;
use support::success;
use syrinx::lab::hear::wav::{RATE_HZ, Recording};
use syrinx::{Ears, EarsOptions, ErrorKind, Heard, ListenOptions};
use syrinx_quant::Recipe;

/// Two sentences, with silence before, between and behind them; and when they are, in milliseconds.
fn spoken(pack: &EarsOf) -> (Vec<f32>, Vec<Range<u64>>) {
    let silence = vec![0.0; 2 * RATE_HZ as usize];
    let (mut samples, mut places) = (silence.clone(), Vec::new());
    let ms = |samples: &[f32]| samples.len() as u64 * 1000 / u64::from(RATE_HZ);
    for text in ["Turn left at the harbour.", "Then go straight on until you see the church."] {
        let file = pack.beside("said.wav");
        success(&["say", text, "-o", file.to_str().unwrap()]);
        let begin = ms(&samples);
        samples.extend(Recording::open(&file).unwrap().read_all().unwrap());
        places.push(begin..ms(&samples));
        samples.extend(&silence);
    }
    (samples, places)
}

fn heard(ears: &Ears, samples: &[f32], piece: usize) -> Vec<Heard> {
    let mut listener = ears.listener(ListenOptions::default()).unwrap();
    let mut heard: Vec<Heard> = samples.chunks(piece).flat_map(|piece| listener.feed(piece).unwrap()).collect();
    heard.extend(listener.flush().unwrap());
    heard
}

#[test]
fn each_turn_is_a_text_with_its_time_whatever_the_pieces() {
    let pack = EarsOf::import("whisper", Recipe::Q8);
    let ears = Ears::open(pack.dir(), EarsOptions::default()).unwrap();
    assert_eq!((ears.info().family.as_str(), ears.info().longest_delay_ms), ("whisper", 0));
    let (samples, _) = spoken(&pack);
    let whole = heard(&ears, &samples, samples.len());
    assert_eq!(whole.len(), 2, "{whole:?}");
    let length_ms = samples.len() as u64 * 1000 / u64::from(RATE_HZ);
    assert!(
        whole[0].start_ms >= 1_500 && whole[0].end_ms < whole[1].start_ms && whole[1].end_ms <= length_ms,
        "{whole:?}"
    );
    for text in &whole {
        let words: Vec<&str> = text.words.iter().map(|word| word.text.as_str()).collect();
        assert!(text.is_final && text.text.split_whitespace().eq(words));
    }
    for piece in [160, 511, 4000] {
        assert_eq!(heard(&ears, &samples, piece), whole, "in pieces of {piece}");
    }
}

#[test]
fn nothing_is_heard_where_nobody_speaks_and_what_was_forgotten_is_not_heard() {
    let pack = EarsOf::import("whisper", Recipe::Q8);
    let ears = Ears::open(pack.dir(), EarsOptions::default()).unwrap();
    assert_eq!(heard(&ears, &vec![0.0; 10 * RATE_HZ as usize], 1000), []);
    let hum: Vec<f32> = (0..10 * RATE_HZ).map(|i| 0.1 * (i as f32 * 0.02).sin()).collect();
    assert_eq!(heard(&ears, &hum, 1000), []);
    let (samples, _) = spoken(&pack);
    let mut listener = ears.listener(ListenOptions::default()).unwrap();
    let first = listener.feed(&samples[..3 * RATE_HZ as usize]).unwrap();
    listener.reset().unwrap();
    assert_eq!((first, listener.flush().unwrap()), (vec![], vec![]), "in the midst of its first sentence");
}

#[test]
fn a_hole_in_the_sound_ends_the_turn_and_leaves_the_times_true() {
    let pack = EarsOf::import("whisper", Recipe::Q8);
    let ears = Ears::open(pack.dir(), EarsOptions::default()).unwrap();
    let (samples, places) = spoken(&pack);
    // Before and behind it, of a turn.
    const AROUND_MS: u64 = 800;
    // Before the first sentence, and in its midst: where the model, which is made of chance, says something of each turn.
    for at_ms in [1_100, 3_000] {
        let (before, behind) = samples.split_at(at_ms * RATE_HZ as usize / 1000);
        let mut listener = ears.listener(ListenOptions::default()).unwrap();
        let mut parts = listener.feed(before).unwrap();
        parts.extend(listener.skip(5 * u64::from(RATE_HZ)).unwrap());
        parts.extend(listener.feed(behind).unwrap());
        parts.extend(listener.flush().unwrap());
        assert!(parts.len() >= places.len(), "{parts:?}");
        // Where in its turn a text is, a model says that is made of chance; the turn is where the sentence is.
        let (last, place) = (parts.last().unwrap(), places.last().unwrap());
        assert!(last.start_ms + AROUND_MS >= place.start + 5_000, "{parts:?} {places:?}");
        assert!(last.end_ms <= place.end + 5_000 + AROUND_MS, "{parts:?} {places:?}");
        assert!(at_ms < 2_000 || parts[0].end_ms <= 3_000, "{parts:?}");
    }
}

#[test]
fn what_streaming_packs_alone_can_do_is_refused_by_name() {
    let pack = EarsOf::import("whisper", Recipe::Q8);
    let ears = Ears::open(pack.dir(), EarsOptions::default()).unwrap();
    for (options, what) in [
        (ListenOptions::default().delay_ms(240), "delay"),
        (ListenOptions::default().phrases(vec!["Syrinx".to_owned()]), "phrases"),
        (ListenOptions::default().language("tlh".to_owned()), "tlh"),
    ] {
        let error = ears.listener(options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadOption);
        assert!(error.message().contains(what), "{error}");
    }
    let mut listener = ears.listener(ListenOptions::default()).unwrap();
    assert_eq!(listener.set_delay_ms(240).unwrap_err().kind(), ErrorKind::BadOption);
}

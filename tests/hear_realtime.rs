//! Promise: what Voxtral Realtime hears is what the reference hears, however the samples arrive. Goldens:
//! tests/data/README.md.

mod support;

use std::sync::Arc;

use support::hear::{EarsOf, golden};
use support::{Tensor, assert_close};
use syrinx::lab::hear::mel::{Mel, MelSizes};
use syrinx::lab::hear::realtime::{Recogniser, Token, Trace};
use syrinx::lab::pack::{EarsPack, OpenOptions};
use syrinx::{Ears, EarsOptions, ErrorKind, Heard, ListenOptions, Listener};
use syrinx_quant::Recipe;
use syrinx_quant::shape::Realtime;

/// Two checkpoints of random weights: the proportions of the released model, and every size another.
const CHECKPOINTS: [&str; 2] = ["tiny", "skew"];

fn recogniser(pack: &EarsOf) -> Arc<Recogniser> {
    Recogniser::open(&EarsPack::open(&pack.dir(), OpenOptions::default()).unwrap(), 1).unwrap()
}

fn ears(pack: &EarsOf) -> Ears {
    Ears::open(pack.dir(), EarsOptions::default()).unwrap()
}

/// All stages of a whole stream, in which every row is computed and noted.
fn trace(ears: &Arc<Recogniser>, delay: usize, signal: &[f32]) -> Trace {
    let mut stream = ears.bare_stream(delay, Some(usize::MAX)).unwrap();
    stream.begin_trace();
    stream.hear_padding().unwrap();
    stream.push(signal, &mut Vec::new()).unwrap();
    stream.finish(true, &mut Vec::new()).unwrap();
    stream.take_trace().unwrap()
}

/// The answers of a stream that begins behind the kept silence, and hears samples in pieces.
fn answers(ears: &Arc<Recogniser>, delay: usize, signal: &[f32], piece: usize) -> (Vec<Token>, Trace) {
    let mut stream = ears.stream(delay, Some(usize::MAX)).unwrap();
    stream.begin_trace();
    let mut answers = Vec::new();
    for piece in signal.chunks(piece) {
        stream.push(piece, &mut answers).unwrap();
    }
    stream.finish(true, &mut answers).unwrap();
    (answers, stream.take_trace().unwrap())
}

#[test]
fn mel_spectra_and_their_filters_equal_the_reference() {
    for (name, bands, loudest) in [("tiny", 128, 1.5), ("skew", 80, 1.25)] {
        let golden = golden(name);
        let mut mel = Mel::new(MelSizes { rate_hz: 16_000, window: 400, bands }).unwrap();
        let expected = golden.f32("mel_filters");
        let filters = Tensor { shape: vec![bands, 201], values: mel.filters() };
        assert_close("mel_filters", &filters, &expected, 1e-7);

        let signal = golden.f32("signal").values;
        let expected = golden.f32("mel");
        let mut stream = vec![0.0; 200 + 32 * 1280];
        stream.extend(signal);
        stream.resize(expected.shape[0] * 160 + 400, 0.0);
        let mut found = vec![0.0; expected.values.len()];
        for (frame, window) in found.chunks_exact_mut(bands).zip(stream.windows(400).step_by(160)) {
            mel.frame(window, frame);
            frame.iter_mut().for_each(|v| *v = (v.max(loudest - 8.0) + 4.0) / 4.0);
        }
        assert_close("mel", &Tensor { shape: expected.shape.clone(), values: found }, &expected, 1e-4);
    }
}

#[test]
fn every_stage_equals_the_reference() {
    for checkpoint in CHECKPOINTS {
        let golden = golden(checkpoint);
        let pack = EarsOf::import(checkpoint, Recipe::F32);
        let ears = recogniser(&pack);
        let traced = trace(&ears, 6, &golden.f32("signal").values);
        for (name, found) in [
            ("mel", traced.mel),
            ("conv", traced.conv),
            ("encoder", traced.encoder),
            ("audio", traced.audio),
            ("decoder.hidden", traced.hidden),
            ("logits", traced.logits),
        ] {
            let expected = golden.f32(name);
            assert_close(name, &Tensor { shape: expected.shape.clone(), values: found }, &expected, 1e-4);
        }
        let expected = golden.i32("tokens").values;
        assert_eq!(traced.tokens.iter().map(|&id| id as i32).collect::<Vec<_>>(), expected, "{checkpoint}");
        assert_eq!(expected.len(), 50);
        let ada = golden.f32("ada");
        let scales = ears.scales(6).unwrap().concat();
        assert_close("ada", &Tensor { shape: ada.shape.clone(), values: scales }, &ada, 1e-4);
    }
}

#[test]
fn every_delay_gives_the_tokens_of_the_reference() {
    for checkpoint in CHECKPOINTS {
        let golden = golden(checkpoint);
        let pack = EarsOf::import(checkpoint, Recipe::F32);
        let ears = recogniser(&pack);
        let signal = golden.f32("signal").values;
        for delay_ms in [80, 240, 960, 2400] {
            let delay = ears.delay(Some(delay_ms)).unwrap();
            let expected = golden.i32(&format!("delay{delay_ms}.tokens")).values;
            let (found, traced) = answers(&ears, delay, &signal, 1280);
            let found: Vec<i32> = found.iter().map(|token| token.id as i32).collect();
            assert_eq!(found, expected, "{checkpoint} {delay_ms} ms");
            let hidden = golden.f32(&format!("delay{delay_ms}.hidden"));
            let dim = hidden.shape[1];
            let last = Tensor { shape: vec![dim], values: traced.hidden[traced.hidden.len() - dim..].to_vec() };
            let expected = Tensor { shape: vec![dim], values: hidden.values[2 * dim..].to_vec() };
            assert_close(&format!("hidden at {delay_ms} ms"), &last, &expected, 1e-4);
        }
        let own = ears.delay(None).unwrap();
        assert_eq!(own, ears.delay(Some(480)).unwrap());
    }
}

#[test]
fn any_cutting_of_the_samples_gives_the_same_bits() {
    for checkpoint in CHECKPOINTS {
        let golden = golden(checkpoint);
        let pack = EarsOf::import(checkpoint, Recipe::F32);
        let ears = recogniser(&pack);
        let signal = golden.f32("signal").values;
        let whole = answers(&ears, 6, &signal, signal.len());
        for piece in [1, 160, 511, 1280, 4000] {
            assert!(answers(&ears, 6, &signal, piece) == whole, "{checkpoint}: pieces of {piece}");
        }
        // And so does a stream that has heard something else before.
        let mut used = ears.stream(6, Some(usize::MAX)).unwrap();
        used.push(&signal[..20_000], &mut Vec::new()).unwrap();
        used.restart().unwrap();
        used.begin_trace();
        let mut again = Vec::new();
        used.push(&signal, &mut again).unwrap();
        used.finish(true, &mut again).unwrap();
        assert!((again, used.take_trace().unwrap()) == whole, "{checkpoint}: a stream that was used");
        let expected: Vec<i32> = golden.i32("tokens").values;
        assert_eq!(whole.0.iter().map(|token| token.id as i32).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn streams_of_different_delays_take_turns_without_touching_each_other() {
    let golden = golden("tiny");
    let pack = EarsOf::import("tiny", Recipe::F32);
    let ears = recogniser(&pack);
    let signal = golden.f32("signal").values;
    let delays = [1, 6, 12];
    let mut streams: Vec<_> = delays.iter().map(|&delay| ears.stream(delay, Some(usize::MAX)).unwrap()).collect();
    let mut found = vec![Vec::new(); 3];
    for piece in signal.chunks(1280) {
        for (stream, answers) in streams.iter_mut().zip(&mut found) {
            stream.push(piece, answers).unwrap();
        }
    }
    for ((stream, found), delay_ms) in streams.iter_mut().zip(&mut found).zip(["80", "", "960"]) {
        stream.finish(true, found).unwrap();
        let name = if delay_ms.is_empty() { "tokens".to_owned() } else { format!("delay{delay_ms}.tokens") };
        assert_eq!(found.iter().map(|token| token.id as i32).collect::<Vec<_>>(), golden.i32(&name).values, "{name}");
    }
}

/// What known mistakes of other ports do must be seen by these tests: each is made on purpose here.
#[test]
fn a_wrong_window_a_wrong_padding_or_no_conditioning_would_be_found() {
    let golden = golden("tiny");
    let signal = golden.f32("signal").values;
    let expected = golden.f32("logits").values;
    let worst = |found: &[f32]| found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);

    let pack = EarsOf::import("tiny", Recipe::F32);
    let ears = recogniser(&pack);
    assert!(worst(&trace(&ears, 6, &signal).logits) <= 1e-4);
    // Delay off by one; half a spectrum early; silence that is heard as something.
    assert!(worst(&trace(&ears, 5, &signal).logits) > 1e-2, "delay");
    assert!(worst(&trace(&ears, 6, &signal[80..]).logits) > 1e-2, "spectra that begin elsewhere");
    let mut unpadded = ears.bare_stream(6, Some(usize::MAX)).unwrap();
    unpadded.begin_trace();
    unpadded.push(&vec![1e-3; 32 * 1280], &mut Vec::new()).unwrap();
    unpadded.push(&signal, &mut Vec::new()).unwrap();
    unpadded.finish(true, &mut Vec::new()).unwrap();
    assert!(worst(&unpadded.take_trace().unwrap().logits) > 1e-2, "padding");

    let folder = copy_with_sizes(&pack, |_| {});
    let path = folder.path().join("hear.gguf");
    let mut bytes = std::fs::read(&path).unwrap();
    for tensor in syrinx_quant::GgufFile::open(&path).unwrap().tensors() {
        if tensor.spec.name.ends_with("ada_rms_norm_t_cond.2.weight") {
            bytes[tensor.range.clone()].fill(0);
        }
    }
    std::fs::write(&path, bytes).unwrap();
    let open = OpenOptions { verify: false, commercial: false };
    let unconditioned = Recogniser::open(&EarsPack::open(folder.path(), open).unwrap(), 1).unwrap();
    assert!(worst(&trace(&unconditioned, 6, &signal).logits) > 1e-2, "no conditioning");

    for (what, edit) in [
        ("encoder window", (|shape: &mut Realtime| shape.encoder.window += 1) as fn(&mut Realtime)),
        ("decoder window", |shape| shape.decoder.window += 1),
        ("loudest", |shape| shape.front.log_mel_max = 2.5),
    ] {
        let ears = with_sizes(&pack, edit);
        assert!(worst(&trace(&ears, 6, &signal).logits) > 1e-3, "{what}");
    }
}

/// The same pack with another size, in all its files.
fn with_sizes(pack: &EarsOf, edit: fn(&mut Realtime)) -> Arc<Recogniser> {
    let folder = copy_with_sizes(pack, edit);
    let open = OpenOptions { verify: false, commercial: false };
    Recogniser::open(&EarsPack::open(folder.path(), open).unwrap(), 1).unwrap()
}

fn copy_with_sizes(pack: &EarsOf, edit: fn(&mut Realtime)) -> tempfile::TempDir {
    let hear = syrinx_quant::GgufFile::open(&pack.dir().join("hear.gguf")).unwrap();
    let old = Realtime::from_metadata(&hear).unwrap();
    let mut new = old.clone();
    edit(&mut new);
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(pack.dir()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    // Sizes are numbers of four bytes behind their keys.
    let patch = |file: &str, key: &str, value: [u8; 4]| {
        let path = folder.path().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap() + key.len() + 4;
        bytes[at..at + 4].copy_from_slice(&value);
        std::fs::write(path, bytes).unwrap();
    };
    let size = |value: usize| (value as u32).to_le_bytes();
    if new.encoder.window != old.encoder.window {
        patch("hear.gguf", "syrinx.encoder.window", size(new.encoder.window));
        patch("encoder.gguf", "granite_swa.attention.sliding_window", size(new.encoder.window));
    }
    patch("hear.gguf", "syrinx.decoder.window", size(new.decoder.window));
    patch("hear.gguf", "syrinx.text.word", size(new.text.word as usize));
    patch("hear.gguf", "syrinx.text.eos", size(new.text.eos as usize));
    patch("hear.gguf", "syrinx.front.log_mel_max", new.front.log_mel_max.to_le_bytes());
    folder
}

fn listen(listener: &mut Listener, samples: &[f32], piece: usize) -> Vec<Heard> {
    let mut all = Vec::new();
    for piece in samples.chunks(piece) {
        all.extend(listener.feed(piece).unwrap());
    }
    all.extend(listener.flush().unwrap());
    all
}

#[test]
fn a_listener_ends_its_texts_and_hears_afresh_after_a_flush() {
    let signal = golden("tiny").f32("signal").values;
    let pack = EarsOf::import("tiny", Recipe::F32);
    let ears = ears(&pack);
    assert_eq!((ears.info().sample_rate_hz, ears.info().delay_ms, ears.info().longest_delay_ms), (16_000, 480, 2400));
    let mut listener = ears.listener(ListenOptions::default()).unwrap();
    let finals = |all: Vec<Heard>| all.into_iter().filter(|h| h.is_final).collect::<Vec<_>>();
    let first = finals(listen(&mut listener, &signal, 777));
    assert!(!first.is_empty() && !first[0].text.is_empty(), "random weights say something");
    let second = finals(listen(&mut listener, &signal, 16_000));
    let texts = |all: &[Heard]| all.iter().map(|h| h.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&first), texts(&second));
    let offset = signal.len() as u64 / 16;
    assert!(second[0].end_ms.abs_diff(first[0].end_ms + offset) <= 1, "{} {}", second[0].end_ms, first[0].end_ms);
    assert_eq!(listener.flush().unwrap(), [], "nothing was heard since");
    listener.feed(&signal[..9000]).unwrap();
    listener.reset().unwrap();
    assert_eq!(texts(&finals(listen(&mut listener, &signal, 1))), texts(&first));
}

#[test]
fn a_hole_in_the_sound_ends_the_text_and_leaves_the_times_true() {
    let signal = golden("tiny").f32("signal").values;
    let pack = EarsOf::import("tiny", Recipe::F32);
    let mut listener = ears(&pack).listener(ListenOptions::default()).unwrap();
    let mut first = listener.feed(&signal).unwrap();
    first.extend(listener.skip(48_000).unwrap());
    assert!(listener.skip(16_000).unwrap().is_empty(), "and more of it");
    let second = listen(&mut listener, &signal, 1280);
    let finals = |all: Vec<Heard>| all.into_iter().filter(|h| h.is_final).collect::<Vec<_>>();
    let (first, second) = (finals(first), finals(second));
    let offset = signal.len() as u64 / 16 + 4000;
    assert!(!first.is_empty() && first.len() == second.len());
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first.text, second.text);
        assert!(second.end_ms.abs_diff(first.end_ms + offset) <= 1, "{} {}", second.end_ms, first.end_ms);
    }
}

#[test]
fn delays_that_the_model_does_not_know_are_refused_by_what_there_is() {
    let pack = EarsOf::import("tiny", Recipe::F32);
    let ears = ears(&pack);
    for delay_ms in [0, 79, 100, 2480] {
        let error = ears.listener(ListenOptions::default().delay_ms(delay_ms)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadOption);
        assert!(error.message().contains("80 to 2400"), "{error}");
    }
}

/// Token 27, which these weights give in the midst of the sound, is taken for the end.
#[test]
fn sound_behind_an_end_that_the_model_sets_is_heard_afresh_however_it_is_cut() {
    let signal = golden("tiny").f32("signal").values;
    let pack = EarsOf::import("tiny", Recipe::F32);
    let folder = copy_with_sizes(&pack, |shape| shape.text.eos = 27);
    let ears = Ears::open(folder.path(), EarsOptions::default().verify(false)).unwrap();
    let heard = |piece: usize| {
        let mut listener = ears.listener(ListenOptions::default()).unwrap();
        let all = listen(&mut listener, &signal, piece);
        all.into_iter().filter(|h| h.is_final).collect::<Vec<_>>()
    };
    let whole = heard(signal.len());
    assert!(whole.len() > 1, "{whole:?}");
    assert!(whole.windows(2).all(|pair| pair[0].end_ms <= pair[1].end_ms), "{whole:?}");
    for piece in [1, 511, 4000] {
        assert_eq!(heard(piece), whole, "pieces of {piece}");
    }
}

#[test]
fn a_delay_can_be_changed_between_two_texts() {
    let signal = golden("tiny").f32("signal").values;
    let pack = EarsOf::import("tiny", Recipe::F32);
    let ears = ears(&pack);
    let texts = |all: Vec<Heard>| all.into_iter().filter(|h| h.is_final).map(|h| h.text).collect::<Vec<_>>();
    let mut listener = ears.listener(ListenOptions::default()).unwrap();
    let at_480 = texts(listen(&mut listener, &signal, 1280));
    assert!(listener.set_delay_ms(960).unwrap().is_empty());
    let at_960 = texts(listen(&mut listener, &signal, 1280));
    let mut fresh = ears.listener(ListenOptions::default().delay_ms(960)).unwrap();
    assert_eq!(at_960, texts(listen(&mut fresh, &signal, 1280)));
    assert_ne!(at_960, at_480);
    listener.set_delay_ms(480).unwrap();
    assert_eq!(texts(listen(&mut listener, &signal, 1280)), at_480);
    assert_eq!(listener.set_delay_ms(500).unwrap_err().kind(), ErrorKind::BadOption);
}

#[test]
fn expected_phrases_are_heard_in_open_words_alone() {
    let golden = golden("tiny");
    let signal = golden.f32("signal").values;
    let pack = EarsOf::import("tiny", Recipe::F32);
    let expected = golden.i32("tokens").values;
    let tokens = |ears: &Arc<Recogniser>, bonus: f32| {
        let mut stream = ears.stream(6, Some(usize::MAX)).unwrap();
        stream.set_phrases(Some(ears.phrases(&["go", "stop now"], bonus).unwrap()));
        let mut answers = Vec::new();
        stream.push(&signal, &mut answers).unwrap();
        stream.finish(true, &mut answers).unwrap();
        answers.iter().map(|token| token.id as i32).collect::<Vec<_>>()
    };
    // These random weights never open a word, so that there is none to be drawn along.
    assert_eq!(tokens(&recogniser(&pack), 1e6), expected);
    // They do where token 27 is taken for the one that does.
    let opens = expected.iter().position(|&id| id == 27).unwrap();
    let folder = copy_with_sizes(&pack, |shape| shape.text.word = 27);
    let open = OpenOptions { verify: false, commercial: false };
    let ears = Recogniser::open(&EarsPack::open(folder.path(), open).unwrap(), 1).unwrap();
    assert_eq!(tokens(&ears, 0.0), expected);
    let drawn = tokens(&ears, 1e6);
    assert_eq!(drawn[..=opens], expected[..=opens]);
    let first = ears.spelling().bytes(drawn[opens + 1] as u32);
    assert!([" ", "g", "s"].iter().any(|begins| first.starts_with(begins.as_bytes())), "{first:?}");
}

#[test]
fn what_is_no_number_is_silence() {
    let pack = EarsOf::import("tiny", Recipe::F32);
    let ears = recogniser(&pack);
    let silence = answers(&ears, 6, &[0.0; 20_000], 500);
    let mut noise = vec![0.0; 20_000];
    noise[5_000..5_500].fill(f32::NAN);
    noise[9_000..9_500].fill(f32::INFINITY);
    assert!(answers(&ears, 6, &noise, 500) == silence);
}

#[test]
fn every_recipe_hears() {
    let signal = golden("tiny").f32("signal").values;
    let expected = golden("tiny").f32("logits").values;
    for (recipe, tolerance) in [(Recipe::F16, 0.01), (Recipe::Q8, 0.1), (Recipe::Q4, 0.2)] {
        let pack = EarsOf::import("tiny", recipe);
        let mut stream = recogniser(&pack).stream(6, None).unwrap();
        stream.begin_trace();
        stream.push(&signal[..1280], &mut Vec::new()).unwrap();
        stream.push(&signal[1280..8 * 1280], &mut Vec::new()).unwrap();
        let logits = stream.take_trace().unwrap().logits;
        let rms = |x: &mut dyn Iterator<Item = f32>| x.map(|v| f64::from(v * v)).sum::<f64>().sqrt();
        let off = rms(&mut logits.iter().zip(&expected).map(|(a, b)| a - b))
            / rms(&mut expected.iter().copied().take(logits.len()));
        println!("{recipe}: {off:.3} off");
        assert!(!logits.is_empty() && off < tolerance, "{recipe}: {off}");
    }
}

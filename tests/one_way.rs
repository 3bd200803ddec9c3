//! Promise: there is one way of speaking. A text is the same samples from a file, as owned speech in pieces, and live, and
//! it is spoken to its last word, however long it is.

#[path = "support/live.rs"]
mod live;
mod support;

use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use live::*;
use support::{command, success};
use syrinx::lab::device::clocked::ClockedSink;
use syrinx::{Event, Live, LiveOptions, Model, Next, SessionOptions, SpeakOptions, Word};

static WREN: LazyLock<Model> = LazyLock::new(wren);

/// The same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

const WORDS: [&str; 12] =
    ["turn", "left", "at", "the", "harbour", "then", "go", "straight", "on", "until", "you", "see"];

/// A sentence of about so many bytes, with a comma here and there unless it is to have none.
fn sentence(random: &mut Random, bytes: usize) -> String {
    let (commas, mut text) = (random.below(3) > 0, String::new());
    while text.len() + 9 < bytes {
        text.push_str(WORDS[random.below(WORDS.len())]);
        text.push_str(if commas && random.below(8) == 0 { ", " } else { " " });
    }
    text.push_str("there. ");
    text
}

fn text(random: &mut Random, bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        let longest = 400.min(bytes - text.len() + 10);
        let bytes = 1 + random.below(longest);
        text.push_str(&sentence(random, bytes));
    }
    text
}

/// A frame costs a step of the flow, so that long texts are soon spoken.
fn options() -> SpeakOptions {
    SpeakOptions::default().seed(3).steps(1usize).guidance(1.0f32).whole_sentences(true)
}

fn pulled(text: &str, options: &SpeakOptions) -> Vec<f32> {
    let mut session = WREN.session(SessionOptions::default()).unwrap();
    session.speak(text, options).unwrap().flat_map(Result::unwrap).collect()
}

/// Pieces of random size; more is pushed when it is asked for, or before.
fn in_pieces(text: &str, random: &mut Random) -> Vec<f32> {
    let mut session = WREN.session(SessionOptions::default()).unwrap();
    let mut speech = session.speech(&options()).unwrap();
    let mut pcm = vec![0.0; speech.samples_per_block()];
    let (mut samples, mut rest) = (Vec::new(), text);
    loop {
        let next = speech.next_into(&mut pcm).unwrap();
        match &next {
            Next::Audio(_) => samples.extend_from_slice(&pcm),
            Next::End(_) => return samples,
            _ => {}
        }
        let hungry = matches!(next, Next::NeedText { .. });
        if hungry && rest.is_empty() {
            speech.finish();
        } else if !rest.is_empty() && (hungry || random.below(20) == 0) {
            let size = (1 + random.below(60)).min(rest.len());
            speech.push(&rest[..size]).unwrap();
            rest = &rest[size..];
        }
    }
}

/// What a device hears at many times the speed of time, with enough ahead that it never runs dry: on a machine that has more
/// to do, at fewer times.
fn heard_live(text: &str, options: &SpeakOptions, random: &mut Random) -> Vec<f32> {
    let heard = [4.0, 2.0, 1.0].into_iter().map(|speed| heard_at(speed, text, options, random));
    let heard = heard.into_iter().find(|(_, underruns)| *underruns == 0);
    heard.expect("it runs dry in real time").0
}

/// Samples and underruns.
fn heard_at(speed: f64, text: &str, options: &SpeakOptions, random: &mut Random) -> (Vec<f32>, u64) {
    let recorder = Recorder::default();
    let record = recorder.clone();
    let open = move || {
        let record = record.clone();
        let tap = move |samples: &[f32], _| record.record(samples);
        Ok(Box::new(ClockedSink::tapped(RATE_HZ, PERIOD, Box::new(tap)).at_speed(speed)) as _)
    };
    let live = Live::open_with(&WREN, LiveOptions::default().start_frames(40usize), Box::new(open)).unwrap();
    let utterance = live.utterance(options).unwrap();
    let mut rest = text;
    while !rest.is_empty() {
        let size = (1 + random.below(60)).min(rest.len());
        utterance.push(&rest[..size]).unwrap();
        rest = &rest[size..];
    }
    utterance.finish();
    assert_eq!(utterance.wait(8 * LONG), Some(Event::Finished));
    (recorder.samples(), live.underruns())
}

/// Whether there is a whole night for it (`make night`): an hour of speech, and texts of every length live.
fn night() -> bool {
    std::env::var_os("SYRINX_NIGHT").is_some()
}

/// Without the silence in which nothing was to be heard: between clauses the device may have waited.
fn sounding(samples: &[f32]) -> Vec<f32> {
    samples.iter().copied().filter(|&x| x != 0.0).collect()
}

/// Samples of what was heard that are none of the text's: behind each clause that silence follows, its last sample decays for
/// 5 ms. `None` where not all of the text was heard.
fn beside(heard: &[f32], whole: &[f32]) -> Option<usize> {
    let (mut at, mut extra) = (0, 0);
    for sample in heard {
        if whole.get(at) == Some(sample) {
            at += 1;
        } else {
            extra += 1;
        }
    }
    (at == whole.len()).then_some(extra)
}

#[test]
fn a_text_is_the_same_samples_from_a_file_in_pieces_and_live() {
    let mut random = Random(7);
    for bytes in [10, 60, 150, 230, 390, 800, 2000, 5000] {
        if bytes > 2000 && !night() {
            continue;
        }
        let text = text(&mut random, bytes);
        let whole = pulled(&text, &options());
        assert!(whole == in_pieces(&text, &mut random), "in pieces, {bytes} bytes: {text}");
        if bytes > 400 && !night() {
            continue; // live speech takes its time
        }
        let (whole, heard) = (sounding(&whole), sounding(&heard_live(&text, &options(), &mut random)));
        let extra = beside(&heard, &whole).unwrap_or_else(|| panic!("not all was heard live of {bytes} bytes: {text}"));
        assert!(extra <= 121 * (2 + text.len() / 20), "{extra} samples that are none of the text's");
    }
}

/// What is spoken, the samples with which its clauses begin, and its words.
fn spoken(text: &str, options: &SpeakOptions) -> (Vec<f32>, Vec<u64>, Vec<Word>) {
    let mut session = WREN.session(SessionOptions::default()).unwrap();
    let mut speech = session.speak(text, options).unwrap();
    let mut pcm = vec![0.0; speech.samples_per_block()];
    let (mut samples, mut marks) = (Vec::new(), Vec::new());
    while let Next::Audio(block) = speech.next_into(&mut pcm).unwrap() {
        assert_eq!(block.sample, samples.len() as u64);
        samples.extend_from_slice(&pcm[..block.samples]);
        marks.extend(block.mark.map(|mark| mark.sample));
    }
    (samples, marks, speech.take_words())
}

#[test]
fn another_speed_takes_its_share_of_the_time_and_words_and_clauses_follow_it() {
    let text = "Turn left at the harbour. Then go straight on until you see the church.";
    let (plain, marks, words) = spoken(text, &options());
    assert!(spoken(text, &options().speed(1.0).volume(1.0)).0 == plain, "speed 1 changes no bit");
    for speed in [0.5, 1.3, 3.0] {
        let (samples, marks_then, words_then) = spoken(text, &options().speed(speed));
        // A period of a voice more or less for each clause.
        let near = |is: u64, was: u64| (is as f32 - was as f32 / speed).abs() < 400.0 * marks.len() as f32;
        assert!(near(samples.len() as u64, plain.len() as u64), "{speed}: {} of {}", samples.len(), plain.len());
        assert_eq!((marks_then.len(), words_then.len()), (marks.len(), words.len()), "{speed}");
        assert!(marks_then.iter().zip(&marks).all(|(is, was)| near(*is, *was)), "{speed}: {marks_then:?}, {marks:?}");
        for (is, was) in words_then.iter().zip(&words) {
            assert_eq!((&is.text, &is.chars), (&was.text, &was.chars), "{speed}");
            assert!(
                near(is.samples.start, was.samples.start) && near(is.samples.end, was.samples.end),
                "{speed}: {is:?}"
            );
        }
        assert_eq!(words_then.last().unwrap().samples.end, samples.len() as u64, "{speed}");
    }
}

#[test]
fn a_text_at_another_speed_is_the_same_samples_from_a_file_and_live() {
    let text = "Turn left at the harbour. Then go straight on until you see the church.";
    for speed in [0.7, 2.5] {
        let options = options().speed(speed);
        let (whole, heard) = (sounding(&pulled(text, &options)), sounding(&heard_live(text, &options, &mut Random(9))));
        let extra = beside(&heard, &whole).unwrap_or_else(|| panic!("not all was heard live at speed {speed}"));
        assert!(extra <= 3 * 121, "{extra} samples that are none of the text's, at speed {speed}");
    }
}

/// Sentences of some three seconds.
fn long_text(sentences: usize) -> String {
    (0..sentences).map(|i| format!("Number {i} of the stations on this line is open today. ")).collect()
}

#[test]
fn a_text_of_many_minutes_is_spoken_to_its_last_word() {
    // Three minutes, more than the 40 s that a whole text once had; or an hour.
    let sentences = if night() { 1200 } else { 60 };
    let text = long_text(sentences);
    let mut session = WREN.session(SessionOptions::default()).unwrap();
    let mut speech = session.speak(&text, &options()).unwrap();
    let frames = speech.by_ref().map(Result::unwrap).count();
    assert_eq!(speech.position(), text.trim_end().chars().count());
    assert_eq!(speech.summary().clauses, sentences);
    assert!(frames > sentences * 20, "{frames} frames");
}

#[test]
fn the_program_speaks_a_long_file_to_its_last_word() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("long.txt"), folder.path().join("out.wav"));
    let text = long_text(if night() { 1200 } else { 30 });
    std::fs::write(&file, &text).unwrap();
    let name = |path: &std::path::Path| path.display().to_string();
    success(&["say", "-f", &name(&file), "-o", &name(&out), "--seed", "3", "--steps", "1", "--guidance", "1"]);
    let from_file: Vec<i16> = hound::WavReader::open(&out).unwrap().samples().map(Result::unwrap).collect();
    let expected: Vec<i16> = pulled(&text, &options()).into_iter().map(syrinx::lab::device::wav::to_i16).collect();
    assert!(from_file == expected);
}

/// Counts what llama.cpp says of computations that did not end: errors, and what is no error to anybody.
struct Failures {
    errors: AtomicUsize,
    others: AtomicUsize,
}

static FAILURES: Failures = Failures { errors: AtomicUsize::new(0), others: AtomicUsize::new(0) };

impl log::Log for Failures {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "llama.cpp" && record.args().to_string().contains("failed") {
            let count = if record.level() == log::Level::Error { &self.errors } else { &self.others };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_prompt_is_aborted_in_its_midst_which_is_no_error_to_anybody() {
    log::set_logger(&FAILURES).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let mut session = WREN.session(SessionOptions::default()).unwrap();
    for _ in 0..3 {
        let mut speech = session.speak(&sentence(&mut Random(1), 190), &options()).unwrap();
        let canceller = speech.canceller();
        let late = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_micros(1500));
            canceller.cancel();
        });
        let mut pcm = vec![0.0; speech.samples_per_block()];
        while let Ok(Next::Audio(_)) = speech.next_into(&mut pcm) {}
        assert_eq!(speech.next_into(&mut pcm).unwrap(), Next::End(syrinx::Ending::Cancelled));
        late.join().unwrap();
    }
    let text = "After that it speaks as ever.";
    let after: Vec<f32> = session.speak(text, &options()).unwrap().flat_map(Result::unwrap).collect();
    assert!(after == pulled(text, &options()), "nothing is left of what was aborted");
    assert!(FAILURES.others.load(Ordering::Relaxed) > 0, "no prompt was stopped in its midst");
    assert_eq!(FAILURES.errors.load(Ordering::Relaxed), 0, "what was asked for is logged as an error");
}

#[test]
fn a_stream_of_more_than_40_s_is_spoken_to_its_last_word() {
    let mut child =
        command(&["say", "--stream", "--device", "null", "--whole-sentences", "--steps", "1", "--guidance", "1"]);
    child.env("RUST_LOG", "debug").stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = child.spawn().unwrap();
    let text = long_text(14); // more than the 40 s that a whole text once had, in real time
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("..{}", text.trim_end().len())), "the last clause is heard: {said}");
}

//! Promise: speech is repeatable. The same text, voice and seed give the same samples, whatever the threads, the cache
//! or what was spoken before.

mod support;

use std::path::Path;

use support::{TinyPack, success};
use syrinx::engine::{Ending, Session, SessionOptions, SpeakOptions};
use syrinx::pack::{OpenOptions, Pack};
use syrinx_quant::Recipe;

const TEXT: &str = "Hello world, this is a small test. And this is another one.";

fn options(seed: u64) -> SpeakOptions {
    SpeakOptions { seed: Some(seed), max_frames: Some(12), ..Default::default() }
}

fn open(pack: &TinyPack, session: &SessionOptions) -> Session {
    Session::open(&Pack::open(&pack.dir(), OpenOptions::default()).unwrap(), session).unwrap()
}

fn speak(session: &mut Session, text: &str, options: &SpeakOptions) -> Vec<f32> {
    session.speak(text, options).unwrap().map(Result::unwrap).collect::<Vec<_>>().concat()
}

#[test]
fn the_same_seed_gives_the_same_samples_and_another_seed_others() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, &SessionOptions::default());
    let first = speak(&mut session, TEXT, &options(1));
    assert_eq!(first.len(), 12 * 1920);
    assert!(first == speak(&mut session, TEXT, &options(1)), "a second time");
    assert!(first != speak(&mut session, TEXT, &options(2)), "another seed");
    let other_voice = SpeakOptions { voice: Some("casual_male".into()), ..options(1) };
    assert!(first != speak(&mut session, TEXT, &other_voice), "another voice");
    assert!(first == speak(&mut session, TEXT, &options(1)), "after another voice");
}

#[test]
fn threads_of_the_kernels_do_not_change_a_sample() {
    let pack = TinyPack::import(Recipe::Q8);
    let one = speak(&mut open(&pack, &SessionOptions::default()), TEXT, &options(1));
    let two = speak(&mut open(&pack, &SessionOptions { threads: 2, ..Default::default() }), TEXT, &options(1));
    assert!(one == two);
}

#[test]
fn a_cached_voice_prefix_gives_the_same_samples() {
    let pack = TinyPack::import(Recipe::Q8);
    let folder = tempfile::tempdir().unwrap();
    let on_disk = SessionOptions { prefix_folder: Some(folder.path().to_owned()), ..Default::default() };
    let without = speak(&mut open(&pack, &SessionOptions::default()), TEXT, &options(1));
    let writing = speak(&mut open(&pack, &on_disk), TEXT, &options(1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let reading = speak(&mut open(&pack, &on_disk), TEXT, &options(1));
    assert!(without == writing && writing == reading);
}

#[test]
fn a_damaged_prefix_file_is_computed_again() {
    let pack = TinyPack::import(Recipe::Q8);
    let folder = tempfile::tempdir().unwrap();
    let on_disk = SessionOptions { prefix_folder: Some(folder.path().to_owned()), ..Default::default() };
    let expected = speak(&mut open(&pack, &on_disk), TEXT, &options(1));
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(expected == speak(&mut open(&pack, &on_disk), TEXT, &options(1)));
}

#[test]
fn a_cancelled_synthesis_stops_before_its_next_frame_and_the_next_text_is_spoken() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, &SessionOptions::default());
    let whole = speak(&mut session, TEXT, &options(1));
    let canceller = session.canceller();
    let mut synthesis = session.speak(TEXT, &options(1)).unwrap();
    assert!(synthesis.next().is_some());
    canceller.cancel();
    assert!(synthesis.next().is_none());
    assert_eq!(synthesis.summary().ending, Some(Ending::Cancelled));
    assert!(whole == speak(&mut session, TEXT, &options(1)));
}

#[test]
fn the_program_and_the_library_give_the_same_samples() {
    let pack = TinyPack::import(Recipe::Q8);
    let (dir, out) = (pack.dir(), pack.beside("out.wav"));
    let text = |p: &Path| p.to_str().unwrap().to_owned();
    let fixed = ["say", TEXT, "--pack", &text(&dir), "--seed", "1", "--max-seconds", "0.96"];
    success(&[&fixed[..], &["-o", &text(&out)]].concat());
    let raw = success(&[&fixed[..], &["-o", "-"]].concat()).stdout;
    let wav_on_stdout = success(&[&fixed[..], &["-o", "-", "--format", "wav"]].concat()).stdout;

    let expected = speak(&mut open(&pack, &SessionOptions::default()), TEXT, &options(1));
    let expected: Vec<i16> = expected.into_iter().map(syrinx::device::wav::to_i16).collect();
    let from_file: Vec<i16> = hound::WavReader::open(&out).unwrap().samples().map(Result::unwrap).collect();
    let from_raw: Vec<i16> = raw.as_chunks::<2>().0.iter().map(|&b| i16::from_le_bytes(b)).collect();
    assert_eq!(from_file, expected);
    assert_eq!(from_raw, expected);
    assert_eq!(wav_on_stdout, std::fs::read(&out).unwrap());
}

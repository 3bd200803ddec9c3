//! Promise: speech of a pack that says so is marked as synthetic, and the mark is found again; where there is none, none is found.

mod support;

use std::path::{Path, PathBuf};

use support::{Golden, TinyPack, success, syrinx};
use syrinx::lab::device::rate::RateConverter;
use syrinx::lab::device::wav::WavFile;
use syrinx::lab::watermark::Watermark;
use syrinx::{Model, ModelOptions, SessionOptions, SpeakOptions};
use syrinx_quant::Recipe;

const TEXT: &str = "The harbour is closed until noon, so please take the other road along the river.";
const RATE_HZ: u32 = 24_000;

fn wren() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en")
}

fn spoken(folder: &Path, watermark: Option<bool>, options: &SpeakOptions) -> Vec<f32> {
    let model = Model::open(folder, ModelOptions::default().watermark(watermark)).unwrap();
    let mut session = model.session(SessionOptions::default()).unwrap();
    session.speak(TEXT, options).unwrap().map_while(Result::ok).flatten().collect()
}

fn at_rate(pcm: &[f32], rate_hz: u32) -> Vec<f32> {
    let mut converter = RateConverter::new(RATE_HZ, rate_hz, 2400).unwrap();
    let mut out = Vec::new();
    for block in pcm.chunks_exact(2400) {
        out.extend_from_slice(converter.convert(block).unwrap());
    }
    out
}

/// What `syrinx detect` says of samples: its answer, and its exit status.
fn detected(pcm: &[f32], rate_hz: u32) -> (serde_json::Value, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("judged.wav");
    let mut wav = WavFile::create(&path, rate_hz).unwrap();
    wav.write(pcm).unwrap();
    wav.finish().unwrap();
    let output = syrinx(&["detect", "--json", path.to_str().unwrap()]);
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

#[test]
fn wren_is_marked_and_the_mark_is_all_that_is_added() {
    let options = SpeakOptions::default();
    let marked = spoken(&wren(), None, &options);
    let mut plain = spoken(&wren(), Some(false), &options);
    let (found, status) = detected(&marked, RATE_HZ);
    assert_eq!((&found["marked"], status), (&true.into(), Some(0)), "{found}");
    let (found, status) = detected(&plain, RATE_HZ);
    assert_eq!((&found["marked"], status), (&false.into(), Some(1)), "{found}");
    Watermark::new(RATE_HZ).unwrap().mark(&mut plain);
    assert!(plain == marked);
}

#[test]
fn a_piece_of_a_telephone_call_is_enough() {
    for voice in ["us-female", "us-male", "gb-female", "gb-male"] {
        let options = SpeakOptions::default().voice(voice.to_owned());
        let marked = at_rate(&spoken(&wren(), None, &options), 8000);
        let piece: Vec<f32> = marked[7_777..][..24_000].iter().map(|sample| sample / 3.0).collect();
        let (found, _) = detected(&piece, 8000);
        assert_eq!(found["marked"], true, "{voice}: {found}");
    }
}

#[test]
fn a_pack_that_says_nothing_of_it_is_not_marked() {
    let pack = TinyPack::import_from(Golden::TINY.checkpoint, Recipe::Q8);
    let options = SpeakOptions::default().max_frames(12u64);
    let plain = spoken(&pack.dir(), None, &options);
    assert!(plain == spoken(&pack.dir(), Some(false), &options));
    assert!(plain != spoken(&pack.dir(), Some(true), &options));
}

#[test]
fn what_is_no_speech_gets_an_answer_and_what_is_no_sound_an_error() {
    for samples in [0, 1, 100, 48_000] {
        let (found, status) = detected(&vec![0.0; samples], RATE_HZ);
        assert_eq!((&found["marked"], &found["short"], status), (&false.into(), &true.into(), Some(1)), "{samples}");
    }
    let noise: Vec<f32> =
        (0..72_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5).collect();
    assert_eq!(detected(&noise, RATE_HZ).1, Some(1));
    for file in ["nowhere.wav", "Cargo.toml"] {
        let output = syrinx(&["detect", file]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(file) && output.stdout.is_empty(), "{said}");
    }
}

#[test]
fn the_program_marks_as_the_pack_says_or_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (pack, file) = (wren(), folder.path().join("a.wav"));
    let (pack, file) = (pack.to_str().unwrap(), file.to_str().unwrap());
    for (more, status) in [(&[][..], 0), (&["--watermark", "off"], 1), (&["--watermark", "on"], 0)] {
        success(&[&["say", TEXT, "--pack", pack, "-o", file][..], more].concat());
        let output = syrinx(&["detect", file]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.starts_with(if status == 0 { "marked: yes (score " } else { "no mark found (score " }), "{said}");
    }
}

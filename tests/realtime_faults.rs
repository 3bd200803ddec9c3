//! Devices, packs, disks and pipes that fail in the midst of speech.

#[path = "support/live.rs"]
mod live;
mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use live::*;
use support::{TinyPack, command, in_foreground, success};
use syrinx::DeviceChoice;
use syrinx::ErrorKind;
use syrinx::lab::device::DeviceOptions;
use syrinx::lab::speak::PhraseStore;
use syrinx::{Event, Live, Model, ModelOptions, Phrase, SessionOptions, SpeakOptions};
use syrinx_quant::Recipe;

#[test]
fn a_device_that_is_not_there_is_named_with_a_remedy() {
    let (_files, model) = tiny();
    for id in ["alsa:no-such-device", "nonsense", ""] {
        let device = DeviceOptions { device: DeviceChoice::Id(id.to_owned()), ..DeviceOptions::default() };
        let error = Live::open(&model, options().device(device)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device, "{error}");
        assert!(error.message().contains("syrinx devices"), "{error}");
    }
}

#[test]
fn live_speech_is_one_of_the_sessions_that_a_model_may_have() {
    let files = TinyPack::import(Recipe::Q8);
    let model = Model::open(files.dir(), ModelOptions::default().max_sessions(1usize)).unwrap();
    let (live, _) = live(&model, options());
    assert_eq!(model.session(unwatched()).unwrap_err().kind(), ErrorKind::Busy);
    drop(live);
    let _session = model.session(unwatched()).unwrap();
    let device = DeviceOptions { device: DeviceChoice::Null { sample_rate_hz: RATE_HZ }, ..DeviceOptions::default() };
    assert_eq!(Live::open(&model, options().device(device)).unwrap_err().kind(), ErrorKind::Busy);
}

#[test]
fn a_pack_that_is_replaced_while_open_is_spoken_to_the_end() {
    let (files, model) = tiny();
    let (live, recorder) = live(&model, options());
    heard_to_the_end(&speak(&live, "Before.", 5));
    let other = TinyPack::import(Recipe::F32);
    std::fs::rename(files.dir(), files.beside("old")).unwrap();
    std::fs::rename(other.dir(), files.dir()).unwrap();
    std::fs::remove_dir_all(files.beside("old")).unwrap();
    let before = recorder.length();
    heard_to_the_end(&speak(&live, "After it.", 5));
    assert!(recorder.length() > before + 4 * 1920);
}

#[test]
fn caches_that_cannot_be_written_are_done_without() {
    let (files, model) = tiny();
    let no_folder = files.beside("a-file");
    std::fs::write(&no_folder, "not a folder").unwrap();
    drop(model);
    let model = Model::open(files.dir(), ModelOptions::default().prefix_folder(no_folder.clone())).unwrap();
    let (live, recorder) = live(&model, options());
    live.warm(None).unwrap();
    heard_to_the_end(&speak(&live, "Still heard.", 5));
    assert!(recorder.length() > 4 * 1920);
    let mut session = wren().session(SessionOptions::default()).unwrap();
    let phrase = PhraseStore::new(&no_folder).prepare(&mut session, "Ding.", &SpeakOptions::default()).unwrap();
    assert!(phrase.samples.len() > 3 * 1920);
}

/// `say --play` on a clock, with a folder for voice prefixes.
fn play(files: &TinyPack, cache: &Path) -> Command {
    let (pack, cache) = (files.dir().display().to_string(), cache.display().to_string());
    let mut play = command(&["say", "One two three.", "--play", "--device", "null", "--max-seconds", "0.4"]);
    play.args(["--pack", &pack, "--cache", &cache]);
    play
}

#[test]
#[cfg(unix)]
fn a_disk_that_is_full_is_done_without() {
    let files = TinyPack::import(Recipe::Q8);
    let cache = files.beside("cache");
    let play = play(&files, &cache);
    // A limit for files is a disk that fills up within one, for this process alone.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]).arg(play.get_program()).args(play.get_args());
    let output = limited.env("XDG_CACHE_HOME", &cache).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("voice prefix not kept"), "{said}");
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 0, "nothing half-written stays");
}

#[test]
fn a_voice_that_was_prepared_is_read_from_disk_by_a_later_process() {
    let (files, model) = tiny();
    let cache = files.beside("cache");
    drop(model);
    let model = Model::open(files.dir(), ModelOptions::default().prefix_folder(cache.clone())).unwrap();
    let (live, recorder) = live(&model, options());
    live.warm(None).unwrap();
    let kept = || {
        std::fs::read_dir(&cache)
            .is_ok_and(|folder| folder.flatten().any(|file| file.path().extension().is_some_and(|end| end == "prefix")))
    };
    until(kept);
    assert_eq!(recorder.length(), 0, "nothing was spoken for it");
    drop(live);
    let output = play(&files, &cache).env("RUST_LOG", "debug").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("voice prefix read from"), "{said}");
}

#[test]
fn a_prepared_phrase_is_the_same_after_a_restart_and_needs_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let store = PhraseStore::new(folder.path());
    let model = wren();
    let (pack, options) = (model.pack().clone(), SpeakOptions::default());
    let mut session = model.session(SessionOptions::default()).unwrap();
    assert_eq!(store.load(&pack, "Ding.", &options).unwrap_err().kind(), ErrorKind::Io);
    let spoken = store.prepare(&mut session, "Ding.", &options).unwrap();
    drop((session, model));
    assert_eq!(store.load(&pack, "Ding.", &options).unwrap(), spoken);
    assert!(store.load(&pack, "Dong.", &options).is_err());
    assert!(store.load(&pack, "Ding.", &options.seed(4)).is_err());
}

#[test]
fn a_phrase_that_its_budget_cuts_is_refused() {
    let mut session = wren().session(SessionOptions::default()).unwrap();
    let cut = Phrase::render(&mut session, "The doors are closing now.", &SpeakOptions::default().max_frames(3));
    let refused = cut.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OutOfBudget, "{refused}");
}

#[test]
fn every_utterance_has_a_last_event_when_the_engine_goes_in_the_midst_of_speech() {
    let (_files, model) = tiny();
    let (live, _) = live(&model, options());
    let heard = speak(&live, "It goes on and on and on.", 500);
    let waiting = speak(&live, "It goes on and on and on.", 500);
    while heard.next_event(LONG) != Some(Event::Started) {}
    drop(live);
    assert!(matches!(heard.wait(LONG), Some(Event::Cancelled { .. })));
    assert_eq!(waiting.wait(LONG), Some(Event::Cancelled { position: 0 }));
    assert_eq!(heard.wait(LONG), None, "there is one last event");
}

/// `say --stream` on a clock, with a pipe for its text.
fn stream(files: &TinyPack, arguments: &[&str]) -> Child {
    let pack = files.dir().display().to_string();
    let common = ["say", "--stream", "--device", "null", "--pack", &pack];
    let mut say = command(&[&common, arguments].concat());
    in_foreground(&mut say);
    say.env("RUST_LOG", "debug").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn standard_input_that_closes_in_mid_word_is_spoken() {
    let files = TinyPack::import(Recipe::Q8);
    let mut child = stream(&files, &["--max-seconds", "1"]);
    child.stdin.take().unwrap().write_all(b"Hello wonderful wor").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("clause 0..19"), "the piece of a word was spoken, too: {said}");
}

#[test]
fn input_that_is_no_text_does_not_end_the_program() {
    let files = TinyPack::import(Recipe::Q8);
    let mut child = stream(&files, &["--max-seconds", "1"]);
    child.stdin.take().unwrap().write_all(b"Hello \xff\xfe\x00 \xe2\x82").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn an_interrupt_cancels_and_says_what_was_spoken() {
    let files = TinyPack::import(Recipe::Q8);
    let mut child = stream(&files, &["--max-seconds", "60"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"One two three four five six seven. ").unwrap();
    std::thread::sleep(Duration::from_secs(4));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let lines: Vec<String> = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    let line = lines.iter().find(|line| line.starts_with("cancelled after")).expect("it says so");
    assert!(line.contains("One two"), "{line}");
    assert!(child.wait().unwrap().success());
    drop(input);
}

#[test]
fn a_tape_holds_what_the_device_would_have_played() {
    let files = TinyPack::import(Recipe::Q8);
    let (pack, tape) = (files.dir().display().to_string(), files.beside("tape.wav").display().to_string());
    success(&["say", "One two three.", "--play", "--tape", &tape, "--pack", &pack, "--max-seconds", "1"]);
    let samples: Vec<i16> = hound::WavReader::open(&tape).unwrap().into_samples().map(Result::unwrap).collect();
    let sounding = samples.iter().filter(|&&x| x != 0).count();
    assert!(sounding > 20_000, "{sounding} samples of 1 s");
}

#[test]
fn the_devices_are_listed_as_json() {
    let output = success(&["devices", "--json"]);
    let devices: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(devices.as_array().is_some());
}

#[test]
fn the_bench_of_live_speech_gives_every_figure() {
    let files = TinyPack::import(Recipe::Q8);
    let pack = files.dir().display().to_string();
    let arguments = ["bench", "realtime", "--json", "--runs", "1", "--cancels", "2", "--minutes", "0.02"];
    let output = success(&[&arguments[..], &["--load", "0", "--memory-minutes", "0.1", "--pack", &pack]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["ttfa_ms", "cancel_ms"] {
        for part in ["p50", "p95", "p99", "max"] {
            assert!(report[key][part].is_number(), "{key}.{part} in {report}");
        }
    }
    assert!(report["ftts_ms"]["20"]["p95"].is_number(), "{report}");
    assert!(report["underruns"][0]["underruns"].is_number(), "{report}");
    assert_eq!(report["allocations"]["callback"], 0, "{report}");
    assert_eq!(report["allocations"]["codec_per_frame"], 0.0, "{report}");
    assert_eq!(report["allocations"]["generator_per_frame"], 0.0, "{report}");
    assert!(report["memory"]["slope_kb_per_hour"].is_number(), "{report}");
}

//! Promise: `syrinx hear` writes what the library hears, in every form, and each command refuses the packs of the other
//! family, and damaged ones, by name.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use support::hear::{EarsOf, golden};
use support::{TinyPack, command, failure, success, syrinx};
use syrinx::{Ears, EarsOptions, ListenOptions};
use syrinx_quant::Recipe;

const RATE_HZ: u32 = 16_000;

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn write_wav(path: &Path, samples: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|&sample| file.write_sample(sample).unwrap());
    file.finalize().unwrap();
}

fn lines(arguments: &[&str]) -> Vec<String> {
    let output = success(arguments);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_form_tells_what_the_library_hears() {
    let pack = EarsOf::import("tiny", Recipe::F32);
    let signal = golden("tiny").f32("signal").values;
    let ears = Ears::open(pack.dir(), EarsOptions::default()).unwrap();
    let mut listener = ears.listener(ListenOptions::default().pause_ms(160u32)).unwrap();
    let mut expected = listener.feed(&signal).unwrap();
    expected.extend(listener.flush().unwrap());
    expected.retain(|heard| heard.is_final);
    assert!(!expected.is_empty());

    let (wav, dir) = (pack.beside("signal.wav"), text(&pack.dir()));
    write_wav(&wav, &signal);
    let wav = text(&wav);
    let hear = |form: &[&str]| lines(&[&["hear", &wav, "--pack", &dir, "--pause-ms", "160"], form].concat());

    let as_text = hear(&[]).join("\n");
    assert_eq!(as_text, expected.iter().map(|h| h.text.as_str()).collect::<Vec<_>>().join("\n"));
    let json: Vec<Value> = hear(&["--json"]).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let finals: Vec<&Value> = json.iter().filter(|line| line["final"] == true).collect();
    assert_eq!(finals.len(), expected.len());
    for (line, heard) in finals.iter().zip(&expected) {
        assert_eq!((line["text"].as_str(), line["end_ms"].as_u64()), (Some(heard.text.as_str()), Some(heard.end_ms)));
        assert_eq!(line["words"].as_array().unwrap().len(), heard.words.len());
    }
    assert!(json.iter().any(|line| line["final"] == false), "texts that may still change are told as well");
    let srt = hear(&["--srt"]);
    assert_eq!(srt[0], "1");
    assert!(srt[1].starts_with("00:00:0") && srt[1].contains(" --> ") && srt[1].contains(','), "{srt:?}");
    let vtt = hear(&["--vtt"]);
    assert_eq!((vtt[0].as_str(), vtt[1].as_str()), ("WEBVTT", ""));
    assert!(vtt[2].contains(" --> ") && vtt[2].contains('.'), "{vtt:?}");
}

#[test]
fn bare_samples_of_standard_input_are_heard_like_a_file() {
    let pack = EarsOf::import("tiny", Recipe::F32);
    let bytes: Vec<u8> =
        golden("tiny").f32("signal").values.iter().flat_map(|x| ((x * 32768.0) as i16).to_le_bytes()).collect();
    let raw = pack.beside("signal.raw");
    std::fs::write(&raw, &bytes).unwrap();
    let (raw, dir) = (text(&raw), text(&pack.dir()));
    let of_file = lines(&["hear", &raw, "--raw", "16000", "--pack", &dir]);
    let mut child = command(&["hear", "-", "--raw", "16000", "--pack", &dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), of_file);
    assert!(!of_file.is_empty());
}

#[test]
fn each_command_refuses_a_pack_of_the_other_family_by_name() {
    let ears = EarsOf::import("tiny", Recipe::Q8);
    let speaks = TinyPack::import(Recipe::Q8);
    let (ears, speaks) = (text(&ears.dir()), text(&speaks.dir()));
    for arguments in [
        vec!["say", "Hello.", "-o", "-", "--pack", &ears],
        vec!["voices", "--pack", &ears],
        vec!["bench", "--pack", &ears],
        vec!["trace", "--text", "Hello.", "--out", "trace.safetensors", "--pack", &ears],
    ] {
        let error = failure(&arguments);
        assert!(error.contains("listens") && error.contains("syrinx hear"), "{arguments:?}: {error}");
    }
    for arguments in
        [vec!["hear", "/dev/null", "--raw", "16000", "--pack", &speaks], vec!["bench", "hear", "--pack", &speaks]]
    {
        let error = failure(&arguments);
        assert!(error.contains("speaks") && error.contains("syrinx say"), "{arguments:?}: {error}");
    }
}

#[test]
fn inspect_tells_what_listens_and_how() {
    let pack = EarsOf::import("skew", Recipe::Q8);
    let lines = lines(&["inspect", "--tensors", "--pack", &text(&pack.dir())]).join("\n");
    for told in ["voxtral-realtime", "Apache-2.0, commercial use allowed", "480 ms, 80 to 2400 ms", "window 27 rows"] {
        assert!(lines.contains(told), "{told}: {lines}");
    }
    for part in ["encoder", "decoder", "convolutions", "adapter", "blk.0.attn_sinks.weight"] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}

#[test]
fn inspect_tells_what_hears_turn_by_turn_and_how() {
    let pack = EarsOf::import("whisper", Recipe::Q8);
    let lines = lines(&["inspect", "--tensors", "--pack", &text(&pack.dir())]).join("\n");
    for told in ["whisper", "window       3 s at 16000 Hz, 150 rows of 2 spectra", "encoder.conv.0.weight"] {
        assert!(lines.contains(told), "{told}: {lines}");
    }
}

#[test]
fn a_damaged_file_is_named() {
    let pack = EarsOf::import("tiny", Recipe::Q8);
    let dir = text(&pack.dir());
    let hear = ["hear", "/dev/null", "--raw", "16000", "--pack", &dir];
    success(&hear);
    for file in ["encoder.gguf", "decoder.gguf", "hear.gguf", "tokenizer.json"] {
        let path = pack.dir().join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(failure(&hear).contains(&format!("{file}: is truncated")));
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(failure(&hear).contains(&format!("{file}: has the wrong SHA-256")));
        std::fs::remove_file(&path).unwrap();
        assert!(failure(&hear).contains(file));
        std::fs::write(&path, bytes).unwrap();
    }
    success(&hear);
}

/// Where hashes are not compared, sizes that contradict each other are found before llama.cpp sees them.
#[test]
fn files_of_two_packs_are_not_taken_for_one() {
    for file in ["encoder.gguf", "decoder.gguf", "hear.gguf"] {
        let (pack, other) = (EarsOf::import("tiny", Recipe::Q8), EarsOf::import("skew", Recipe::Q8));
        std::fs::copy(other.dir().join(file), pack.dir().join(file)).unwrap();
        let page = std::fs::read_to_string(pack.dir().join("pack.toml")).unwrap();
        let bytes = |pack: &EarsOf| std::fs::metadata(pack.dir().join(file)).unwrap().len().to_string();
        let old = page.lines().find(|line| line.starts_with("bytes") && page.contains(file)).unwrap().to_owned();
        let at = page.find(&format!("name = \"{file}\"")).unwrap();
        let line = page[at..].lines().nth(1).unwrap();
        assert!(line.starts_with("bytes = ") && old.starts_with("bytes"));
        let changed = page[..at].to_owned() + &page[at..].replacen(line, &format!("bytes = {}", bytes(&pack)), 1);
        std::fs::write(pack.dir().join("pack.toml"), changed).unwrap();
        let error = failure(&["hear", "/dev/null", "--raw", "16000", "--no-verify", "--pack", &text(&pack.dir())]);
        assert!(error.contains("import the pack again") || error.contains("shape"), "{file}: {error}");
    }
}

#[test]
fn wrong_options_and_files_are_refused_in_a_line() {
    let pack = EarsOf::import("tiny", Recipe::Q8);
    let dir = text(&pack.dir());
    for (arguments, told) in [
        (vec!["hear", "nowhere.wav", "--pack", &dir], "nowhere.wav"),
        (vec!["hear", "/dev/null", "--pack", &dir], "/dev/null"),
        (vec!["hear", "/dev/null", "--raw", "16000", "--delay-ms", "100", "--pack", &dir], "80 to 2400"),
        (vec!["hear", "/dev/null", "--raw", "16000"], "--pack"),
        (vec!["hear", "--mic", "nonsense", "--pack", &dir], "syrinx devices"),
    ] {
        let error = failure(&arguments);
        assert!(error.contains(told) && error.lines().count() == 1, "{arguments:?}: {error}");
    }
}

#[test]
fn a_synthetic_pack_listens_and_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let dir = text(&folder.path().join("pack"));
    success(&["pack", "--synthetic", "realtime-tiny", "--recipe", "q4", "--to", &dir]);
    let output = syrinx(&["bench", "hear", "--pack", &dir, "--seconds", "1", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(figures["ms"]["decoder"]["p50"].as_f64().unwrap() > 0.0, "{figures}");
    assert_eq!(figures["tokens"], 13);
}

//! Promise: bad input ends in one clear line on standard error, a non-zero exit, and nothing half-written.

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::{TinyPack, command, failure, success, syrinx};
use syrinx_quant::Recipe;

/// One line, which names the program and contains all of `parts`.
#[track_caller]
fn assert_line(stderr: &str, parts: &[&str]) {
    let lines: Vec<&str> = stderr.lines().filter(|l| !l.starts_with("[WARN")).collect();
    assert_eq!(lines.len(), 1, "not one line: {stderr}");
    assert!(lines[0].starts_with("syrinx: "), "{stderr}");
    for part in parts {
        assert!(lines[0].contains(part), "no \"{part}\" in: {stderr}");
    }
}

fn say_to(pack: &Path, out: &Path, arguments: &[&str]) -> String {
    let fixed = ["say", "--pack", pack.to_str().unwrap(), "-o", out.to_str().unwrap()];
    let stderr = failure(&[&fixed[..], arguments].concat());
    assert!(!out.exists(), "{} was written", out.display());
    let folder = out.parent().unwrap();
    let leftovers = std::fs::read_dir(folder).map_or(0, |files| {
        files.filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().contains(".partial")).count()
    });
    assert_eq!(leftovers, 0, "a partial file stayed");
    stderr
}

/// A pack whose file `name` was changed by `change`, and its manifest brought in line if `rehash`.
fn damaged(name: &str, rehash: bool, change: impl FnOnce(&mut Vec<u8>)) -> TinyPack {
    let pack = TinyPack::import(Recipe::F32);
    let path = pack.dir().join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(&path, &bytes).unwrap();
    if rehash {
        use sha2::{Digest, Sha256};
        let manifest_path = pack.dir().join("pack.toml");
        let mut manifest = syrinx_quant::Manifest::parse(&std::fs::read_to_string(&manifest_path).unwrap()).unwrap();
        let file = manifest.files.iter_mut().find(|f| f.name == name).unwrap();
        file.bytes = bytes.len() as u64;
        file.sha256 = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(manifest_path, manifest.to_toml().unwrap()).unwrap();
    }
    pack
}

fn out_beside(pack: &TinyPack) -> PathBuf {
    pack.beside("out.wav")
}

#[test]
fn a_missing_pack_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let stderr = say_to(&folder.path().join("nothing"), &folder.path().join("out.wav"), &["hello"]);
    assert_line(&stderr, &["no pack at", "syrinx pack"]);
}

#[test]
fn a_truncated_file_is_named() {
    for name in ["backbone.gguf", "speech.gguf"] {
        let pack = damaged(name, false, |bytes| bytes.truncate(bytes.len() / 2));
        assert_line(&say_to(&pack.dir(), &out_beside(&pack), &["hello"]), &[name, "truncated", "copy the pack again"]);
    }
}

#[test]
fn a_truncated_file_is_found_without_its_hash() {
    for name in ["backbone.gguf", "speech.gguf"] {
        let pack = damaged(name, true, |bytes| bytes.truncate(bytes.len() / 2));
        assert_line(&say_to(&pack.dir(), &out_beside(&pack), &["hello", "--no-verify"]), &[name, "ends before"]);
    }
}

#[test]
fn a_corrupted_header_is_found_without_its_hash() {
    for name in ["backbone.gguf", "speech.gguf"] {
        let pack = damaged(name, true, |bytes| bytes[..4].copy_from_slice(b"GUFF"));
        assert_line(&say_to(&pack.dir(), &out_beside(&pack), &["hello"]), &[name, "not a GGUF file"]);
    }
}

#[test]
fn a_wrong_hash_is_named() {
    let pack = damaged("speech.gguf", false, |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_line(&say_to(&pack.dir(), &out_beside(&pack), &["hello"]), &["speech.gguf", "SHA-256"]);
}

#[test]
fn a_newer_format_asks_for_an_update() {
    let pack = TinyPack::import(Recipe::F32);
    let manifest = pack.dir().join("pack.toml");
    let text = std::fs::read_to_string(&manifest).unwrap().replace("format = 1", "format = 2\nspeed = \"light\"");
    std::fs::write(&manifest, text).unwrap();
    assert_line(&say_to(&pack.dir(), &out_beside(&pack), &["hello"]), &["format 2 is newer", "update"]);
}

/// The tiny pack, whose front page says `to` instead of `from`.
fn with_page(from: &str, to: &str) -> TinyPack {
    let pack = TinyPack::import(Recipe::F32);
    let manifest = pack.dir().join("pack.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&manifest, text.replace(from, to)).unwrap();
    pack
}

#[test]
fn a_page_that_lists_no_files_is_refused_with_their_names() {
    let pack = with_page("[[files]]", "[[provenance.none]]");
    let manifest = pack.dir().join("pack.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("files = []\n{text}")).unwrap();
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["hello"]);
    assert_line(&stderr, &["pack.toml", "backbone.gguf", "speech.gguf", "tokenizer.json", "copy the pack again"]);
}

#[test]
fn a_page_whose_numbers_mean_nothing_is_refused_with_the_key() {
    for (from, to, key) in [
        ("sample_rate_hz = 24000", "sample_rate_hz = 0", "sample_rate_hz is 0"),
        ("sample_rate_hz = 24000", "sample_rate_hz = 48000", "speech.gguf 24000 Hz"),
        ("steps = 7", "steps = 0", "defaults.steps is 0"),
        ("steps = 7", "steps = 2000000", "defaults.steps is 2000000"),
        ("guidance = 1.2", "guidance = nan", "defaults.guidance is NaN"),
        ("frame_budget = ", "frame_budget = 0 #", "defaults.frame_budget is 0"),
    ] {
        let pack = with_page(from, to);
        assert_line(&say_to(&pack.dir(), &out_beside(&pack), &["hello"]), &["pack.toml", key]);
    }
}

#[test]
fn a_pack_of_another_family_is_refused_by_name() {
    let pack = with_page("family = \"voxtral-tts\"", "family = \"tacotron\"");
    assert_line(&say_to(&pack.dir(), &out_beside(&pack), &["hello"]), &["tacotron", "voxtral-tts", "update"]);
}

#[test]
fn a_text_in_letters_that_the_model_does_not_know_is_not_called_empty() {
    let pack = with_page("[text]\nnormalise = \"none\"", "[text]\nnormalise = \"en\"");
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["Привет"]);
    assert_line(&stderr, &["letters П р и в е т", "Latin"]);
}

#[test]
fn a_pack_for_a_newer_runtime_asks_for_an_update() {
    let pack = TinyPack::import(Recipe::F32);
    let manifest = pack.dir().join("pack.toml");
    let text = std::fs::read_to_string(&manifest).unwrap().replace("minimum_runtime = \"", "minimum_runtime = \"99.");
    std::fs::write(&manifest, text).unwrap();
    assert_line(&say_to(&pack.dir(), &out_beside(&pack), &["hello"]), &["needs syrinx 99", "update"]);
}

#[test]
fn an_unknown_voice_lists_the_voices() {
    let pack = TinyPack::import(Recipe::F32);
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["hello", "--voice", "nobody"]);
    assert_line(&stderr, &["nobody", "neutral_female", "casual_male"]);
}

#[test]
fn a_text_without_anything_to_say_is_refused() {
    let pack = TinyPack::import(Recipe::F32);
    for text in ["", "  \n "] {
        assert_line(&say_to(&pack.dir(), &out_beside(&pack), &[text]), &["empty"]);
    }
}

#[test]
fn a_text_over_the_limit_says_the_limit() {
    let pack = TinyPack::import(Recipe::F32);
    let long = pack.beside("long.txt");
    std::fs::write(&long, "word ".repeat(209_716)).unwrap();
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["--file", long.to_str().unwrap()]);
    assert_line(&stderr, &["1048576", "split"]);
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_read_up_to_the_limit() {
    let pack = TinyPack::import(Recipe::F32);
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["--file", "/dev/zero"]);
    assert_line(&stderr, &["/dev/zero", "1048576", "split"]);
}

#[test]
fn a_name_that_promises_another_format_is_refused() {
    let pack = TinyPack::import(Recipe::F32);
    for name in ["out.mp3", "out.wav.flac"] {
        let stderr = say_to(&pack.dir(), &pack.beside(name), &["hello"]);
        assert_line(&stderr, &[name, "WAV", ".wav"]);
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let pack = TinyPack::import(Recipe::F32);
    let file = pack.beside("latin1.txt");
    std::fs::write(&file, b"caf\xe9").unwrap();
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["--file", file.to_str().unwrap()]);
    assert_line(&stderr, &["latin1.txt", "UTF-8"]);

    let dir = pack.dir();
    let mut child = command(&["say", "--pack", dir.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"caf\xe9").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_line(&String::from_utf8(output.stderr).unwrap(), &["standard input", "UTF-8"]);
}

#[test]
fn an_output_path_that_cannot_be_written_is_named() {
    let pack = TinyPack::import(Recipe::F32);
    let out = pack.beside("no/such/folder/out.wav");
    assert_line(&say_to(&pack.dir(), &out, &["hello"]), &["out.wav", "cannot write"]);
}

#[test]
fn a_cache_that_does_not_fit_says_what_to_reduce() {
    let pack = TinyPack::import(Recipe::F32);
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["hello", "--memory-mb", "1"]);
    assert_line(&stderr, &["not enough memory", "MB", "--context", "--kv"]);
}

#[test]
fn a_context_beyond_the_model_says_its_range() {
    let pack = TinyPack::import(Recipe::F32);
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["hello", "--context", "10000000"]);
    assert_line(&stderr, &["context 10000000", "65536"]);
}

#[test]
fn a_full_context_says_so_and_keeps_what_was_made() {
    let pack = TinyPack::import(Recipe::F32);
    let (dir, out) = (pack.dir(), out_beside(&pack));
    let arguments = ["say", "--pack", dir.to_str().unwrap(), "-o", out.to_str().unwrap(), "hello", "--context", "40"];
    let stderr = failure(&arguments);
    assert_line(&stderr, &["context of 40 positions is full", "--context"]);
    assert!(hound::WavReader::open(&out).unwrap().duration() >= 1920);
}

#[test]
fn options_out_of_range_are_refused() {
    let pack = TinyPack::import(Recipe::F32);
    for (arguments, part) in [
        (["--steps", "0"], "steps"),
        (["--steps", "1000"], "steps"),
        (["--guidance", "NaN"], "guidance"),
        (["--guidance", "99"], "guidance"),
        (["--max-seconds", "0"], "max-seconds"),
        (["--threads", "0"], "threads"),
    ] {
        let arguments = [&["hello"][..], &arguments].concat();
        assert_line(&say_to(&pack.dir(), &out_beside(&pack), &arguments), &[part]);
    }
}

#[test]
fn a_used_up_frame_budget_is_a_warning_and_keeps_the_audio() {
    let pack = TinyPack::import(Recipe::F32);
    let (dir, out) = (pack.dir(), out_beside(&pack));
    let arguments =
        ["say", "--pack", dir.to_str().unwrap(), "-o", out.to_str().unwrap(), "hello", "--max-seconds", "0.4"];
    let output = success(&arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("the budget of 5 frames was used up") && stderr.contains("unsaid"), "{stderr}");
    assert_eq!(hound::WavReader::open(&out).unwrap().duration(), 5 * 1920);
}

#[test]
fn a_pack_without_commercial_licence_is_refused_where_that_is_asked_for() {
    let pack = TinyPack::import(Recipe::F32);
    let stderr = say_to(&pack.dir(), &out_beside(&pack), &["hello", "--commercial"]);
    assert_line(&stderr, &["may not be used commercially", "CC-BY-NC-4.0"]);
}

#[test]
fn every_command_without_a_pack_says_how_to_name_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["say", "hello"][..], &["voices"], &["inspect"]] {
        let output = command(arguments).current_dir(folder.path()).output().unwrap();
        assert!(!output.status.success());
        assert_line(&String::from_utf8(output.stderr).unwrap(), &["--pack", "SYRINX_PACK"]);
    }
    assert!(syrinx(&["--help"]).status.success());
}

//! What is sent to a sound device arrives there: speech played through cpal into a virtual device is recorded, and
//! compared with what the model said.

mod support;

use std::process::{Command, Stdio};

use support::{TinyPack, success};
use syrinx_quant::Recipe;

const RATE_HZ: u32 = 24_000;
/// One step of the 16-bit samples that are compared with.
const STEP: f32 = 1.0 / 32767.0;
const TEXT: &str = "One two three.";

/// Why the device cannot be made here, if so.
fn missing() -> Option<String> {
    let absent = |program: &&str| {
        let run = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_err()
    };
    let absent: Vec<&str> = ["pulseaudio", "pactl", "pacat", "parec", "bash"].into_iter().filter(absent).collect();
    (!absent.is_empty()).then(|| format!("{} missing: apt-get install pulseaudio pulseaudio-utils", absent.join(", ")))
}

/// Runs the program with a virtual device, and returns what the device got and what the program said.
fn record(files: &TinyPack, rate_hz: u32, arguments: &[&str]) -> (Vec<f32>, String) {
    let tape = files.beside("tape.f32");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sink/sink.sh");
    let mut command = Command::new("bash");
    command.arg(script).arg(&tape).arg(rate_hz.to_string()).arg(env!("CARGO_BIN_EXE_syrinx")).args(arguments);
    let output = command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let bytes = std::fs::read(&tape).unwrap();
    (bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(), said)
}

/// Steps into or out of silence that are heard.
fn clicks(samples: &[f32]) -> usize {
    let edge = |pair: &&[f32]| (pair[0] == 0.0) != (pair[1] == 0.0) && (pair[0] - pair[1]).abs() > 0.02;
    samples.windows(2).filter(edge).count()
}

#[test]
#[ignore = "needs PulseAudio and a machine that keeps up: make test-sink"]
fn what_was_said_arrives_at_the_device_sample_by_sample() {
    if let Some(why) = missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let files = TinyPack::import(Recipe::Q8);
    let (pack, wav) = (files.dir().display().to_string(), files.beside("said.wav").display().to_string());
    let common = ["--pack", &pack, "--seed", "7", "--max-seconds", "2"];
    success(&[&["say", TEXT, "-o", &wav], &common[..]].concat());
    let said: Vec<f32> =
        hound::WavReader::open(&wav).unwrap().into_samples::<i16>().map(|x| f32::from(x.unwrap()) * STEP).collect();
    let (heard, _) = record(&files, RATE_HZ, &[&["say", TEXT, "--play"], &common[..]].concat());

    let first = |samples: &[f32], least: f32| samples.iter().position(|x| x.abs() > least).unwrap();
    let loud = 0.02; // well above the steps of the file, so that both begin with the same sample
    let (said, heard) = (&said[first(&said, loud)..], &heard[first(&heard, loud)..]);
    assert!(said.len() > RATE_HZ as usize, "{} samples were said", said.len());
    let wrong = said.iter().zip(heard).position(|(said, heard)| (said - heard).abs() > STEP);
    assert_eq!(wrong, None, "sample of {} that differs", said.len());
    assert!(heard.len() >= said.len());
    assert_eq!(clicks(&heard[said.len()..]), 0);
}

#[test]
#[ignore = "needs PulseAudio and a machine that keeps up: make test-sink"]
fn another_rate_and_text_from_a_pipe_arrive_without_a_click() {
    if let Some(why) = missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let files = TinyPack::import(Recipe::Q8);
    let pack = files.dir().display().to_string();
    let program = env!("CARGO_BIN_EXE_syrinx");
    let tape = files.beside("tape.f32").display().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sink/sink.sh");
    let line = format!(
        "bash {script} {tape} 48000 sh -c '(printf \"One tw\"; sleep 0.2; printf \"o three.\") | \
         {program} say --stream --pack {pack} --seed 7 --max-seconds 2'"
    );
    let status = Command::new("bash").args(["-c", &line]).status().unwrap();
    assert!(status.success());
    let bytes = std::fs::read(&tape).unwrap();
    let heard: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let sounding = heard.iter().filter(|&&x| x != 0.0).count();
    assert!(sounding.abs_diff(96_000) < 2_000, "{sounding} samples of 2 s at 48 kHz");
    assert_eq!(clicks(&heard), 0);
}

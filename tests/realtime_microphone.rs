//! Promise: what is said to a microphone is heard, through cpal and a virtual device: sample by sample, at its time, also
//! behind a while in which the device was away.

#[path = "support/room.rs"]
mod room;
mod support;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use room::{MICROPHONE, Room};
use serde_json::Value;
use support::hear::EarsOf;
use support::{in_foreground, success};
use syrinx::Microphone;
use syrinx::lab::hear::wav::{RATE_HZ, Recording};
use syrinx_quant::Recipe;

/// Names the file that is played, in the process that is in the room.
const PLAYED: &str = "SYRINX_TEST_PLAYED";

fn say(text: &str, file: &Path) {
    success(&["say", text, "-o", file.to_str().unwrap()]);
}

/// `syrinx hear --mic` in a room.
struct Hearing {
    child: Child,
    began: Instant,
}

impl Hearing {
    fn begin(room: &Room, pack: &Path, arguments: &[&str]) -> Self {
        let mut command = room.command(env!("CARGO_BIN_EXE_syrinx"));
        command.args(["hear", "--json", "--pack"]).arg(pack).args(arguments);
        in_foreground(&mut command);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        while !room.is_heard() && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(50)); // the pack is opened
        }
        std::thread::sleep(Duration::from_millis(500));
        Self { child, began: Instant::now() }
    }

    /// Ctrl-C: the texts that stay, and what was said about it.
    fn end(mut self) -> (Vec<Value>, String) {
        std::thread::sleep(Duration::from_millis(1_500)); // longer than the pause that ends a text
        let kill = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let (mut out, mut said) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        println!("after {:?}: {out}{said}", self.began.elapsed());
        assert!(status.success(), "{said}");
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        (lines.filter(|line| line["final"] == true).collect(), said)
    }
}

fn start_ms(heard: &Value) -> i64 {
    heard["start_ms"].as_i64().unwrap()
}

/// In a process of its own, whose environment names the room.
#[test]
#[ignore = "needs PulseAudio and a machine that keeps up: make test-mic"]
fn what_is_played_into_a_room_arrives_sample_by_sample() {
    if let Some(file) = std::env::var_os(PLAYED).map(PathBuf::from) {
        let played = Recording::open(&file).unwrap().read_all().unwrap();
        let mut microphone = Microphone::open(Some(MICROPHONE)).unwrap();
        let mut play = Command::new("paplay").args(["-d", "room"]).arg(&file).spawn().unwrap();
        let (mut heard, began) = (Vec::new(), Instant::now());
        while began.elapsed() < Duration::from_secs(2) + Duration::from_millis(played.len() as u64 / 16) {
            assert_eq!(microphone.read(&mut heard).unwrap(), 0, "lost behind {}", heard.len());
        }
        play.wait().unwrap();
        let first = |samples: &[f32]| samples.iter().position(|x| x.abs() > 0.02).unwrap();
        let (played, heard) = (&played[first(&played)..], &heard[first(&heard)..]);
        assert!(played.len() > RATE_HZ as usize && heard.len() >= played.len());
        let wrong = played.iter().zip(heard).position(|(played, heard)| (played - heard).abs() > 1.5 / 32_768.0);
        assert_eq!(wrong, None, "sample of {} that differs", played.len());
        return;
    }
    if let Some(why) = room::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (spoken, file) = (folder.path().join("spoken.wav"), folder.path().join("played.wav"));
    say("Turn left at the harbour.", &spoken);
    let samples = Recording::open(&spoken).unwrap().read_all().unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&file, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(syrinx::to_i16(sample)).unwrap());
    writer.finalize().unwrap();
    let room = Room::open(RATE_HZ);
    let program = std::env::current_exe().unwrap();
    let mut inside = room.command(program.to_str().unwrap());
    inside.args(["--exact", "what_is_played_into_a_room_arrives_sample_by_sample", "--ignored", "--nocapture"]);
    let output = inside.env(PLAYED, &file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn length_ms(file: &Path) -> i64 {
    let samples = Recording::open(file).unwrap().read_all().unwrap().len();
    samples as i64 * 1000 / i64::from(RATE_HZ)
}

/// Random weights hear where somebody speaks, and not what.
#[test]
#[ignore = "needs PulseAudio and a machine that keeps up: make test-mic"]
fn two_sentences_are_two_texts_at_their_times_and_ctrl_c_ends_with_the_last() {
    if let Some(why) = room::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let pack = EarsOf::import("whisper", Recipe::Q8);
    let (first, second) = (pack.beside("first.wav"), pack.beside("second.wav"));
    say("Turn left at the harbour.", &first);
    say("Then go straight on until you see the church.", &second);
    let room = Room::open(48_000);
    for arguments in [["--mic", MICROPHONE].as_slice(), ["--mic"].as_slice()] {
        let hearing = Hearing::begin(&room, &pack.dir(), arguments);
        room.play(&first);
        std::thread::sleep(Duration::from_millis(1_500));
        let between = hearing.began.elapsed();
        room.play(&second);
        let (heard, said) = hearing.end();
        assert_eq!(heard.len(), 2, "{said}");
        assert!(heard[0]["start_ms"].as_i64().unwrap() < heard[0]["end_ms"].as_i64().unwrap());
        // Where in its turn a text is, these weights say by chance; the turn is where its sentence is.
        let (at, between) = (start_ms(&heard[1]), between.as_millis() as i64);
        let place = between - 1_200..between + length_ms(&second) + 1_200;
        assert!(place.contains(&at) && start_ms(&heard[0]) < between, "{at} ms, not in {place:?}");
    }
}

#[test]
#[ignore = "needs PulseAudio and a machine that keeps up: make test-mic"]
fn a_microphone_that_goes_away_is_told_of_waited_for_and_heard_at_its_time() {
    if let Some(why) = room::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let pack = EarsOf::import("whisper", Recipe::Q8);
    let file = pack.beside("said.wav");
    say("Turn left at the harbour.", &file);
    let mut room = Room::open(44_100);
    let hearing = Hearing::begin(&room, &pack.dir(), &["--mic", MICROPHONE]);
    let first = hearing.began.elapsed();
    room.play(&file);
    std::thread::sleep(Duration::from_secs(1));
    room.clear();
    std::thread::sleep(Duration::from_secs(2));
    room.furnish();
    std::thread::sleep(Duration::from_secs(1));
    let second = hearing.began.elapsed();
    room.play(&file);
    let (heard, said) = hearing.end();
    assert_eq!((said.matches("is gone").count(), said.matches("monitor is back").count()), (1, 1), "{said}");
    assert_eq!(heard.len(), 2, "{said}");
    let apart = start_ms(&heard[1]) - start_ms(&heard[0]);
    assert!((apart - (second - first).as_millis() as i64).abs() < 600, "{apart} ms, {:?}", second - first);
}

#[test]
#[ignore = "needs PulseAudio and a machine that keeps up: make test-mic"]
fn a_mute_microphone_and_one_that_is_not_there_are_told_of_with_a_remedy() {
    if let Some(why) = room::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let pack = EarsOf::import("whisper", Recipe::Q8);
    let room = Room::open(16_000);
    let hearing = Hearing::begin(&room, &pack.dir(), &["--mic", MICROPHONE]);
    std::thread::sleep(Duration::from_secs(12));
    let (heard, said) = hearing.end();
    assert!(heard.is_empty() && said.matches("unmute it").count() == 1, "{said}");
    let mut command = room.command(env!("CARGO_BIN_EXE_syrinx"));
    command.args(["hear", "--mic", "pulseaudio:nowhere", "--pack"]).arg(pack.dir());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("pulseaudio:nowhere") && said.contains("syrinx devices"),
        "{said}"
    );
    let listed = room.command(env!("CARGO_BIN_EXE_syrinx")).args(["devices", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let microphone = listed.as_array().unwrap().iter().find(|device| device["id"] == MICROPHONE).unwrap();
    assert_eq!((&microphone["direction"], &microphone["sample_rate_hz"]), (&"input".into(), &16_000.into()));
}

/// With a pack whose weights are not random.
#[test]
#[ignore = "needs PulseAudio and a pack: make test-mic"]
fn words_said_to_a_microphone_are_the_words_that_are_heard() {
    let Some(pack) = std::env::var_os("SYRINX_EARS").map(PathBuf::from) else {
        eprintln!("skipped: SYRINX_EARS names no pack: make ears");
        return;
    };
    if let Some(why) = room::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said.wav");
    say("Turn left at the harbour, then go straight on until you see the church.", &file);
    let room = Room::open(48_000);
    let hearing = Hearing::begin(&room, &pack, &["--mic", "--language", "en"]);
    room.play(&file);
    std::thread::sleep(Duration::from_secs(3)); // it computes
    let (heard, _) = hearing.end();
    let text = heard.iter().filter_map(|line| line["text"].as_str()).collect::<Vec<_>>().join(" ").to_lowercase();
    let words = ["turn left", "then go straight", "until you see the church"];
    let found = words.iter().filter(|words| text.contains(**words)).count();
    assert!(found >= 2, "{text}");
}

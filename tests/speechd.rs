//! Promise: as a module of speech-dispatcher the program answers as the server expects, gives the samples that the library
//! gives, marks among them, stops within a frame, and is ahead of the ear. What leaves the module is judged at its pipe; what
//! the server plays of it, at a virtual sound device.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use support::{TinyPack, command};
use syrinx::options::Ssml;
use syrinx::{Model, ModelOptions, Next, SessionOptions, SpeakOptions, to_i16};
use syrinx_quant::Recipe;

struct Module {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What it says.
#[derive(Debug, PartialEq)]
enum Said {
    Line(String),
    Sound(Vec<u8>),
}

fn line(text: &str) -> Said {
    Said::Line(text.to_owned())
}

impl Module {
    fn start(pack: &Path) -> Self {
        let mut command = command(&["speechd-module", "--pack", pack.to_str().unwrap()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut module = Self { child, input, output };
        module.tell("INIT\n");
        assert!(module.until("299 OK LOADED SUCCESSFULLY").len() == 2);
        module
    }

    fn tell(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
    }

    /// What comes next: a line, or a block of sound whose head is as it is to be.
    fn next(&mut self) -> Said {
        let mut read = |end: u8| {
            let mut bytes = Vec::new();
            self.output.read_until(end, &mut bytes).unwrap();
            assert_eq!(bytes.pop(), Some(end), "the module is gone");
            bytes
        };
        let first = String::from_utf8(read(b'\n')).unwrap();
        if first != "705-bits=16" {
            return Said::Line(first);
        }
        let head: Vec<String> = (0..4).map(|_| String::from_utf8(read(b'\n')).unwrap()).collect();
        assert_eq!(read(0), b"705-AUDIO");
        let mut sound = Vec::new();
        let mut escaped = read(b'\n').into_iter();
        while let Some(byte) = escaped.next() {
            sound.push(if byte == 0x7d { escaped.next().unwrap() ^ 0x20 } else { byte });
        }
        assert_eq!(read(b'\n'), b"705 AUDIO");
        let samples = format!("705-num_samples={}", sound.len() / 2);
        assert_eq!((head[2].as_str(), head[3].as_str()), (samples.as_str(), "705-big_endian=0"));
        Said::Sound(sound)
    }

    /// All up to and with this line.
    fn until(&mut self, last: &str) -> Vec<Said> {
        let mut said = Vec::new();
        loop {
            said.push(self.next());
            if said.last() == Some(&line(last)) {
                return said;
            }
            assert!(said.len() < 10_000, "{last} never comes");
        }
    }

    fn quit(mut self) {
        self.tell("QUIT\n");
        assert_eq!(self.next(), line("210 OK QUIT"));
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty() && self.child.wait().unwrap().success());
    }
}

const TEXT: &str = "<speak>One and two.<mark name=\"__spd_0\"/> Three.</speak>";

/// What the library makes of it: sound, and marks where they come.
fn expected(pack: &Path, text: &str) -> Vec<Said> {
    let model = Model::open(pack, ModelOptions::default()).unwrap();
    let mut session = model.session(SessionOptions::default()).unwrap();
    let mut speech = session.speak(text, &SpeakOptions::default().ssml(Some(Ssml::Lenient))).unwrap();
    let mut block = vec![0.0; speech.samples_per_block()];
    let mut said = vec![line("200 OK SPEAKING"), line("701 BEGIN")];
    loop {
        match speech.next_into(&mut block).unwrap() {
            Next::Audio(made) => {
                let bytes = block[..made.samples].iter().flat_map(|sample| to_i16(*sample).to_le_bytes());
                said.push(Said::Sound(bytes.collect()));
            }
            Next::Mark { name, .. } => said.extend([line(&format!("700-{name}")), line("700 INDEX MARK")]),
            _ => break,
        }
    }
    said.push(line("702 END"));
    said
}

#[test]
fn a_message_cut_anywhere_is_the_library_s_sound_with_its_marks() {
    let pack = TinyPack::import(Recipe::F32);
    let expected = expected(&pack.dir(), TEXT);
    assert!(expected.iter().filter(|said| matches!(said, Said::Sound(_))).count() > 2);
    let mut module = Module::start(&pack.dir());
    module.tell("AUDIO\naudio_output_method=server\naudio_alsa_device=default\n.\n");
    assert_eq!(module.until("203 OK AUDIO INITIALIZED").len(), 2);
    module.tell("SET\nrate=0\npitch=50\nvolume=100\nlanguage=c\nsynthesis_voice=NULL\nvoice=male1\n.\n");
    assert_eq!(module.until("203 OK SETTINGS RECEIVED").len(), 2);
    for byte in format!("SPEAK\n{TEXT}\n.\n").chars() {
        module.tell(&byte.to_string());
    }
    assert_eq!(module.next(), line("202 OK RECEIVING MESSAGE"));
    assert_eq!(module.until("702 END"), expected);
    module.quit();
}

#[test]
fn a_stop_ends_a_speech_and_the_next_message_is_heard() {
    let pack = TinyPack::import(Recipe::F32);
    let mut module = Module::start(&pack.dir());
    for (ask, last) in [("STOP", "703 STOP"), ("PAUSE", "704 PAUSE")] {
        module.tell(&format!("SPEAK\n<speak>{}</speak>\n.\n", "One and two. ".repeat(400)));
        assert_eq!(module.next(), line("202 OK RECEIVING MESSAGE"));
        module.until("701 BEGIN");
        assert!(matches!(module.next(), Said::Sound(_)));
        module.tell(&format!("{ask}\n"));
        module.until(last);
        module.tell("STOP\nCHAR\nb\n.\n"); // the stop comes too late, and stops nothing else
        assert_eq!(module.next(), line("202 OK RECEIVING MESSAGE"));
        module.until("702 END");
    }
    module.tell("SPEAK\n<speak> </speak>\n.\n");
    assert_eq!(module.until("702 END").len(), 4, "what has nothing in it is over at once");
    module.quit();
}

#[test]
fn a_server_that_goes_in_the_midst_ends_the_module() {
    let pack = TinyPack::import(Recipe::F32);
    let Module { mut child, mut input, mut output } = Module::start(&pack.dir());
    input.write_all(format!("SPEAK\n{}\n.\n", "One and two. ".repeat(2_000)).as_bytes()).unwrap();
    output.read_until(0, &mut Vec::new()).unwrap();
    drop((input, output));
    child.wait().unwrap(); // it does not hang
}

/// The pack whose words are understood.
fn wren() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en")
}

#[test]
#[ignore = "needs models/wren-en and a machine that keeps up: make test-speechd"]
fn sound_leaves_the_module_sample_by_sample_and_before_it_is_due() {
    const TEXT: &str =
        "<speak>Turn left at the next corner.<mark name=\"__spd_0\"/> Then, at the lights, go on.</speak>";
    const RATE_HZ: f64 = 24_000.0;
    let pack = wren();
    let expected = expected(&pack, TEXT);
    let mut module = Module::start(&pack);
    module.tell(&format!("SPEAK\n{TEXT}\n.\n"));
    assert_eq!(module.next(), line("202 OK RECEIVING MESSAGE"));
    // A player without a buffer begins with the first block: each is due when those before it have been heard.
    let (mut begun, mut samples, mut least_lead_s) = (None, 0, f64::INFINITY);
    for expected in expected {
        let said = module.next();
        if let Said::Sound(bytes) = &said {
            let lead_s = samples as f64 / RATE_HZ - begun.get_or_insert_with(Instant::now).elapsed().as_secs_f64();
            if samples > 0 {
                least_lead_s = least_lead_s.min(lead_s);
            }
            samples += bytes.len() / 2;
        }
        assert_eq!(said, expected);
    }
    let taken_s = begun.map_or(f64::INFINITY, |at| at.elapsed().as_secs_f64());
    eprintln!("{:.2} s of sound in {taken_s:.2} s, least lead {:.0} ms", samples as f64 / RATE_HZ, least_lead_s * 1e3);
    assert!(least_lead_s > 0.0, "a block is {:.0} ms late", -least_lead_s * 1e3);
    module.quit();
}

/// Runs a command with a speech-dispatcher that has our module and plays to a virtual device: what the device got, and what
/// the command said.
fn with_the_server(beside: &Path, arguments: &[&str]) -> (Vec<f32>, String) {
    let (root, tape) = (Path::new(env!("CARGO_MANIFEST_DIR")), beside.join("tape.f32"));
    let mut command = Command::new("bash");
    command.arg(root.join("tests/sink/sink.sh")).arg(&tape).arg("24000").arg(root.join("tests/sink/speechd.sh"));
    command.arg(env!("CARGO_BIN_EXE_syrinx")).arg(wren()).args(arguments);
    // A sink that takes back what it has played, to put in what came late, leaves the silence in its recording.
    command.env("SINK_ARGUMENTS", "norewinds=1");
    let output = command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(&tape).unwrap();
    let samples = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    (samples, String::from_utf8(output.stdout).unwrap())
}

#[test]
#[ignore = "needs speech-dispatcher, PulseAudio and a machine that keeps up: make test-speechd"]
fn what_spd_say_is_given_arrives_at_the_device_sample_by_sample() {
    const TEXT: &str = "Turn left at the next corner.";
    let folder = tempfile::tempdir().unwrap();
    let model = Model::open(wren(), ModelOptions::default()).unwrap();
    let mut session = model.session(SessionOptions::default()).unwrap();
    let blocks = session.speak(TEXT, &SpeakOptions::default()).unwrap();
    let said: Vec<f32> = blocks.flat_map(|block| block.unwrap()).map(|x| f32::from(to_i16(x)) / 32768.0).collect();
    let (heard, _) = with_the_server(folder.path(), &["spd-say", "-w", "-o", "syrinx", TEXT]);
    let first = |samples: &[f32]| samples.iter().position(|x| x.abs() > 0.01).unwrap();
    let (said, heard) = (&said[first(&said)..], &heard[first(&heard)..]);
    let end = said.iter().rposition(|x| x.abs() > 0.01).unwrap();
    // The device's own arithmetic is a thousandth of a step off.
    let apart = said[..end].iter().zip(heard).position(|(a, b)| (a - b).abs() > 8.0 / 32768.0);
    assert_eq!(apart, None, "they part at this sample of {end}");
}

#[test]
#[ignore = "needs speech-dispatcher, PulseAudio and a machine that keeps up: make test-speechd"]
fn a_client_is_told_of_marks_in_their_order_and_that_its_cancelled_speech_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sink/speechd_client.py");
    // The one of the system, which has the package's bindings.
    let (_, said) = with_the_server(folder.path(), &["/usr/bin/python3", script.to_str().unwrap()]);
    eprintln!("{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["marked"], serde_json::json!(["begin", "first", "second", "end"]));
    assert_eq!(said["cancelled"], serde_json::json!(["begin", "cancel"]));
    let cancel_ms = said["cancel_ms"].as_u64().unwrap();
    assert!(cancel_ms < 500, "the server says so after {cancel_ms} ms");
    assert_eq!(said["voices"].as_array().unwrap().len(), 4);
}

//! Promises of the speech service to the system around it: sockets that are handed over, what is told to systemd, mp3 by the
//! system's encoder.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};

use support::{LONG, Service, pack};

const BODY: &str = "{\"input\": \"Turn left.\", \"response_format\": \"mp3\"}";

/// The service with one socket that was opened for it, and its log.
fn with_socket(socket: impl Into<OwnedFd>, more: &[&str]) -> (Service, Vec<String>) {
    // The process that systemd starts knows its own number; here a shell does, which becomes the service.
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 0</dev/null";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_syrinx-serve"), "--pack"])
        .arg(pack())
        .args(more)
        .env("RUST_LOG", "info")
        .stdin(Stdio::from(socket.into()))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut log = Vec::new();
    for line in lines.by_ref() {
        log.push(line);
        if log.last().is_some_and(|line| line.contains("listening on")) {
            break;
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    (Service { child, address: String::new(), wyoming: None }, log)
}

fn health(mut stream: impl Read + Write) -> String {
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_socket_that_was_opened_before_is_listened_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Who comes before the service is there waits in the socket, and is answered.
    let early = TcpStream::connect(address).unwrap();
    early.set_read_timeout(Some(LONG)).unwrap();
    let (_service, log) = with_socket(listener, &[]);
    assert!(log.last().is_some_and(|line| line.contains(&format!("http://{address}"))), "{log:?}");
    assert!(health(early).starts_with("HTTP/1.1 200"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serve.sock");
    let (service, _) = with_socket(UnixListener::bind(&path).unwrap(), &[]);
    assert!(health(UnixStream::connect(&path).unwrap()).starts_with("HTTP/1.1 200"));
    drop(service);
    assert!(path.exists(), "what systemd has made stays for the next start");
}

#[test]
fn a_socket_that_was_opened_to_everybody_is_refused_without_a_key() {
    let (mut service, log) = with_socket(TcpListener::bind("0.0.0.0:0").unwrap(), &[]);
    assert!(log.iter().any(|line| line.contains("--api-key-file")), "{log:?}");
    assert!(!service.child.wait().unwrap().success());
}

#[test]
fn systemd_is_told_that_the_service_is_ready_alive_and_ending() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let told = UnixDatagram::bind(&path).unwrap();
    told.set_read_timeout(Some(LONG)).unwrap();
    let next = || {
        let mut bytes = [0; 256];
        let length = told.recv(&mut bytes).expect("nothing is told");
        String::from_utf8(bytes[..length].to_vec()).unwrap().trim().to_owned()
    };
    let mut service = Service::start_in(&[], &[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "100000")]);
    assert_eq!(next(), "READY=1");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    let asked = Command::new("kill").arg(service.child.id().to_string()).status().unwrap();
    assert!(asked.success());
    let last = std::iter::repeat_with(next).find(|line| line != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(service.child.wait().unwrap().success());
}

/// Needs the system's LAME, which `make test` installs.
#[test]
fn mp3_is_made_by_the_systems_encoder_streamed_or_whole_and_is_what_nobody_asks_for() {
    let service = Service::start(&[]);
    let wav = service.speak(&BODY.replace("mp3", "pcm"));
    let samples: Vec<f32> =
        wav.body.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect();
    for body in [BODY, &BODY.replace("\"mp3\"", "\"mp3\", \"stream\": false"), "{\"input\": \"Turn left.\"}"] {
        let answer = service.speak(body);
        assert_eq!((answer.header("content-type"), answer.header("x-syrinx-format")), (Some("audio/mpeg"), None));
        let said = b"Synthetic speech, made by a machine";
        assert!(answer.body.starts_with(b"ID3") && answer.body.windows(said.len()).any(|part| part == said));
        assert!(answer.body.len() < wav.body.len() / 5, "{} of {}", answer.body.len(), wav.body.len());
        let heard = decoded(&answer.body);
        let late = heard.len() - samples.len();
        assert!(late < 4 * 576, "{late} samples of silence around it");
        assert!(alike(&heard, &samples, late) > 0.95);
    }
    assert_eq!(Service::start(&["--no-mp3"]).speak(BODY).header("x-syrinx-format"), Some("wav"));
    let refused = Service::start(&["--no-mp3", "--strict"]).speak(BODY);
    assert_eq!(refused.error(), (400, "unsupported_response_format".to_owned(), Some("response_format".to_owned())));
}

fn decoded(mut bytes: &[u8]) -> Vec<f32> {
    let mut decoder = nanomp3::Decoder::new();
    let (mut frame, mut heard) = (vec![0.0; nanomp3::MAX_SAMPLES_PER_FRAME], Vec::new());
    while !bytes.is_empty() {
        let (taken, info) = decoder.decode(bytes, &mut frame);
        heard.extend_from_slice(&frame[..info.map_or(0, |info| info.samples_produced)]);
        if taken == 0 {
            break;
        }
        bytes = &bytes[taken..];
    }
    heard
}

/// The best correlation over all shifts: a codec's delay is its own affair.
fn alike(heard: &[f32], samples: &[f32], most: usize) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let of = |shift: usize| {
        let heard = &heard[shift..shift + samples.len()];
        dot(heard, samples) / (dot(heard, heard) * dot(samples, samples)).sqrt()
    };
    (0..=most).map(of).fold(0.0, f32::max)
}

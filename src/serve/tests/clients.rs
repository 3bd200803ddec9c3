//! Promises of the speech service about clients that go, wait, crowd, dawdle or should not be there.

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use support::{LONG, Service};

const LONG_TEXT: &str = "This goes on for quite some time, and nobody knows when it will come to its end. ";

fn long(seconds: usize) -> String {
    format!("{{\"input\": \"{}\", \"response_format\": \"pcm\"}}", LONG_TEXT.repeat(seconds / 5))
}

fn send(service: &Service, body: &str) -> std::net::TcpStream {
    service.send("POST", "/v1/audio/speech", "content-type: application/json\r\n", body.as_bytes())
}

#[test]
fn a_client_that_goes_stops_its_speech() {
    let service = Service::start(&["--speakers", "1"]);
    let mut stream = send(&service, &long(200));
    stream.read_exact(&mut [0; 5000]).unwrap();
    assert_eq!(service.metric("requests_running"), 1.0);
    drop(stream);
    service.until(|service| service.metric("requests_running") == 0.0);
    assert_eq!(service.metric("cancelled_total{why=\"disconnect\"}"), 1.0);
    assert!(service.metric("audio_seconds_total") < 100.0, "it was not spoken to its end");
    assert_eq!(service.speak("{\"input\": \"Go on.\"}").status, 200, "its speaker is free again");
}

#[test]
fn a_client_that_takes_nothing_costs_little_and_is_cut() {
    let service = Service::start(&["--speakers", "1", "--patience", "1", "--max-input", "100000"]);
    let mut stream = send(&service, &long(1500));
    service.until(|service| service.metric("cancelled_total{why=\"timeout\"}") == 1.0);
    let made = service.metric("audio_seconds_total");
    assert!(made < 600.0, "{made} s were made for nobody");
    let mut rest = Vec::new();
    let cut = stream.read_to_end(&mut rest).is_err() || !rest.ends_with(b"0\r\n\r\n");
    assert!(cut, "a speech that was cut is not taken for a whole one");
}

/// What a client's own system keeps for it, and the service's, is full after half of this.
#[test]
fn a_client_that_plays_what_it_gets_is_not_cut_however_long_it_takes() {
    let service = Service::start(&["--speakers", "1", "--patience", "1"]);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let address: std::net::SocketAddr = service.address.parse().unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = std::net::TcpStream::from(socket);
    let body = long(25).replace("\"pcm\"", "\"pcm\", \"sample_rate\": 8000");
    let head = format!(
        "POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}",
        body.len()
    );
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let (mut heard, mut bytes, began) = (0, [0; 1600], Instant::now());
    loop {
        let read = stream.read(&mut bytes).unwrap();
        if read == 0 {
            break;
        }
        heard += read;
        std::thread::sleep(Duration::from_secs_f64(heard as f64 / 16_000.0).saturating_sub(began.elapsed()));
    }
    assert_eq!(service.metric("cancelled_total{why=\"timeout\"}"), 0.0, "cut after {:?}", began.elapsed());
    assert!(bytes.windows(5).any(|end| end == b"0\r\n\r\n"), "the end is missing");
    assert!(began.elapsed() > Duration::from_secs(15), "{heard} bytes are no test");
}

#[test]
fn a_crowd_waits_as_far_as_there_is_room_and_is_told_to_come_again() {
    let service = Service::start(&["--speakers", "1", "--queue", "2"]);
    let mut first = send(&service, &long(30));
    first.read_exact(&mut [0; 1000]).unwrap();
    let waiting: Vec<_> =
        (0..2).map(|_| send(&service, "{\"input\": \"Go on.\", \"response_format\": \"pcm\"}")).collect();
    service.until(|service| service.metric("requests_waiting") == 2.0);
    for _ in 0..20 {
        let refused = service.speak("{\"input\": \"Go on.\"}");
        assert_eq!((refused.error().0, refused.header("retry-after")), (429, Some("1")));
    }
    let mut waiting = waiting.into_iter();
    drop(waiting.next()); // gone while it waits
    service.until(|service| service.metric("requests_waiting") == 1.0);
    service.until(|service| service.metric("requests_total{endpoint=\"speech\",code=\"499\"}") == 1.0);
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).unwrap();
    let mut answer = Vec::new();
    waiting.next().unwrap().read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"0\r\n\r\n"));
    assert_eq!(service.metric("requests_total{endpoint=\"speech\",code=\"429\"}"), 20.0);
}

#[test]
fn speeches_at_the_same_time_are_those_that_are_alone() {
    let service = Service::start(&["--speakers", "4"]);
    let speak = |seed: usize| {
        let body = format!("{{\"input\": \"Turn left here.\", \"response_format\": \"pcm\", \"seed\": {seed}}}");
        service.speak(&body).body
    };
    let alone: Vec<_> = (0..6).map(speak).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|seed| scope.spawn(move || speak(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(alone == together);
}

#[test]
fn half_a_request_is_not_waited_for() {
    let service = Service::start(&["--patience", "1"]);
    let started = Instant::now();
    let mut header = service.connect();
    header.write_all(b"POST /v1/audio/speech HTTP/1.1\r\nhost: local").unwrap();
    let mut body = service.connect();
    body.write_all(b"POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{").unwrap();
    let mut answer = Vec::new();
    let _ = header.read_to_end(&mut answer);
    let mut answer = [0; 12];
    body.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(started.elapsed() < LONG / 2);
}

#[test]
fn connections_that_ask_nothing_hold_up_nobody_for_long() {
    let service = Service::start(&["--max-connections", "20", "--patience", "1"]);
    let idle: Vec<_> = (0..60).map(|_| service.connect()).collect();
    assert_eq!(service.speak("{\"input\": \"Go on.\"}").status, 200);
    drop(idle);
}

#[test]
fn a_page_that_is_not_allowed_and_a_name_that_is_not_ours_are_refused() {
    let service = Service::start(&["--cors-origin", "https://kiosk.example"]);
    let ask = |headers: &str| service.ask("GET", "/v1/models", headers, b"");
    assert_eq!(ask("origin: https://evil.example\r\n").error().0, 403);
    assert_eq!(ask("origin: http://localhost\r\n").status, 200, "the service's own page");
    assert_eq!(ask("origin: http://localhost:81\r\n").error().0, 403, "another service of this machine");
    let allowed = ask("origin: https://kiosk.example\r\n");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://kiosk.example"));
    assert_eq!(ask("").header("access-control-allow-origin"), None);
    let preflight = service.ask("OPTIONS", "/v1/audio/speech", "origin: https://kiosk.example\r\n", b"");
    assert_eq!(preflight.status, 204);
    let mut stream = service.connect();
    stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 403"));
}

#[test]
fn a_key_is_asked_for_but_not_for_whether_it_lives() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "secret\n").unwrap();
    let service = Service::start(&["--api-key-file", key.to_str().unwrap()]);
    let ask = |headers: &str| service.ask("GET", "/v1/models", headers, b"").status;
    assert_eq!(["", "authorization: Bearer wrong\r\n", "authorization: Bearer secret\r\n"].map(ask), [401, 401, 200]);
    assert_eq!(["x-api-key: wrong\r\n", "x-api-key: secret\r\n"].map(ask), [401, 200]);
    assert_eq!(service.get("/health").status, 200);
    assert_eq!(service.get("/metrics").status, 401);
}

#[test]
fn told_to_end_it_finishes_what_is_running() {
    let mut service = Service::start(&[]);
    let mut stream = send(&service, &long(20));
    stream.read_exact(&mut [0; 1000]).unwrap();
    let pid = service.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the speech came to its end");
    let deadline = Instant::now() + LONG;
    let status = loop {
        if let Some(status) = service.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success());
}

#[test]
fn it_speaks_through_a_socket_in_the_file_system() {
    use std::os::unix::net::UnixStream;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speech.sock");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_syrinx-serve"));
    let child = command.arg("--unix").arg(&path).arg("--pack").arg(support::pack()).spawn().unwrap();
    let _service = Service { child, address: String::new(), wyoming: None };
    let deadline = Instant::now() + LONG;
    let mut stream = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(_) => assert!(Instant::now() < deadline, "it does not listen"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

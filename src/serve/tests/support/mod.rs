//! The service as a process, and a client that says exactly what a test wants.

#![allow(dead_code)] // each test binary uses its own part

pub mod ears;
#[path = "../../../../tests/support/heard.rs"]
pub mod heard;
pub mod wyoming;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any wait of a test that passes.
pub const LONG: Duration = Duration::from_secs(60);

pub fn pack() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/wren-en")
}

/// A service on a free port, which ends with this.
pub struct Service {
    pub child: Child,
    pub address: String,
    /// Where Wyoming is spoken, if it is.
    pub wyoming: Option<String>,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    pub fn start(more: &[&str]) -> Self {
        Self::start_in(more, &[])
    }

    /// With variables of its surroundings.
    pub fn start_in(more: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syrinx-serve"));
        command.args(["--listen", "127.0.0.1:0", "--pack"]).arg(pack()).args(more).env("RUST_LOG", "info");
        command.envs(variables.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut wyoming = None;
        let address = loop {
            let line = lines.next().expect("the service has ended").unwrap();
            if let Some((_, address)) = line.split_once("tcp://") {
                wyoming = Some(address.to_owned());
            }
            if let Some((_, address)) = line.split_once("http://") {
                break address.to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, wyoming }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Sends a request and reads what comes to the end of the connection.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.send(method, path, headers, body);
        let mut bytes = Vec::new();
        let broken = stream.read_to_end(&mut bytes).is_err();
        Answer::of(&bytes, broken)
    }

    pub fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n");
        stream.write_all(format!("{head}{headers}\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }

    pub fn speak(&self, body: &str) -> Answer {
        self.ask("POST", "/v1/audio/speech", "content-type: application/json\r\n", body.as_bytes())
    }

    /// A number of the metrics page; 0 where it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let page = String::from_utf8(self.get("/metrics").body).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix("syrinx_")?.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    pub fn until(&self, what: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LONG;
        while !what(self) {
            assert!(
                Instant::now() < deadline,
                "it does not come:\n{}",
                String::from_utf8_lossy(&self.get("/metrics").body)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The body came to its own end.
    pub whole: bool,
}

impl Answer {
    fn of(bytes: &[u8], broken: bool) -> Self {
        let at = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("no header");
        let head = String::from_utf8(bytes[..at].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let rest = &bytes[at + 4..];
        let (body, whole) =
            if head.contains("transfer-encoding: chunked") { unchunk(rest) } else { (rest.to_vec(), true) };
        Self { status, head, body, whole: whole && !broken }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `error.code` and `error.param`, of a body that has all that clients read.
    pub fn error(&self) -> (u16, String, Option<String>) {
        let json = self.json();
        let error = json["error"].as_object().unwrap();
        assert!(error["message"].is_string() && error["type"].is_string(), "{json}");
        (self.status, error["code"].as_str().unwrap().to_owned(), error["param"].as_str().map(str::to_owned))
    }
}

/// The pieces of a chunked body, and whether the last one came.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|end| end == b"\r\n") else { return (body, false) };
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let Some(piece) = rest.get(end + 2..end + 2 + length) else { return (body, false) };
        if length == 0 {
            return (body, true);
        }
        body.extend(piece);
        rest = &rest[end + 4 + length..];
    }
}

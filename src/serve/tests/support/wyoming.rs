//! A client of Wyoming's that says exactly what a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{LONG, Service};

/// One connection.
pub struct Client(pub BufReader<TcpStream>);

impl Client {
    pub fn of(service: &Service) -> Self {
        let stream = TcpStream::connect(service.wyoming.as_deref().unwrap()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    pub fn send(&mut self, kind: &str, data: Value) {
        self.write(format!("{}\n", json!({ "type": kind, "data": data })).as_bytes());
    }

    /// Kind, data and payload of the next event; `None` where the connection is closed.
    pub fn event(&mut self) -> Option<(String, Value, Vec<u8>)> {
        let mut line = String::new();
        if self.0.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        let line: Value = serde_json::from_str(&line).unwrap();
        let mut part = |name: &str| {
            let mut bytes = vec![0; line[name].as_u64().unwrap_or(0) as usize];
            self.0.read_exact(&mut bytes).unwrap();
            bytes
        };
        let (data, payload) = (part("data_length"), part("payload_length"));
        let data = if data.is_empty() { Value::Null } else { serde_json::from_slice(&data).unwrap() };
        Some((line["type"].as_str().unwrap().to_owned(), data, payload))
    }
}

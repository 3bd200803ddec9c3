//! A service that listens, and the forms in which a client sends a recording.

use super::heard::{EarsOf, RATE_HZ, pcm};
use super::{Answer, Service};

const BOUNDARY: &str = "----a-boundary";

impl EarsOf {
    /// A service with these ears.
    pub fn serve(&self, more: &[&str]) -> Service {
        Service::start(&[&["--ears", &self.dir()], more].concat())
    }
}

pub fn wav(samples: &[f32]) -> Vec<u8> {
    let bytes = pcm(samples);
    let length = bytes.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((length + 36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(RATE_HZ.to_le_bytes());
    wav.extend((2 * RATE_HZ).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(length.to_le_bytes());
    wav.extend(bytes);
    wav
}

/// A form's header and body.
pub fn form(file: Option<&[u8]>, fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(head.into_bytes());
    }
    if let Some(file) = file {
        let head = "content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\ncontent-type: audio/wav";
        body.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").into_bytes());
        body.extend(file);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    (format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\n"), body)
}

pub fn transcribe(service: &Service, file: &[u8], fields: &[(&str, &str)]) -> Answer {
    let (head, body) = form(Some(file), fields);
    service.ask("POST", "/v1/audio/transcriptions", &head, &body)
}

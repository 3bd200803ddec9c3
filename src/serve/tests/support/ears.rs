//! A pack that listens, what it hears, and the forms in which a client sends a recording.

use std::path::PathBuf;

use safetensors::SafeTensors;
use syrinx::{Ears, EarsOptions, Heard, ListenOptions};
use syrinx_quant::Recipe;
use syrinx_quant::import::{ImportOptions, import};

use super::{Answer, Service};

pub const RATE_HZ: u32 = 16_000;
const BOUNDARY: &str = "----a-boundary";

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/hear")
}

/// A pack in a folder that goes when this does: `tiny`, which streams, or `whisper`.
pub struct EarsOf(tempfile::TempDir);

impl EarsOf {
    pub fn import(checkpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (data().join(checkpoint), folder.path().join("pack"));
        import(&ImportOptions { from, to, recipe: Recipe::Q8, overwrite: false }, &()).unwrap();
        Self(folder)
    }

    pub fn dir(&self) -> String {
        self.0.path().join("pack").to_str().unwrap().to_owned()
    }

    /// A service with these ears.
    pub fn serve(&self, more: &[&str]) -> Service {
        Service::start(&[&["--ears", &self.dir()], more].concat())
    }

    /// What the library hears.
    pub fn heard(&self, samples: &[f32], options: ListenOptions) -> Vec<Heard> {
        let mut listener = Ears::open(self.dir(), EarsOptions::default()).unwrap().listener(options).unwrap();
        let mut heard = listener.feed(samples).unwrap();
        heard.extend(listener.flush().unwrap());
        heard.retain(|heard| heard.is_final);
        heard
    }
}

/// The signal of the streaming pack's golden, as 16-bit integers are heard.
pub fn signal() -> Vec<f32> {
    let bytes = std::fs::read(data().join("golden_tiny.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let signal = tensors.tensor("signal").unwrap();
    let floats = signal.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    floats.map(|x| f32::from((x * 32_768.0) as i16) / 32_768.0).collect()
}

/// 16-bit samples.
pub fn pcm(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|x| ((x * 32_768.0) as i16).to_le_bytes()).collect()
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

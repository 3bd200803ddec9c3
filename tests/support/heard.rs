//! What tests of other crates' ways to listen share: a tiny pack, a sound, and what the library hears in it.

#![allow(dead_code)] // each test binary uses its own part

use std::path::PathBuf;

use safetensors::SafeTensors;
use syrinx::{Ears, EarsOptions, Heard, ListenOptions};
use syrinx_quant::Recipe;
use syrinx_quant::import::{ImportOptions, import};

pub const RATE_HZ: u32 = 16_000;

/// Of the crates below `src/`.
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

    /// What the library hears, and what of it stays.
    pub fn heard(&self, samples: &[f32], options: ListenOptions) -> Vec<Heard> {
        let mut listener = Ears::open(self.dir(), EarsOptions::default()).unwrap().listener(options).unwrap();
        let mut heard = listener.feed(samples).unwrap();
        heard.extend(listener.flush().unwrap());
        heard.retain(|heard| heard.is_final);
        heard
    }
}

/// The signal of the streaming pack's golden, as 16-bit integers have it.
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

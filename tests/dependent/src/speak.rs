//! A sentence. In: the folder of a pack. Out: its samples, and a line with the kernels in use and their hash.

use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use syrinx::lab::backbone::kernel_set;
use syrinx::{Model, ModelOptions, SessionOptions, SpeakOptions};

pub const TEXT: &str = "The next train leaves from platform four.";

pub fn samples(pack: &Path) -> syrinx::Result<Vec<f32>> {
    let mut session = Model::open(pack, ModelOptions::default())?.session(SessionOptions::default())?;
    session.speak(TEXT, &SpeakOptions::default())?.collect::<syrinx::Result<Vec<_>>>().map(|blocks| blocks.concat())
}

/// `avx2 0123456789abcdef`
pub fn line(pack: &Path) -> syrinx::Result<String> {
    let mut hasher = DefaultHasher::new();
    samples(pack)?.iter().for_each(|sample| hasher.write_u32(sample.to_bits()));
    Ok(format!("{} {:016x}", kernel_set()?, hasher.finish()))
}

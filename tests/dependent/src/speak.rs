//! A sentence. In: the folder of a pack. Out: its samples, and a line with the kernels in use and their hash.

use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use syrinx::backbone::kernel_set;
use syrinx::engine::{Session, SessionOptions, SpeakOptions};
use syrinx::pack::{OpenOptions, Pack};

pub const TEXT: &str = "The next train leaves from platform four.";
pub const FRAMES: u64 = 20;

pub fn samples(pack: &Path) -> syrinx::Result<Vec<f32>> {
    let pack = Pack::open(pack, OpenOptions::default())?;
    let mut session = Session::open(&pack, &SessionOptions::default())?;
    let options = SpeakOptions { max_frames: Some(FRAMES), ..SpeakOptions::default() };
    session.speak(TEXT, &options)?.collect::<syrinx::Result<Vec<_>>>().map(|blocks| blocks.concat())
}

/// `avx2 0123456789abcdef`
pub fn line(pack: &Path) -> syrinx::Result<String> {
    let mut hasher = DefaultHasher::new();
    samples(pack)?.iter().for_each(|sample| hasher.write_u32(sample.to_bits()));
    Ok(format!("{} {:016x}", kernel_set()?, hasher.finish()))
}

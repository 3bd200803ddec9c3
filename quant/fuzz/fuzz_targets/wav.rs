//! Any bytes as a recording: its sound, as long as its header says at most, or an error of one line.
//!
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run wav` in `quant/`; any WAV files are a good corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The runtime's own files, without the runtime: llama.cpp has no part in reading.
#[path = "../../../src/error.rs"]
#[allow(dead_code)]
mod error;
#[path = "../../../src/hear/intake.rs"]
#[allow(dead_code)]
mod intake;
#[path = "../../../src/device/rate.rs"]
#[allow(dead_code)]
mod rate;
#[path = "../../../src/hear/wav/mod.rs"]
#[allow(dead_code, unused_imports)]
mod wav;

mod device {
    pub(crate) use crate::rate;
}

use wav::{RATE_HZ, Recording};

fuzz_target!(|bytes: &[u8]| {
    let stream = Box::new(std::io::Cursor::new(bytes.to_vec()));
    match Recording::wav("fuzz", stream) {
        Err(error) => assert!(!error.message().is_empty() && !error.message().contains('\n')),
        Ok(mut recording) => {
            let format = recording.format();
            let samples = recording.read_all().expect("bytes in memory are always read");
            assert!(samples.iter().all(|sample| sample.is_finite()));
            let most = (bytes.len() / format.frame_bytes()) as u64 * u64::from(RATE_HZ) / u64::from(format.rate_hz);
            assert!(samples.len() as u64 <= most + 1, "{} samples of {} bytes", samples.len(), bytes.len());
        }
    }
});

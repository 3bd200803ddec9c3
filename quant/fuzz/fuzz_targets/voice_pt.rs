//! Any bytes: the reader of voice presets gives whole rows, or an error of one line.
//!
//! The first byte of the input is the width of a row, the rest is the file.
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run voice_pt` in `quant/`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use syrinx_quant::voice::parse_pt;

fuzz_target!(|input: &[u8]| {
    let Some((&dim, bytes)) = input.split_first() else { return };
    let dim = usize::from(dim);
    match parse_pt(bytes, dim) {
        Err(error) => assert!(!error.message.is_empty() && !error.message.contains(char::is_control)),
        Ok(rows) => {
            assert!(!rows.is_empty() && rows.len().is_multiple_of(dim));
            assert!(rows.len() * 2 <= bytes.len());
        }
    }
});

//! Speaks a sentence, for Rust and for C.

pub mod speak;

use std::ffi::{CStr, c_char, c_int};
use std::path::Path;

/// Prints [`speak::line`]; not zero where it fails.
///
/// # Safety
/// `pack` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dependent_speak(pack: *const c_char) -> c_int {
    // SAFETY: required of the caller.
    let pack = unsafe { CStr::from_ptr(pack) }.to_string_lossy();
    match speak::line(Path::new(&*pack)) {
        Ok(line) => {
            println!("{line}");
            0
        }
        Err(e) => {
            eprintln!("{e}");
            1
        }
    }
}

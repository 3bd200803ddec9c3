//! Syrinx for C and all that can call C. In: calls of the functions in `include/syrinx.h`, which says what they do. Out:
//! the library's own, with handles in place of values, numbers in place of errors and lengths in place of slices.
//!
//! Nothing unwinds into the caller: [`status`] stands around every function. Nothing calls back: a language with its own
//! threads, collector or stack is never entered. Structs carry their size, so that either side may be the newer one
//! ([`memory`]).

#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]

pub mod lexicon;
pub mod listen;
pub mod live;
pub mod memory;
pub mod model;
pub mod options;
pub mod speech;
pub mod status;
pub mod utterance;

use std::ffi::{CStr, c_char};

/// Number of the interface, and of the shared library's name.
pub const ABI: u32 = include!("abi.in");

/// `SYRINX_ABI` of this library.
#[allow(unsafe_code)] // its name
#[unsafe(no_mangle)]
pub extern "C" fn syrinx_abi() -> u32 {
    ABI
}

/// As in `0.1.0`.
#[allow(unsafe_code)] // its name
#[unsafe(no_mangle)]
pub extern "C" fn syrinx_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    VERSION.as_ptr()
}

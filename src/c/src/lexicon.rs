//! Lexicons for C. In: a file. Out: a handle that options name; what is spoken with it keeps the words.

#![allow(unsafe_code)]

use std::ffi::c_char;

use syrinx::options::Lexicon;

use crate::memory::{free, give, name, null, place};
use crate::status::{OK, guard};

/// `syrinx_lexicon`.
#[derive(Debug)]
pub struct CLexicon(pub(crate) Lexicon);

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_lexicon_open(path: *const c_char, out: *mut *mut CLexicon) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, path) = unsafe { (place(out)?, name(path)?) };
        give(out, CLexicon(Lexicon::open(path.ok_or_else(|| null("path"))?)?));
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_lexicon_free(lexicon: *mut CLexicon) {
    // SAFETY: required of the caller.
    unsafe { free(lexicon) }
}

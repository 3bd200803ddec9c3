//! Listening for C. In: samples in pieces of any length. Out: texts as they come and as they stay, and their words.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Mutex;

use syrinx::{Ears, Heard, HeardWord, Listener};

use crate::memory::{Struct, check, free, give, handle, name, place, read, sound, write};
use crate::model::c_name;
use crate::options::{CEarsOptions, CListenOptions};
use crate::status::{DONE, Failure, OK, guard, lock};

/// `syrinx_heard`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the header's
pub struct CHeard {
    pub struct_size: usize,
    pub text: *const c_char,
    pub language: *const c_char,
    pub start_ms: u64,
    pub end_ms: u64,
    pub is_final: i32,
    pub words: u32,
}

/// `syrinx_heard_word`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CHeardWord {
    pub struct_size: usize,
    pub text: *const c_char,
    pub start_ms: u64,
    pub end_ms: u64,
}

// SAFETY: a size first, then integers and pointers that fill their words.
unsafe impl Struct for CHeard {}
// SAFETY: as above.
unsafe impl Struct for CHeardWord {}

/// `syrinx_ears`.
#[derive(Debug)]
pub struct CEars {
    ears: Ears,
    name: CString,
    languages: Vec<CString>,
}

/// `syrinx_listener`.
#[derive(Debug)]
pub struct CListener {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    listener: Listener,
    heard: VecDeque<Heard>,
    /// Of the text given out last: it, its language, its words that have not been given out, and the one that was last.
    text: CString,
    language: Option<CString>,
    words: std::vec::IntoIter<HeardWord>,
    word: CString,
    /// The samples of whoever has integers.
    floats: Vec<f32>,
}

impl State {
    /// Keeps what was heard until it is fetched; of a text that is open, its last state alone.
    fn keep(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            if self.heard.back().is_some_and(|last| !last.is_final) {
                self.heard.pop_back();
            }
            self.heard.push_back(heard);
        }
    }
}

/// A text as C has it.
fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// # Safety
/// As the header says, here and below: pointers are NULL or what they are said to be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_ears_open(
    folder: *const c_char,
    options: *const CEarsOptions,
    out: *mut *mut CEars,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, folder, options) = unsafe { (place(out)?, name(folder)?, read(options)?.options()?) };
        let folder = folder.ok_or_else(|| Failure::Argument("folder is NULL".to_owned()))?;
        let ears = Ears::open(folder, options)?;
        let info = ears.info();
        let (name, languages) = (c_name(&info.name), info.languages.iter().map(|tag| c_name(tag)).collect());
        give(out, CEars { name, languages, ears });
        Ok(OK)
    })
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_ears_free(ears: *mut CEars) {
    // SAFETY: required of the caller.
    unsafe { free(ears) }
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_ears_sample_rate(ears: *const CEars) -> u32 {
    // SAFETY: required of the caller.
    unsafe { ears.as_ref() }.map_or(0, |ears| ears.ears.info().sample_rate_hz)
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_ears_longest_delay_ms(ears: *const CEars) -> u32 {
    // SAFETY: required of the caller.
    unsafe { ears.as_ref() }.map_or(0, |ears| ears.ears.info().longest_delay_ms)
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_ears_name(ears: *const CEars) -> *const c_char {
    // SAFETY: required of the caller.
    unsafe { ears.as_ref() }.map_or(ptr::null(), |ears| ears.name.as_ptr())
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_ears_language(ears: *const CEars, index: usize) -> *const c_char {
    // SAFETY: required of the caller.
    let language = unsafe { ears.as_ref() }.and_then(|ears| ears.languages.get(index));
    language.map_or(ptr::null(), |language| language.as_ptr())
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_listener_open(
    ears: *const CEars,
    options: *const CListenOptions,
    out: *mut *mut CListener,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, ears, options) = unsafe { (place(out)?, handle(ears, "ears")?, read(options)?.options()?) };
        let state = State {
            listener: ears.ears.listener(options)?,
            heard: VecDeque::new(),
            text: CString::default(),
            language: None,
            words: Vec::new().into_iter(),
            word: CString::default(),
            floats: Vec::new(),
        };
        give(out, CListener { state: Mutex::new(state) });
        Ok(OK)
    })
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_listener_free(listener: *mut CListener) {
    // SAFETY: required of the caller.
    unsafe { free(listener) }
}

/// Does something with a listener, and keeps what was heard.
///
/// # Safety
/// See [`syrinx_ears_open`].
unsafe fn hear(listener: *const CListener, hear: impl FnOnce(&mut State) -> Result<Vec<Heard>, Failure>) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let mut state = lock(&unsafe { handle(listener, "listener") }?.state)?;
        let heard = hear(&mut state)?;
        state.keep(heard);
        Ok(OK)
    })
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_listener_feed(listener: *const CListener, pcm: *const f32, samples: usize) -> i32 {
    // SAFETY: required of the caller.
    unsafe { hear(listener, |state| Ok(state.listener.feed(sound(pcm, samples)?)?)) }
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_listener_feed_s16(listener: *const CListener, pcm: *const i16, samples: usize) -> i32 {
    let feed = |state: &mut State| -> Result<Vec<Heard>, Failure> {
        // SAFETY: required of the caller.
        let integers = unsafe { sound(pcm, samples) }?;
        let mut floats = std::mem::take(&mut state.floats);
        floats.clear();
        floats.extend(integers.iter().map(|&sample| f32::from(sample) / 32_768.0));
        let heard = state.listener.feed(&floats);
        state.floats = floats;
        Ok(heard?)
    };
    // SAFETY: as above.
    unsafe { hear(listener, feed) }
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_listener_flush(listener: *const CListener) -> i32 {
    // SAFETY: required of the caller.
    unsafe { hear(listener, |state| Ok(state.listener.flush()?)) }
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_listener_reset(listener: *const CListener) -> i32 {
    let reset = |state: &mut State| -> Result<Vec<Heard>, Failure> {
        state.listener.reset()?;
        if state.heard.back().is_some_and(|last| !last.is_final) {
            state.heard.pop_back();
        }
        Ok(Vec::new())
    };
    // SAFETY: required of the caller.
    unsafe { hear(listener, reset) }
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_listener_next(listener: *const CListener, heard: *mut CHeard) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let listener = unsafe { handle(listener, "listener") }?;
        // SAFETY: as above.
        unsafe { check(heard) }?;
        let mut state = lock(&listener.state)?;
        let Some(next) = state.heard.pop_front() else { return Ok(DONE) };
        state.text = c_text(&next.text);
        state.language = next.language.as_deref().map(c_text);
        let answer = CHeard {
            struct_size: 0,
            text: state.text.as_ptr(),
            language: state.language.as_ref().map_or(ptr::null(), |language| language.as_ptr()),
            start_ms: next.start_ms,
            end_ms: next.end_ms,
            is_final: next.is_final.into(),
            words: u32::try_from(next.words.len()).unwrap_or(u32::MAX),
        };
        state.words = next.words.into_iter();
        if !heard.is_null() {
            // SAFETY: as above; it is as large as its first member says.
            unsafe { write(heard, &answer) }?;
        }
        Ok(OK)
    })
}

/// # Safety
/// See [`syrinx_ears_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_listener_next_word(listener: *const CListener, word: *mut CHeardWord) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let listener = unsafe { handle(listener, "listener") }?;
        // SAFETY: as above.
        unsafe { check(word) }?;
        let mut state = lock(&listener.state)?;
        let Some(next) = state.words.next() else { return Ok(DONE) };
        state.word = c_text(&next.text);
        let answer =
            CHeardWord { struct_size: 0, text: state.word.as_ptr(), start_ms: next.start_ms, end_ms: next.end_ms };
        // SAFETY: as above.
        unsafe { write(word, &answer) }?;
        Ok(OK)
    })
}

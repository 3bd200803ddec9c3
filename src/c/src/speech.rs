//! Speech to buffers for C. In: text in pieces, room for a block. Out: a block, words, positions.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::{CString, c_char};
use std::sync::Mutex;
use std::time::Instant;

use syrinx::{Canceller, Ending, ErrorKind, Next, Speech, Word, to_i16};

use crate::memory::{Struct, check, free, handle, put, samples, text, write};
use crate::model::over_budget;
use crate::status::{DONE, Failure, NEED_TEXT, OK, Outcome, guard, lock};

/// `syrinx_block`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the header's
pub struct CBlock {
    pub struct_size: usize,
    pub sample: u64,
    pub samples: u64,
    pub has_mark: i32,
    pub wait_ms: i32,
    pub mark_char: u64,
    pub mark_char_end: u64,
    pub mark_byte: u64,
    pub mark_byte_end: u64,
}

/// `syrinx_word`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CWord {
    pub struct_size: usize,
    pub text: *const c_char,
    pub char_begin: u64,
    pub char_end: u64,
    pub byte_begin: u64,
    pub byte_end: u64,
    pub sample_begin: u64,
    pub sample_end: u64,
}

/// `syrinx_mark`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CMark {
    pub struct_size: usize,
    pub name: *const c_char,
    pub sample: u64,
}

// SAFETY: a size first, then integers and pointers that fill their words.
unsafe impl Struct for CBlock {}
// SAFETY: as above.
unsafe impl Struct for CWord {}
// SAFETY: as above.
unsafe impl Struct for CMark {}

/// `syrinx_speech`.
#[derive(Debug)]
pub struct CSpeech {
    state: Mutex<State>,
    canceller: Canceller,
    /// Characters and bytes that have been spoken: beside the state, so that nobody waits for a block to know them.
    position: Mutex<(usize, usize)>,
}

#[derive(Debug)]
struct State {
    speech: Speech,
    words: std::vec::IntoIter<Word>,
    /// Marks that have been passed, with their samples.
    marks: VecDeque<(String, u64)>,
    /// The text of the word, or the name of the mark, given out last.
    text: CString,
    /// The block, for whoever wants integers.
    pcm: Vec<f32>,
}

impl State {
    /// A text as C has it, until the next.
    fn keep(&mut self, text: &str) -> *const c_char {
        self.text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        self.text.as_ptr()
    }
}

impl CSpeech {
    pub(crate) fn new(speech: Speech) -> Self {
        let canceller = speech.canceller();
        let state = State {
            speech,
            words: Vec::new().into_iter(),
            marks: VecDeque::new(),
            text: CString::default(),
            pcm: Vec::new(),
        };
        Self { state: Mutex::new(state), canceller, position: Mutex::default() }
    }

    /// Computes a block into `pcm`, which has room for one.
    fn next(&self, state: &mut State, pcm: &mut [f32], block: &mut CBlock) -> Outcome {
        let mut next = state.speech.next_into(pcm);
        while let Ok(Next::Mark { name, sample }) = next {
            state.marks.push_back((name, sample));
            next = state.speech.next_into(pcm);
        }
        *lock(&self.position)? = (state.speech.position(), state.speech.position_bytes());
        match next? {
            Next::Audio(audio) => {
                (block.sample, block.samples) = (audio.sample, audio.samples as u64);
                if let Some(mark) = audio.mark {
                    block.has_mark = 1;
                    (block.mark_char, block.mark_char_end) = (mark.chars.start as u64, mark.chars.end as u64);
                    (block.mark_byte, block.mark_byte_end) = (mark.bytes.start as u64, mark.bytes.end as u64);
                }
                Ok(OK)
            }
            Next::NeedText { flush_at } => {
                let wait = |at: Instant| at.saturating_duration_since(Instant::now()).as_millis() as i32;
                block.wait_ms = flush_at.map_or(-1, wait);
                Ok(NEED_TEXT)
            }
            Next::End(Ending::Cancelled) => Err(Failure::of(ErrorKind::Cancelled, "the speech was cancelled")),
            Next::End(Ending::Budget) => Err(over_budget()),
            _ => Ok(DONE),
        }
    }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_push(speech: *const CSpeech, utf8: *const c_char, length: usize) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (speech, utf8) = unsafe { (handle(speech, "speech")?, text(utf8, length)?) };
        lock(&speech.state)?.speech.push(utf8)?;
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_finish(speech: *const CSpeech) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        lock(&unsafe { handle(speech, "speech") }?.state)?.speech.finish();
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_flush(speech: *const CSpeech) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        lock(&unsafe { handle(speech, "speech") }?.state)?.speech.flush();
        Ok(OK)
    })
}

/// Has a block computed into the caller's room for one, as `into` wants it, and tells of it.
///
/// # Safety
/// See [`crate::model::syrinx_model_open`].
unsafe fn next<T: Copy>(
    speech: *const CSpeech,
    pcm: *mut T,
    capacity: usize,
    block: *mut CBlock,
    into: impl FnOnce(&CSpeech, &mut State, &mut [T], &mut CBlock) -> Outcome,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let speech = unsafe { handle(speech, "speech") }?;
        // SAFETY: as above.
        unsafe { check(block) }?;
        let mut state = lock(&speech.state)?;
        // SAFETY: as above.
        let pcm = unsafe { samples(pcm, capacity, state.speech.samples_per_block()) }?;
        let mut answer = CBlock::default();
        let code = into(speech, &mut state, pcm, &mut answer)?;
        if !block.is_null() {
            // SAFETY: as above; it is as large as its first member says.
            unsafe { write(block, &answer) }?;
        }
        Ok(code)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_next(
    speech: *const CSpeech,
    pcm: *mut f32,
    capacity: usize,
    block: *mut CBlock,
) -> i32 {
    // SAFETY: required of the caller.
    unsafe { next(speech, pcm, capacity, block, |speech, state, pcm, answer| speech.next(state, pcm, answer)) }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_next_s16(
    speech: *const CSpeech,
    pcm: *mut i16,
    capacity: usize,
    block: *mut CBlock,
) -> i32 {
    let into = |speech: &CSpeech, state: &mut State, pcm: &mut [i16], answer: &mut CBlock| {
        let mut floats = std::mem::take(&mut state.pcm);
        floats.resize(pcm.len(), 0.0);
        let code = speech.next(state, &mut floats, answer);
        if code.as_ref().is_ok_and(|&code| code == OK) {
            pcm.iter_mut().zip(&floats).for_each(|(to, &from)| *to = to_i16(from));
        }
        state.pcm = floats;
        code
    };
    // SAFETY: required of the caller.
    unsafe { next(speech, pcm, capacity, block, into) }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_cancel(speech: *const CSpeech) {
    // SAFETY: required of the caller.
    if let Some(speech) = unsafe { speech.as_ref() } {
        speech.canceller.cancel();
    }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_position(speech: *const CSpeech, chars: *mut u64, bytes: *mut u64) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let position = *lock(&unsafe { handle(speech, "speech") }?.position)?;
        // SAFETY: as above.
        unsafe {
            put(chars, position.0 as u64);
            put(bytes, position.1 as u64);
        }
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_next_word(speech: *const CSpeech, word: *mut CWord) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let speech = unsafe { handle(speech, "speech") }?;
        // SAFETY: as above.
        unsafe { check(word) }?;
        let mut state = lock(&speech.state)?;
        if state.words.as_slice().is_empty() {
            state.words = state.speech.take_words().into_iter();
        }
        let Some(next) = state.words.next() else { return Ok(DONE) };
        let answer = CWord {
            struct_size: 0,
            text: state.keep(&next.text),
            char_begin: next.chars.start as u64,
            char_end: next.chars.end as u64,
            byte_begin: next.bytes.start as u64,
            byte_end: next.bytes.end as u64,
            sample_begin: next.samples.start,
            sample_end: next.samples.end,
        };
        // SAFETY: as above.
        unsafe { write(word, &answer) }?;
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_next_mark(speech: *const CSpeech, mark: *mut CMark) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let speech = unsafe { handle(speech, "speech") }?;
        // SAFETY: as above.
        unsafe { check(mark) }?;
        let mut state = lock(&speech.state)?;
        let Some((name, sample)) = state.marks.pop_front() else { return Ok(DONE) };
        let answer = CMark { struct_size: 0, name: state.keep(&name), sample };
        // SAFETY: as above.
        unsafe { write(mark, &answer) }?;
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_free(speech: *mut CSpeech) {
    // SAFETY: required of the caller.
    unsafe { free(speech) }
}

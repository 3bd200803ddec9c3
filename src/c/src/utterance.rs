//! Utterances for C. In: text in pieces. Out: events, with positions in characters and in bytes.

#![allow(unsafe_code)]

use std::ffi::c_char;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use syrinx::options::{Quality, Rung};
use syrinx::{Event, Utterance};

use crate::live::duration;
use crate::memory::{Struct, check, free, handle, put, text, write};
use crate::status::{DONE, Failure, OK, TIMEOUT, guard, lock};

const MESSAGE_BYTES: usize = 256;

/// `syrinx_event`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the header's
pub struct CEvent {
    pub struct_size: usize,
    pub kind: i32,
    pub detail: i32,
    pub char_begin: u64,
    pub char_end: u64,
    pub byte_begin: u64,
    pub byte_end: u64,
    pub message: [u8; MESSAGE_BYTES],
}

// SAFETY: a size first, then integers that fill their words.
unsafe impl Struct for CEvent {}

/// `syrinx_utterance`.
#[derive(Debug)]
pub struct CUtterance {
    utterance: Utterance,
    text: Mutex<Text>,
    over: AtomicBool,
}

/// The text pushed, to find a character's byte in. It is asked for places that mostly go forward.
#[derive(Debug, Default)]
struct Text {
    text: String,
    char: usize,
    byte: usize,
}

impl Text {
    fn byte_of(&mut self, char: usize) -> usize {
        if char < self.char {
            (self.char, self.byte) = (0, 0);
        }
        let rest = self.text.get(self.byte..).unwrap_or_default();
        let step = rest.char_indices().nth(char - self.char);
        // What was pushed and heard before it was written down here has no byte yet.
        let Some((bytes, _)) = step else { return self.text.len() };
        (self.char, self.byte) = (char, self.byte + bytes);
        self.byte
    }
}

impl CUtterance {
    pub(crate) fn new(utterance: Utterance, text: &str) -> Self {
        let text = Mutex::new(Text { text: text.to_owned(), ..Text::default() });
        Self { utterance, text, over: AtomicBool::new(false) }
    }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_utterance_push(
    utterance: *const CUtterance,
    utf8: *const c_char,
    length: usize,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (utterance, utf8) = unsafe { (handle(utterance, "utterance")?, text(utf8, length)?) };
        let mut written = lock(&utterance.text)?;
        utterance.utterance.push(utf8)?;
        written.text.push_str(utf8);
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_utterance_finish(utterance: *const CUtterance) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        unsafe { handle(utterance, "utterance") }?.utterance.finish();
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_utterance_flush(utterance: *const CUtterance) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        unsafe { handle(utterance, "utterance") }?.utterance.flush();
        Ok(OK)
    })
}

/// Tells how far an utterance was heard, in characters as `heard` gives it.
///
/// # Safety
/// See [`crate::model::syrinx_model_open`].
unsafe fn tell(
    utterance: *const CUtterance,
    chars: *mut u64,
    bytes: *mut u64,
    heard: impl FnOnce(&Utterance) -> usize,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let utterance = unsafe { handle(utterance, "utterance") }?;
        let position = heard(&utterance.utterance);
        let byte = lock(&utterance.text)?.byte_of(position);
        // SAFETY: as above.
        unsafe {
            put(chars, position as u64);
            put(bytes, byte as u64);
        }
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_utterance_cancel(
    utterance: *const CUtterance,
    chars: *mut u64,
    bytes: *mut u64,
) -> i32 {
    // SAFETY: required of the caller.
    unsafe { tell(utterance, chars, bytes, Utterance::cancel) }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_utterance_position(
    utterance: *const CUtterance,
    chars: *mut u64,
    bytes: *mut u64,
) -> i32 {
    // SAFETY: required of the caller.
    unsafe { tell(utterance, chars, bytes, Utterance::position) }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_utterance_free(utterance: *mut CUtterance) {
    // SAFETY: required of the caller.
    unsafe { free(utterance) }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_utterance_next_event(
    utterance: *const CUtterance,
    timeout_ms: i32,
    event: *mut CEvent,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let utterance = unsafe { handle(utterance, "utterance") }?;
        if event.is_null() {
            return Err(Failure::Argument("event is NULL".to_owned()));
        }
        // SAFETY: as above.
        unsafe { check(event) }?;
        if utterance.over.load(Ordering::Acquire) {
            return Ok(DONE);
        }
        let Some(next) = utterance.utterance.next_event(duration(timeout_ms)) else { return Ok(TIMEOUT) };
        if next.is_last() {
            utterance.over.store(true, Ordering::Release);
        }
        let mut answer = of(&next);
        let mut text = lock(&utterance.text)?;
        answer.byte_begin = text.byte_of(answer.char_begin as usize) as u64;
        answer.byte_end = text.byte_of(answer.char_end as usize) as u64;
        // SAFETY: as above.
        unsafe { write(event, &answer) }?;
        Ok(OK)
    })
}

/// All of an event but its bytes.
fn of(event: &Event) -> CEvent {
    let nowhere = 0..0;
    let at = |position: usize| position..position;
    let (kind, detail, chars, message): (i32, i32, Range<usize>, &str) = match event {
        Event::Started => (1, 0, nowhere, ""),
        Event::Clause { chars } => (2, 0, chars.clone(), ""),
        Event::Underrun { position } => (3, 0, at(*position), ""),
        Event::Guard { retried, .. } => (4, i32::from(*retried), nowhere, ""),
        Event::Quality { quality } => (5, lowered(*quality), nowhere, ""),
        Event::Heat { rung } => {
            (6, Rung::ALL.iter().position(|one| one == rung).unwrap_or_default() as i32, nowhere, "")
        }
        Event::DeviceLost => (7, 0, nowhere, ""),
        Event::DeviceBack => (8, 0, nowhere, ""),
        Event::Interrupted { position } => (9, 0, at(*position), ""),
        Event::Finished => (10, 0, nowhere, ""),
        Event::OutOfBudget { position, message } => (11, 0, at(*position), message),
        Event::Cancelled { position } => (12, 0, at(*position), ""),
        Event::Failed { position, message } => (13, 0, at(*position), message),
        Event::Mark { name } => (15, 0, nowhere, name),
        _ => (14, 0, nowhere, ""),
    };
    CEvent {
        struct_size: 0,
        kind,
        detail,
        char_begin: chars.start as u64,
        char_end: chars.end as u64,
        byte_begin: 0,
        byte_end: 0,
        message: line(message),
    }
}

fn lowered(quality: Quality) -> i32 {
    match quality {
        Quality::Full => 0,
        Quality::FewerSteps => 1,
        Quality::NoGuidance => 2,
    }
}

/// As much of a message as there is room for, in whole characters, with a NUL behind it.
fn line(message: &str) -> [u8; MESSAGE_BYTES] {
    let mut line = [0; MESSAGE_BYTES];
    let most = (0..MESSAGE_BYTES).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
    let bytes = message.as_bytes().get(..most).unwrap_or(message.as_bytes());
    line.iter_mut().zip(bytes).for_each(|(to, &from)| *to = from);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_has_its_byte_also_after_one_behind_it() {
        let mut text = Text { text: "aßb→c".to_owned(), ..Text::default() };
        assert_eq!([4, 0, 1, 2, 3, 5].map(|char| text.byte_of(char)), [7, 0, 1, 3, 4, 8]);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        for message in ["", "short", &"é".repeat(300), &format!("x{}", "é".repeat(300))] {
            let line = line(message);
            let end = line.iter().position(|&byte| byte == 0).unwrap();
            let text = std::str::from_utf8(&line[..end]).unwrap();
            assert!(message.starts_with(text) && (text.len() == message.len() || end >= MESSAGE_BYTES - 2));
        }
    }
}

//! Numbers in place of results. In: what a function does. Out: its number, and for this thread the line that says why.

#![allow(unsafe_code)] // a name

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Mutex, MutexGuard};

use syrinx::{Error, ErrorKind};

/// What is no error; the others are `-ErrorKind::code()`.
pub const OK: i32 = 0;
/// Nothing more comes.
pub const DONE: i32 = 1;
/// Text is needed.
pub const NEED_TEXT: i32 = 2;
/// Nothing came in time.
pub const TIMEOUT: i32 = 3;
/// The caller's fault.
pub const BAD_ARGUMENT: i32 = -100;
/// Ours.
pub const PANIC: i32 = -101;

/// Why a function did nothing.
#[derive(Debug)]
pub enum Failure {
    /// The library says so.
    Library(Error),
    /// Something is wrong with an argument.
    Argument(String),
    /// The handle's own work panicked before.
    Broken,
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Library(e)
    }
}

impl Failure {
    /// A library's error, where there is no call that gives it.
    pub fn of(kind: ErrorKind, message: &str) -> Self {
        Self::Library(Error::new(kind, message))
    }

    fn told(self) -> (i32, String) {
        match self {
            Self::Library(e) => (-e.kind().code(), e.message().to_owned()),
            Self::Argument(message) => (BAD_ARGUMENT, message),
            Self::Broken => (PANIC, "an earlier call with this handle failed inside of Syrinx: free it".to_owned()),
        }
    }
}

/// What functions do.
pub type Outcome = Result<i32, Failure>;

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Does it, and gives its number. A panic ends here.
pub fn guard(run: impl FnOnce() -> Outcome) -> i32 {
    let (code, message) = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(code)) => return code,
        Ok(Err(failure)) => failure.told(),
        Err(_) => (PANIC, "Syrinx has failed inside: free the handle, and report what standard error says".to_owned()),
    };
    let line = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // At the end of a thread there is nobody to tell.
    let _ = LAST.try_with(|last| last.replace(line));
    code
}

/// A handle's value, unless a panic has left it half changed.
pub fn lock<T>(value: &Mutex<T>) -> Result<MutexGuard<'_, T>, Failure> {
    value.lock().map_err(|_| Failure::Broken)
}

/// Why the last call of this thread failed.
#[unsafe(no_mangle)]
pub extern "C" fn syrinx_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or_else(|_| ptr::from_ref(c"").cast())
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn last() -> String {
        // SAFETY: the line of this thread, which nobody changes here.
        unsafe { CStr::from_ptr(syrinx_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_ends_in_a_number_and_leaves_its_handle_broken() {
        let value = Mutex::new(0);
        let touch = |fails: bool| {
            guard(|| {
                let mut value = lock(&value)?;
                *value += 1;
                assert!(!fails, "as the test wants it");
                Ok(OK)
            })
        };
        assert_eq!([touch(false), touch(true), touch(false)], [OK, PANIC, PANIC]);
        assert!(last().contains("free it"));
    }

    #[test]
    fn every_thread_has_its_own_line() {
        let fail = |line: &str| guard(|| Err(Failure::Argument(line.to_owned())));
        assert_eq!(fail("mine\0"), BAD_ARGUMENT);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(last(), "");
                fail("theirs");
            });
        });
        assert_eq!(last(), "mine ");
    }
}

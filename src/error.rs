//! The crate's one error. In: a reason from any stage. Out: a kind that says what the caller can do, and one line for
//! a person that names the thing and the remedy.

use std::error::Error as StdError;
use std::fmt;

/// What everything here that can fail gives.
pub type Result<T> = std::result::Result<T, Error>;

/// What the caller can do about an error. The numbers stay the same for ever; 0 is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ErrorKind {
    /// The pack is absent, damaged or contradicts itself: get a good copy, or import it again.
    BadPack = 1,
    /// The pack was made for a newer runtime: update.
    NewerPack = 2,
    /// The text cannot be spoken as it is (empty, too long, not UTF-8): change it.
    BadText = 3,
    /// An option is out of its range: change it.
    BadOption = 4,
    /// The pack has no such voice; the message lists those that it has.
    UnknownVoice = 5,
    /// The context or the frame budget is used up: shorten the text or raise the budget.
    OutOfBudget = 6,
    /// The machine has too little memory: the message says what to reduce.
    OutOfMemory = 7,
    /// The sound device is absent, busy or gone: choose another or try again.
    Device = 8,
    /// llama.cpp refused or failed: see the log.
    Backend = 9,
    /// The system refused to read or write a file: check the path, its permissions, the disk.
    Io = 10,
    /// The caller cancelled.
    Cancelled = 11,
    /// Not supported by this build.
    Unsupported = 12,
    /// The pack's licence forbids the configured use.
    Licence = 13,
    /// Something that takes turns is taken, or a bounded queue is full: try later.
    Busy = 14,
    /// The speech has ended, or its text was said to be complete: begin another.
    Ended = 15,
}

impl ErrorKind {
    /// Its number, for languages without this type.
    pub fn code(self) -> i32 {
        self as i32
    }
}

/// One line for a person, and an [`ErrorKind`] for the program.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with its line.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Keeps the cause for [`StdError::source`]; the message must already say it.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What went wrong, and the remedy.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A file that the system refuses to `action` ("read", "write", …).
    pub fn io(action: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {action} {}: {source}", path.display())).with_source(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// Errors of files and formats, seen from the runtime: nearly all mean that the pack is no good.
impl From<syrinx_quant::Error> for Error {
    fn from(e: syrinx_quant::Error) -> Self {
        use syrinx_quant::ErrorKind as Q;
        let kind = match e.kind {
            Q::Io | Q::Exists => ErrorKind::Io,
            Q::Newer => ErrorKind::NewerPack,
            Q::Cancelled => ErrorKind::Cancelled,
            Q::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::BadPack,
        };
        Self::new(kind, e.message.clone()).with_source(e)
    }
}

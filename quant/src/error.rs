//! The crate's one error. In: a reason found by any module. Out: a kind that says what the caller can do,
//! and one line that names the thing and the remedy.

use std::fmt;
use std::path::Path;

pub type Result<T> = std::result::Result<T, Error>;

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The system refused a read or write: check the path, its permissions, the disk.
    Io,
    /// The file ends before its contents do: copy or download it again.
    Truncated,
    /// The contents contradict themselves or their checksum: get a good copy.
    Corrupt,
    /// Well-formed, but asks for something that this build does not do.
    Unsupported,
    /// Made for a newer version: update the runtime.
    Newer,
    /// A file, tensor or key that is needed is absent.
    Missing,
    /// A tensor or size does not fit the others.
    Shape,
    /// The target exists already: choose another, or ask to overwrite.
    Exists,
    /// The caller asked to stop.
    Cancelled,
}

/// One line for a person, and a [`ErrorKind`] for the program.
#[derive(Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    source: Option<std::io::Error>,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: one_line(message.into()), source: None }
    }

    /// An input or output error with the path that it concerns.
    pub fn io(path: &Path, action: &str, source: std::io::Error) -> Self {
        let message = format!("cannot {action} {}: {source}", path.display());
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::Missing,
            _ => ErrorKind::Io,
        };
        Self { kind, message: one_line(message), source: Some(source) }
    }

    /// A failed write of a stream whose path the caller knows.
    pub(crate) fn write(source: std::io::Error) -> Self {
        Self { kind: ErrorKind::Io, message: format!("cannot write: {source}"), source: Some(source) }
    }

    /// Puts the name of the file in front of the message.
    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.message = one_line(format!("{what}: {}", self.message));
        self
    }
}

/// Names in a message may come from a damaged file: no line breaks, no terminal sequences.
fn one_line(message: String) -> String {
    if message.contains(char::is_control) { message.replace(char::is_control, " ") } else { message }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

/// Shorthands for the kinds that many modules use.
macro_rules! error_shorthands {
    ($($name:ident => $kind:ident),* $(,)?) => {$(
        pub(crate) fn $name(message: impl Into<String>) -> Error {
            Error::new(ErrorKind::$kind, message)
        }
    )*};
}

error_shorthands! {
    truncated => Truncated,
    corrupt => Corrupt,
    unsupported => Unsupported,
    newer => Newer,
    missing => Missing,
    misshapen => Shape,
}

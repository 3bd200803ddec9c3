//! Lines for people. In: text. Out: standard output, whose failure is an error like any other, and standard error, whose
//! failure nobody can be told.

use std::error::Error as StdError;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::path::Path;

use syrinx::{Error, Result};

/// A line on standard output. Errors: `Io` where it is closed or full.
macro_rules! outln {
    () => { $crate::cli::output::line(format_args!("")) };
    ($($part:tt)*) => { $crate::cli::output::line(format_args!($($part)*)) };
}

/// Whole lines on standard output, with their ends. Errors: as of [`outln`].
macro_rules! out {
    ($($part:tt)*) => { $crate::cli::output::text(format_args!($($part)*)) };
}

/// A line on standard error.
macro_rules! errln {
    ($($part:tt)*) => { $crate::cli::output::note(format_args!($($part)*)) };
}

pub(crate) use {errln, out, outln};

pub fn line(text: Arguments<'_>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_fmt(text).and_then(|()| out.write_all(b"\n")).map_err(failed)
}

pub fn text(text: Arguments<'_>) -> Result<()> {
    std::io::stdout().lock().write_fmt(text).map_err(failed)
}

pub fn note(text: Arguments<'_>) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_fmt(text).and_then(|()| out.write_all(b"\n")); // there is no other place to complain at
}

/// What came of writing to standard output.
pub fn failed(e: std::io::Error) -> Error {
    Error::io("write", Path::new("standard output"), e)
}

/// Whether who read the output has gone: that is for him to decide, and nothing to complain about.
pub fn is_closed_pipe(e: &Error) -> bool {
    let source = e.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == ErrorKind::BrokenPipe)
}

//! Signals that ask the program to end. In: Ctrl-C, and what a service's manager or a closed terminal sends. Out: a note
//! that loops look at, so that nothing half-written stays; then an end by the signal, as whoever sent it expects.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The last signal; 0 for none.
static COME: AtomicUsize = AtomicUsize::new(0);
static AGAIN: AtomicBool = AtomicBool::new(false);

#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// From now on the first signal is noted, and the second ends the program where it is. What the parent has ignored, as
/// `nohup` does, stays ignored.
pub fn watch() {
    for signal in SIGNALS {
        if is_ignored(signal) {
            continue;
        }
        // In this order, so that a signal does not count as its own successor.
        let watched = flag::register_conditional_default(signal, &AGAIN)
            .and_then(|_| flag::register(signal, &AGAIN))
            .and_then(|_| flag::register_usize(signal, &COME, signal.unsigned_abs() as usize));
        if let Err(e) = watched {
            log::debug!("signal {signal} cannot be watched: {e}"); // it ends the program, then
        }
    }
}

/// A signal has come.
pub fn has_come() -> bool {
    COME.load(Ordering::Relaxed) != 0
}

/// One has come that leaves nothing to be kept: any but Ctrl-C, which means "enough".
pub fn is_final() -> bool {
    final_signal().is_some()
}

fn final_signal() -> Option<i32> {
    let signal = i32::try_from(COME.load(Ordering::Relaxed)).ok()?;
    (signal != 0 && signal != SIGINT).then_some(signal)
}

/// Ends the program by the signal that asked for it, where one did. To be called when everything has been put away.
pub fn end_if_asked() {
    if let Some(signal) = final_signal() {
        end_by(signal);
    }
}

/// Ends the program as a closed pipe ends others.
#[cfg(unix)]
pub fn end_by_closed_pipe() {
    end_by(signal_hook::consts::SIGPIPE);
}

#[cfg(not(unix))]
pub fn end_by_closed_pipe() {}

fn end_by(signal: i32) {
    let _ = low_level::emulate_default_handler(signal); // returns for a signal unknown to the system
}

#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero structure is a valid one; with no new action the call only writes the old one into it.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
fn is_ignored(_: i32) -> bool {
    false
}

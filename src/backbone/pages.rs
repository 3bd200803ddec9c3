//! Huge pages for the weights that llama.cpp loads. In: the moment between its allocating and its filling them. Out: a
//! hint to the system.
//!
//! llama.cpp takes its memory from the allocator, in pages of 4 KiB. A backbone reads all of it for every frame, and on
//! a virtual machine looking up so many pages costs a third of the bandwidth. The system tells of the mappings that
//! have come since; only those are meant.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ops::Range;

/// Smaller mappings are not weights.
const LARGE_BYTES: usize = 4 << 20;

/// What was mapped before llama.cpp began to load.
#[derive(Debug)]
pub(super) struct Before {
    mapped: Vec<Range<usize>>,
    done: bool,
}

impl Before {
    pub fn now() -> Self {
        Self { mapped: private_memory(), done: false }
    }

    /// Asks for huge pages in what has been mapped since, once.
    fn advise(&mut self) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        for part in private_memory().into_iter().flat_map(|range| without(range, &self.mapped)) {
            if part.len() >= LARGE_BYTES {
                hint(part);
            }
        }
    }
}

/// llama.cpp's report of progress: the first comes when everything is allocated and nothing is read.
///
/// # Safety
/// `before` points to a [`Before`] that nobody else uses during the call.
pub(super) unsafe extern "C" fn on_progress(_: f32, before: *mut c_void) -> bool {
    // SAFETY: as required of the caller.
    unsafe { &mut *before.cast::<Before>() }.advise();
    true // go on
}

/// The parts of `range` that are in none of `known`, which are in order.
fn without(range: Range<usize>, known: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut from = range.start;
    for known in known.iter().filter(|known| known.start < range.end && known.end > range.start) {
        if known.start > from {
            parts.push(from..known.start);
        }
        from = from.max(known.end);
    }
    if from < range.end {
        parts.push(from..range.end);
    }
    parts
}

/// Mappings without a file that may be written, in order of their addresses. None where the system does not tell.
fn private_memory() -> Vec<Range<usize>> {
    std::fs::read_to_string("/proc/self/maps").unwrap_or_default().lines().filter_map(parse).collect()
}

/// A line such as `7f00-7f80 rw-p 00000000 00:00 0`.
fn parse(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let private = fields.next()? == "rw-p" && fields.nth(2)? == "0" && fields.next().is_none();
    let address = |text| usize::from_str_radix(text, 16).ok();
    private.then_some(address(start)?..address(end)?)
}

#[cfg(target_os = "linux")]
fn hint(range: Range<usize>) {
    // SAFETY: the advice changes how pages are made, never what is in them, whoever owns the mapping.
    let refused = unsafe { libc::madvise(range.start as *mut c_void, range.len(), libc::MADV_HUGEPAGE) } != 0;
    if refused {
        log::debug!("no huge pages for {} bytes: {}", range.len(), std::io::Error::last_os_error());
    }
}

#[cfg(not(target_os = "linux"))]
fn hint(_: Range<usize>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_memory_without_a_file_is_meant() {
        assert_eq!(parse("7f00-7f80 rw-p 00000000 00:00 0 "), Some(0x7f00..0x7f80));
        for other in [
            "7f00-7f80 r--p 00000000 00:00 0",
            "7f00-7f80 rw-s 00000000 00:00 0",
            "7f00-7f80 rw-p 00001000 fe:00 77 /lib/x.so",
            "7f00-7f80 rw-p 00000000 00:00 0 [heap]",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_there_before_is_left_alone() {
        let known = [10..20, 30..40];
        assert_eq!(without(0..50, &known), [0..10, 20..30, 40..50]);
        assert!(without(12..18, &known).is_empty());
        assert_eq!(without(15..45, &known), [20..30, 40..45]);
        assert_eq!(without(45..60, &known).first(), Some(&(45..60)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_came_later_gets_the_hint_once() {
        let mut before = Before::now();
        let memory = memmap2::MmapMut::map_anon(2 * LARGE_BYTES).unwrap();
        let at = memory.as_ptr() as usize;
        let asked = || {
            let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let lines = smaps.lines().skip_while(|line| !parse(line).is_some_and(|range| range.contains(&at)));
            lines.skip(1).find(|line| line.starts_with("VmFlags:")).is_some_and(|flags| flags.contains(" hg"))
        };
        assert!(!asked());
        before.advise();
        assert!(asked());
        assert!(before.done);
    }
}

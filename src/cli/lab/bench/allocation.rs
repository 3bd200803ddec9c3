//! Counts allocations by thread. In: every allocation of this program's Rust code. Out: how many a thread of a given
//! name has made. What C and C++ allocate (llama.cpp) is not seen.
//!
//! It costs one addition per allocation, also outside of the bench: the program that is measured is the one that is
//! shipped.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

/// Threads that are told apart; those that come later are not counted.
const THREADS: usize = 256;
/// What Linux keeps of a thread's name.
const NAME: usize = 15;

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counting;

struct Slot {
    thread: AtomicI32,
    count: AtomicU64,
}

static SLOTS: [Slot; THREADS] = [const { Slot { thread: AtomicI32::new(0), count: AtomicU64::new(0) } }; THREADS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn count() {
    let index = SLOT.try_with(|slot| {
        if slot.get() == usize::MAX {
            slot.set(NEXT.fetch_add(1, Ordering::Relaxed).min(THREADS));
            if let Some(new) = SLOTS.get(slot.get()) {
                new.thread.store(thread_number(), Ordering::Relaxed);
            }
        }
        slot.get()
    });
    if let Some(slot) = index.ok().and_then(|index| SLOTS.get(index)) {
        slot.count.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(target_os = "linux")]
fn thread_number() -> i32 {
    // SAFETY: `gettid` takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

#[cfg(not(target_os = "linux"))]
fn thread_number() -> i32 {
    0
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Allocations so far of the threads with this name that live; `None` where the system does not tell.
pub fn of_thread(name: &str) -> Option<u64> {
    let mut found = None;
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let Some(number) = task.file_name().to_str().and_then(|number| number.parse::<i32>().ok()) else { continue };
        let Ok(known) = std::fs::read_to_string(task.path().join("comm")) else { continue };
        if known.trim_end() == name.get(..NAME).unwrap_or(name) {
            let slots = SLOTS.iter().filter(|slot| slot.thread.load(Ordering::Relaxed) == number);
            let count: u64 = slots.map(|slot| slot.count.load(Ordering::Relaxed)).sum();
            found = Some(found.unwrap_or(0) + count);
        }
    }
    found
}

//! Huge pages for the weights that llama.cpp loads. In: the buffers that ggml makes while a model is loaded, before they are
//! filled. Out: a hint to the system, for those alone.
//!
//! llama.cpp takes its memory from the allocator, in pages of 4 KiB. A backbone reads all of it for every frame, and on
//! a virtual machine looking up so many pages costs a third of the bandwidth.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_void;

/// Smaller buffers are not weights.
const LARGE_BYTES: usize = 4 << 20;

thread_local! {
    static LOADING: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    fn syrinx_pages_watch(function: unsafe extern "C" fn(*mut c_void, usize));
}

/// Has ggml tell of its buffers from now on.
///
/// # Safety
/// Called once, while no buffer of ggml's is made.
pub(super) unsafe fn watch() {
    // SAFETY: required of the caller; the function lives as long as the program.
    unsafe { syrinx_pages_watch(on_buffer) }
}

/// Asks for huge pages for the large buffers that ggml makes on this thread during the call.
pub(crate) fn huge<T>(load: impl FnOnce() -> T) -> T {
    /// So that a panic leaves nothing behind.
    struct Loading;
    impl Drop for Loading {
        fn drop(&mut self) {
            LOADING.set(false);
        }
    }
    LOADING.set(true);
    let _loading = Loading;
    load()
}

/// # Safety
/// `bytes` of memory at `base` are a buffer that ggml has just made.
unsafe extern "C" fn on_buffer(base: *mut c_void, bytes: usize) {
    if LOADING.get() && bytes >= LARGE_BYTES {
        // SAFETY: as required of the caller.
        unsafe { hint(base, bytes) };
    }
}

/// # Safety
/// The memory is mapped.
#[cfg(target_os = "linux")]
unsafe fn hint(base: *mut c_void, bytes: usize) {
    const PAGE: usize = 4096; // advice for whole pages: larger ones are refused, which costs nothing but the hint
    let start = (base as usize).next_multiple_of(PAGE);
    let end = (base as usize + bytes) / PAGE * PAGE;
    // SAFETY: whole pages of mapped memory; the advice changes how they are made, never what is in them.
    let refused = unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_HUGEPAGE) } != 0;
    if refused {
        log::debug!("no huge pages for {bytes} bytes: {}", std::io::Error::last_os_error());
    }
}

/// # Safety
/// As above.
#[cfg(not(target_os = "linux"))]
unsafe fn hint(_: *mut c_void, _: usize) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use llama_cpp_sys_2 as sys;

    use super::*;
    use crate::ggml;

    /// Whether the mapping that holds an address was advised to have huge pages.
    fn is_advised(at: usize) -> bool {
        let holds = |line: &str| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let address = |text| usize::from_str_radix(text, 16).ok();
            range.is_some_and(|(a, b)| address(a).is_some_and(|a| a <= at) && address(b).is_some_and(|b| at < b))
        };
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = smaps.lines().skip_while(|line| !holds(line));
        lines.find(|line| line.starts_with("VmFlags:")).is_some_and(|flags| flags.contains(" hg"))
    }

    /// A buffer of ggml's, and whether its middle was advised.
    fn buffer(bytes: usize) -> bool {
        // SAFETY: the type lives as long as the program, the buffer until it is freed.
        unsafe {
            let buffer = sys::ggml_backend_buft_alloc_buffer(sys::ggml_backend_cpu_buffer_type(), bytes);
            let advised = is_advised(sys::ggml_backend_buffer_get_base(buffer) as usize + bytes / 2);
            sys::ggml_backend_buffer_free(buffer);
            advised
        }
    }

    #[test]
    fn only_large_buffers_of_a_model_that_this_thread_loads_get_huge_pages() {
        ggml::init().unwrap();
        // So large that the allocator maps each of them anew.
        let bytes = 64 << 20;
        assert!(!buffer(bytes), "nothing is loaded");
        assert!(huge(|| buffer(bytes)), "loading");
        assert!(!huge(|| buffer(LARGE_BYTES / 2)), "too small for weights");
        let other = huge(|| std::thread::spawn(move || buffer(bytes)).join().unwrap());
        assert!(!other, "another thread's");
        assert!(!buffer(bytes), "all is loaded");
    }
}

//! The law of the device callback, with a policeman: whoever allocates, locks or calls the system in [`under_the_law`]
//! ends the process.
//!
//! As a rule the allocator is one that aborts (`assert_no_alloc`), and the kernel kills on any system call, a lock that
//! has to wait among them (Syscall User Dispatch: x86-64, Linux 5.11). Built with `--cfg rtsan` the policeman is the
//! runtime of LLVM's RealtimeSanitizer, which knows the blocking functions of libc by name, free locks among them
//! (`make test-rtsan`).

#![allow(unsafe_code)]

#[cfg(rtsan)]
mod police {
    unsafe extern "C" {
        fn __rtsan_ensure_initialized();
        fn __rtsan_realtime_enter();
        fn __rtsan_realtime_exit();
    }

    pub fn is_on_duty() -> bool {
        true
    }

    pub fn watch<T>(run: impl FnOnce() -> T) -> T {
        // SAFETY: the three functions of the runtime take nothing, and enter and exit come in pairs.
        unsafe {
            __rtsan_ensure_initialized();
            __rtsan_realtime_enter();
        }
        let value = run();
        // SAFETY: as above.
        unsafe { __rtsan_realtime_exit() };
        value
    }
}

#[cfg(not(rtsan))]
mod police {
    use assert_no_alloc::{AllocDisabler, assert_no_alloc};

    #[global_allocator]
    static ALLOCATOR: AllocDisabler = AllocDisabler;

    pub fn watch<T>(run: impl FnOnce() -> T) -> T {
        is_on_duty(); // the first time, this allocates
        assert_no_alloc(|| super::kernel::without_calls(run))
    }

    pub use super::kernel::is_on_duty;
}

#[cfg(all(not(rtsan), target_os = "linux", target_arch = "x86_64"))]
mod kernel {
    use std::sync::atomic::{AtomicU8, Ordering};

    // Of linux/prctl.h.
    const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
    const PR_SYS_DISPATCH_ON: libc::c_ulong = 1;
    const ALLOW: u8 = 0;
    const BLOCK: u8 = 1;

    thread_local! {
        /// What the kernel reads at each call of this thread; `None` where it cannot. It outlives the thread, whose
        /// last calls come after everything of it has gone.
        static SELECTOR: Option<&'static AtomicU8> = {
            let selector: &AtomicU8 = Box::leak(Box::new(AtomicU8::new(ALLOW)));
            // SAFETY: the kernel reads one byte, which is never freed.
            let refused = unsafe {
                libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0usize, 0usize, selector.as_ptr())
            };
            (refused == 0).then_some(selector)
        };
    }

    pub fn is_on_duty() -> bool {
        SELECTOR.with(Option::is_some)
    }

    pub fn without_calls<T>(run: impl FnOnce() -> T) -> T {
        let Some(selector) = SELECTOR.with(|selector| *selector) else { return run() };
        selector.store(BLOCK, Ordering::SeqCst);
        let value = run();
        selector.store(ALLOW, Ordering::SeqCst);
        value
    }
}

#[cfg(all(not(rtsan), not(all(target_os = "linux", target_arch = "x86_64"))))]
mod kernel {
    pub fn is_on_duty() -> bool {
        false
    }

    pub fn without_calls<T>(run: impl FnOnce() -> T) -> T {
        run()
    }
}

/// Runs what must neither allocate, lock nor call the system.
pub fn under_the_law<T>(run: impl FnOnce() -> T) -> T {
    police::watch(run)
}

/// Whether calls of the system are seen on this machine; allocations always are.
pub fn sees_calls() -> bool {
    police::is_on_duty()
}

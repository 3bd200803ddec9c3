//! What ggml gives each thread of an operation of its. In: `syrinx_share` of `extra.cpp`. Out: the thread's number, memory, and
//! chunks of the operation, so that one whose core is taken leaves its part to the others.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ops::Range;

use llama_cpp_sys_2 as sys;

unsafe extern "C" {
    fn syrinx_extra_barrier(pool: *mut sys::ggml_threadpool);
    fn syrinx_extra_set_chunk(pool: *mut sys::ggml_threadpool, chunk: c_int);
    fn syrinx_extra_next_chunk(pool: *mut sys::ggml_threadpool) -> c_int;
}

/// A thread's share of an operation, and the memory that is planned for it. `syrinx_share` in `extra.cpp`.
#[repr(C)]
pub(super) struct Share {
    thread: c_int,
    threads: c_int,
    work: *mut c_void,
    work_bytes: usize,
    pool: *mut sys::ggml_threadpool,
}

/// Chunks of an operation for each thread: enough that one whose core is taken leaves its part to the others.
const CHUNKS: usize = 4;

impl Share {
    /// This thread's number and how many there are.
    pub fn of(&self) -> (usize, usize) {
        (self.thread as usize, self.threads as usize)
    }

    /// Memory that all threads of the operation share. None where it is too small or lies askew for blocks of `T`.
    pub fn work<T>(&self, bytes: usize) -> Option<*mut T> {
        let work = self.work.cast::<T>();
        (bytes <= self.work_bytes && !work.is_null() && work.is_aligned()).then_some(work)
    }

    /// Waits for the other threads; then the chunks of the operation may be shared out. What they wrote before is seen after.
    ///
    /// # Safety
    /// ggml gave this share to the thread that calls, and each thread of the operation calls this as often.
    pub unsafe fn meet(&self) {
        // SAFETY: the pool is that of the running operation. The number is set before anybody can have passed the barrier,
        // and nobody uses it any more for the operation before, after which ggml has all threads meet.
        unsafe {
            if self.thread == 0 {
                syrinx_extra_set_chunk(self.pool, self.threads);
            }
            syrinx_extra_barrier(self.pool);
        }
    }

    /// Ranges of `0..count` that are this thread's: its own first, then what is left. To be called once, after
    /// [`Share::meet`].
    ///
    /// # Safety
    /// As for [`Share::meet`].
    pub unsafe fn chunks(&self, count: usize) -> impl Iterator<Item = Range<usize>> {
        let (thread, threads) = self.of();
        let len = if threads == 1 { count } else { count.div_ceil(threads * CHUNKS) };
        let pool = self.pool;
        let mut chunk = thread;
        std::iter::from_fn(move || {
            let start = chunk * len;
            // SAFETY: the pool is that of the running operation.
            (start < count).then(|| chunk = unsafe { syrinx_extra_next_chunk(pool) } as usize)?;
            Some(start..count.min(start + len))
        })
    }
}

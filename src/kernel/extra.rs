//! Kernels of ours inside llama.cpp. In: an operation of a graph that ggml is about to compute. Out: whether ours has
//! computed it.
//!
//! ggml asks "extra buffer types" before it computes an operation itself; `extra.cpp` is one that asks here. It is entered
//! when the program starts ([`register`]), so every program, library and crate that links this one has it, and a processor
//! that lacks the instructions keeps ggml's own kernels. It holds for all of ggml's graphs in the process.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;

use super::{attention, k_quants};

/// A thread's share of an operation, and the memory that is planned for it. `syrinx_share` in `extra.cpp`.
#[repr(C)]
pub(super) struct Share {
    thread: c_int,
    threads: c_int,
    work: *mut c_void,
    work_bytes: usize,
    pool: *mut sys::ggml_threadpool,
}

type Kernel = unsafe extern "C" fn(*const Share, *const sys::ggml_tensor) -> bool;

unsafe extern "C" {
    fn syrinx_extra_register(q4_k: Kernel, q6_k: Kernel, attention: Kernel);
    fn syrinx_extra_barrier(pool: *mut sys::ggml_threadpool);
    fn syrinx_extra_set_chunk(pool: *mut sys::ggml_threadpool, chunk: c_int);
    fn syrinx_extra_next_chunk(pool: *mut sys::ggml_threadpool) -> c_int;
    fn syrinx_extra_round_four(x: *const f32, to: *mut c_void, len: i64);
}

/// Rounds four columns of `len` activations, one behind the other, to ggml's `block_q8_Kx4`: by ggml's own function, which
/// gives each the bits that it has alone.
///
/// # Safety
/// `x` holds the columns, `len` is a multiple of 256, and `to` has room for as many blocks of 1168 bytes as a column has of 256.
pub(super) unsafe fn round_four(x: *const f32, to: *mut c_void, len: usize) {
    // SAFETY: required of the caller.
    unsafe { syrinx_extra_round_four(x, to, len as i64) }
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

/// Which of ours have computed an operation of ggml's.
pub(super) struct Seen {
    pub q4_k: AtomicBool,
    pub q6_k: AtomicBool,
    pub attention: AtomicBool,
}

pub(super) static SEEN: Seen =
    Seen { q4_k: AtomicBool::new(false), q6_k: AtomicBool::new(false), attention: AtomicBool::new(false) };

/// Notes what was computed: once only, so that the cache line stays with all cores.
fn note(seen: &AtomicBool, computed: bool) -> bool {
    if computed && !seen.load(Ordering::Relaxed) {
        seen.store(true, Ordering::Relaxed);
    }
    computed
}

/// Has ggml ask for our kernels from now on, where this processor can run them. Gives the name of the set that it was seen
/// to run, or `ggml` for its own.
///
/// # Safety
/// Called once, while no graph is computed.
pub(crate) unsafe fn register() -> &'static str {
    let Some(kernels) = k_quants::Kernels::active() else { return super::GGMLS };
    // SAFETY: required of the caller; ggml calls the functions with what they ask for, and only here, where the processor
    // has their instructions.
    unsafe { syrinx_extra_register(q4_k, q6_k, attention) };
    if probe().is_none() || !SEEN.q6_k.load(Ordering::Relaxed) {
        log::warn!("llama.cpp does not call Syrinx's kernels and computes with its own, which is slower");
        return super::GGMLS;
    }
    kernels.name
}

/// Has ggml compute a product of one row with itself.
fn probe() -> Option<()> {
    const BYTES: usize = 64 << 10;
    const WIDTH: i64 = 256;
    // SAFETY: ggml's memory holds the tensors and the graph of one node, some kilobytes together; data is set within the
    // tensors' sizes; the work has the bytes that are planned; all is freed after its last use.
    unsafe {
        let params = sys::ggml_init_params { mem_size: BYTES, mem_buffer: std::ptr::null_mut(), no_alloc: false };
        let context = sys::ggml_init(params);
        if context.is_null() {
            return None;
        }
        let weights = sys::ggml_new_tensor_2d(context, sys::GGML_TYPE_Q6_K, WIDTH, 1);
        let x = sys::ggml_new_tensor_2d(context, sys::GGML_TYPE_F32, WIDTH, 1);
        for tensor in [weights, x] {
            (*tensor).data.cast::<u8>().write_bytes(0, sys::ggml_nbytes(tensor));
        }
        let graph = sys::ggml_new_graph_custom(context, 4, false);
        sys::ggml_build_forward_expand(graph, sys::ggml_mul_mat(context, weights, x));
        let mut plan = sys::ggml_graph_plan(graph, 1, std::ptr::null_mut());
        let mut work = vec![0u8; plan.work_size];
        plan.work_data = work.as_mut_ptr();
        let status = sys::ggml_graph_compute(graph, &mut plan);
        sys::ggml_free(context);
        (status == sys::GGML_STATUS_SUCCESS).then_some(())
    }
}

/// # Safety
/// ggml calls it, on every thread of the operation, for a product of activations with Q4_K in eights of rows; the processor
/// has the instructions of [`k_quants::Kernels::active`].
unsafe extern "C" fn q4_k(share: *const Share, op: *const sys::ggml_tensor) -> bool {
    // SAFETY: both live during the call; the rest is required of the caller.
    note(&SEEN.q4_k, unsafe { k_quants::q4_k(&*share, &*op) })
}

/// # Safety
/// As for [`q4_k`], with Q6_K as it is in the file.
unsafe extern "C" fn q6_k(share: *const Share, op: *const sys::ggml_tensor) -> bool {
    // SAFETY: as above.
    note(&SEEN.q6_k, unsafe { k_quants::q6_k(&*share, &*op) })
}

/// # Safety
/// As for [`q4_k`], for a flash attention.
unsafe extern "C" fn attention(share: *const Share, op: *const sys::ggml_tensor) -> bool {
    // SAFETY: as above.
    note(&SEEN.attention, unsafe { attention::compute(&*share, &*op) })
}

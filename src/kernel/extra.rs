//! Kernels of ours inside llama.cpp. In: an operation of a graph that ggml is about to compute. Out: whether ours has
//! computed it.
//!
//! ggml asks "extra buffer types" before it computes an operation itself; `extra.cpp` is one that asks here. It is entered
//! when the program starts ([`register`]), so every program, library and crate that links this one has it, and a processor
//! that lacks the instructions keeps ggml's own kernels. It holds for all of ggml's graphs in the process.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;

use super::share::Share;
use super::{attention, k_quants};

type Kernel = unsafe extern "C" fn(*const Share, *const sys::ggml_tensor) -> bool;

unsafe extern "C" {
    fn syrinx_extra_register(q4_k: Kernel, q6_k: Kernel, attention: Kernel);
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

/// Has ggml compute a product of one row.
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

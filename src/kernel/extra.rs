//! Kernels of ours inside llama.cpp. In: an operation of a graph that ggml is about to compute. Out: whether ours has
//! computed it.
//!
//! ggml asks "extra buffer types" before it computes an operation itself; `extra.cpp` is one that asks here, on ARM
//! `eights/buffer.cpp`, which holds weights too. It is entered
//! when the program starts ([`register`]), so every program, library and crate that links this one has it, and a processor
//! that lacks the instructions keeps ggml's own kernels. It holds for all of ggml's graphs in the process.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;

use super::attention;
#[cfg(target_arch = "aarch64")]
use super::eights as products;
#[cfg(target_arch = "x86_64")]
use super::k_quants as products;
use super::share::Share;

type Kernel = unsafe extern "C" fn(*const Share, *const sys::ggml_tensor) -> bool;

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
    let Some(kernels) = products::Kernels::active() else { return super::GGMLS };
    // SAFETY: required of the caller; ggml calls the functions with what they ask for, and only here, where the processor
    // has their instructions.
    unsafe { enter() };
    if probe().is_none() || !SEEN.q6_k.load(Ordering::Relaxed) {
        log::warn!("llama.cpp does not call Syrinx's kernels and computes with its own, which is slower");
        return super::GGMLS;
    }
    kernels.name
}

/// # Safety
/// As for [`register`], and the processor has the instructions.
#[cfg(target_arch = "x86_64")]
unsafe fn enter() {
    unsafe extern "C" {
        fn syrinx_extra_register(q4_k: Kernel, q6_k: Kernel, attention: Kernel);
    }
    // ggml copies its list of places for weights when it is first asked: now, before there is ours, which is none.
    super::extra_buffer_types();
    // SAFETY: required of the caller.
    unsafe { syrinx_extra_register(q4_k, q6_k, attention) };
}

/// # Safety
/// As for [`register`], and the processor has the instructions.
#[cfg(target_arch = "aarch64")]
unsafe fn enter() {
    type Pack = unsafe extern "C" fn(*const sys::ggml_tensor, *const u8, *mut u8, usize) -> bool;
    unsafe extern "C" {
        fn syrinx_eights_register(
            q4_k: Kernel,
            q6_k: Kernel,
            attention: Kernel,
            pack: Pack,
            column_bytes: usize,
            rows: std::ffi::c_int,
        );
    }
    let (bytes, rows) = (products::COLUMN_BYTES, products::ROWS as std::ffi::c_int);
    // SAFETY: required of the caller; `pack` is called with what it asks for.
    unsafe { syrinx_eights_register(q4_k, q6_k, attention, pack, bytes, rows) };
}

/// # Safety
/// `weights` is a tensor of `bytes` bytes, which lie at `from` as in a file; there is room for as many at `to`, elsewhere.
#[cfg(target_arch = "aarch64")]
unsafe extern "C" fn pack(weights: *const sys::ggml_tensor, from: *const u8, to: *mut u8, bytes: usize) -> bool {
    // SAFETY: required of the caller.
    let (weights, from, to) =
        unsafe { (&*weights, std::slice::from_raw_parts(from, bytes), std::slice::from_raw_parts_mut(to, bytes)) };
    let format = match weights.type_ {
        sys::GGML_TYPE_Q4_K => products::Format::Q4K,
        sys::GGML_TYPE_Q6_K => products::Format::Q6K,
        _ => return false,
    };
    products::pack(format, weights.ne[0] as usize, from, to)
}

/// Where weights lie that ours compute with: in a buffer of our own, where llama.cpp will find it.
#[cfg(target_arch = "aarch64")]
pub(super) fn place() -> Option<sys::ggml_backend_buffer_type_t> {
    // SAFETY: a type of ggml's list, which lives as long as the program, as its name does.
    let name = |kind| unsafe { std::ffi::CStr::from_ptr(sys::ggml_backend_buft_name(kind)) };
    super::extra_buffer_types().into_iter().find(|&kind| name(kind) == c"SYRINX")
}

/// As they are in the file.
#[cfg(target_arch = "x86_64")]
fn place() -> Option<sys::ggml_backend_buffer_type_t> {
    // SAFETY: a constant of ggml's.
    Some(unsafe { sys::ggml_backend_cpu_buffer_type() })
}

/// Has ggml compute a product of a few rows.
fn probe() -> Option<()> {
    const BYTES: usize = 64 << 10;
    const SIZES: (i64, i64) = (256, 8);
    let place = place()?;
    // SAFETY: ggml's memory holds the tensors and the graph of one node, some kilobytes together, but for the weights, which
    // have a buffer of their own; data is set within the tensors' sizes; the work has the bytes that are planned; all is freed
    // after its last use.
    unsafe {
        let context = |no_alloc| {
            let params = sys::ggml_init_params { mem_size: BYTES, mem_buffer: std::ptr::null_mut(), no_alloc };
            std::ptr::NonNull::new(sys::ggml_init(params))
        };
        let (context, of_weights) = (context(false)?, context(true)?);
        let weights = sys::ggml_new_tensor_2d(of_weights.as_ptr(), sys::GGML_TYPE_Q6_K, SIZES.0, SIZES.1);
        let x = sys::ggml_new_tensor_2d(context.as_ptr(), sys::GGML_TYPE_F32, SIZES.0, 1);
        (*x).data.cast::<u8>().write_bytes(0, sys::ggml_nbytes(x));
        let buffer = sys::ggml_backend_alloc_ctx_tensors_from_buft(of_weights.as_ptr(), place);
        let mut computed = None;
        if !buffer.is_null() {
            let zeros = vec![0u8; sys::ggml_nbytes(weights)];
            sys::ggml_backend_tensor_set(weights, zeros.as_ptr().cast(), 0, zeros.len());
            let graph = sys::ggml_new_graph_custom(context.as_ptr(), 4, false);
            sys::ggml_build_forward_expand(graph, sys::ggml_mul_mat(context.as_ptr(), weights, x));
            let mut plan = sys::ggml_graph_plan(graph, 1, std::ptr::null_mut());
            let mut work = vec![0u8; plan.work_size];
            plan.work_data = work.as_mut_ptr();
            let status = sys::ggml_graph_compute(graph, &mut plan);
            computed = (status == sys::GGML_STATUS_SUCCESS).then_some(());
            sys::ggml_backend_buffer_free(buffer);
        }
        sys::ggml_free(of_weights.as_ptr());
        sys::ggml_free(context.as_ptr());
        computed
    }
}

/// # Safety
/// ggml calls it, on every thread of the operation, for a product of activations with Q4_K in eights of rows; the processor
/// has the instructions of [`products::Kernels::active`].
unsafe extern "C" fn q4_k(share: *const Share, op: *const sys::ggml_tensor) -> bool {
    // SAFETY: both live during the call; the rest is required of the caller.
    note(&SEEN.q4_k, unsafe { products::q4_k(&*share, &*op) })
}

/// # Safety
/// As for [`q4_k`], with Q6_K: on x86 as it is in the file, on ARM in eights of rows.
unsafe extern "C" fn q6_k(share: *const Share, op: *const sys::ggml_tensor) -> bool {
    // SAFETY: as above.
    note(&SEEN.q6_k, unsafe { products::q6_k(&*share, &*op) })
}

/// # Safety
/// As for [`q4_k`], for a flash attention.
unsafe extern "C" fn attention(share: *const Share, op: *const sys::ggml_tensor) -> bool {
    // SAFETY: as above.
    note(&SEEN.attention, unsafe { attention::compute(&*share, &*op) })
}

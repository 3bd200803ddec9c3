//! Products of quantised weights with a few activation columns: where the time of the flow head and codec goes.
//!
//! In: a [`Matrix`] out of a pack and [`Columns`] of activations. Out: `y = W·x` in `f32`. Nothing above this module
//! knows of blocks, instruction sets or threads: the kernel set is chosen once at run time ([`isa`]), the weights are
//! packed once into the order that it streams ([`layout`]), and the rows are shared out over a [`Pool`].
//!
//! As in ggml, activations that meet quantised weights are rounded to 8-bit blocks first, once for all rows. Every
//! output value is summed in one fixed order ([`product`]), so neither the instruction set nor the number of threads or
//! of columns in a call changes a bit of it.
//!
//! llama.cpp gets kernels from here as well, by way of [`extra`]: `k_quants` on x86, `eights` on ARM, and [`attention`] stand in
//! for ggml's own where a step of the backbone spends its time.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avxvnni;
mod bandwidth;
mod buffers;
mod columns;
#[cfg(target_arch = "aarch64")]
mod dotprod;
#[cfg(target_arch = "aarch64")]
mod eights;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod extra;
mod heads;
#[cfg(target_arch = "aarch64")]
mod i8mm;
pub mod isa;
#[cfg(target_arch = "x86_64")]
mod k_quants;
mod layout;
mod matrix;
#[cfg(target_arch = "aarch64")]
mod neon;
pub mod ops;
mod pool;
mod product;
mod rows;
mod scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod share;
#[cfg(test)]
mod tests;
mod throughput;

pub use bandwidth::{Bandwidth, Pages, last_cache_bytes};
pub(crate) use buffers::extra_buffer_types;
pub use columns::Columns;
pub use heads::Heads;
pub use isa::Isa;
pub use matrix::Matrix;
pub use pool::{Pool, allowed_threads};
pub use throughput::Throughput;

/// Name of ggml's own kernels, where a set's is asked for.
const GGMLS: &str = "ggml";

/// Puts our kernels into llama.cpp, where there are any for this processor. Gives the name of the set that computes there.
///
/// # Safety
/// Called once, while nothing of ggml's computes.
#[allow(unsafe_code)]
pub(crate) unsafe fn register() -> &'static str {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: required of the caller.
    let name = unsafe { extra::register() };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let name = GGMLS;
    name
}

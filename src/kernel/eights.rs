//! Products with Q4_K and Q6_K on ARM: four fifths of a step of a large backbone, and most of a prompt's time.
//!
//! In: a product of ggml's graph ([`super::extra`]) whose weights lie in a buffer of ours. Out: the bits of the plain sums
//! (`tests.rs` has them), whatever the set, the threads and the columns that come together. ggml's own are chosen when it is
//! compiled, so a program for every ARM did without dot products; and they spend a third of their instructions on unpacking
//! scales. Ours are chosen when the program starts, out of one layout ([`layout`]) that suits all sets.

#![allow(unsafe_code)]

mod dotprod;
mod i8mm;
mod layout;
mod mul_mat;
mod neon;
mod rounding;
#[cfg(test)]
mod tests;

use super::Isa;
pub(super) use layout::{Format, pack};
use layout::{Q4Rows, Q6Rows};
pub(super) use mul_mat::{q4_k, q6_k};

/// Weights of a block.
const BLOCK: usize = 256;
/// Rows that are computed together, one to a lane of two registers.
pub(super) const ROWS: usize = 8;
/// Columns that are computed together where there are so many.
const COLUMNS: usize = 4;

/// A block of rounded activations, in the values that ggml gives them.
#[repr(C)]
struct Activations {
    scale: f32,
    /// From -127 to 127.
    quants: [i8; BLOCK],
    /// Of 32 quants each.
    sums: [i16; BLOCK / 32],
}

/// The same block of four columns.
#[repr(C)]
struct FourActivations {
    scales: [f32; COLUMNS],
    /// Eight of each column in turn.
    quants: [[[i8; 8]; COLUMNS]; BLOCK / 8],
    sums: [[i16; BLOCK / 32]; COLUMNS],
}

// Blocks of four columns take the room of four of one.
const _: () = assert!(size_of::<FourActivations>() == COLUMNS * size_of::<Activations>());
const _: () = assert!(align_of::<FourActivations>() == align_of::<Activations>());

/// Bytes of rounded activations, to a block.
pub(super) const COLUMN_BYTES: usize = size_of::<Activations>();

/// What eight rows give for each of `N` columns.
type Sums<const N: usize> = [[f32; ROWS]; N];

/// Kernels of one instruction set. Weights and activations have as many blocks as each other.
pub(super) struct Kernels {
    pub name: &'static str,
    q4_k: unsafe fn(&[Q4Rows], &[Activations]) -> Sums<1>,
    q4_k_columns: unsafe fn(&[Q4Rows], &[FourActivations]) -> Sums<COLUMNS>,
    q6_k: unsafe fn(&[Q6Rows], &[Activations]) -> Sums<1>,
    q6_k_columns: unsafe fn(&[Q6Rows], &[FourActivations]) -> Sums<COLUMNS>,
}

const NEON: Kernels = Kernels {
    name: "neon",
    q4_k: neon::q4_k,
    q4_k_columns: neon::q4_k_columns,
    q6_k: neon::q6_k,
    q6_k_columns: neon::q6_k_columns,
};
const DOTPROD: Kernels = Kernels {
    name: "dotprod",
    q4_k: dotprod::q4_k,
    q4_k_columns: dotprod::q4_k_columns,
    q6_k: dotprod::q6_k,
    q6_k_columns: dotprod::q6_k_columns,
};
/// A single column leaves half of `smmla` idle.
const I8MM: Kernels =
    Kernels { name: "i8mm", q4_k_columns: i8mm::q4_k_columns, q6_k_columns: i8mm::q6_k_columns, ..DOTPROD };

impl Kernels {
    /// The set in use. None where `SYRINX_ISA` asks for plain Rust: there is none of these, and ggml's own compute.
    pub fn active() -> Option<&'static Self> {
        match Isa::detect() {
            Isa::I8mm if Isa::DotProd.runs_here() => Some(&I8MM),
            Isa::DotProd => Some(&DOTPROD),
            Isa::Neon | Isa::I8mm => Some(&NEON),
            _ => None,
        }
    }
}

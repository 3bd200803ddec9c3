//! Products with ggml's Q4_K and Q6_K on x86: four fifths of a step of a large backbone, and half of a prompt's time.
//!
//! In: a product of ggml's graph ([`super::extra`]). Out: the bits that ggml gives a row that comes alone, and sooner,
//! because ggml's use no VNNI, do not ask for weights ahead of time, and round activations one by one. llama.cpp keeps the
//! graph, the threads and the layout of weights.

#![allow(unsafe_code)]

pub(super) mod amx;
mod avx2;
mod avx512;
mod mul_mat;
#[cfg(test)]
mod tests;

use std::ffi::c_void;

use super::Isa;
pub(super) use mul_mat::{q4_k, q6_k};

/// Weights of a block.
const BLOCK: usize = 256;
/// Rows that ggml interleaves in Q4_K.
const ROWS: usize = 8;
/// Bytes from the weights in use to those that are asked for. From 3 KiB on, half of them have left the first cache of
/// an Intel core before they are used.
const AHEAD: usize = 2 << 10;

/// Activations: ggml's `block_q8_K`.
#[repr(C)]
struct Activations {
    scale: f32,
    quants: [i8; BLOCK],
    /// Of sixteen quants each.
    sums: [i16; BLOCK / 16],
}

/// Four rows of activations: ggml's `block_q8_Kx4`.
#[repr(C)]
struct FourActivations {
    scales: [f32; 4],
    /// Eight of each row in turn.
    quants: [[[i8; 8]; 4]; BLOCK / 8],
    /// Of sixteen quants each: for each 64 four of each row.
    sums: [[[i16; 4]; 4]; BLOCK / 64],
}

/// A block of each of eight rows: ggml's `block_q4_Kx8`. Its weights are `scale · sub-scale · quant - least · sub-least`,
/// the sub-scales for 32 weights each.
#[repr(C)]
struct Q4Rows {
    scales: [u16; ROWS],
    leasts: [u16; ROWS],
    /// For each 32 weights the 6-bit sub-scales and sub-leasts of the eight rows.
    packed: [[[u8; 4]; 3]; BLOCK / 32],
    /// For each 64 weights four times eight bytes of each row: the first 32 weights in the low bits, the others above.
    quants: [[u8; ROWS * 8]; BLOCK / 16],
}

/// A block of one row: ggml's `block_q6_K`. Its weights are `scale · sub-scale · (quant - 32)`, the sub-scales for 16
/// weights each.
#[repr(C)]
struct Q6Block {
    /// For each 128 weights the low four bits: the first 64, and above them the others.
    low: [[u8; 64]; 2],
    /// The two bits above, of weights 0.. in the lowest two bits, then of 32.., 64.., 96...
    high: [[u8; 32]; 2],
    sub_scales: [i8; BLOCK / 16],
    scale: u16,
}

const _: () = assert!(size_of::<Activations>() == 292 && size_of::<FourActivations>() == 1168);
const _: () = assert!(size_of::<Q4Rows>() == 1152 && size_of::<Q6Block>() == 210);

unsafe extern "C" {
    fn syrinx_extra_round_four(x: *const f32, to: *mut c_void, len: i64);
}

/// Rounds four columns of `len` activations, one behind the other, to ggml's `block_q8_Kx4`: by ggml's own function, which
/// gives each the bits that it has alone.
///
/// # Safety
/// `x` holds the columns, `len` is a multiple of 256, and `to` has room for as many blocks of 1168 bytes as a column has of 256.
unsafe fn round_four(x: *const f32, to: *mut c_void, len: usize) {
    // SAFETY: required of the caller.
    unsafe { syrinx_extra_round_four(x, to, len as i64) }
}

/// A block of one or several columns of activations.
trait Columns {
    fn scale(&self, column: usize) -> f32;
    /// Quants `8 · group..` of a column.
    fn eight(&self, column: usize, group: usize) -> [i8; 8];
    /// Of 32 quants each.
    fn sums(&self, column: usize) -> [i16; BLOCK / 32];
}

impl Columns for Activations {
    #[inline(always)]
    fn scale(&self, _: usize) -> f32 {
        self.scale
    }

    #[inline(always)]
    fn eight(&self, _: usize, group: usize) -> [i8; 8] {
        self.quants.as_chunks().0[group]
    }

    #[inline(always)]
    fn sums(&self, _: usize) -> [i16; BLOCK / 32] {
        std::array::from_fn(|i| self.sums[i * 2].wrapping_add(self.sums[i * 2 + 1]))
    }
}

impl Columns for FourActivations {
    #[inline(always)]
    fn scale(&self, column: usize) -> f32 {
        self.scales[column]
    }

    #[inline(always)]
    fn eight(&self, column: usize, group: usize) -> [i8; 8] {
        self.quants[group][column]
    }

    #[inline(always)]
    fn sums(&self, column: usize) -> [i16; BLOCK / 32] {
        std::array::from_fn(|i| {
            let four = self.sums[i / 2][column];
            four[i % 2 * 2].wrapping_add(four[i % 2 * 2 + 1])
        })
    }
}

impl Q4Rows {
    /// Sub-scales and sub-leasts of the eight rows, for each 32 weights: one byte per row, the first lowest. ggml packs
    /// 12 bytes as `get_scale_min_k4` of its own rows.
    #[inline(always)]
    fn unpack(&self) -> ([u64; 8], [u64; 8]) {
        let (mut scales, mut leasts) = ([0; 8], [0; 8]);
        for (i, packed) in self.packed.iter().enumerate() {
            let [a, b, c] = packed.map(u32::from_le_bytes);
            let join = |first: u32, low: u32| {
                let second = (low & 0x0f0f_0f0f) | ((first >> 2) & 0x3030_3030);
                u64::from(first & 0x3f3f_3f3f) | u64::from(second) << 32
            };
            scales[i] = join(a, c);
            leasts[i] = join(b, c >> 4);
        }
        (scales, leasts)
    }
}

/// A kernel for many columns: weights, columns of blocks, sixteen results for each column.
type Many = unsafe fn(&amx::Tiles, [&[Q4Rows]; 2], &[Activations], &mut [[f32; amx::SIDE]]);

/// Kernels of one instruction set. Weights and activations have as many blocks as each other.
pub(super) struct Kernels {
    pub name: &'static str,
    /// Eight rows of Q4_K.
    q4_k: unsafe fn(&[Q4Rows], &[Activations]) -> [[f32; ROWS]; 1],
    /// The same for four columns.
    q4_k_columns: unsafe fn(&[Q4Rows], &[FourActivations]) -> [[f32; ROWS]; 4],
    /// Two times eight rows for many columns.
    q4_k_many: Option<Many>,
    /// One row of Q6_K.
    q6_k: unsafe fn(&[Q6Block], &[Activations]) -> f32,
}

const AVX2: Kernels =
    Kernels { name: "avx2", q4_k: avx2::q4_k, q4_k_columns: avx2::q4_k, q4_k_many: None, q6_k: avx2::q6_k };
const AVX512: Kernels =
    Kernels { name: "avx512vnni", q4_k: avx512::q4_k, q4_k_columns: avx512::q4_k, q4_k_many: None, q6_k: avx512::q6_k };
const AMX: Kernels = Kernels { name: "amx", q4_k_many: Some(amx::q4_k), ..AVX512 };

impl Kernels {
    /// The set in use. None on a processor without AVX2, FMA and F16C, which all of them need.
    pub fn active() -> Option<&'static Self> {
        match Isa::detect() {
            Isa::Amx => Some(&AMX),
            Isa::Avx512Vnni => Some(&AVX512),
            _ => Isa::Avx2.runs_here().then_some(&AVX2),
        }
    }
}

//! Kernels for Arm with `sdot`: tiles of 8 rows, one per lane of two registers. Four bytes of each row meet the same
//! four of a column, taken out of a register that holds sixteen: one `sdot` by element for four rows.

#![allow(unsafe_code)]

use std::arch::aarch64::*;

use super::columns::{self, BLOCK, BlockQ8};
use super::isa::Kernels;
use super::layout::{Layout, Tile};
use super::neon::{F16, F32, ROWS, high, low, scaled, store};
use super::ops;
use super::product::{Kernel, Sums, product};

pub(super) static KERNELS: Kernels = Kernels {
    layout: Layout { rows: ROWS, group: 4, flip_q8: 0 },
    f32: product::<F32>,
    f16: product::<F16>,
    q8_0: product::<Q8>,
    q4_0: product::<Q4>,
    quantise: columns::quantise,
    ops: &ops::PLAIN,
};

struct Q8;
struct Q4;

/// `sum + w · x`, with four bytes of `x` from `4 * LANE` on for all rows. (The intrinsic is not stable.)
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot<const LANE: usize>(sum: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    let mut out = sum;
    // SAFETY: registers alone, and the instruction that this function is compiled for.
    unsafe {
        std::arch::asm!(
            "sdot {out:v}.4s, {w:v}.16b, {x:v}.4b[{lane}]",
            out = inout(vreg) out, w = in(vreg) w, x = in(vreg) x, lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    out
}

/// Sixteen inputs: `w[2 * lane + half]` has four bytes of the rows `4 * half` to `4 * half + 3`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_sixteen(sum: &mut [int32x4_t; 2], w: &[int8x16_t; 8], x: int8x16_t) {
    for half in 0..2 {
        let s = dot::<0>(sum[half], w[half], x);
        let s = dot::<1>(s, w[2 + half], x);
        let s = dot::<2>(s, w[4 + half], x);
        sum[half] = dot::<3>(s, w[6 + half], x);
    }
}

/// Sixteen bytes of each of the eight rows.
///
/// # Safety
/// `weights` points to 128 bytes.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn sixteen(weights: *const u8) -> [int8x16_t; 8] {
    let mut w = [vdupq_n_s8(0); 8];
    for (i, w) in w.iter_mut().enumerate() {
        // SAFETY: as required of the caller.
        *w = unsafe { vld1q_s8(weights.add(16 * i).cast()) };
    }
    w
}

/// Both halves of a block times both halves of a column's.
///
/// # Safety
/// All columns have block `b`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn dot_blocks<const N: usize>(
    x: &[&[BlockQ8]; N],
    b: usize,
    first: &[int8x16_t; 8],
    second: &[int8x16_t; 8],
    sums: &mut [[int32x4_t; 2]; N],
) {
    for c in 0..N {
        // SAFETY: as required of the caller; a block has 32 bytes.
        unsafe {
            let x = x[c].get_unchecked(b).quants.as_ptr();
            dot_sixteen(&mut sums[c], first, vld1q_s8(x));
            dot_sixteen(&mut sums[c], second, vld1q_s8(x.add(16)));
        }
    }
}

impl Kernel for Q8 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK;
    const SCALES: usize = 1;

    #[target_feature(enable = "neon,dotprod")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let mut total = [[vdupq_n_f32(0.0); 2]; N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 32 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK);
                let mut sums = [[vdupq_n_s32(0); 2]; N];
                dot_blocks(&x, b, &sixteen(weights), &sixteen(weights.add(128)), &mut sums);
                scaled(tile, b, &x, &sums, &mut total);
            }
        }
        store(&total, y);
    }
}

impl Kernel for Q4 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK / 2;
    const SCALES: usize = 1;

    #[target_feature(enable = "neon,dotprod")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let mut total = [[vdupq_n_f32(0.0); 2]; N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 16 bytes of values and 8 scales.
            unsafe {
                let bytes = sixteen(tile.values.as_ptr().add(b * ROWS * BLOCK / 2));
                let mut sums = [[vdupq_n_s32(0); 2]; N];
                for c in 0..N {
                    sums[c] = [vdupq_n_s32(x[c].get_unchecked(b).offset); 2];
                }
                dot_blocks(&x, b, &low(&bytes), &high(&bytes), &mut sums);
                scaled(tile, b, &x, &sums, &mut total);
            }
        }
        store(&total, y);
    }
}

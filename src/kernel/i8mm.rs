//! Kernels for Arm with `smmla`: tiles of 8 rows in pairs. One instruction multiplies eight bytes of two rows with the
//! same of two columns into four sums, so columns go in pairs too; an odd last one keeps itself company.

#![allow(unsafe_code)]

use std::arch::aarch64::*;

use super::columns::{self, BLOCK, BlockQ8};
use super::isa::Kernels;
use super::layout::{Layout, Tile};
use super::neon::{F16, F32, Pair, ROWS, high, low, rows, scaled, store};
use super::ops;
use super::product::{Kernel, Sums, product};

pub(super) static KERNELS: Kernels = Kernels {
    layout: Layout { rows: ROWS, group: 8, flip_q8: 0 },
    f32: product::<F32>,
    f16: product::<F16>,
    q8_0: product::<Q8>,
    q4_0: product::<Q4>,
    quantise: columns::quantise,
    ops: &ops::PLAIN,
};

struct Q8;
struct Q4;

/// `sum + w · xᵀ` for two rows and two columns of eight bytes: `[row][column]`. (The intrinsic is not stable.)
#[inline]
#[target_feature(enable = "neon,i8mm")]
pub(super) fn multiply(sum: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    let mut out = sum;
    // SAFETY: registers alone, and the instruction that this function is compiled for.
    unsafe {
        std::arch::asm!(
            "smmla {out:v}.4s, {w:v}.16b, {x:v}.16b",
            out = inout(vreg) out, w = in(vreg) w, x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    out
}

/// The sums of a block for all columns, one row to a lane. `w[i]` has the bytes `8 * i` to `8 * i + 7` of all rows.
///
/// # Safety
/// All columns have block `b`.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn block_sums<const N: usize>(
    x: &[&[BlockQ8]; N],
    b: usize,
    w: &[[int8x16_t; 4]; 4],
    with_offset: bool,
) -> [[int32x4_t; 2]; N] {
    let mut sums = [[vdupq_n_s32(0); 2]; N];
    for c in (0..N).step_by(2) {
        let mate = if c + 1 < N { c + 1 } else { c };
        // SAFETY: as required of the caller.
        let (even, odd) = unsafe { (x[c].get_unchecked(b), x[mate].get_unchecked(b)) };
        let mut square = [vdupq_n_s32(0); 4];
        for (i, w) in w.iter().enumerate() {
            // SAFETY: four groups of 8 bytes are a block.
            let x = unsafe {
                vcombine_s8(vld1_s8(even.quants.as_ptr().add(8 * i)), vld1_s8(odd.quants.as_ptr().add(8 * i)))
            };
            for pair in 0..4 {
                square[pair] = multiply(square[pair], w[pair], x);
            }
        }
        // [row][column] of two pairs to four rows of one column.
        for half in 0..2 {
            let (a, b) = (square[2 * half], square[2 * half + 1]);
            let (mut first, mut second) = (vuzp1q_s32(a, b), vuzp2q_s32(a, b));
            if with_offset {
                first = vaddq_s32(first, vdupq_n_s32(even.offset));
                second = vaddq_s32(second, vdupq_n_s32(odd.offset));
            }
            sums[c][half] = first;
            sums[mate][half] = second;
        }
    }
    sums
}

impl Kernel for Q8 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK;
    const SCALES: usize = 1;

    #[target_feature(enable = "neon,i8mm")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let mut total: [Pair; N] = [[vdupq_n_f32(0.0); 2]; N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 32 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK);
                let w = [rows(weights), rows(weights.add(64)), rows(weights.add(128)), rows(weights.add(192))];
                let sums = block_sums(&x, b, &w, false);
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

    #[target_feature(enable = "neon,i8mm")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let mut total: [Pair; N] = [[vdupq_n_f32(0.0); 2]; N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 16 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK / 2);
                let (first, second) = (rows(weights), rows(weights.add(64)));
                let w = [low(&first), low(&second), high(&first), high(&second)];
                let sums = block_sums(&x, b, &w, true);
                scaled(tile, b, &x, &sums, &mut total);
            }
        }
        store(&total, y);
    }
}

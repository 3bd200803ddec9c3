//! Kernels for every 64-bit Arm: tiles of 8 rows, one per lane of two registers. `smull` and `smlal` multiply signed
//! bytes into 16 bits, where two products fit (128 * 127 * 2 < 2^15), and `sadalp` adds pairs into 32. What the
//! other Arm sets share with this one, the float formats and the scaling of a block's sums, is here too.

#![allow(unsafe_code)]

use std::arch::aarch64::*;

use super::columns::{self, BLOCK, BlockQ8};
use super::isa::Kernels;
use super::layout::{Layout, Tile};
use super::ops;
use super::product::{CHAIN, Kernel, Sums, product};

pub(super) const ROWS: usize = 8;

pub(super) static KERNELS: Kernels = Kernels {
    layout: Layout { rows: ROWS, group: 8, flip_q8: 0 },
    f32: product::<F32>,
    f16: product::<F16>,
    q8_0: product::<Q8>,
    q4_0: product::<Q4>,
    quantise: columns::quantise,
    ops: &ops::PLAIN,
};

pub(super) struct F32;
pub(super) struct F16;
struct Q8;
struct Q4;

/// Values of the rows 0 to 3 and 4 to 7.
pub(super) type Pair = [float32x4_t; 2];

/// Weights times columns for the two float formats, which differ in how 8 weights are loaded.
macro_rules! float_kernel {
    ($name:ident, $bytes:literal, $weights:ident => $load:expr) => {
        impl $name {
            /// `total + Σ w·x` over `count` inputs from `start` on.
            ///
            /// # Safety
            /// The tile and the columns hold that many inputs.
            #[inline]
            #[target_feature(enable = "neon")]
            unsafe fn chain<const N: usize>(
                tile: Tile<'_>,
                x: &[&[f32]; N],
                start: usize,
                count: usize,
                total: &mut [Pair; N],
            ) {
                let mut sum = [[vdupq_n_f32(0.0); 2]; N];
                for i in start..start + count {
                    // SAFETY: the tile holds 8 weights for each input, as required of the caller.
                    unsafe {
                        let $weights = tile.values.as_ptr().add(i * ROWS * $bytes);
                        let w: Pair = $load;
                        for c in 0..N {
                            let x = *x[c].get_unchecked(i);
                            sum[c] = [vfmaq_n_f32(sum[c][0], w[0], x), vfmaq_n_f32(sum[c][1], w[1], x)];
                        }
                    }
                }
                for c in 0..N {
                    total[c] = [vaddq_f32(total[c][0], sum[c][0]), vaddq_f32(total[c][1], sum[c][1])];
                }
            }
        }

        impl Kernel for $name {
            const ROWS: usize = ROWS;
            type Input = f32;
            const BYTES: usize = $bytes;
            const SCALES: usize = 0;

            #[target_feature(enable = "neon")]
            unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[f32]; N], y: &mut Sums<N>) {
                let (len, rest) = (x[0].len(), x[0].len() % CHAIN);
                let mut total = [[vdupq_n_f32(0.0); 2]; N];
                // SAFETY: the tile holds weights for all inputs of a column.
                unsafe {
                    for start in (0..len - rest).step_by(CHAIN) {
                        Self::chain(tile, &x, start, CHAIN, &mut total);
                    }
                    if rest > 0 {
                        Self::chain(tile, &x, len - rest, rest, &mut total);
                    }
                }
                store(&total, y);
            }
        }
    };
}

float_kernel!(F32, 4, weights => [vld1q_f32(weights.cast()), vld1q_f32(weights.cast::<f32>().add(4))]);
float_kernel!(F16, 2, weights => widen(weights.cast()));

/// Eight f16 as f32.
///
/// # Safety
/// `halves` points to eight.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn widen(halves: *const u16) -> Pair {
    // SAFETY: as required of the caller. The intrinsics for f16 are not stable; `fcvtl` is part of every 64-bit Arm.
    unsafe {
        let halves = vld1q_u16(halves);
        let (low, high): (float32x4_t, float32x4_t);
        std::arch::asm!(
            "fcvtl {low:v}.4s, {halves:v}.4h",
            "fcvtl2 {high:v}.4s, {halves:v}.8h",
            low = out(vreg) low, high = lateout(vreg) high, halves = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags),
        );
        [low, high]
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store<const N: usize>(total: &[Pair; N], y: &mut Sums<N>) {
    for (y, total) in y.iter_mut().zip(total) {
        // SAFETY: a column of `y` has room for 16 rows.
        unsafe {
            vst1q_f32(y.as_mut_ptr(), total[0]);
            vst1q_f32(y.as_mut_ptr().add(4), total[1]);
        }
    }
}

/// `total + sum * (scale * the block's scale)`, with the tile's scales of block `b`.
///
/// # Safety
/// The tile has scales for block `b`, and the columns have that block.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn scaled<const N: usize>(
    tile: Tile<'_>,
    b: usize,
    x: &[&[BlockQ8]; N],
    sum: &[[int32x4_t; 2]; N],
    total: &mut [Pair; N],
) {
    // SAFETY: as required of the caller.
    unsafe {
        let scale = widen(tile.scales.as_ptr().add(b * ROWS));
        for c in 0..N {
            let x = x[c].get_unchecked(b).scale;
            for half in 0..2 {
                let scale = vmulq_n_f32(scale[half], x);
                total[c][half] = vfmaq_f32(total[c][half], vcvtq_f32_s32(sum[c][half]), scale);
            }
        }
    }
}

/// Adds the products of two times eight bytes of four row pairs with the same of a column: in each lane of `sum[pair]`
/// a quarter of a row's sum, rows `2 * pair` and `2 * pair + 1` in the lower and upper half.
#[inline]
#[target_feature(enable = "neon")]
fn add_products(sum: &mut [int32x4_t; 8], w: [&[int8x16_t; 4]; 2], x: [int8x8_t; 2]) {
    for pair in 0..4 {
        let even = vmull_s8(vget_low_s8(w[0][pair]), x[0]);
        let odd = vmull_s8(vget_high_s8(w[0][pair]), x[0]);
        sum[2 * pair] = vpadalq_s16(sum[2 * pair], vmlal_s8(even, vget_low_s8(w[1][pair]), x[1]));
        sum[2 * pair + 1] = vpadalq_s16(sum[2 * pair + 1], vmlal_s8(odd, vget_high_s8(w[1][pair]), x[1]));
    }
}

/// Sums of eight rows, each spread over four lanes, one to a lane.
#[inline]
#[target_feature(enable = "neon")]
fn gather(sum: &[int32x4_t; 8], offset: i32) -> [int32x4_t; 2] {
    let [a, b, c, d, e, f, g, h] = *sum;
    let low = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
    let high = vpaddq_s32(vpaddq_s32(e, f), vpaddq_s32(g, h));
    [vaddq_s32(low, vdupq_n_s32(offset)), vaddq_s32(high, vdupq_n_s32(offset))]
}

/// Eight bytes of a block.
///
/// # Safety
/// `group` is below 4.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn eight(x: &BlockQ8, group: usize) -> int8x8_t {
    // SAFETY: four groups of 8 bytes are the block.
    unsafe { vld1_s8(x.quants.as_ptr().add(8 * group)) }
}

/// Eight bytes of each of the eight rows, by row pairs.
///
/// # Safety
/// `weights` points to 64 bytes.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn rows(weights: *const u8) -> [int8x16_t; 4] {
    let mut w = [vdupq_n_s8(0); 4];
    for (pair, w) in w.iter_mut().enumerate() {
        // SAFETY: as required of the caller.
        *w = unsafe { vld1q_s8(weights.add(16 * pair).cast()) };
    }
    w
}

impl Kernel for Q8 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK;
    const SCALES: usize = 1;

    #[target_feature(enable = "neon")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let mut total = [[vdupq_n_f32(0.0); 2]; N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 32 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK);
                let w = [rows(weights), rows(weights.add(64)), rows(weights.add(128)), rows(weights.add(192))];
                let mut sums = [[vdupq_n_s32(0); 2]; N];
                for c in 0..N {
                    let x = x[c].get_unchecked(b);
                    let mut sum = [vdupq_n_s32(0); 8];
                    add_products(&mut sum, [&w[0], &w[1]], [eight(x, 0), eight(x, 1)]);
                    add_products(&mut sum, [&w[2], &w[3]], [eight(x, 2), eight(x, 3)]);
                    sums[c] = gather(&sum, 0);
                }
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

    #[target_feature(enable = "neon")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let mut total = [[vdupq_n_f32(0.0); 2]; N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 16 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK / 2);
                let (first, second) = (rows(weights), rows(weights.add(64)));
                let w = [low(&first), low(&second), high(&first), high(&second)];
                let mut sums = [[vdupq_n_s32(0); 2]; N];
                for c in 0..N {
                    let x = x[c].get_unchecked(b);
                    let mut sum = [vdupq_n_s32(0); 8];
                    add_products(&mut sum, [&w[0], &w[1]], [eight(x, 0), eight(x, 1)]);
                    add_products(&mut sum, [&w[2], &w[3]], [eight(x, 2), eight(x, 3)]);
                    sums[c] = gather(&sum, x.offset);
                }
                scaled(tile, b, &x, &sums, &mut total);
            }
        }
        store(&total, y);
    }
}

/// The low four bits of each byte, 0 to 15.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn low<const N: usize>(bytes: &[int8x16_t; N]) -> [int8x16_t; N] {
    let mut out = *bytes;
    for out in &mut out {
        *out = vandq_s8(*out, vdupq_n_s8(15));
    }
    out
}

/// The high four bits of each byte, 0 to 15.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn high<const N: usize>(bytes: &[int8x16_t; N]) -> [int8x16_t; N] {
    let mut out = *bytes;
    for out in &mut out {
        *out = vreinterpretq_s8_u8(vshrq_n_u8::<4>(vreinterpretq_u8_s8(*out)));
    }
    out
}

//! Products with keys and values on ARM, eight at a time: the sums and the bits of `avx2.rs`.

use std::arch::aarch64::*;

use super::super::neon::widen;
use super::{BLOCK, HEADS, MAX_DIM};

/// Asks for nothing: values lie at even distances, which these processors foresee.
#[inline(always)]
pub(super) fn ahead(_: *const u8, _: usize) {}

/// A key times the queries of up to four heads.
///
/// # Safety
/// All hold `dim` values, a multiple of eight.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn dots<const N: usize>(queries: &[*const f32; N], key: *const u8, dim: usize) -> [f32; HEADS] {
    let mut sums = [[vdupq_n_f32(0.0); 2]; HEADS];
    for i in (0..dim).step_by(8) {
        // SAFETY: eight of `dim` values each.
        unsafe {
            let key = widen(key.add(i * 2).cast());
            for n in 0..N {
                let query = queries[n].add(i);
                sums[n] = [
                    vfmaq_f32(sums[n][0], vld1q_f32(query), key[0]),
                    vfmaq_f32(sums[n][1], vld1q_f32(query.add(4)), key[1]),
                ];
            }
        }
    }
    let [a, b, c, d] = sums;
    let low = vpaddq_f32(vpaddq_f32(a[0], b[0]), vpaddq_f32(c[0], d[0]));
    let high = vpaddq_f32(vpaddq_f32(a[1], b[1]), vpaddq_f32(c[1], d[1]));
    let mut products = [0f32; HEADS];
    // SAFETY: room for four.
    unsafe { vst1q_f32(products.as_mut_ptr(), vaddq_f32(low, high)) };
    products
}

/// `totals = totals · correction + Σ weight · value`, sixteen values at a time.
///
/// # Safety
/// As many rows as weights, each of `dim` values, a multiple of sixteen.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn add_values<const N: usize>(
    totals: &mut [[f32; MAX_DIM]; N],
    correction: &[f32; HEADS],
    weights: &[[f32; HEADS]],
    rows: &[*const u8; BLOCK],
    dim: usize,
) {
    for i in (0..dim).step_by(16) {
        // SAFETY: sixteen of `dim` values each; four weights to a row.
        unsafe {
            let mut sums = [[vdupq_n_f32(0.0); 4]; N];
            for n in 0..N {
                for part in 0..4 {
                    sums[n][part] = vmulq_n_f32(vld1q_f32(totals[n].as_ptr().add(i + part * 4)), correction[n]);
                }
            }
            for (weights, row) in weights.iter().zip(rows) {
                let [[a, b], [c, d]] = [0, 8].map(|at| widen(row.add((i + at) * 2).cast()));
                let weights = vld1q_f32(weights.as_ptr());
                for n in 0..N {
                    let weight = lane(weights, n);
                    for (sum, values) in sums[n].iter_mut().zip([a, b, c, d]) {
                        *sum = vfmaq_n_f32(*sum, values, weight);
                    }
                }
            }
            for n in 0..N {
                for part in 0..4 {
                    vst1q_f32(totals[n].as_mut_ptr().add(i + part * 4), sums[n][part]);
                }
            }
        }
    }
}

/// One of four, so that a multiplication takes it out of the register.
#[inline]
#[target_feature(enable = "neon")]
fn lane(four: float32x4_t, n: usize) -> f32 {
    match n {
        0 => vgetq_lane_f32::<0>(four),
        1 => vgetq_lane_f32::<1>(four),
        2 => vgetq_lane_f32::<2>(four),
        _ => vgetq_lane_f32::<3>(four),
    }
}

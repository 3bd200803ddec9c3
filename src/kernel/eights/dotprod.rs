//! With `sdot`: four bytes of each of four rows meet the same four activations, taken out of a register that holds sixteen.

use std::arch::aarch64::*;

use super::super::dotprod::dot;
use super::layout::{Q4Rows, Q6Rows};
use super::neon::{
    Pair, Totals, add_scaled, apart, fourfold, high_bits, leasts, leasts_of_four, load, low_bits, per_lane, store,
    two_columns, widened,
};
use super::{Activations, BLOCK, COLUMNS, FourActivations, Sums};

/// # Safety
/// The processor has these instructions.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn q4_k(weights: &[Q4Rows], x: &[Activations]) -> Sums<1> {
    let mut totals = Totals::<1>::none();
    for (w, x) in weights.iter().zip(x) {
        let scales = apart(&w.sub_scales);
        let mut sums = [vdupq_n_s32(0); 2];
        for part in 0..BLOCK / 64 {
            // SAFETY: 64 activations to a part.
            let x: [int8x16_t; 4] =
                std::array::from_fn(|i| unsafe { vld1q_s8(x.quants.as_ptr().add(part * 64 + i * 16)) });
            for half in 0..2 {
                let (mut low, mut high) = (vdupq_n_s32(0), vdupq_n_s32(0));
                for i in 0..2 {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|four| load(&w.quants[part][i * 4 + four][half]));
                    low = four_dots(low, [low_bits(a), low_bits(b), low_bits(c), low_bits(d)], x[i]);
                    high = four_dots(high, [high_bits(a), high_bits(b), high_bits(c), high_bits(d)], x[2 + i]);
                }
                let [of_low, of_high] = per_lane(scales[part], half);
                sums[half] = vmlaq_s32(vmlaq_s32(sums[half], low, of_low), high, of_high);
            }
        }
        totals.add(w, &[x.scale], &[sums], &[leasts(w, &x.sums)]);
    }
    totals.sums()
}

/// # Safety
/// As for [`q4_k`].
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn q4_k_columns(weights: &[Q4Rows], x: &[FourActivations]) -> Sums<COLUMNS> {
    let mut totals = Totals::<COLUMNS>::none();
    for (w, x) in weights.iter().zip(x) {
        let scales = apart(&w.sub_scales);
        let mut sums = [[vdupq_n_s32(0); 2]; COLUMNS];
        for part in 0..BLOCK / 64 {
            for half in 0..2 {
                let (mut low, mut high) = ([vdupq_n_s32(0); COLUMNS], [vdupq_n_s32(0); COLUMNS]);
                for eight in 0..4 {
                    let [a, b] = [0, 1].map(|four| load(&w.quants[part][eight * 2 + four][half]));
                    eight_of_four(&mut low, [low_bits(a), low_bits(b)], two_columns(x, part * 8 + eight));
                    eight_of_four(&mut high, [high_bits(a), high_bits(b)], two_columns(x, part * 8 + 4 + eight));
                }
                let [of_low, of_high] = per_lane(scales[part], half);
                for n in 0..COLUMNS {
                    sums[n][half] = vmlaq_s32(vmlaq_s32(sums[n][half], low[n], of_low), high[n], of_high);
                }
            }
        }
        totals.add(w, &x.scales, &sums, &leasts_of_four(w, x));
    }
    totals.sums()
}

/// # Safety
/// As for [`q4_k`].
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn q6_k(weights: &[Q6Rows], x: &[Activations]) -> Sums<1> {
    let mut totals = [[vdupq_n_f32(0.0); 2]; 1];
    for (w, x) in weights.iter().zip(x) {
        let mut sums = [vdupq_n_s32(0); 2];
        for (sub, quants) in w.quants.iter().enumerate() {
            // SAFETY: sixteen activations to a sub-scale.
            let x = unsafe { vld1q_s8(x.quants.as_ptr().add(sub * 16)) };
            let scales = widened(&w.sub_scales[sub]);
            for half in 0..2 {
                let products = four_dots(vdupq_n_s32(0), fourfold(&quants[half]), x);
                sums[half] = vmlaq_s32(sums[half], products, scales[half]);
            }
        }
        add_scaled(&mut totals, &w.scales, &[x.scale], &[quarter(sums)]);
    }
    store(&totals)
}

/// # Safety
/// As for [`q4_k`].
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn q6_k_columns(weights: &[Q6Rows], x: &[FourActivations]) -> Sums<COLUMNS> {
    let mut totals = [[vdupq_n_f32(0.0); 2]; COLUMNS];
    for (w, x) in weights.iter().zip(x) {
        let mut sums = [[vdupq_n_s32(0); 2]; COLUMNS];
        for (sub, quants) in w.quants.iter().enumerate() {
            let scales = widened(&w.sub_scales[sub]);
            let x = [two_columns(x, sub * 2), two_columns(x, sub * 2 + 1)];
            for half in 0..2 {
                let [a, b, c, d] = fourfold(&quants[half]);
                let mut products = [vdupq_n_s32(0); COLUMNS];
                eight_of_four(&mut products, [a, b], x[0]);
                eight_of_four(&mut products, [c, d], x[1]);
                for n in 0..COLUMNS {
                    sums[n][half] = vmlaq_s32(sums[n][half], products[n], scales[half]);
                }
            }
        }
        add_scaled(&mut totals, &w.scales, &x.scales, &sums.map(|pair| quarter(pair)));
    }
    store(&totals)
}

/// Off the four that [`fourfold`] has multiplied: all are multiples of it. Of 256 · 128 · 127 · 128 the sums still fit.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn quarter(sums: Pair) -> Pair {
    [vshrq_n_s32::<2>(sums[0]), vshrq_n_s32::<2>(sums[1])]
}

/// Sixteen weights of four rows.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn four_dots(sum: int32x4_t, w: [int8x16_t; 4], x: int8x16_t) -> int32x4_t {
    dot::<3>(dot::<2>(dot::<1>(dot::<0>(sum, w[0], x), w[1], x), w[2], x), w[3], x)
}

/// Eight weights of four rows for four columns.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn eight_of_four(sums: &mut [int32x4_t; COLUMNS], w: [int8x16_t; 2], x: [int8x16_t; 2]) {
    for pair in 0..2 {
        sums[pair * 2] = dot::<1>(dot::<0>(sums[pair * 2], w[0], x[pair]), w[1], x[pair]);
        sums[pair * 2 + 1] = dot::<3>(dot::<2>(sums[pair * 2 + 1], w[0], x[pair]), w[1], x[pair]);
    }
}

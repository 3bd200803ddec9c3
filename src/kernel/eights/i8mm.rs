//! With `smmla`: eight bytes of two rows meet eight activations of two columns. For four columns; one alone would leave half of
//! it idle.

use std::arch::aarch64::*;

use super::super::i8mm::multiply;
use super::dotprod::quarter;
use super::layout::{Q4Rows, Q6Rows};
use super::neon::{
    Pair, Totals, add_scaled, apart, fourfold, high_bits, leasts_of_four, load, low_bits, per_lane, store, two_columns,
    widened,
};
use super::{BLOCK, COLUMNS, FourActivations, Sums};

/// Of two pairs of rows and two pairs of columns, `[row][column]` each.
type Square = [[int32x4_t; 2]; 2];

/// # Safety
/// The processor has these instructions.
#[target_feature(enable = "neon,i8mm")]
pub(super) unsafe fn q4_k_columns(weights: &[Q4Rows], x: &[FourActivations]) -> Sums<COLUMNS> {
    let mut totals = Totals::<COLUMNS>::none();
    for (w, x) in weights.iter().zip(x) {
        let scales = apart(&w.sub_scales);
        let mut sums: [Square; 2] = [[[vdupq_n_s32(0); 2]; 2]; 2];
        for part in 0..BLOCK / 64 {
            for half in 0..2 {
                let (mut low, mut high) = ([[vdupq_n_s32(0); 2]; 2], [[vdupq_n_s32(0); 2]; 2]);
                for eight in 0..4 {
                    let [first, second] = [0, 1].map(|four| load(&w.quants[part][eight * 2 + four][half]));
                    let pairs = [zip(first, second, false), zip(first, second, true)];
                    add_products(&mut low, pairs.map(|q| low_bits(q)), two_columns(x, part * 8 + eight));
                    add_products(&mut high, pairs.map(|q| high_bits(q)), two_columns(x, part * 8 + 4 + eight));
                }
                let [of_low, of_high] = per_lane(scales[part], half);
                add_sub_scaled(&mut sums[half], low, of_low);
                add_sub_scaled(&mut sums[half], high, of_high);
            }
        }
        totals.add(w, &x.scales, &by_columns(sums), &leasts_of_four(w, x));
    }
    totals.sums()
}

/// # Safety
/// As for [`q4_k_columns`].
#[target_feature(enable = "neon,i8mm")]
pub(super) unsafe fn q6_k_columns(weights: &[Q6Rows], x: &[FourActivations]) -> Sums<COLUMNS> {
    let mut totals = [[vdupq_n_f32(0.0); 2]; COLUMNS];
    for (w, x) in weights.iter().zip(x) {
        let mut sums: [Square; 2] = [[[vdupq_n_s32(0); 2]; 2]; 2];
        for (sub, quants) in w.quants.iter().enumerate() {
            let scales = widened(&w.sub_scales[sub]);
            let x = [two_columns(x, sub * 2), two_columns(x, sub * 2 + 1)];
            for half in 0..2 {
                let [a, b, c, d] = fourfold(&quants[half]).map(|q| vreinterpretq_u8_s8(q));
                let mut products = [[vdupq_n_s32(0); 2]; 2];
                for (x, [first, second]) in x.into_iter().zip([[a, b], [c, d]]) {
                    let pairs = [zip(first, second, false), zip(first, second, true)];
                    add_products(&mut products, pairs.map(|q| vreinterpretq_s8_u8(q)), x);
                }
                add_sub_scaled(&mut sums[half], products, scales[half]);
            }
        }
        add_scaled(&mut totals, &w.scales, &x.scales, &by_columns(sums).map(|pair| quarter(pair)));
    }
    store(&totals)
}

/// Four bytes of four rows, twice: eight bytes of the first two rows, or of the others.
#[inline]
#[target_feature(enable = "neon")]
fn zip(first: uint8x16_t, second: uint8x16_t, others: bool) -> uint8x16_t {
    let (first, second) = (vreinterpretq_u32_u8(first), vreinterpretq_u32_u8(second));
    vreinterpretq_u8_u32(if others { vzip2q_u32(first, second) } else { vzip1q_u32(first, second) })
}

#[inline]
#[target_feature(enable = "neon,i8mm")]
fn add_products(sums: &mut Square, w: [int8x16_t; 2], x: [int8x16_t; 2]) {
    for (sums, w) in sums.iter_mut().zip(w) {
        *sums = [multiply(sums[0], w, x[0]), multiply(sums[1], w, x[1])];
    }
}

/// `scales`: one to a row.
#[inline]
#[target_feature(enable = "neon")]
fn add_sub_scaled(sums: &mut Square, products: Square, scales: int32x4_t) {
    for ((sums, products), scales) in
        sums.iter_mut().zip(products).zip([vzip1q_s32(scales, scales), vzip2q_s32(scales, scales)])
    {
        *sums = [vmlaq_s32(sums[0], products[0], scales), vmlaq_s32(sums[1], products[1], scales)];
    }
}

/// Of both halves of the rows, one row to a lane.
#[inline]
#[target_feature(enable = "neon")]
fn by_columns(sums: [Square; 2]) -> [Pair; COLUMNS] {
    let mut columns = [[vdupq_n_s32(0); 2]; COLUMNS];
    for (half, [first, others]) in sums.into_iter().enumerate() {
        for pair in 0..2 {
            columns[pair * 2][half] = vuzp1q_s32(first[pair], others[pair]);
            columns[pair * 2 + 1][half] = vuzp2q_s32(first[pair], others[pair]);
        }
    }
    columns
}

//! For every 64-bit Arm: `smlal` multiplies bytes and adds up to eight products in 16 bits, which a block's quants allow. Also
//! what all sets share: how the six bits of three bytes come apart, and how a block's sums join those of its rows.

use std::arch::aarch64::*;

use super::super::neon::widen;
use super::layout::{Q4Rows, Q6Rows};
use super::{Activations, BLOCK, COLUMNS, FourActivations, ROWS, Sums};

/// Sums of the rows 0 to 3 and 4 to 7.
pub(super) type Pair = [int32x4_t; 2];

/// # Safety
/// The processor has these instructions.
#[target_feature(enable = "neon")]
pub(super) unsafe fn q4_k(weights: &[Q4Rows], x: &[Activations]) -> Sums<1> {
    let mut totals = Totals::<1>::none();
    for (w, x) in weights.iter().zip(x) {
        let scales = apart(&w.sub_scales);
        let mut sums = [vdupq_n_s32(0); 2];
        for part in 0..BLOCK / 64 {
            let (mut low, mut high) = ([[vdupq_n_s16(0); 2]; 2], [[vdupq_n_s16(0); 2]; 2]);
            for sixteen in 0..2 {
                // SAFETY: twice sixteen are 32 activations, of which a part has twice so many.
                let (of_low, of_high) = unsafe {
                    let x = x.quants.as_ptr().add(part * 64 + sixteen * 16);
                    (repeated(vld1q_s8(x)), repeated(vld1q_s8(x.add(32))))
                };
                for four in 0..4 {
                    for half in 0..2 {
                        let quants = load(&w.quants[part][sixteen * 4 + four][half]);
                        add_products(&mut low[half], low_bits(quants), of_low[four]);
                        add_products(&mut high[half], high_bits(quants), of_high[four]);
                    }
                }
            }
            for half in 0..2 {
                let [of_low, of_high] = per_lane(scales[part], half);
                sums[half] = vmlaq_s32(sums[half], by_rows(low[half]), of_low);
                sums[half] = vmlaq_s32(sums[half], by_rows(high[half]), of_high);
            }
        }
        totals.add(w, &[x.scale], &[sums], &[leasts(w, &x.sums)]);
    }
    totals.sums()
}

/// # Safety
/// As for [`q4_k`].
#[target_feature(enable = "neon")]
pub(super) unsafe fn q4_k_columns(weights: &[Q4Rows], x: &[FourActivations]) -> Sums<COLUMNS> {
    let mut totals = Totals::<COLUMNS>::none();
    for (w, x) in weights.iter().zip(x) {
        let scales = apart(&w.sub_scales);
        let mut sums = [[vdupq_n_s32(0); 2]; COLUMNS];
        for part in 0..BLOCK / 64 {
            for half in 0..2 {
                let mut low = [[vdupq_n_s16(0); 2]; COLUMNS];
                let mut high = low;
                for eight in 0..4 {
                    let [a, b] = [0, 1].map(|four| load(&w.quants[part][eight * 2 + four][half]));
                    eight_of_four(&mut low, [low_bits(a), low_bits(b)], two_columns(x, part * 8 + eight));
                    eight_of_four(&mut high, [high_bits(a), high_bits(b)], two_columns(x, part * 8 + 4 + eight));
                }
                let [of_low, of_high] = per_lane(scales[part], half);
                for n in 0..COLUMNS {
                    sums[n][half] = vmlaq_s32(sums[n][half], by_rows(low[n]), of_low);
                    sums[n][half] = vmlaq_s32(sums[n][half], by_rows(high[n]), of_high);
                }
            }
        }
        totals.add(w, &x.scales, &sums, &leasts_of_four(w, x));
    }
    totals.sums()
}

/// # Safety
/// As for [`q4_k`].
#[target_feature(enable = "neon")]
pub(super) unsafe fn q6_k(weights: &[Q6Rows], x: &[Activations]) -> Sums<1> {
    let mut totals = [[vdupq_n_f32(0.0); 2]; 1];
    for (w, x) in weights.iter().zip(x) {
        let mut sums = [vdupq_n_s32(0); 2];
        for (sub, quants) in w.quants.iter().enumerate() {
            let scales = widened(&w.sub_scales[sub]);
            // SAFETY: sixteen activations to a sub-scale.
            let x = repeated(unsafe { vld1q_s8(x.quants.as_ptr().add(sub * 16)) });
            for half in 0..2 {
                let mut products = [vdupq_n_s16(0); 2];
                for (quants, x) in signed(&quants[half]).into_iter().zip(x) {
                    add_products(&mut products, quants, x);
                }
                sums[half] = vmlaq_s32(sums[half], by_rows(products), scales[half]);
            }
        }
        add_scaled(&mut totals, &w.scales, &[x.scale], &[sums]);
    }
    store(&totals)
}

/// # Safety
/// As for [`q4_k`].
#[target_feature(enable = "neon")]
pub(super) unsafe fn q6_k_columns(weights: &[Q6Rows], x: &[FourActivations]) -> Sums<COLUMNS> {
    let mut totals = [[vdupq_n_f32(0.0); 2]; COLUMNS];
    for (w, x) in weights.iter().zip(x) {
        let mut sums = [[vdupq_n_s32(0); 2]; COLUMNS];
        for (sub, quants) in w.quants.iter().enumerate() {
            let scales = widened(&w.sub_scales[sub]);
            let x = [two_columns(x, sub * 2), two_columns(x, sub * 2 + 1)];
            for half in 0..2 {
                let [a, b, c, d] = signed(&quants[half]);
                let mut products = [[vdupq_n_s16(0); 2]; COLUMNS];
                eight_of_four(&mut products, [a, b], x[0]);
                eight_of_four(&mut products, [c, d], x[1]);
                for n in 0..COLUMNS {
                    sums[n][half] = vmlaq_s32(sums[n][half], by_rows(products[n]), scales[half]);
                }
            }
        }
        add_scaled(&mut totals, &w.scales, &x.scales, &sums);
    }
    store(&totals)
}

/// Four of sixteen activations in each lane of 32 bits, four times. (In words the compiler knows that the halves are alike, and
/// takes the weights' halves apart instead of multiplying them where they are.)
#[inline]
#[target_feature(enable = "neon")]
fn repeated(x: int8x16_t) -> [int8x16_t; 4] {
    let (a, b, c, d): (int8x16_t, int8x16_t, int8x16_t, int8x16_t);
    // SAFETY: registers alone, and instructions of every 64-bit Arm.
    unsafe {
        std::arch::asm!("dup {a:v}.4s, {x:v}.s[0]", a = out(vreg) a, x = in(vreg) x, options(pure, nomem, nostack, preserves_flags));
        std::arch::asm!("dup {a:v}.4s, {x:v}.s[1]", a = out(vreg) b, x = in(vreg) x, options(pure, nomem, nostack, preserves_flags));
        std::arch::asm!("dup {a:v}.4s, {x:v}.s[2]", a = out(vreg) c, x = in(vreg) x, options(pure, nomem, nostack, preserves_flags));
        std::arch::asm!("dup {a:v}.4s, {x:v}.s[3]", a = out(vreg) d, x = in(vreg) x, options(pure, nomem, nostack, preserves_flags));
    }
    [a, b, c, d]
}

/// Eight activations of the columns 0 and 1, and of 2 and 3.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn two_columns(x: &FourActivations, eight: usize) -> [int8x16_t; 2] {
    let x = x.quants[eight].as_flattened().as_ptr();
    // SAFETY: four times eight activations.
    unsafe { [vld1q_s8(x), vld1q_s8(x.add(16))] }
}

/// Eight weights of four rows for four columns.
#[inline]
#[target_feature(enable = "neon")]
fn eight_of_four(sums: &mut [[int16x8_t; 2]; COLUMNS], w: [int8x16_t; 2], x: [int8x16_t; 2]) {
    for pair in 0..2 {
        let [a, b, c, d] = repeated(x[pair]);
        add_products(&mut sums[pair * 2], w[0], a);
        add_products(&mut sums[pair * 2], w[1], b);
        add_products(&mut sums[pair * 2 + 1], w[0], c);
        add_products(&mut sums[pair * 2 + 1], w[1], d);
    }
}

/// Adds the products of sixteen bytes: in each sum four lanes to a row, the first two rows and the others.
#[inline]
#[target_feature(enable = "neon")]
fn add_products(sums: &mut [int16x8_t; 2], w: int8x16_t, x: int8x16_t) {
    *sums = [vmlal_s8(sums[0], vget_low_s8(w), vget_low_s8(x)), vmlal_high_s8(sums[1], w, x)];
}

/// A row's four lanes together. Of two lanes the sum still fits in 16 bits: 16 · 15 · 127, and 8 · 32 · 127.
#[inline]
#[target_feature(enable = "neon")]
fn by_rows(sums: [int16x8_t; 2]) -> int32x4_t {
    vpaddlq_s16(vpaddq_s16(sums[0], sums[1]))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: sixteen bytes.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn low_bits(quants: uint8x16_t) -> int8x16_t {
    vreinterpretq_s8_u8(vandq_u8(quants, vdupq_n_u8(15)))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn high_bits(quants: uint8x16_t) -> int8x16_t {
    vreinterpretq_s8_u8(vshrq_n_u8::<4>(quants))
}

/// Four times sixteen values of six bits.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn apart(bytes: &[[u8; 16]; 3]) -> [uint8x16_t; 4] {
    let [a, b, c] = [load(&bytes[0]), load(&bytes[1]), load(&bytes[2])];
    let six = vdupq_n_u8(63);
    let last = vsriq_n_u8::<6>(vsriq_n_u8::<4>(vshrq_n_u8::<2>(c), b), a);
    [vandq_u8(a, six), vandq_u8(b, six), vandq_u8(c, six), last]
}

/// Four times sixteen values from -32 to 31, four times as large: `layout::join_upper`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn fourfold(bytes: &[[u8; 16]; 3]) -> [int8x16_t; 4] {
    let [a, b, c] = [load(&bytes[0]), load(&bytes[1]), load(&bytes[2])];
    let upper = vdupq_n_u8(0xfc);
    let last = vsliq_n_u8::<6>(vsliq_n_u8::<4>(vshlq_n_u8::<2>(c), b), a);
    [
        vreinterpretq_s8_u8(vandq_u8(a, upper)),
        vreinterpretq_s8_u8(vandq_u8(b, upper)),
        vreinterpretq_s8_u8(vandq_u8(c, upper)),
        vreinterpretq_s8_u8(last),
    ]
}

/// The same as they are.
#[inline]
#[target_feature(enable = "neon")]
fn signed(bytes: &[[u8; 16]; 3]) -> [int8x16_t; 4] {
    let [a, b, c, last] = fourfold(bytes);
    [vshrq_n_s8::<2>(a), vshrq_n_s8::<2>(b), vshrq_n_s8::<2>(c), vshrq_n_s8::<2>(last)]
}

/// The bytes of four rows in lanes of 32 bits, for a sub-block and the next one: `scales` has eight rows' of both.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn per_lane(scales: uint8x16_t, half: usize) -> Pair {
    const FROM: [[[u8; 16]; 2]; 2] = [[lanes(0), lanes(8)], [lanes(4), lanes(12)]];
    let [first, second] = &FROM[half];
    [vreinterpretq_s32_u8(vqtbl1q_u8(scales, load(first))), vreinterpretq_s32_u8(vqtbl1q_u8(scales, load(second)))]
}

/// Where `tbl` finds the four bytes from `first` on; beyond its sixteen it gives zero.
const fn lanes(first: u8) -> [u8; 16] {
    let mut from = [255; 16];
    let mut lane = 0;
    while lane < 4 {
        from[lane * 4] = first + lane as u8;
        lane += 1;
    }
    from
}

/// Signed sub-scales of eight rows.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn widened(scales: &[i8; ROWS]) -> Pair {
    // SAFETY: eight bytes.
    let scales = vmovl_s8(unsafe { vld1_s8(scales.as_ptr()) });
    [vmovl_s16(vget_low_s16(scales)), vmovl_high_s16(scales)]
}

/// The sub-leasts of eight rows times the sums of the activations that they belong to.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn leasts(w: &Q4Rows, sums: &[i16; BLOCK / 32]) -> Pair {
    // SAFETY: eight sums.
    add_leasts(&apart(&w.sub_leasts), unsafe { vld1q_s16(sums.as_ptr()) })
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn leasts_of_four(w: &Q4Rows, x: &FourActivations) -> [Pair; COLUMNS] {
    let subs = apart(&w.sub_leasts);
    let mut total = [[vdupq_n_s32(0); 2]; COLUMNS];
    for n in 0..COLUMNS {
        // SAFETY: as above.
        total[n] = add_leasts(&subs, unsafe { vld1q_s16(x.sums[n].as_ptr()) });
    }
    total
}

#[inline]
#[target_feature(enable = "neon")]
fn add_leasts(subs: &[uint8x16_t; 4], sums: int16x8_t) -> Pair {
    let mut total = [vdupq_n_s32(0); 2];
    two_leasts::<0, 1>(&mut total, subs[0], sums);
    two_leasts::<2, 3>(&mut total, subs[1], sums);
    two_leasts::<4, 5>(&mut total, subs[2], sums);
    two_leasts::<6, 7>(&mut total, subs[3], sums);
    total
}

#[inline]
#[target_feature(enable = "neon")]
fn two_leasts<const FIRST: i32, const SECOND: i32>(total: &mut Pair, subs: uint8x16_t, sums: int16x8_t) {
    let first = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(subs)));
    let second = vreinterpretq_s16_u16(vmovl_high_u8(subs));
    let low = vmlal_laneq_s16::<FIRST>(total[0], vget_low_s16(first), sums);
    let high = vmlal_high_laneq_s16::<FIRST>(total[1], first, sums);
    *total = [
        vmlal_laneq_s16::<SECOND>(low, vget_low_s16(second), sums),
        vmlal_high_laneq_s16::<SECOND>(high, second, sums),
    ];
}

/// Of rows of Q4_K: what scales and what leasts have come to.
pub(super) struct Totals<const N: usize> {
    scaled: [[float32x4_t; 2]; N],
    leasts: [[float32x4_t; 2]; N],
}

impl<const N: usize> Totals<N> {
    #[inline]
    #[target_feature(enable = "neon")]
    pub fn none() -> Self {
        let none = [[vdupq_n_f32(0.0); 2]; N];
        Self { scaled: none, leasts: none }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn add(&mut self, w: &Q4Rows, scales: &[f32; N], sums: &[Pair; N], leasts: &[Pair; N]) {
        add_scaled(&mut self.scaled, &w.scales, scales, sums);
        add_scaled(&mut self.leasts, &w.leasts, scales, leasts);
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn sums(&self) -> Sums<N> {
        let mut total = self.scaled;
        for (total, leasts) in total.iter_mut().zip(&self.leasts) {
            *total = [vsubq_f32(total[0], leasts[0]), vsubq_f32(total[1], leasts[1])];
        }
        store(&total)
    }
}

/// `total + sum · (the rows' scale · the column's)`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn add_scaled<const N: usize>(
    totals: &mut [[float32x4_t; 2]; N],
    of_rows: &[u16; ROWS],
    of_columns: &[f32; N],
    sums: &[Pair; N],
) {
    // SAFETY: eight halves.
    let of_rows = unsafe { widen(of_rows.as_ptr()) };
    for n in 0..N {
        for half in 0..2 {
            let scale = vmulq_n_f32(of_rows[half], of_columns[n]);
            totals[n][half] = vfmaq_f32(totals[n][half], vcvtq_f32_s32(sums[n][half]), scale);
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store<const N: usize>(totals: &[[float32x4_t; 2]; N]) -> Sums<N> {
    let mut sums = [[0f32; ROWS]; N];
    for (sums, total) in sums.iter_mut().zip(totals) {
        // SAFETY: room for eight.
        unsafe {
            vst1q_f32(sums.as_mut_ptr(), total[0]);
            vst1q_f32(sums.as_mut_ptr().add(4), total[1]);
        }
    }
    sums
}

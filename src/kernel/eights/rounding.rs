//! Rounding of activations to 8 bits, a scale to 256 of them: ggml's numbers, sixteen at a time.

use std::arch::aarch64::*;

use super::{Activations, BLOCK, COLUMNS, FourActivations};

impl Activations {
    /// Rounds a block: the largest becomes -127.
    pub fn of(values: &[f32; BLOCK]) -> Self {
        // SAFETY: every 64-bit Arm that Rust's standard library runs on has these instructions.
        unsafe { round(values) }
    }
}

impl FourActivations {
    /// As each is by itself.
    pub fn of(columns: [&Activations; COLUMNS]) -> Self {
        let mut quants = [[[0; 8]; COLUMNS]; BLOCK / 8];
        for (n, column) in columns.iter().enumerate() {
            for (to, eight) in quants.iter_mut().zip(column.quants.as_chunks().0) {
                to[n] = *eight;
            }
        }
        Self { scales: columns.map(|column| column.scale), quants, sums: columns.map(|column| column.sums) }
    }
}

#[target_feature(enable = "neon")]
fn round(values: &[f32; BLOCK]) -> Activations {
    let mut to = Activations { scale: 0.0, quants: [0; BLOCK], sums: [0; BLOCK / 32] };
    // SAFETY: four of 256 values.
    let four = |i: usize| unsafe { vld1q_f32(values.as_ptr().add(i * 4)) };
    let mut largest = [vdupq_n_f32(0.0); 4];
    for i in 0..BLOCK / 16 {
        for (part, largest) in largest.iter_mut().enumerate() {
            // What is not a number does not count.
            *largest = vmaxnmq_f32(*largest, vabsq_f32(four(i * 4 + part)));
        }
    }
    let [a, b, c, d] = largest;
    let largest = vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(a, b), vmaxnmq_f32(c, d)));
    // With the sign of the first, where several are as large.
    let first = values.iter().find(|value| value.abs() == largest);
    let inverse = -127.0 / first.copied().unwrap_or(largest);
    // All are zero, or so small that they would be with any scale.
    if !inverse.is_finite() {
        return to;
    }
    to.scale = 1.0 / inverse;
    for (i, sum) in to.sums.iter_mut().enumerate() {
        let mut total = vdupq_n_s16(0);
        for half in 0..2 {
            let at = (i * 2 + half) * 4;
            let (a, b) = (nearest(four(at), inverse), nearest(four(at + 1), inverse));
            let (c, d) = (nearest(four(at + 2), inverse), nearest(four(at + 3), inverse));
            let (ab, cd) = (vqmovn_high_s32(vqmovn_s32(a), b), vqmovn_high_s32(vqmovn_s32(c), d));
            let quants = vqmovn_high_s16(vqmovn_s16(ab), cd);
            // SAFETY: sixteen of 256 quants.
            unsafe { vst1q_s8(to.quants.as_mut_ptr().add(at * 4), quants) };
            total = vpadalq_s8(total, quants);
        }
        *sum = vaddvq_s16(total);
    }
    to
}

#[inline]
#[target_feature(enable = "neon")]
fn nearest(values: float32x4_t, factor: f32) -> int32x4_t {
    vcvtnq_s32_f32(vmulq_n_f32(values, factor))
}

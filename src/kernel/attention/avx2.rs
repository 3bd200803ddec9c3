//! Products with keys and values by AVX2, eight at a time.

use std::arch::x86_64::*;

use super::{BLOCK, HEADS, MAX_DIM};

/// Asks for a row of `bytes`.
#[inline(always)]
pub(super) fn ahead(row: *const u8, bytes: usize) {
    for line in (0..bytes).step_by(64) {
        // SAFETY: a hint, which faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(line).cast()) };
    }
}

/// A key times the queries of up to four heads.
///
/// # Safety
/// All hold `dim` values, a multiple of eight; the processor has these instructions.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dots<const N: usize>(queries: &[*const f32; N], key: *const u8, dim: usize) -> [f32; HEADS] {
    let mut sums = [_mm256_setzero_ps(); HEADS];
    for i in (0..dim).step_by(8) {
        // SAFETY: eight of `dim` values each.
        unsafe {
            let key = _mm256_cvtph_ps(_mm_loadu_si128(key.add(i * 2).cast()));
            for n in 0..N {
                sums[n] = _mm256_fmadd_ps(_mm256_loadu_ps(queries[n].add(i)), key, sums[n]);
            }
        }
    }
    let pairs = _mm256_hadd_ps(_mm256_hadd_ps(sums[0], sums[1]), _mm256_hadd_ps(sums[2], sums[3]));
    let sums = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps::<1>(pairs));
    // SAFETY: four floats are four floats.
    unsafe { std::mem::transmute(sums) }
}

/// `totals = totals · correction + Σ weight · value`, sixteen values at a time.
///
/// # Safety
/// As many rows as weights, each of `dim` values, a multiple of sixteen; the processor has these instructions.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn add_values<const N: usize>(
    totals: &mut [[f32; MAX_DIM]; N],
    correction: &[f32; HEADS],
    weights: &[[f32; HEADS]],
    rows: &[*const u8; BLOCK],
    dim: usize,
) {
    for i in (0..dim).step_by(16) {
        // SAFETY: sixteen of `dim` values each.
        unsafe {
            let mut sums = [[_mm256_setzero_ps(); 2]; N];
            for ((sums, total), correction) in sums.iter_mut().zip(&*totals).zip(correction) {
                let total = total.as_ptr().add(i);
                let correction = _mm256_set1_ps(*correction);
                *sums = [total, total.add(8)].map(|total| _mm256_mul_ps(_mm256_loadu_ps(total), correction));
            }
            for (weights, row) in weights.iter().zip(rows) {
                let values = [0, 8].map(|at| _mm256_cvtph_ps(_mm_loadu_si128(row.add((i + at) * 2).cast())));
                for (sums, weight) in sums.iter_mut().zip(weights) {
                    let weight = _mm256_set1_ps(*weight);
                    *sums = [0, 1].map(|half| _mm256_fmadd_ps(weight, values[half], sums[half]));
                }
            }
            for (sums, total) in sums.iter().zip(totals.iter_mut()) {
                _mm256_storeu_ps(total.as_mut_ptr().add(i), sums[0]);
                _mm256_storeu_ps(total.as_mut_ptr().add(i + 8), sums[1]);
            }
        }
    }
}

//! With AVX-512 and VNNI: `vpdpbusd` multiplies a block's unsigned quants by the activations and adds fours of them.

use std::arch::x86_64::*;

use super::avx2::{add_scaled, add_signed, ahead, leasts, pairs, sum};
use super::{Activations, Columns, Q4Rows, Q6Block, ROWS};

/// Eight bytes of each of the eight rows meet eight activations: two lanes of sums to a row. They fit in 16 bits
/// (16 · 15 · 128), as do sub-scales, so `vpdpwssd` multiplies one by the other: of its pairs the upper half is zero.
/// For the `N` columns of the blocks.
///
/// # Safety
/// The processor has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) unsafe fn q4_k<C: Columns, const N: usize>(weights: &[Q4Rows], x: &[C]) -> [[f32; ROWS]; N] {
    let low_bits = _mm512_set1_epi8(15);
    let mut totals = [[_mm256_setzero_ps(); 2]; N];
    for (w, x) in weights.iter().zip(x) {
        let (scales, least) = w.unpack();
        ahead(&w.scales, 0);
        ahead(&w.scales, 64);
        let mut sums = [_mm512_setzero_si512(); N];
        for part in 0..4 {
            let (mut low, mut high) = ([_mm512_setzero_si512(); N], [_mm512_setzero_si512(); N]);
            for group in part * 8..part * 8 + 4 {
                let quants = &w.quants[group - part * 4];
                ahead(quants, 0);
                // SAFETY: 64 bytes of weights.
                let quants = unsafe { _mm512_loadu_si512(quants.as_ptr().cast()) };
                let of_low = _mm512_and_si512(quants, low_bits);
                let of_high = _mm512_and_si512(_mm512_srli_epi16::<4>(quants), low_bits);
                for n in 0..N {
                    low[n] = _mm512_dpbusd_epi32(low[n], of_low, broadcast(x.eight(n, group)));
                    high[n] = _mm512_dpbusd_epi32(high[n], of_high, broadcast(x.eight(n, group + 4)));
                }
            }
            let scales = [per_lane(scales[part * 2]), per_lane(scales[part * 2 + 1])];
            for n in 0..N {
                sums[n] = _mm512_dpwssd_epi32(sums[n], low[n], scales[0]);
                sums[n] = _mm512_dpwssd_epi32(sums[n], high[n], scales[1]);
            }
        }
        let least = pairs(&least);
        for n in 0..N {
            let sums = _mm512_cvtepi64_epi32(_mm512_add_epi32(sums[n], _mm512_srli_epi64::<32>(sums[n])));
            add_scaled(&mut totals[n], w, x.scale(n), sums, leasts(&least, x.sums(n)));
        }
    }
    // SAFETY: eight floats are eight floats.
    totals.map(|total| unsafe { std::mem::transmute(_mm256_sub_ps(total[0], total[1])) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast(eight: [i8; 8]) -> __m512i {
    _mm512_set1_epi64(i64::from_ne_bytes(eight.map(|q| q as u8)))
}

/// The byte of a row in both of its lanes.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn per_lane(bytes: u64) -> __m512i {
    _mm512_shuffle_epi32::<0b10_10_00_00>(_mm512_cvtepu8_epi64(_mm_cvtsi64_si128(bytes as i64)))
}

/// 64 weights at a time, four lanes of sums to a sub-scale.
///
/// # Safety
/// The processor has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) unsafe fn q6_k(weights: &[Q6Block], x: &[Activations]) -> f32 {
    let (low_bits, upper_bits) = (_mm512_set1_epi8(15), _mm512_set1_epi8(0x30));
    let per_half = |first, second| _mm512_inserti64x4::<1>(_mm512_set1_epi16(first), _mm256_set1_epi16(second));
    let (left, right) = (per_half(4, 2), per_half(0, 2));
    let fours = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    let mut total = _mm256_setzero_ps();
    for (w, x) in weights.iter().zip(x) {
        for line in 0..4 {
            ahead(w, line * 64);
        }
        // SAFETY: sixteen sub-scales.
        let sub_scales = unsafe { _mm_loadu_si128(w.sub_scales.as_ptr().cast()) };
        let lanes = _mm512_and_si512(_mm512_cvtepi8_epi32(sub_scales), _mm512_set1_epi32(0xffff));
        let mut sums = _mm512_setzero_si512();
        for half in 0..2 {
            // SAFETY: 64 and 32 bytes of weights; 128 activations to a half.
            let (low, high, x) = unsafe {
                let high = _mm512_broadcast_i64x4(_mm256_loadu_si256(w.high[half].as_ptr().cast()));
                let x = x.quants.as_ptr().add(half * 128);
                let x = [_mm512_loadu_si512(x.cast()), _mm512_loadu_si512(x.add(64).cast())];
                (_mm512_loadu_si512(w.low[half].as_ptr().cast()), high, x)
            };
            let quants = [
                _mm512_or_si512(
                    _mm512_and_si512(low, low_bits),
                    _mm512_and_si512(_mm512_sllv_epi16(high, left), upper_bits),
                ),
                _mm512_or_si512(
                    _mm512_and_si512(_mm512_srli_epi16::<4>(low), low_bits),
                    _mm512_and_si512(_mm512_srlv_epi16(high, right), upper_bits),
                ),
            ];
            for (i, (quants, x)) in quants.into_iter().zip(x).enumerate() {
                let first = _mm512_set1_epi32((half * 8 + i * 4) as i32);
                let scales = _mm512_permutexvar_epi32(_mm512_add_epi32(fours, first), lanes);
                let products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), quants, x);
                sums = _mm512_dpwssd_epi32(sums, products, scales);
            }
        }
        let sums = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums));
        total = add_signed(total, w, x, sums);
    }
    sum(total)
}

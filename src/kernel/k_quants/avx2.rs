//! With AVX2: `vpmaddubsw` multiplies a block's unsigned quants by the activations and adds pairs of them in 16 bits. Also
//! what all sets use: the rounding of activations, and how a block's sums join those of its row.

use std::arch::x86_64::*;

use super::super::avx2::largest_lane;
use super::{AHEAD, Activations, BLOCK, Columns, Q4Rows, Q6Block, ROWS};

/// Eight bytes of each row meet eight activations, four rows to a vector. Four such sums fit in 16 bits (4 · 2 · 15 · 128).
/// For the `N` columns of the blocks.
///
/// # Safety
/// The processor has these instructions.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn q4_k<C: Columns, const N: usize>(weights: &[Q4Rows], x: &[C]) -> [[f32; ROWS]; N] {
    let low_bits = _mm256_set1_epi8(15);
    let mut totals = [[_mm256_setzero_ps(); 2]; N];
    for (w, x) in weights.iter().zip(x) {
        let (scales, least) = w.unpack();
        ahead(&w.scales, 0);
        ahead(&w.scales, 64);
        let mut sums = [[_mm256_setzero_si256(); N]; 2];
        for part in 0..4 {
            // Four rows at a time, so that the sums of four columns stay in registers.
            for (rows, sums) in sums.iter_mut().enumerate() {
                let (mut low, mut high) = ([_mm256_setzero_si256(); N], [_mm256_setzero_si256(); N]);
                for group in part * 8..part * 8 + 4 {
                    let quants = &w.quants[group - part * 4];
                    if rows == 0 {
                        ahead(quants, 0);
                    }
                    // SAFETY: twice 32 bytes of weights.
                    let quants = unsafe { _mm256_loadu_si256(quants.as_ptr().add(rows * 32).cast()) };
                    let of_low = _mm256_and_si256(quants, low_bits);
                    let of_high = _mm256_and_si256(_mm256_srli_epi16::<4>(quants), low_bits);
                    for n in 0..N {
                        let products = _mm256_maddubs_epi16(of_low, broadcast(x.eight(n, group)));
                        low[n] = _mm256_add_epi16(low[n], products);
                        let products = _mm256_maddubs_epi16(of_high, broadcast(x.eight(n, group + 4)));
                        high[n] = _mm256_add_epi16(high[n], products);
                    }
                }
                let scales = [per_lane(scales[part * 2], rows), per_lane(scales[part * 2 + 1], rows)];
                for n in 0..N {
                    let scaled =
                        _mm256_add_epi32(_mm256_madd_epi16(low[n], scales[0]), _mm256_madd_epi16(high[n], scales[1]));
                    sums[n] = _mm256_add_epi32(sums[n], scaled);
                }
            }
        }
        let least = pairs(&least);
        for n in 0..N {
            // Adds the two lanes of a row; the rows come out as 0 1 4 5 2 3 6 7.
            let sums = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(sums[0][n], sums[1][n]));
            add_scaled(&mut totals[n], w, x.scale(n), sums, leasts(&least, x.sums(n)));
        }
    }
    // SAFETY: eight floats are eight floats.
    totals.map(|total| unsafe { std::mem::transmute(_mm256_sub_ps(total[0], total[1])) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(eight: [i8; 8]) -> __m256i {
    _mm256_set1_epi64x(i64::from_ne_bytes(eight.map(|q| q as u8)))
}

/// The byte of a row in its four lanes of 16 bits: of the first four rows, or of the others.
#[inline]
#[target_feature(enable = "avx2")]
fn per_lane(bytes: u64, half: usize) -> __m256i {
    const FIRST: [u64; 4] =
        [0x8000_8000_8000_8000, 0x8001_8001_8001_8001, 0x8002_8002_8002_8002, 0x8003_8003_8003_8003];
    let [a, b, c, d] = FIRST.map(|order| (order + half as u64 * 0x0004_0004_0004_0004) as i64);
    _mm256_shuffle_epi8(_mm256_set1_epi64x(bytes as i64), _mm256_set_epi64x(d, c, b, a))
}

/// The sub-leasts of the eight rows for two times 32 weights, in the 16-bit halves of the lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn pairs(least: &[u64; 8]) -> [__m256i; 4] {
    let bytes = least.map(|eight| _mm_cvtsi64_si128(eight as i64));
    std::array::from_fn(|i| _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(bytes[i * 2], bytes[i * 2 + 1])))
}

/// The sub-leasts of the eight rows times the sums of the activations that they belong to.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn leasts(pairs: &[__m256i; 4], sums: [i16; 8]) -> __m256i {
    let mut total = _mm256_setzero_si256();
    for (pair, sums) in pairs.iter().zip(sums.as_chunks::<2>().0) {
        let sums = _mm256_set1_epi32(i32::from(sums[1]) << 16 | i32::from(sums[0]) & 0xffff);
        total = _mm256_add_epi32(total, _mm256_madd_epi16(*pair, sums));
    }
    total
}

/// Adds a block's sums and leasts to those of the rows, in ggml's order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn add_scaled(total: &mut [__m256; 2], w: &Q4Rows, scale: f32, sums: __m256i, leasts: __m256i) {
    let scale = _mm256_set1_ps(scale);
    for (total, (sums, halves)) in total.iter_mut().zip([(sums, &w.scales), (leasts, &w.leasts)]) {
        // SAFETY: eight times 16 bits.
        let halves = unsafe { _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast())) };
        *total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), _mm256_mul_ps(halves, scale), *total);
    }
}

/// 32 weights at a time, four lanes of sums to a sub-scale.
///
/// # Safety
/// The processor has these instructions.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn q6_k(weights: &[Q6Block], x: &[Activations]) -> f32 {
    let (low_bits, upper_bits) = (_mm256_set1_epi8(15), _mm256_set1_epi8(0x30));
    let mut total = _mm256_setzero_ps();
    for (w, x) in weights.iter().zip(x) {
        for line in 0..4 {
            ahead(w, line * 64);
        }
        let mut sums = _mm256_setzero_si256();
        for half in 0..2 {
            // SAFETY: twice 32, and 32 bytes of weights.
            let (low, high) = unsafe {
                let low = [0, 32].map(|at| _mm256_loadu_si256(w.low[half].as_ptr().add(at).cast()));
                (low, _mm256_loadu_si256(w.high[half].as_ptr().cast()))
            };
            let lower = [low[0], low[1], _mm256_srli_epi16::<4>(low[0]), _mm256_srli_epi16::<4>(low[1])];
            let upper =
                [_mm256_slli_epi16::<4>(high), _mm256_slli_epi16::<2>(high), high, _mm256_srli_epi16::<2>(high)];
            for (i, (lower, upper)) in lower.into_iter().zip(upper).enumerate() {
                let quants = _mm256_or_si256(_mm256_and_si256(lower, low_bits), _mm256_and_si256(upper, upper_bits));
                // SAFETY: 128 activations to a half, 32 of them.
                let x = unsafe { _mm256_loadu_si256(x.quants.as_ptr().add(half * 128 + i * 32).cast()) };
                let [first, second] = [0, 1].map(|at| _mm_set1_epi16(w.sub_scales[half * 8 + i * 2 + at].into()));
                let scaled = _mm256_madd_epi16(_mm256_maddubs_epi16(quants, x), _mm256_set_m128i(second, first));
                sums = _mm256_add_epi32(sums, scaled);
            }
        }
        total = add_signed(total, w, x, sums);
    }
    sum(total)
}

/// Adds a block's sums to those of the row, in ggml's order, less the 32 that is in every quant.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn add_signed(total: __m256, w: &Q6Block, x: &Activations, sums: __m256i) -> __m256 {
    // SAFETY: sixteen sums of 16 bits, sixteen sub-scales of 8.
    let (x_sums, sub_scales) =
        unsafe { (_mm256_loadu_si256(x.sums.as_ptr().cast()), _mm_loadu_si128(w.sub_scales.as_ptr().cast())) };
    let offset = _mm256_slli_epi32::<5>(_mm256_madd_epi16(x_sums, _mm256_cvtepi8_epi16(sub_scales)));
    let scale = x.scale * half::f16::from_bits(w.scale).to_f32();
    _mm256_fmadd_ps(_mm256_set1_ps(scale), _mm256_cvtepi32_ps(_mm256_sub_epi32(sums, offset)), total)
}

/// Rounds a block of activations: the largest becomes -127.
///
/// # Safety
/// The processor has these instructions.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn quantise(values: &[f32; BLOCK]) -> Activations {
    let mut to = Activations { scale: 0.0, quants: [0; BLOCK], sums: [0; BLOCK / 16] };
    let sign = _mm256_set1_ps(-0.0);
    // SAFETY: eight of 256 values each.
    let eight = |i: usize| unsafe { _mm256_loadu_ps(values.as_ptr().add(i * 8)) };
    let mut largest = _mm256_setzero_ps();
    for i in 0..BLOCK / 8 {
        // The second operand where the first is not a number.
        largest = _mm256_max_ps(_mm256_andnot_ps(sign, eight(i)), largest);
    }
    let largest = largest_lane(largest);
    if largest == 0.0 {
        return to;
    }
    // With the sign of the first, where several are as large.
    let first = (0..BLOCK / 8).find_map(|i| {
        let equal = _mm256_cmp_ps::<_CMP_EQ_OQ>(_mm256_andnot_ps(sign, eight(i)), _mm256_set1_ps(largest));
        let equal = _mm256_movemask_ps(equal);
        (equal != 0).then(|| values[i * 8 + equal.trailing_zeros() as usize])
    });
    let inverse = -127.0 / first.unwrap_or(largest);
    to.scale = 1.0 / inverse;
    let inverse = _mm256_set1_ps(inverse);
    for i in 0..BLOCK / 32 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|part| _mm256_cvtps_epi32(_mm256_mul_ps(eight(i * 4 + part), inverse)));
        let (ab, cd) = (_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)); // by fours: a b a b, c d c d
        let quants = _mm256_packs_epi16(ab, cd); // a b c d a b c d
        let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        let quants = _mm256_permutevar8x32_epi32(quants, order);
        // Eight sums of four bytes, then four of eight, in the order of the quants.
        let fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), quants), _mm256_set1_epi16(1));
        let mut sums = [0i32; 8];
        // SAFETY: 32 of 256 quants; room for eight sums.
        unsafe {
            _mm256_storeu_si256(to.quants.as_mut_ptr().add(i * 32).cast(), quants);
            _mm256_storeu_si256(sums.as_mut_ptr().cast(), fours);
        }
        for (to, sums) in to.sums[i * 2..].iter_mut().zip(sums.as_chunks::<4>().0) {
            *to = sums.iter().sum::<i32>() as i16; // of 16 · 127: fits
        }
    }
    to
}

/// All lanes, in ggml's order.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum(lanes: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_extractf128_ps::<1>(lanes), _mm256_castps256_ps128(lanes));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

/// Asks for the weights [`AHEAD`] of `at`, and `bytes` more.
#[inline(always)]
pub(super) fn ahead<T>(at: &T, bytes: usize) {
    // SAFETY: a hint, which faults nowhere.
    unsafe { _mm_prefetch::<_MM_HINT_T0>((at as *const T).cast::<i8>().wrapping_add(AHEAD + bytes)) };
}

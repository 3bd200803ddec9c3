//! Kernels for AVX2 with FMA and F16C: tiles of 8 rows, one per lane. Four bytes of each row meet the same four of a
//! column: `vpmaddubsw` multiplies unsigned by signed bytes and adds pairs in 16 bits. The pairs fit: signed weights
//! give their sign to the column's values first (128 * 127 * 2 < 2^15), four-bit weights even allow the sum of a
//! whole block in 16 bits (15 * 127 * 16 < 2^15).

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::columns::{self, BLOCK, BlockQ8};
use super::isa::Kernels;
use super::layout::{Layout, Tile};
use super::ops;
use super::product::{CHAIN, Kernel, Sums, product};

pub(super) const ROWS: usize = 8;
/// Bytes from the weights in use to those that are asked for: two microseconds of one core. Four-bit weights, which keep
/// a core busiest, gain a tenth over 12 KiB.
const AHEAD: usize = 32 << 10;

pub(super) static KERNELS: Kernels = Kernels {
    layout: Layout { rows: ROWS, group: 4, flip_q8: 0 },
    f32: product::<F32>,
    f16: product::<F16>,
    q8_0: product::<Q8>,
    q4_0: product::<Q4>,
    quantise,
    ops: &ops::AVX2,
};

/// [`columns::quantise`] with AVX2. Only for kernel sets that need AVX2.
pub(super) fn quantise(values: &[[f32; BLOCK]], blocks: &mut [BlockQ8]) {
    for (block, values) in blocks.iter_mut().zip(values) {
        // SAFETY: reachable only through a kernel set that the processor was found to have.
        unsafe { quantise_block(values, block) };
    }
}

/// The largest of eight.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn largest_lane(lanes: __m256) -> f32 {
    let half = _mm_max_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let quarter = _mm_max_ps(half, _mm_movehl_ps(half, half));
    _mm_cvtss_f32(_mm_max_ss(quarter, _mm_movehdup_ps(quarter)))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn quantise_block(values: &[f32; BLOCK], block: &mut BlockQ8) {
    let sign = _mm256_set1_ps(-0.0);
    let mut x = [_mm256_setzero_ps(); 4];
    let mut largest = _mm256_setzero_ps();
    for (i, x) in x.iter_mut().enumerate() {
        // SAFETY: four times eight values are the block.
        *x = unsafe { _mm256_loadu_ps(values.as_ptr().add(8 * i)) };
        // The second operand where the first is not a number.
        largest = _mm256_max_ps(_mm256_andnot_ps(sign, *x), largest);
    }
    let scale = largest_lane(largest) / 127.0;
    let inverse = _mm256_set1_ps(if scale == 0.0 { 0.0 } else { 1.0 / scale });
    let mut rounded = [_mm256_setzero_si256(); 4];
    for (rounded, x) in rounded.iter_mut().zip(x) {
        let x = _mm256_mul_ps(x, inverse);
        let within = _mm256_cmp_ps::<_CMP_LT_OQ>(_mm256_andnot_ps(sign, x), _mm256_set1_ps(columns::LIMIT));
        let x = _mm256_and_ps(x, within);
        let half = _mm256_or_ps(_mm256_and_ps(x, sign), _mm256_set1_ps(columns::BELOW_HALF));
        *rounded = _mm256_cvttps_epi32(_mm256_add_ps(x, half));
    }
    let [a, b, c, d] = rounded;
    // Packing interleaves the halves of the registers: 4 bytes of a, b, c, d, then the rest of each.
    let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    let bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    // SAFETY: the block has 32 bytes.
    unsafe { _mm256_storeu_si256(block.quants.as_mut_ptr().cast(), bytes) };
    let sums = _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
    let half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let quarter = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
    let sum = _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<1>(quarter)));
    let scale = _mm_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm_set_ss(scale));
    block.scale = _mm_cvtss_f32(_mm_cvtph_ps(scale));
    block.offset = -8 * sum;
}

pub(super) struct F32;
pub(super) struct F16;
struct Q8;
struct Q4;

/// Weights times columns for the two float formats, which differ in how 8 weights are loaded.
macro_rules! float_kernel {
    ($name:ident, $bytes:literal, $weights:ident => $load:expr) => {
        impl $name {
            /// `total + Σ w·x` over `count` inputs from `start` on.
            ///
            /// # Safety
            /// The tile and the columns hold that many inputs.
            #[inline]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn chain<const N: usize>(
                tile: Tile<'_>,
                x: &[&[f32]; N],
                start: usize,
                count: usize,
                total: &mut [__m256; N],
            ) {
                let mut sum = [_mm256_setzero_ps(); N];
                for i in start..start + count {
                    // SAFETY: the tile holds 8 weights for each input, as required of the caller.
                    unsafe {
                        let weights = tile.values.as_ptr().add(i * ROWS * $bytes);
                        let $weights = weights;
                        let w = $load;
                        if (i - start) * ROWS * $bytes % 64 == 0 {
                            ahead(weights);
                        }
                        for c in 0..N {
                            sum[c] = _mm256_fmadd_ps(w, _mm256_set1_ps(*x[c].get_unchecked(i)), sum[c]);
                        }
                    }
                }
                for c in 0..N {
                    total[c] = _mm256_add_ps(total[c], sum[c]);
                }
            }
        }

        impl Kernel for $name {
            const ROWS: usize = ROWS;
            type Input = f32;
            const BYTES: usize = $bytes;
            const SCALES: usize = 0;

            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[f32]; N], y: &mut Sums<N>) {
                let (len, rest) = (x[0].len(), x[0].len() % CHAIN);
                let mut total = [_mm256_setzero_ps(); N];
                // SAFETY: the tile holds weights for all inputs of a column; `y` has room for 16 rows.
                unsafe {
                    for start in (0..len - rest).step_by(CHAIN) {
                        Self::chain(tile, &x, start, CHAIN, &mut total);
                    }
                    if rest > 0 {
                        Self::chain(tile, &x, len - rest, rest, &mut total);
                    }
                    for c in 0..N {
                        _mm256_storeu_ps(y[c].as_mut_ptr(), total[c]);
                    }
                }
            }
        }
    };
}

float_kernel!(F32, 4, weights => _mm256_loadu_ps(weights.cast()));
float_kernel!(F16, 2, weights => _mm256_cvtph_ps(_mm_loadu_si128(weights.cast())));

/// Asks for the weights to come, a cache line at a time: the products fill the processor's window, so that it does not
/// see far enough ahead by itself. Into the second-level cache, since the first level's few outstanding reads are needed
/// for the weights in use.
#[inline]
pub(super) fn ahead(weights: *const u8) {
    // SAFETY: a prefetch of any address is harmless.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(weights.wrapping_add(AHEAD).cast()) };
}

/// Four bytes of a block's values in every lane.
///
/// # Safety
/// `group` is below 8.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn broadcast(x: &BlockQ8, group: usize) -> __m256i {
    // SAFETY: 8 groups of 4 bytes are the block.
    _mm256_set1_epi32(unsafe { x.quants.as_ptr().cast::<i32>().add(group).read_unaligned() })
}

/// `total + sum * (scale * the block's scale)`, with the tile's scales of block `b`.
///
/// # Safety
/// The tile has scales for block `b`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn scaled<const N: usize>(
    tile: Tile<'_>,
    b: usize,
    x: &[&[BlockQ8]; N],
    sum: &[__m256i; N],
    total: &mut [__m256; N],
) {
    // SAFETY: as required of the caller; the columns have block `b`.
    unsafe {
        let scale = _mm256_cvtph_ps(_mm_loadu_si128(tile.scales.as_ptr().add(b * ROWS).cast()));
        for c in 0..N {
            let scale = _mm256_mul_ps(scale, _mm256_set1_ps(x[c].get_unchecked(b).scale));
            total[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[c]), scale, total[c]);
        }
    }
}

impl Kernel for Q8 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK;
    const SCALES: usize = 1;

    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let ones = _mm256_set1_epi16(1);
        let mut total = [_mm256_setzero_ps(); N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 32 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK);
                let mut sum = [_mm256_setzero_si256(); N];
                for group in 0..8 {
                    if group % 2 == 0 {
                        ahead(weights.wrapping_add(group * 32));
                    }
                    let w = _mm256_loadu_si256(weights.add(group * 32).cast());
                    let magnitude = _mm256_abs_epi8(w);
                    for c in 0..N {
                        let signed = _mm256_sign_epi8(broadcast(x[c].get_unchecked(b), group), w);
                        let pairs = _mm256_maddubs_epi16(magnitude, signed);
                        sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(pairs, ones));
                    }
                }
                scaled(tile, b, &x, &sum, &mut total);
            }
        }
        for c in 0..N {
            // SAFETY: `y` has room for 16 rows.
            unsafe { _mm256_storeu_ps(y[c].as_mut_ptr(), total[c]) };
        }
    }
}

impl Kernel for Q4 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK / 2;
    const SCALES: usize = 1;

    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let (ones, low_bits) = (_mm256_set1_epi16(1), _mm256_set1_epi8(15));
        let mut total = [_mm256_setzero_ps(); N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 16 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK / 2);
                let mut sum = [_mm256_setzero_si256(); N];
                for group in 0..4 {
                    if group % 2 == 0 {
                        ahead(weights.wrapping_add(group * 32));
                    }
                    let w = _mm256_loadu_si256(weights.add(group * 32).cast());
                    let low = _mm256_and_si256(w, low_bits);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(w), low_bits);
                    for c in 0..N {
                        let x = x[c].get_unchecked(b);
                        sum[c] = _mm256_add_epi16(sum[c], _mm256_maddubs_epi16(low, broadcast(x, group)));
                        sum[c] = _mm256_add_epi16(sum[c], _mm256_maddubs_epi16(high, broadcast(x, group + 4)));
                    }
                }
                for c in 0..N {
                    let offset = _mm256_set1_epi32(x[c].get_unchecked(b).offset);
                    sum[c] = _mm256_add_epi32(_mm256_madd_epi16(sum[c], ones), offset);
                }
                scaled(tile, b, &x, &sum, &mut total);
            }
        }
        for c in 0..N {
            // SAFETY: `y` has room for 16 rows.
            unsafe { _mm256_storeu_ps(y[c].as_mut_ptr(), total[c]) };
        }
    }
}

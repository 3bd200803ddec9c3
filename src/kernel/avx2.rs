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
use super::product::{Kernel, Sums, product};

const ROWS: usize = 8;

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
    #[target_feature(enable = "avx2,fma,f16c")]
    fn inner(values: &[[f32; BLOCK]], blocks: &mut [BlockQ8]) {
        columns::quantise(values, blocks);
    }
    // SAFETY: reachable only through a kernel set that the processor was found to have.
    unsafe { inner(values, blocks) }
}

struct F32;
struct F16;
struct Q8;
struct Q4;

/// Weights times columns for the two float formats, which differ in how 8 weights are loaded.
macro_rules! float_kernel {
    ($name:ident, $bytes:literal, $weights:ident => $load:expr) => {
        impl Kernel for $name {
            const ROWS: usize = ROWS;
            type Input = f32;
            const BYTES: usize = $bytes;
            const SCALES: usize = 0;

            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[f32]; N], y: &mut Sums<N>) {
                let len = x[0].len();
                let x = x.map(<[f32]>::as_ptr);
                let mut weights = tile.values.as_ptr();
                let mut total = [_mm256_setzero_ps(); N];
                let mut start = 0;
                while start < len {
                    let end = len.min(start + BLOCK);
                    let mut sum = [_mm256_setzero_ps(); N];
                    for i in start..end {
                        // SAFETY: the tile holds 8 weights for each of the `len` inputs, a column `len` values.
                        unsafe {
                            let $weights = weights;
                            let w = $load;
                            weights = weights.add(ROWS * $bytes);
                            for c in 0..N {
                                sum[c] = _mm256_fmadd_ps(w, _mm256_set1_ps(*x[c].add(i)), sum[c]);
                            }
                        }
                    }
                    for c in 0..N {
                        total[c] = _mm256_add_ps(total[c], sum[c]);
                    }
                    start = end;
                }
                for c in 0..N {
                    // SAFETY: `y` has room for 16 rows.
                    unsafe { _mm256_storeu_ps(y[c].as_mut_ptr(), total[c]) };
                }
            }
        }
    };
}

float_kernel!(F32, 4, weights => _mm256_loadu_ps(weights.cast()));
float_kernel!(F16, 2, weights => _mm256_cvtph_ps(_mm_loadu_si128(weights.cast())));

/// Four bytes of a block's values in every lane.
///
/// # Safety
/// `group` is below 8.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn broadcast(x: &BlockQ8, group: usize) -> __m256i {
    // SAFETY: 8 groups of 4 bytes are the block.
    _mm256_set1_epi32(unsafe { x.quants.as_ptr().cast::<i32>().add(group).read_unaligned() })
}

/// `total + sum * (scale * the block's scale)`, with the tile's scales of block `b`.
///
/// # Safety
/// The tile has scales for block `b`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn scaled<const N: usize>(
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

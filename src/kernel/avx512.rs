//! Kernels for AVX-512 with VNNI: tiles of 16 rows, one per lane. Four bytes of each row meet the same four of a column,
//! broadcast from memory, in one `vpdpbusd`. That wants one side unsigned: Q8_0 is packed as q + 128 and four-bit
//! weights are 0..=15 anyway; what this adds is taken off by starting the sum at [`BlockQ8::offset`].

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::columns::{BLOCK, BlockQ8};
use super::isa::Kernels;
use super::layout::{Layout, Tile};
use super::product::{CHAIN, Kernel, Sums, product};
use super::{
    avx2::{self, ahead},
    ops,
};

const ROWS: usize = 16;

pub(super) static KERNELS: Kernels = Kernels {
    layout: Layout { rows: ROWS, group: 4, flip_q8: 0x80 },
    f32: product::<F32>,
    f16: product::<F16>,
    q8_0: product::<Q8>,
    q4_0: product::<Q4>,
    quantise: avx2::quantise,
    ops: &ops::AVX512,
};

struct F32;
struct F16;
struct Q8;
struct Q4;

/// Weights times columns for the two float formats, which differ in how 16 weights are loaded.
macro_rules! float_kernel {
    ($name:ident, $bytes:literal, $weights:ident => $load:expr) => {
        impl $name {
            /// `total + Σ w·x` over `count` inputs from `start` on.
            ///
            /// # Safety
            /// The tile and the columns hold that many inputs.
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
            unsafe fn chain<const N: usize>(
                tile: Tile<'_>,
                x: &[&[f32]; N],
                start: usize,
                count: usize,
                total: &mut [__m512; N],
            ) {
                let mut sum = [_mm512_setzero_ps(); N];
                for i in start..start + count {
                    // SAFETY: the tile holds 16 weights for each input, as required of the caller.
                    unsafe {
                        let weights = tile.values.as_ptr().add(i * ROWS * $bytes);
                        let $weights = weights;
                        let w = $load;
                        if (i - start) * ROWS * $bytes % 64 == 0 {
                            ahead(weights);
                        }
                        for c in 0..N {
                            sum[c] = _mm512_fmadd_ps(w, _mm512_set1_ps(*x[c].get_unchecked(i)), sum[c]);
                        }
                    }
                }
                for c in 0..N {
                    total[c] = _mm512_add_ps(total[c], sum[c]);
                }
            }
        }

        impl Kernel for $name {
            const ROWS: usize = ROWS;
            type Input = f32;
            const BYTES: usize = $bytes;
            const SCALES: usize = 0;

            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
            unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[f32]; N], y: &mut Sums<N>) {
                let (len, rest) = (x[0].len(), x[0].len() % CHAIN);
                let mut total = [_mm512_setzero_ps(); N];
                // SAFETY: the tile holds weights for all inputs of a column; `y` has room for 16 rows.
                unsafe {
                    for start in (0..len - rest).step_by(CHAIN) {
                        Self::chain(tile, &x, start, CHAIN, &mut total);
                    }
                    if rest > 0 {
                        Self::chain(tile, &x, len - rest, rest, &mut total);
                    }
                    for c in 0..N {
                        _mm512_storeu_ps(y[c].as_mut_ptr(), total[c]);
                    }
                }
            }
        }
    };
}

float_kernel!(F32, 4, weights => _mm512_loadu_ps(weights.cast()));
float_kernel!(F16, 2, weights => _mm512_cvtph_ps(_mm256_loadu_si256(weights.cast())));

/// Four bytes of a block's values in every lane.
///
/// # Safety
/// `group` is below 8.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn broadcast(x: &BlockQ8, group: usize) -> __m512i {
    // SAFETY: 8 groups of 4 bytes are the block.
    _mm512_set1_epi32(unsafe { x.quants.as_ptr().cast::<i32>().add(group).read_unaligned() })
}

impl Kernel for Q8 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK;
    const SCALES: usize = 1;

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let mut total = [_mm512_setzero_ps(); N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 16 * 32 bytes of values and 16 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK);
                let scale = _mm512_cvtph_ps(_mm256_loadu_si256(tile.scales.as_ptr().add(b * ROWS).cast()));
                let mut sum = [_mm512_setzero_si512(); N];
                for c in 0..N {
                    sum[c] = _mm512_slli_epi32::<4>(_mm512_set1_epi32(x[c].get_unchecked(b).offset));
                }
                for group in 0..8 {
                    ahead(weights.wrapping_add(group * 64));
                    let w = _mm512_loadu_si512(weights.add(group * 64).cast());
                    for c in 0..N {
                        sum[c] = _mm512_dpbusd_epi32(sum[c], w, broadcast(x[c].get_unchecked(b), group));
                    }
                }
                for c in 0..N {
                    let scale = _mm512_mul_ps(scale, _mm512_set1_ps(x[c].get_unchecked(b).scale));
                    total[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[c]), scale, total[c]);
                }
            }
        }
        for c in 0..N {
            // SAFETY: `y` has room for 16 rows.
            unsafe { _mm512_storeu_ps(y[c].as_mut_ptr(), total[c]) };
        }
    }
}

impl Kernel for Q4 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK / 2;
    const SCALES: usize = 1;

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let low_bits = _mm512_set1_epi8(15);
        let mut total = [_mm512_setzero_ps(); N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 16 * 16 bytes of values and 16 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK / 2);
                let scale = _mm512_cvtph_ps(_mm256_loadu_si256(tile.scales.as_ptr().add(b * ROWS).cast()));
                let mut sum = [_mm512_setzero_si512(); N];
                for c in 0..N {
                    sum[c] = _mm512_set1_epi32(x[c].get_unchecked(b).offset);
                }
                for group in 0..4 {
                    ahead(weights.wrapping_add(group * 64));
                    let w = _mm512_loadu_si512(weights.add(group * 64).cast());
                    let low = _mm512_and_si512(w, low_bits);
                    let high = _mm512_and_si512(_mm512_srli_epi16::<4>(w), low_bits);
                    for c in 0..N {
                        sum[c] = _mm512_dpbusd_epi32(sum[c], low, broadcast(x[c].get_unchecked(b), group));
                    }
                    for c in 0..N {
                        sum[c] = _mm512_dpbusd_epi32(sum[c], high, broadcast(x[c].get_unchecked(b), group + 4));
                    }
                }
                for c in 0..N {
                    let scale = _mm512_mul_ps(scale, _mm512_set1_ps(x[c].get_unchecked(b).scale));
                    total[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[c]), scale, total[c]);
                }
            }
        }
        for c in 0..N {
            // SAFETY: `y` has room for 16 rows.
            unsafe { _mm512_storeu_ps(y[c].as_mut_ptr(), total[c]) };
        }
    }
}

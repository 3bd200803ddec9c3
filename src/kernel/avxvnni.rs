//! Kernels for AVX2 with VNNI (Alder Lake and its Atoms, such as the N100: processors without AVX-512). The tiles of
//! [`super::avx2`] with one `vpdpbusd` in place of three instructions, and its one unsigned side as in
//! [`super::avx512`]: Q8_0 is packed as q + 128, and the sum starts at [`BlockQ8::offset`].

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::avx2::{self, ROWS, ahead, broadcast, scaled};
use super::columns::{BLOCK, BlockQ8};
use super::isa::Kernels;
use super::layout::{Layout, Tile};
use super::ops;
use super::product::{Kernel, Sums, product};

pub(super) static KERNELS: Kernels = Kernels {
    layout: Layout { rows: ROWS, group: 4, flip_q8: 0x80 },
    f32: product::<avx2::F32>,
    f16: product::<avx2::F16>,
    q8_0: product::<Q8>,
    q4_0: product::<Q4>,
    quantise: avx2::quantise,
    ops: &ops::AVX2,
};

struct Q8;
struct Q4;

impl Kernel for Q8 {
    const ROWS: usize = ROWS;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK;
    const SCALES: usize = 1;

    #[target_feature(enable = "avxvnni,avx2,fma,f16c")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let mut total = [_mm256_setzero_ps(); N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 32 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK);
                let mut sum = [_mm256_setzero_si256(); N];
                for c in 0..N {
                    sum[c] = _mm256_slli_epi32::<4>(_mm256_set1_epi32(x[c].get_unchecked(b).offset));
                }
                for group in 0..8 {
                    if group % 2 == 0 {
                        ahead(weights.wrapping_add(group * 32));
                    }
                    let w = _mm256_loadu_si256(weights.add(group * 32).cast());
                    for c in 0..N {
                        sum[c] = _mm256_dpbusd_avx_epi32(sum[c], w, broadcast(x[c].get_unchecked(b), group));
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

    #[target_feature(enable = "avxvnni,avx2,fma,f16c")]
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let low_bits = _mm256_set1_epi8(15);
        let mut total = [_mm256_setzero_ps(); N];
        for b in 0..x[0].len() {
            // SAFETY: for each block of the columns the tile holds 8 * 16 bytes of values and 8 scales.
            unsafe {
                let weights = tile.values.as_ptr().add(b * ROWS * BLOCK / 2);
                let mut sum = [_mm256_setzero_si256(); N];
                for c in 0..N {
                    sum[c] = _mm256_set1_epi32(x[c].get_unchecked(b).offset);
                }
                for group in 0..4 {
                    if group % 2 == 0 {
                        ahead(weights.wrapping_add(group * 32));
                    }
                    let w = _mm256_loadu_si256(weights.add(group * 32).cast());
                    let low = _mm256_and_si256(w, low_bits);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(w), low_bits);
                    for c in 0..N {
                        let x = x[c].get_unchecked(b);
                        sum[c] = _mm256_dpbusd_avx_epi32(sum[c], low, broadcast(x, group));
                        sum[c] = _mm256_dpbusd_avx_epi32(sum[c], high, broadcast(x, group + 4));
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

//! The plain kernels: the definition that every other set is tested against, bit for bit. A tile is one row.

// The trait is unsafe for the sake of the other sets; nothing here is.
#![allow(unsafe_code)]

use half::f16;

use super::columns::{self, BLOCK, BlockQ8};
use super::isa::Kernels;
use super::layout::{Layout, Tile};
use super::ops;
use super::product::{CHAIN, Kernel, Sums, product};

pub(super) static KERNELS: Kernels = Kernels {
    layout: Layout { rows: 1, group: 16, flip_q8: 0 },
    f32: product::<F32>,
    f16: product::<F16>,
    q8_0: product::<Q8>,
    q4_0: product::<Q4>,
    quantise: columns::quantise,
    ops: &ops::PLAIN,
};

struct F32;
struct F16;
struct Q8;
struct Q4;

impl Kernel for F32 {
    const ROWS: usize = 1;
    type Input = f32;
    const BYTES: usize = 4;
    const SCALES: usize = 0;

    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[f32]; N], y: &mut Sums<N>) {
        for (y, x) in y.iter_mut().zip(x) {
            y[0] = dot(tile.values.as_chunks().0.iter().map(|&w| f32::from_le_bytes(w)), x);
        }
    }
}

impl Kernel for F16 {
    const ROWS: usize = 1;
    type Input = f32;
    const BYTES: usize = 2;
    const SCALES: usize = 0;

    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[f32]; N], y: &mut Sums<N>) {
        for (y, x) in y.iter_mut().zip(x) {
            y[0] = dot(tile.values.as_chunks().0.iter().map(|&w| f16::from_le_bytes(w).to_f32()), x);
        }
    }
}

/// A chain of multiply-adds for each eight inputs, and their sum.
fn dot(mut w: impl Iterator<Item = f32>, x: &[f32]) -> f32 {
    x.chunks(CHAIN).fold(0.0, |total, x| total + x.iter().fold(0.0, |sum, x| w.next().unwrap_or(0.0).mul_add(*x, sum)))
}

impl Kernel for Q8 {
    const ROWS: usize = 1;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK;
    const SCALES: usize = 1;

    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let weights = tile.values.as_chunks::<BLOCK>().0.iter().map(|b| b.map(|w| i32::from(w as i8)));
        for (y, x) in y.iter_mut().zip(x) {
            y[0] = dot_blocks(weights.clone(), tile.scales, x);
        }
    }
}

impl Kernel for Q4 {
    const ROWS: usize = 1;
    type Input = BlockQ8;
    const BYTES: usize = BLOCK / 2;
    const SCALES: usize = 1;

    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[BlockQ8]; N], y: &mut Sums<N>) {
        let weights = tile.values.as_chunks::<{ BLOCK / 2 }>().0.iter().map(|b| {
            std::array::from_fn(|i| i32::from(if i < BLOCK / 2 { b[i] & 15 } else { b[i - BLOCK / 2] >> 4 }) - 8)
        });
        for (y, x) in y.iter_mut().zip(x) {
            y[0] = dot_blocks(weights.clone(), tile.scales, x);
        }
    }
}

/// The block's integer sum is exact, and so is the product of two scales that were f16.
fn dot_blocks(weights: impl Iterator<Item = [i32; BLOCK]>, scales: &[u16], x: &[BlockQ8]) -> f32 {
    weights.zip(scales).zip(x).fold(0.0, |total, ((w, &scale), x)| {
        let sum: i32 = w.iter().zip(&x.quants).map(|(w, &q)| w * i32::from(q)).sum();
        (sum as f32).mul_add(f16::from_bits(scale).to_f32() * x.scale, total)
    })
}

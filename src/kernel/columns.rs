//! Activation columns on their way into a product: the `f32` values, and their 8-bit blocks where the weights are
//! quantised. Quantised once, read by every row of the matrix (and by every matrix with the same input).

#![allow(unsafe_code)]

use half::f16;

use super::isa::Isa;
use super::pool::Pool;
use super::rows::SharedColumns;

/// Values per activation block; the same as the weights' blocks.
pub(super) const BLOCK: usize = 32;

/// One column's 32 values, rounded: value i is `scale * quants[i]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct BlockQ8 {
    pub scale: f32,
    /// `-8 * Σ quants`: what a block of four-bit weights adds by its offset of -8. Sixteen times as much undoes the
    /// + 128 of bytes that were made unsigned.
    pub offset: i32,
    pub quants: [i8; BLOCK],
}

impl BlockQ8 {
    /// ggml's `quantize_row_q8_0_ref`: `scale = max|x| / 127` kept as f16, values rounded half away from zero.
    fn quantise(values: &[f32; BLOCK]) -> Self {
        let mut largest = [0f32; 8];
        for part in values.as_chunks::<8>().0 {
            for (m, x) in largest.iter_mut().zip(part) {
                *m = if x.abs() > *m { x.abs() } else { *m };
            }
        }
        let largest = largest.iter().fold(0f32, |m, &x| m.max(x));
        let scale = largest / 127.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let mut quants = [0i8; BLOCK];
        let mut sum = 0i32;
        for (q, x) in quants.iter_mut().zip(values) {
            let rounded = round_to_i32(x * inverse);
            sum += rounded;
            *q = rounded as i8;
        }
        Self { scale: f16::from_f32(scale).to_f32(), offset: -8 * sum, quants }
    }
}

/// The largest float below a half: adding a half itself would round 0.49999997 up.
pub(super) const BELOW_HALF: f32 = 0.499_999_97;
/// What rounds to 127 is below this; what is not comes of scales that f16 does not hold.
pub(super) const LIMIT: f32 = 127.5;

/// Half away from zero; 0 for what is not a number or beyond the limit. (`f32::round` is a library call where SSE4.1 is
/// not assumed.)
#[inline(always)]
fn round_to_i32(x: f32) -> i32 {
    let x = if x.abs() < LIMIT { x } else { 0.0 };
    (x + BELOW_HALF.copysign(x)) as i32
}

/// Up to `capacity` columns of `len` values each. Allocates when made, never afterwards.
#[derive(Debug)]
pub struct Columns {
    len: usize,
    count: usize,
    values: Vec<f32>,
    blocks: Vec<BlockQ8>,
    quantised: bool,
}

impl Columns {
    /// Columns of `len` values; at most `capacity` of them at a time.
    pub fn new(len: usize, capacity: usize) -> Self {
        Self {
            len,
            count: 0,
            values: vec![0.0; len * capacity],
            blocks: vec![BlockQ8::default(); len / BLOCK * capacity],
            quantised: false,
        }
    }

    /// Values per column.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0 || self.count == 0
    }

    /// Columns in use.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes `count` columns into use, for writing. What was there before is undefined.
    pub fn fill(&mut self, count: usize) -> &mut [f32] {
        self.count = count;
        self.quantised = false;
        &mut self.values[..count * self.len]
    }

    /// Takes `count` columns into use and has each computed, on any thread: `compute` gets its number and its place.
    /// `rounded`: it is rounded to 8-bit blocks there and then.
    pub(super) fn compute(
        &mut self,
        count: usize,
        rounded: bool,
        pool: &Pool,
        compute: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        self.fill(count);
        let values = SharedColumns::new(&mut self.values[..count * self.len], count);
        let blocks = SharedColumns::new(&mut self.blocks[..count * (self.len / BLOCK)], count);
        pool.columns(count, self.len, |column| {
            // SAFETY: the pool calls with each number once.
            let (values, blocks) = unsafe { (values.column(column), blocks.column(column)) };
            compute(column, values);
            if rounded {
                (Isa::active().quantise)(values.as_chunks::<BLOCK>().0, blocks);
            }
        });
        self.quantised = rounded;
    }

    /// The columns one after the other, `[count][len]`.
    pub fn values(&self) -> &[f32] {
        &self.values[..self.count * self.len]
    }

    /// The 8-bit blocks, `[count][len / 32]`; valid after [`Columns::quantise`].
    pub(super) fn blocks(&self) -> &[BlockQ8] {
        debug_assert!(self.quantised);
        &self.blocks[..self.count * (self.len / BLOCK)]
    }

    /// Rounds the columns to 8-bit blocks, unless that has been done since they were filled.
    pub(super) fn quantise(&mut self) {
        if self.quantised {
            return;
        }
        let values = &self.values[..self.count * self.len];
        (Isa::active().quantise)(values.as_chunks::<BLOCK>().0, &mut self.blocks);
        self.quantised = true;
    }
}

/// Rounds blocks; the definition, and what sets without a faster one use.
pub(super) fn quantise(values: &[[f32; BLOCK]], blocks: &mut [BlockQ8]) {
    for (block, values) in blocks.iter_mut().zip(values) {
        *block = BlockQ8::quantise(values);
    }
}

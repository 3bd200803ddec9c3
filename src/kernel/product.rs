//! What all kernel sets share: the walk over tiles and columns. In: tiles, columns, a range of rows. Out: those rows of
//! the result.
//!
//! A kernel computes one tile for up to eight columns, so each weight is read once for all of them. Every value is
//! defined by [`super::scalar`] down to its last bit. Quantised: block after block, one fused multiply-add of the block's
//! exact integer sum and the product of both scales. Floats: chains of eight fused multiply-adds, added up one after the
//! other; short chains keep a single column from waiting for its own last sum.

#![allow(unsafe_code)]

use std::ops::Range;

use super::Columns;
use super::columns::BlockQ8;
use super::layout::{Tile, Tiles};
use super::rows::Rows;

/// Rows of the largest tile. Every set's tile divides it.
pub(super) const MAX_ROWS: usize = 16;
/// Inputs of one chain of fused multiply-adds of floats.
pub(super) const CHAIN: usize = 8;
/// Columns that a kernel takes at once.
const MAX_COLUMNS: usize = 8;

/// One tile's values for `N` columns; the first [`Kernel::ROWS`] of each are valid.
pub(super) type Sums<const N: usize> = [[f32; MAX_ROWS]; N];

/// A kernel of one set for one format.
pub(super) trait Kernel {
    /// Rows of a tile; divides [`MAX_ROWS`].
    const ROWS: usize;
    /// What it reads of a column: values or blocks.
    type Input: Input;
    /// Bytes of weights of one row that meet one input, without the scale.
    const BYTES: usize;
    /// Scales of one row that meet one input: 1 for blocks, 0 for floats.
    const SCALES: usize;

    /// # Safety
    /// The processor has the instructions of the set. All columns are equally long, and for each of their inputs the
    /// tile holds exactly `ROWS * BYTES` bytes of values and `ROWS * SCALES` scales.
    unsafe fn tile<const N: usize>(tile: Tile<'_>, x: [&[Self::Input]; N], y: &mut Sums<N>);
}

/// The two forms of a column.
pub(super) trait Input: Sized {
    /// All columns, `[count][per column]`.
    fn all(x: &Columns) -> &[Self];
}

impl Input for f32 {
    fn all(x: &Columns) -> &[f32] {
        x.values()
    }
}

impl Input for BlockQ8 {
    fn all(x: &Columns) -> &[BlockQ8] {
        x.blocks()
    }
}

/// Computes `rows`, which begin at a multiple of [`MAX_ROWS`], for all columns.
pub(super) fn product<K: Kernel>(w: &Tiles, x: &Columns, rows: Range<usize>, y: &mut Rows<'_>) {
    if x.is_empty() {
        return;
    }
    let all = K::Input::all(x);
    let per_column = all.len() / x.count();
    for (group, x) in all.chunks(MAX_COLUMNS * per_column).enumerate() {
        let first = group * MAX_COLUMNS;
        match x.len() / per_column {
            1 => columns::<K, 1>(w, x, first, rows.clone(), y),
            2 => columns::<K, 2>(w, x, first, rows.clone(), y),
            3 => columns::<K, 3>(w, x, first, rows.clone(), y),
            4 => columns::<K, 4>(w, x, first, rows.clone(), y),
            5 => columns::<K, 5>(w, x, first, rows.clone(), y),
            6 => columns::<K, 6>(w, x, first, rows.clone(), y),
            7 => columns::<K, 7>(w, x, first, rows.clone(), y),
            _ => columns::<K, 8>(w, x, first, rows.clone(), y),
        }
    }
}

fn columns<K: Kernel, const N: usize>(w: &Tiles, x: &[K::Input], first: usize, rows: Range<usize>, y: &mut Rows<'_>) {
    let per_column = x.len() / N;
    let mut columns: [&[K::Input]; N] = [&[]; N];
    for (column, x) in columns.iter_mut().zip(x.chunks_exact(per_column)) {
        *column = x;
    }
    let mut sums = [[0.0; MAX_ROWS]; N];
    debug_assert!(rows.start.is_multiple_of(MAX_ROWS));
    for start in rows.clone().step_by(K::ROWS) {
        let tile = w.tile(start / K::ROWS);
        assert_eq!(tile.values.len(), per_column * K::ROWS * K::BYTES);
        assert_eq!(tile.scales.len(), per_column * K::ROWS * K::SCALES);
        // SAFETY: the sizes have just been checked, all columns have `per_column` inputs, and a set's kernels are
        // handed out only where the processor has its instructions (`Isa::kernels`).
        unsafe { K::tile(tile, columns, &mut sums) };
        let count = K::ROWS.min(rows.end - start);
        for (c, sums) in sums.iter().enumerate() {
            y.write(first + c, start, &sums[..count]);
        }
    }
}

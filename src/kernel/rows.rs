//! What several threads write at once. In: a result, borrowed by the pool. Out: for each thread its own part of it: rows
//! of every column where the result is a product's, whole columns where it is what goes into one.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use super::product::MAX_ROWS;

/// A result that several threads write, each its own rows.
#[derive(Debug)]
pub(super) struct SharedResult<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    _borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointer is used only by `Rows`, whose rows belong to one thread (see `SharedResult::rows`).
unsafe impl Sync for SharedResult<'_> {}

impl<'a> SharedResult<'a> {
    /// `y` is `[columns][rows]`; `rows` is not zero.
    pub fn new(y: &'a mut [f32], rows: usize) -> Self {
        Self { start: y.as_mut_ptr(), rows, columns: y.len() / rows, _borrow: PhantomData }
    }

    /// All rows, for one thread alone.
    pub fn whole(&mut self) -> Rows<'_> {
        Rows { result: self, own: 0..self.rows }
    }

    /// The rows `own` of all columns.
    ///
    /// # Safety
    /// While they live, no two `Rows` have a row in common.
    ///
    /// # Panics
    /// Where the result has no such rows.
    pub unsafe fn rows(&self, own: Range<usize>) -> Rows<'_> {
        assert!(own.end <= self.rows);
        Rows { result: self, own }
    }
}

/// Some rows of a result, of one thread.
#[derive(Debug)]
pub struct Rows<'a> {
    result: &'a SharedResult<'a>,
    own: Range<usize>,
}

impl Rows<'_> {
    /// Writes the values of the rows from `row` on in `column`.
    ///
    /// # Panics
    /// Where these are not all rows that this thread was given.
    #[inline]
    pub fn write(&mut self, column: usize, row: usize, values: &[f32]) {
        assert!(column < self.result.columns && row >= self.own.start && row + values.len() <= self.own.end);
        // SAFETY: `start` points to rows * columns floats that are lent exclusively, and the place lies within. No other
        // thread has these rows, so none writes the same floats.
        unsafe {
            let to = self.result.start.add(column * self.result.rows + row);
            match values.as_chunks() {
                // One store or a few, instead of a call.
                ([tile], []) => to.cast::<[f32; MAX_ROWS]>().write_unaligned(*tile),
                _ => std::ptr::copy_nonoverlapping(values.as_ptr(), to, values.len()),
            }
        }
    }
}

/// Columns that several threads write, each its own.
#[derive(Debug)]
pub(super) struct SharedColumns<'a, T> {
    start: *mut T,
    len: usize,
    columns: usize,
    _borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the pointer is used only by `SharedColumns::column`, which lends each column to one thread.
unsafe impl<T: Send> Sync for SharedColumns<'_, T> {}

impl<'a, T> SharedColumns<'a, T> {
    /// `all` is `[columns][len]`.
    pub fn new(all: &'a mut [T], columns: usize) -> Self {
        Self { start: all.as_mut_ptr(), len: all.len() / columns.max(1), columns, _borrow: PhantomData }
    }

    /// One column.
    ///
    /// # Safety
    /// While it lives, nobody else has the same one.
    ///
    /// # Panics
    /// Where there is no such column.
    #[allow(clippy::mut_from_ref)] // the columns are apart from each other, which is what this type is for
    pub unsafe fn column(&self, index: usize) -> &mut [T] {
        assert!(index < self.columns);
        // SAFETY: `start` points to columns * len values that are lent exclusively, and the column lies within; nobody
        // else has it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(index * self.len), self.len) }
    }
}

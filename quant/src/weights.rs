//! The numbers of a pack, wherever they come from. In: a planned tensor and its type. Out: encoded rows, on demand and
//! from several threads, so that no tensor is ever whole in memory unless its layout needs it.

use std::ops::Range;

use crate::block::quantise;
use crate::dtype::DType;
use crate::error::{Result, corrupt, unsupported};
use crate::layout::Planned;

/// Encodes rows of one tensor; the slice holds exactly their bytes. May be called for any rows in any order.
pub type RowEncoder<'a> = Box<dyn Fn(Range<usize>, &mut [u8]) -> Result<()> + Sync + 'a>;

/// A source of weights.
pub trait Weights: Sync {
    /// Prepares a tensor; checks that concern all of it are made here.
    fn encoder(&self, tensor: &Planned, dtype: DType) -> Result<RowEncoder<'_>>;

    /// The tensor has been written.
    fn release(&self, tensor: &Planned);
}

/// Rows and columns of a tensor: the last dimension is a row.
pub fn rows_and_columns(shape: &[usize]) -> (usize, usize) {
    match shape.split_last() {
        Some((&columns, outer)) => (outer.iter().product(), columns),
        None => (1, 1),
    }
}

/// Largest finite f16.
const F16_MAX: f32 = 65504.0;

/// An encoder over a function that fills rows with values.
///
/// Errors of the encoder: those of `fill`; `Corrupt` for a value that is not finite; `Unsupported` for one that `dtype`
/// cannot hold.
pub fn encode_values<'a>(
    tensor: &Planned,
    dtype: DType,
    fill: impl Fn(Range<usize>, &mut [f32]) -> Result<()> + Sync + 'a,
) -> RowEncoder<'a> {
    let name = tensor.name.clone();
    let (_, columns) = rows_and_columns(&tensor.shape);
    Box::new(move |rows, out| {
        let mut values = vec![0.0; rows.len() * columns];
        fill(rows, &mut values)?;
        let largest = values.iter().fold(0.0f32, |m, x| if x.is_finite() { m.max(x.abs()) } else { f32::INFINITY });
        if largest == f32::INFINITY {
            return Err(corrupt(format!("tensor {name} holds a value that is not finite")));
        }
        if dtype != DType::F32 && largest > F16_MAX {
            return Err(unsupported(format!("tensor {name} holds {largest}, too large for {dtype}: use recipe f32")));
        }
        quantise(dtype, &values, out).map_err(|e| e.within(&name))
    })
}

//! A weight matrix as the kernels see it. In: tensors of a mapped pack. Out: products with columns.

use std::sync::Arc;

use syrinx_quant::{DType, GgufFile, TensorView};

use super::isa::{Isa, ProductFn};
use super::layout::Tiles;
use super::{Columns, Pool};
use crate::error::{Error, ErrorKind, Result};

/// Weights `[rows, columns]`, packed for this processor. The copy takes the place of the mapped pages, which are given
/// back: the weights are in memory once.
#[derive(Debug)]
pub struct Matrix {
    name: String,
    tiles: Tiles,
    rows: usize,
    columns: usize,
    quantised: bool,
    product: ProductFn,
}

impl Matrix {
    /// The tensor `name`, which must be `[rows, columns]` of F32, F16, Q8_0 or Q4_0.
    ///
    /// Errors: `BadPack` for a missing tensor or another shape, `Unsupported` for another type, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, name: &str, rows: usize, columns: usize) -> Result<Self> {
        Self::open_stacked(file, &[(name, rows)], columns)
    }

    /// Several tensors with the same input as one matrix: their names and rows, one below the other. They must be of
    /// one type.
    ///
    /// Errors: as [`Matrix::open`]; `Unsupported` where the types differ.
    pub fn open_stacked(file: &Arc<GgufFile>, parts: &[(&str, usize)], columns: usize) -> Result<Self> {
        Self::pack(Isa::detect(), file, parts, columns)
    }

    /// [`Matrix::open_stacked`] for a chosen kernel set.
    pub(super) fn pack(isa: Isa, file: &GgufFile, parts: &[(&str, usize)], columns: usize) -> Result<Self> {
        let tensors = parts.iter().map(|&(part, rows)| Ok((file.tensor(part)?, rows))).collect::<Result<Vec<_>>>()?;
        let matrix = Self::of_tensors(isa, &tensors, columns)?;
        for &(part, _) in parts {
            file.map().release(file.info(part)?.range.clone());
        }
        Ok(matrix)
    }

    /// A tensor of a file that is in memory as it is, such as one that the program itself holds. Errors: as [`Matrix::open`].
    pub fn of(tensor: TensorView<'_>, rows: usize, columns: usize) -> Result<Self> {
        Self::of_tensors(Isa::detect(), &[(tensor, rows)], columns)
    }

    fn of_tensors(isa: Isa, tensors: &[(TensorView<'_>, usize)], columns: usize) -> Result<Self> {
        let name = tensors.iter().map(|(tensor, _)| tensor.name.as_str()).collect::<Vec<_>>().join(" + ");
        let mut rows = 0;
        let mut bytes = Vec::with_capacity(tensors.len());
        let mut dtype = None;
        for (tensor, part_rows) in tensors {
            tensor.expect_shape(&[*part_rows, columns])?;
            if *dtype.get_or_insert(tensor.dtype) != tensor.dtype {
                let message = format!("tensors {name} are of different types: import the pack again");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            rows += part_rows;
            bytes.push(tensor.bytes);
        }
        let dtype = dtype.unwrap_or(DType::F32);
        let kernels = isa.kernels();
        let Some(product) = kernels.product(dtype) else {
            let message = format!("tensor {name} is {dtype}, which the flow head and codec do not compute with");
            return Err(Error::new(ErrorKind::Unsupported, format!("{message}: import the pack again")));
        };
        if rows == 0 || columns == 0 {
            return Err(Error::new(ErrorKind::BadPack, format!("tensor {name} is empty: import the pack again")));
        }
        let tiles = Tiles::pack(kernels.layout, dtype, columns, &bytes).map_err(|e| {
            let message = format!("no memory for tensor {name}: free some or choose a smaller recipe");
            Error::new(ErrorKind::OutOfMemory, message).with_source(e)
        })?;
        let quantised = dtype.block_size() > 1;
        Ok(Self { name, tiles, rows, columns, quantised, product })
    }

    /// Output values per column.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input values per column.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes that one product reads.
    pub fn bytes(&self) -> usize {
        self.tiles.bytes()
    }

    /// Computes the `count` columns that this matrix takes next, each on any of the pool's threads: `compute` gets a
    /// column's number and its place.
    pub fn inputs(&self, x: &mut Columns, count: usize, pool: &Pool, compute: impl Fn(usize, &mut [f32]) + Sync) {
        x.compute(count, self.quantised, pool, compute);
    }

    /// `y[c] = W · x[c]` for every column; `y` is `[count][rows]`.
    ///
    /// # Panics
    /// Where `x` has not [`Matrix::columns`] values per column, or `y` is not exactly the result's size: both are
    /// sizes that this crate computed itself.
    pub fn mul(&self, x: &mut Columns, y: &mut [f32], pool: &Pool) {
        assert_eq!(x.len(), self.columns, "{}", self.name);
        assert_eq!(y.len(), self.rows * x.count(), "{}", self.name);
        if self.quantised {
            x.quantise();
        }
        let x = &*x;
        let row_bytes = self.tiles.bytes() / self.rows;
        pool.rows(y, self.rows, row_bytes, |rows, y| (self.product)(&self.tiles, x, rows, y));
    }
}

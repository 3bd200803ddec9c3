//! GGUF, the file format of llama.cpp and of a pack's two tensor files.
//!
//! In: bytes of a mapped file, or tensors one after the other. Out: metadata and tensor views, or such a file.
//! Reader and writer are separate: the reader trusts nothing ([`Gguf::parse`]), the writer never holds more than the chunk
//! that it was given ([`Writer`]). Layout: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod file;
mod read;
mod value;
mod write;

pub use file::GgufFile;
pub use read::Gguf;
pub use value::{Array, Value};
pub use write::Writer;

use std::ops::Range;

use zerocopy::{FromBytes, Immutable};

use crate::dtype::DType;
use crate::error::{Error, Result, misshapen, truncated};

/// The format version that is written; 2 and 3 are read (they differ in big-endian files only, which are refused).
pub const VERSION: u32 = 3;

/// Alignment of tensor data in files written here, in bytes.
pub const ALIGNMENT: usize = 32;

/// ggml's limit on dimensions.
pub const MAX_DIMENSIONS: usize = 4;

/// A tensor without its place in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    pub name: String,
    pub dtype: DType,
    /// Row-major, outermost dimension first: `[out, in]` for a matrix. (The file has them the other way round.)
    pub shape: Vec<usize>,
}

impl TensorSpec {
    pub fn new(name: impl Into<String>, dtype: DType, shape: &[usize]) -> Self {
        Self { name: name.into(), dtype, shape: shape.to_vec() }
    }

    /// Bytes of the whole tensor. Errors: `Shape`, where rows do not fill whole blocks or the size overflows.
    pub fn bytes(&self) -> Result<usize> {
        let columns = self.shape.last().copied().unwrap_or(1);
        let row = self.dtype.row_bytes(columns).ok_or_else(|| {
            let (name, dtype) = (&self.name, self.dtype);
            misshapen(format!("tensor {name}: rows of {columns} values do not fill {dtype} blocks"))
        })?;
        self.shape
            .iter()
            .rev()
            .skip(1)
            .try_fold(row, |size, &d| size.checked_mul(d))
            .ok_or_else(|| misshapen(format!("tensor {}: its size overflows", self.name)))
    }
}

/// A tensor and where its bytes lie, from the start of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    pub spec: TensorSpec,
    pub range: Range<usize>,
}

impl TensorInfo {
    /// The tensor's bytes within the bytes of its file. Errors: `Truncated`, where `file` is not that file.
    pub fn view<'a>(&self, file: &'a [u8]) -> Result<TensorView<'a>> {
        let bytes = file
            .get(self.range.clone())
            .ok_or_else(|| truncated(format!("tensor {}: its data lies behind the end of the file", self.spec.name)))?;
        Ok(TensorView { name: self.spec.name.clone(), dtype: self.spec.dtype, shape: self.spec.shape.clone(), bytes })
    }
}

/// A tensor with its bytes.
#[derive(Clone, Debug)]
pub struct TensorView<'a> {
    pub name: String,
    pub dtype: DType,
    /// Row-major, outermost dimension first.
    pub shape: Vec<usize>,
    pub bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// Refuses another shape. Errors: `Shape`.
    pub fn expect_shape(&self, shape: &[usize]) -> Result<()> {
        if self.shape == shape {
            return Ok(());
        }
        Err(misshapen(format!("tensor {} has shape {:?}, expected {shape:?}", self.name, self.shape)))
    }

    /// The bytes as elements or blocks of the tensor's own type: `f32`, `f16`, [`crate::block::BlockQ8_0`], ...
    ///
    /// Errors: `Shape`, where `T` is not of the type's size or the bytes are not aligned for it (a mapped file is).
    pub fn blocks<T: FromBytes + Immutable>(&self) -> Result<&'a [T]> {
        let wrong = || -> Error {
            let (name, dtype) = (&self.name, self.dtype);
            misshapen(format!("tensor {name} of type {dtype} is not readable as blocks of {} bytes", size_of::<T>()))
        };
        if size_of::<T>() != self.dtype.type_size() {
            return Err(wrong());
        }
        <[T]>::ref_from_bytes(self.bytes).map_err(|_| wrong())
    }

    /// All values as `f32`. Errors: `Unsupported` for Q4_K and Q6_K.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.shape.iter().product()];
        crate::block::dequantise(self.dtype, self.bytes, &mut values).map_err(|e| e.within(&self.name))?;
        Ok(values)
    }

    /// The bytes of row `index` of a matrix. Errors: `Shape`, where there is no such row.
    pub fn row(&self, index: usize) -> Result<&'a [u8]> {
        let columns = self.shape.last().copied().unwrap_or(1);
        let size = self.dtype.row_bytes(columns).unwrap_or(0);
        index
            .checked_mul(size)
            .and_then(|start| self.bytes.get(start..start.checked_add(size)?))
            .filter(|row| !row.is_empty())
            .ok_or_else(|| misshapen(format!("tensor {} has no row {index}", self.name)))
    }
}

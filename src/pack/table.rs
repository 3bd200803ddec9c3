//! An embedding table. In: row numbers. Out: rows in `f32`. It stays in the map: only the rows that are asked for are
//! paged in (the text table of the released model is 805 MB).

use std::sync::Arc;

use syrinx_quant::gguf::TensorInfo;
use syrinx_quant::{GgufFile, block};

use crate::error::{Error, ErrorKind, Result};

/// `[rows, columns]` of any block format that this crate reads.
#[derive(Clone, Debug)]
pub struct Table {
    file: Arc<GgufFile>,
    info: TensorInfo,
    columns: usize,
    row_bytes: usize,
    row: Vec<f32>,
}

impl Table {
    /// Errors: `BadPack` for a missing tensor, another shape or a format without rows of its own.
    pub fn open(file: &Arc<GgufFile>, name: &str, rows: usize, columns: usize) -> Result<Self> {
        let tensor = file.tensor(name)?;
        tensor.expect_shape(&[rows, columns])?;
        let row_bytes = tensor.row(0)?.len();
        let mut row = vec![0.0; columns];
        block::dequantise(tensor.dtype, tensor.row(0)?, &mut row)?;
        Ok(Self { info: file.info(name)?.clone(), file: file.clone(), columns, row_bytes, row })
    }

    pub fn rows(&self) -> usize {
        self.info.spec.shape.first().copied().unwrap_or(0)
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Row `index`, valid until the next call. Errors: `BadPack` where there is no such row.
    pub fn row(&mut self, index: usize) -> Result<&[f32]> {
        let start = self.info.range.start + index * self.row_bytes;
        let bytes = (index < self.rows()).then(|| self.file.map().get(start..start + self.row_bytes)).flatten();
        let Some(bytes) = bytes else {
            let message = format!("tensor {} has no row {index}: import the pack again", self.info.spec.name);
            return Err(Error::new(ErrorKind::BadPack, message));
        };
        block::dequantise(self.info.spec.dtype, bytes, &mut self.row)?;
        Ok(&self.row)
    }
}

//! Voice presets. In: `<name>.pt` or `<name>.safetensors`. Out: rows of `f32` as wide as the model.
//!
//! A `.pt` is a zip archive whose entry `<top>/data/0` holds the tensor's raw bytes (voxtral-tts.md, 2.1). It is read
//! without a pickle parser: no code of the file is ever interpreted. The element type is taken from the name of the
//! storage class, which occurs as plain text in `<top>/data.pkl`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use crate::block::dequantise;
use crate::checkpoint;
use crate::dtype::DType;
use crate::error::{Error, Result, corrupt, misshapen, missing, unsupported};
use crate::map::Map;
use crate::zip::Archive;

pub const VOICE_FOLDER: &str = "voice_embedding";

/// The rows of one voice.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    pub name: String,
    /// Row-major, `dim` values per row.
    pub rows: Vec<f32>,
    pub dim: usize,
}

impl Voice {
    pub fn row_count(&self) -> usize {
        self.rows.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Errors: those of [`parse_pt`] and [`parse_safetensors`], with the path in front.
    pub fn open(name: &str, path: &Path, dim: usize) -> Result<Self> {
        let map = Map::open(path)?;
        let parse = if path.extension().is_some_and(|e| e == "pt") { parse_pt } else { parse_safetensors };
        let rows = parse(&map, dim).map_err(|e| e.within(path.display()))?;
        if rows.iter().any(|x| !x.is_finite()) {
            return Err(corrupt("the rows hold a value that is not finite").within(path.display()));
        }
        Ok(Self { name: name.to_owned(), rows, dim })
    }
}

/// The files of a checkpoint's voice folder by voice name; empty where there is no folder.
///
/// Errors: `Io`; `Corrupt`, where one name has two files.
pub fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(e) => return Err(Error::io(folder, "list", e)),
    };
    for entry in entries {
        let path = entry.map_err(|e| Error::io(folder, "list", e))?.path();
        let known = path.extension().is_some_and(|e| e == "pt" || e == "safetensors");
        let (true, Some(name)) = (known, path.file_stem().and_then(|s| s.to_str())) else { continue };
        if let Some(other) = files.insert(name.to_owned(), path.clone()) {
            let (a, b) = (other.display(), path.display());
            return Err(corrupt(format!("voice {name} has two files, {a} and {b}: keep one")));
        }
    }
    Ok(files)
}

/// Rows of a PyTorch archive.
///
/// Errors: `Corrupt`, `Truncated` (not such an archive), `Missing` (no tensor), `Unsupported` (compressed, several
/// tensors, element type), `Shape` (not rows of `dim`).
pub fn parse_pt(bytes: &[u8], dim: usize) -> Result<Vec<f32>> {
    let archive = Archive::parse(bytes)?;
    let mut data = None;
    let mut pickle = None;
    for entry in &archive.entries {
        if entry.name.ends_with("/data/0") {
            data = Some(entry);
        } else if entry.name.contains("/data/") {
            return Err(unsupported("the archive holds more than one tensor: save the rows alone"));
        } else if entry.name.ends_with("/data.pkl") {
            pickle = Some(entry);
        } else if entry.name.ends_with("/byteorder") && archive.stored(entry)? != b"little" {
            return Err(unsupported("the tensor is big-endian: save it on a little-endian machine"));
        }
    }
    let (Some(data), Some(pickle)) = (data, pickle) else {
        return Err(missing("the archive holds no tensor (entries data.pkl and data/0)"));
    };
    let dtype = storage_type(archive.stored(pickle)?)
        .ok_or_else(|| unsupported("the tensor is neither BF16, F16 nor F32: convert it to bfloat16"))?;
    rows(archive.stored(data)?, dtype, dim)
}

fn storage_type(pickle: &[u8]) -> Option<DType> {
    let mentions = |class: &str| pickle.windows(class.len()).any(|w| w == class.as_bytes());
    // In a pickle the class stands on a line of its own, so "FloatStorage" is not found in "BFloat16Storage".
    [("\nBFloat16Storage\n", DType::Bf16), ("\nHalfStorage\n", DType::F16), ("\nFloatStorage\n", DType::F32)]
        .into_iter()
        .find_map(|(class, dtype)| mentions(class).then_some(dtype))
}

/// Rows of a safetensors file that holds one matrix.
///
/// Errors: `Truncated`, `Corrupt`, `Unsupported`, `Shape`.
pub fn parse_safetensors(bytes: &[u8], dim: usize) -> Result<Vec<f32>> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| checkpoint::safetensors_error(&e))?;
    let tensors = file.tensors();
    let [(name, tensor)] = tensors.as_slice() else {
        return Err(unsupported(format!("the file holds {} tensors: save the rows alone", tensors.len())));
    };
    if tensor.shape().len() != 2 || tensor.shape().last() != Some(&dim) {
        return Err(misshapen(format!("tensor {name} has shape {:?}, expected rows of {dim}", tensor.shape())));
    }
    let dtype = checkpoint::dtype(tensor.dtype())
        .ok_or_else(|| unsupported(format!("tensor {name} is neither BF16, F16 nor F32: convert it to bfloat16")))?;
    rows(tensor.data(), dtype, dim)
}

fn rows(bytes: &[u8], dtype: DType, dim: usize) -> Result<Vec<f32>> {
    let row = dtype.row_bytes(dim).filter(|&size| size > 0);
    let count =
        row.filter(|&size| !bytes.is_empty() && bytes.len().is_multiple_of(size)).map(|size| bytes.len() / size);
    let Some(count) = count else {
        return Err(misshapen(format!("{} bytes of {dtype} are not rows of {dim} values", bytes.len())));
    };
    let mut values = vec![0.0; count * dim];
    dequantise(dtype, bytes, &mut values)?;
    Ok(values)
}

//! CTranslate2's `model.bin`. In: bytes that may be anything. Out: its variables, or what is wrong with it. (`Model::load` in
//! `src/models/model.cc` of CTranslate2 4: a head, variables one after the other, and second names for some.)
//!
//! It never panics, and no length from the file is believed before it is compared with the bytes that remain.

use std::collections::HashMap;
use std::ops::Range;

use crate::cursor::Cursor;
use crate::dtype::DType;
use crate::error::{Result, corrupt, misshapen, missing, truncated, unsupported};
use crate::gguf::TensorView;

/// The format of CTranslate2 1.0 to 4.
const VERSIONS: std::ops::RangeInclusive<u32> = 5..=6;
/// Dimensions of a variable.
const MAX_RANK: usize = 4;
/// Bytes of the shortest variable: its name's length, rank, type, size.
const MIN_VARIABLE: usize = 2 + 1 + 1 + 4;

/// What a file says of itself.
#[derive(Clone, Debug)]
pub struct Ct2 {
    /// The kind of model, `WhisperSpec`.
    pub kind: String,
    variables: HashMap<String, Variable>,
}

#[derive(Clone, Debug)]
struct Variable {
    /// Row-major; empty for a single value.
    shape: Vec<usize>,
    kind: u8,
    range: Range<usize>,
}

impl Ct2 {
    /// Reads a whole file's head and checks that every variable lies within it. Errors: `Truncated`, `Corrupt`,
    /// `Unsupported`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor { rest: bytes };
        let version = cursor.u32("its version")?;
        if !VERSIONS.contains(&version) {
            let message = format!("format {version} is not CTranslate2's 5 or 6: convert the model with CTranslate2 4");
            return Err(unsupported(message));
        }
        let kind = string(&mut cursor, "the kind of model")?;
        cursor.u32("the model's revision")?;
        let count = cursor.u32("the number of variables")? as usize;
        if count > cursor.rest.len() / MIN_VARIABLE {
            return Err(truncated(format!("{count} variables do not fit in the rest of the file: copy it again")));
        }
        let mut variables = HashMap::with_capacity(count);
        for _ in 0..count {
            let name = string(&mut cursor, "a variable's name")?;
            let variable = variable(&mut cursor, &name, bytes.len())?;
            if variables.insert(name.clone(), variable).is_some() {
                return Err(corrupt(format!("variable {name} occurs twice")));
            }
        }
        Ok(Self { kind, variables })
    }

    fn variable(&self, name: &str) -> Result<&Variable> {
        self.variables.get(name).ok_or_else(|| missing(format!("variable {name} is missing: not a Whisper model")))
    }

    /// A variable's shape. Errors: `Missing`.
    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.variable(name)?.shape)
    }

    /// Variables whose names begin with `prefix`, up to the next slash: how many layers there are.
    pub fn layers(&self, prefix: &str) -> usize {
        let layer = |name: &String| name.strip_prefix(prefix)?.split('/').next()?.parse::<usize>().ok();
        self.variables.keys().filter_map(layer).map(|layer| layer.saturating_add(1)).max().unwrap_or(0)
    }

    /// A matrix or vector of F32 or F16; `bytes` are the file's. Errors: `Missing`, `Shape`, `Unsupported` for a file
    /// whose weights are rounded already.
    pub fn tensor<'a>(&self, bytes: &'a [u8], name: &str, shape: &[usize]) -> Result<TensorView<'a>> {
        let variable = self.variable(name)?;
        let dtype = match variable.kind {
            0 => DType::F32,
            4 => DType::F16,
            kind => {
                let message = format!("variable {name} has the type {kind}, expected float32 or float16");
                return Err(unsupported(format!("{message}: convert the model with --quantization float16")));
            }
        };
        if variable.shape != shape {
            return Err(misshapen(format!("variable {name} has shape {:?}, expected {shape:?}", variable.shape)));
        }
        let data = bytes.get(variable.range.clone()).unwrap_or_default();
        Ok(TensorView { name: name.to_owned(), dtype, shape: shape.to_vec(), bytes: data })
    }

    /// A whole number of up to two bytes; `bytes` are the file's. Errors: `Missing`, `Unsupported`.
    pub fn number(&self, bytes: &[u8], name: &str) -> Result<i16> {
        let variable = self.variable(name)?;
        match (variable.kind, bytes.get(variable.range.clone())) {
            (1, Some(&[value])) => Ok(i16::from(value.cast_signed())),
            (2, Some(&[low, high])) => Ok(i16::from_le_bytes([low, high])),
            _ => Err(unsupported(format!("variable {name} is no whole number"))),
        }
    }
}

/// Bytes of a value of a type (`DataType` of CTranslate2).
fn value_bytes(kind: u8) -> Option<usize> {
    match kind {
        0 | 3 => Some(4),
        1 => Some(1),
        2 | 4 | 5 => Some(2),
        _ => None,
    }
}

/// With its length before it and a zero behind.
fn string(cursor: &mut Cursor<'_>, what: &str) -> Result<String> {
    let length = u16::from_le_bytes(cursor.array(what)?);
    let bytes = cursor.take(usize::from(length), what)?;
    let text = bytes.strip_suffix(&[0]).and_then(|text| std::str::from_utf8(text).ok());
    let text = text.filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or_else(|| corrupt(format!("{what} is no text: not a model of CTranslate2")))
}

/// `file_bytes`: of the whole file, whose places variables are told by.
fn variable(cursor: &mut Cursor<'_>, name: &str, file_bytes: usize) -> Result<Variable> {
    let [rank] = cursor.array(name)?;
    if usize::from(rank) > MAX_RANK {
        return Err(corrupt(format!("variable {name} has {rank} dimensions, expected up to {MAX_RANK}")));
    }
    let shape = (0..rank).map(|_| Ok(cursor.u32(name)? as usize)).collect::<Result<Vec<_>>>()?;
    let [kind] = cursor.array(name)?;
    let size = cursor.u32(name)? as usize;
    let value = value_bytes(kind).ok_or_else(|| unsupported(format!("variable {name} has the unknown type {kind}")))?;
    let expected = shape.iter().try_fold(value, |size, &dimension| size.checked_mul(dimension));
    if expected != Some(size) {
        return Err(corrupt(format!("variable {name} of shape {shape:?} has {size} bytes: copy the file again")));
    }
    let start = file_bytes - cursor.rest.len();
    cursor.take(size, name)?;
    Ok(Variable { shape, kind, range: start..start + size })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// A file with these variables: name, shape, type, bytes.
    pub fn file(kind: &str, variables: &[(&str, &[u32], u8, Vec<u8>)]) -> Vec<u8> {
        let mut out = 6u32.to_le_bytes().to_vec();
        let text = |text: &str, out: &mut Vec<u8>| {
            out.extend((text.len() as u16 + 1).to_le_bytes());
            out.extend(text.as_bytes());
            out.push(0);
        };
        text(kind, &mut out);
        out.extend(3u32.to_le_bytes());
        out.extend((variables.len() as u32).to_le_bytes());
        for (name, shape, kind, bytes) in variables {
            text(name, &mut out);
            out.push(shape.len() as u8);
            shape.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.push(*kind);
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(bytes);
        }
        out.extend(0u32.to_le_bytes());
        out
    }

    fn small() -> Vec<u8> {
        let variables: [(&str, &[u32], u8, Vec<u8>); 4] = [
            ("a/weight", &[2, 3], 4, vec![0; 12]),
            ("b/layer_0/x", &[1], 0, vec![1; 4]),
            ("b/layer_4/x", &[1], 3, vec![1; 4]),
            ("heads", &[], 2, vec![8, 0]),
        ];
        file("WhisperSpec", &variables)
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = small();
        let model = Ct2::parse(&bytes).unwrap();
        assert_eq!((model.kind.as_str(), model.layers("b/layer_"), model.layers("c/layer_")), ("WhisperSpec", 5, 0));
        assert_eq!(model.number(&bytes, "heads").unwrap(), 8);
        assert_eq!(model.tensor(&bytes, "a/weight", &[2, 3]).unwrap().to_f32().unwrap(), [0.0; 6]);
        let refusals = [
            (model.tensor(&bytes, "a/weight", &[3, 2]).unwrap_err(), ErrorKind::Shape, "a/weight"),
            (model.tensor(&bytes, "b/layer_4/x", &[1]).unwrap_err(), ErrorKind::Unsupported, "float16"),
            (model.tensor(&bytes, "no", &[1]).unwrap_err(), ErrorKind::Missing, "no"),
        ];
        for (error, kind, says) in refusals {
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.contains(says), "{error}");
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_an_error_or_harmless() {
        let good = small();
        for cut in 0..good.len() - 4 {
            assert!(Ct2::parse(&good[..cut]).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bytes = good.clone();
                bytes[at] = value;
                match Ct2::parse(&bytes) {
                    Err(e) => assert!(!e.message.is_empty() && !e.message.contains(char::is_control)),
                    Ok(model) => {
                        let _ = (model.tensor(&bytes, "a/weight", &[2, 3]), model.number(&bytes, "heads"));
                    }
                }
            }
        }
    }
}

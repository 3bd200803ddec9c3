//! Metadata values of a GGUF file.

use crate::error::{Result, unsupported};

/// One metadata value. The variants and their numbers are those of the format (`gguf_metadata_value_type`).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Str(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// An array in the encoding of the file: `len` items of type number `item`. Kept encoded so that it takes no more
/// memory than the file, and because most readers want one array in a hundred.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub(super) item: u32,
    pub(super) len: usize,
    pub(super) data: Vec<u8>,
}

pub(super) const U32: u32 = 4;
pub(super) const F32: u32 = 6;
pub(super) const BOOL: u32 = 7;
pub(super) const STR: u32 = 8;
pub(super) const ARRAY: u32 = 9;

/// Bytes of a value of this type; of a string, its length field only; `None` for arrays and unknown types.
pub(super) fn item_size(kind: u32) -> Option<usize> {
    match kind {
        0 | 1 | BOOL => Some(1),
        2 | 3 => Some(2),
        U32 | 5 | F32 => Some(4),
        STR | 10..=12 => Some(8),
        _ => None,
    }
}

impl Value {
    pub fn u32s(values: &[u32]) -> Self {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self::Array(Array { item: U32, len: values.len(), data })
    }

    pub fn bools(values: &[bool]) -> Self {
        Self::Array(Array { item: BOOL, len: values.len(), data: values.iter().map(|&v| u8::from(v)).collect() })
    }

    pub fn strs<S: AsRef<str>>(values: &[S]) -> Self {
        let mut data = Vec::new();
        values.iter().for_each(|s| encode_str(s.as_ref(), &mut data));
        Self::Array(Array { item: STR, len: values.len(), data })
    }

    /// The type's name, for messages and `inspect`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::Bool(_) => "bool",
            Self::Str(_) => "string",
            Self::Array(_) => "array",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F64(_) => "f64",
        }
    }

    /// Appends type number and value.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut put = |kind: u32, bytes: &[u8]| {
            out.extend(kind.to_le_bytes());
            out.extend(bytes);
        };
        match self {
            Self::U8(v) => put(0, &v.to_le_bytes()),
            Self::I8(v) => put(1, &v.to_le_bytes()),
            Self::U16(v) => put(2, &v.to_le_bytes()),
            Self::I16(v) => put(3, &v.to_le_bytes()),
            Self::U32(v) => put(U32, &v.to_le_bytes()),
            Self::I32(v) => put(5, &v.to_le_bytes()),
            Self::F32(v) => put(F32, &v.to_le_bytes()),
            Self::Bool(v) => put(BOOL, &[u8::from(*v)]),
            Self::Str(v) => {
                put(STR, &[]);
                encode_str(v, out);
            }
            Self::Array(a) => {
                put(ARRAY, &a.item.to_le_bytes());
                out.extend((a.len as u64).to_le_bytes());
                out.extend(&a.data);
            }
            Self::U64(v) => put(10, &v.to_le_bytes()),
            Self::I64(v) => put(11, &v.to_le_bytes()),
            Self::F64(v) => put(12, &v.to_le_bytes()),
        }
    }
}

impl Array {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The items of an array of u32. Errors: `Unsupported`, where it holds something else.
    pub fn u32s(&self) -> Result<Vec<u32>> {
        if self.item != U32 {
            return Err(unsupported("the array does not hold u32"));
        }
        Ok(self.data.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
    }

    /// The items of an array of strings. Errors: `Unsupported`, where it holds something else.
    pub fn strs(&self) -> Result<Vec<String>> {
        if self.item != STR {
            return Err(unsupported("the array does not hold strings"));
        }
        let mut rest = self.data.as_slice();
        let mut strings = Vec::with_capacity(self.len.min(rest.len() / 8));
        while let Some((length, tail)) = rest.split_first_chunk() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let Some((bytes, tail)) = tail.split_at_checked(length) else { break };
            strings.push(String::from_utf8_lossy(bytes).into_owned());
            rest = tail;
        }
        Ok(strings)
    }
}

pub(super) fn encode_str(s: &str, out: &mut Vec<u8>) {
    out.extend((s.len() as u64).to_le_bytes());
    out.extend(s.as_bytes());
}

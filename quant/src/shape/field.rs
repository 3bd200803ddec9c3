//! How one size is stored: counts as u32, ratios as f32, lists as arrays.

use crate::error::Result;
use crate::gguf::{Gguf, Value};

pub(super) trait Field: Sized {
    fn to_value(&self) -> Value;
    fn from_metadata(gguf: &Gguf, key: &str) -> Result<Self>;
}

/// Counts come from `params.json` through [`super::Shape::validate`], which bounds them, so none is cut here.
fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl Field for usize {
    fn to_value(&self) -> Value {
        Value::U32(count(*self))
    }

    fn from_metadata(gguf: &Gguf, key: &str) -> Result<Self> {
        gguf.get_u32(key).map(|v| v as usize)
    }
}

impl Field for u32 {
    fn to_value(&self) -> Value {
        Value::U32(*self)
    }

    fn from_metadata(gguf: &Gguf, key: &str) -> Result<Self> {
        gguf.get_u32(key)
    }
}

impl Field for f32 {
    fn to_value(&self) -> Value {
        Value::F32(*self)
    }

    fn from_metadata(gguf: &Gguf, key: &str) -> Result<Self> {
        gguf.get_f32(key)
    }
}

impl Field for Vec<usize> {
    fn to_value(&self) -> Value {
        Value::u32s(&self.iter().map(|&v| count(v)).collect::<Vec<_>>())
    }

    fn from_metadata(gguf: &Gguf, key: &str) -> Result<Self> {
        Ok(gguf.get_u32s(key)?.into_iter().map(|v| v as usize).collect())
    }
}

impl Field for Vec<String> {
    fn to_value(&self) -> Value {
        Value::strs(self)
    }

    fn from_metadata(gguf: &Gguf, key: &str) -> Result<Self> {
        gguf.get_strs(key)
    }
}

//! The bounded reader. In: bytes that may be anything. Out: metadata and tensor places, or an error that says what is
//! wrong. It never panics, and no length from the file is believed before it is compared with the bytes that remain.

use std::collections::{BTreeMap, HashMap};

use super::value::{ARRAY, Array, STR, Value, item_size};
use super::{ALIGNMENT, MAX_DIMENSIONS, TensorInfo, TensorSpec, TensorView, VERSION};
use crate::cursor::Cursor;
use crate::dtype::DType;
use crate::error::{Result, corrupt, misshapen, missing, newer, truncated, unsupported};

/// Bytes of the shortest possible metadata pair: key length, value type, one byte of value.
const MIN_PAIR: usize = 8 + 4 + 1;
/// Bytes of the shortest possible tensor entry: name length, dimensions, one of them, type, offset.
const MIN_TENSOR: usize = 8 + 4 + 8 + 4 + 8;

/// The parsed head of a GGUF file. It owns what it describes, but not the tensor data.
#[derive(Clone, Debug)]
pub struct Gguf {
    metadata: BTreeMap<String, Value>,
    tensors: Vec<TensorInfo>,
    index: HashMap<String, usize>,
}

impl Gguf {
    /// Reads a whole file's head and checks that every tensor lies within `bytes`.
    ///
    /// Errors: `Truncated`, `Corrupt` (magic, duplicate names, offsets), `Newer` (version), `Unsupported` (old or
    /// big-endian files, nested arrays, tensor types), `Shape` (tensor dimensions).
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor { rest: bytes };
        if cursor.take(4, "magic")? != b"GGUF" {
            return Err(corrupt("not a GGUF file: it does not begin with \"GGUF\""));
        }
        match cursor.u32("version")? {
            2 | VERSION => {}
            1 => return Err(unsupported("GGUF version 1 is obsolete: convert the file again")),
            version if version.swap_bytes() <= VERSION => {
                return Err(unsupported("big-endian GGUF files are not supported: convert the file again"));
            }
            version => return Err(newer(format!("GGUF version {version} is newer than {VERSION}: update syrinx"))),
        }
        let tensor_count = cursor.count("tensor count", MIN_TENSOR)?;
        let pair_count = cursor.count("metadata count", MIN_PAIR)?;
        let metadata = read_metadata(&mut cursor, pair_count)?;
        let alignment = match metadata.get("general.alignment") {
            None => ALIGNMENT,
            Some(Value::U32(a)) if a.is_power_of_two() && *a >= 8 => *a as usize,
            Some(_) => return Err(corrupt("general.alignment is not a power of two of at least 8")),
        };
        let entries = (0..tensor_count).map(|_| read_tensor(&mut cursor)).collect::<Result<Vec<_>>>()?;
        let head = bytes.len() - cursor.rest.len();
        let data_start = head.checked_next_multiple_of(alignment);

        let mut tensors = Vec::with_capacity(entries.len());
        let mut index = HashMap::with_capacity(entries.len());
        for (spec, offset) in entries {
            let name = &spec.name;
            if !offset.is_multiple_of(alignment) {
                return Err(corrupt(format!("tensor {name}: offset {offset} is not a multiple of {alignment}")));
            }
            let size = spec.bytes()?;
            let start = data_start.and_then(|data| data.checked_add(offset));
            let range = start.and_then(|start| Some(start..start.checked_add(size)?));
            let Some(range) = range.filter(|r| r.end <= bytes.len()) else {
                return Err(truncated(format!("the file ends before the data of tensor {name}: copy it again")));
            };
            if index.insert(name.clone(), tensors.len()).is_some() {
                return Err(corrupt(format!("tensor {name} occurs twice")));
            }
            tensors.push(TensorInfo { spec, range });
        }
        check_overlaps(&tensors)?;
        Ok(Self { metadata, tensors, index })
    }

    /// All metadata, by key.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// All tensors, in the order of the file.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Errors: `Missing`.
    pub fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.index
            .get(name)
            .and_then(|&i| self.tensors.get(i))
            .ok_or_else(|| missing(format!("tensor {name} is missing: the file belongs to another kind of model")))
    }

    /// A tensor with its bytes; `file` is what was parsed. Errors: `Missing`, `Truncated`.
    pub fn tensor<'a>(&self, file: &'a [u8], name: &str) -> Result<TensorView<'a>> {
        self.info(name)?.view(file)
    }

    /// The value of a key. Errors: `Missing`.
    pub fn get(&self, key: &str) -> Result<&Value> {
        self.metadata.get(key).ok_or_else(|| missing(format!("metadata {key} is missing")))
    }

    pub fn get_u32(&self, key: &str) -> Result<u32> {
        match self.get(key)? {
            Value::U32(v) => Ok(*v),
            other => Err(wrong_kind(key, "u32", other)),
        }
    }

    pub fn get_f32(&self, key: &str) -> Result<f32> {
        match self.get(key)? {
            Value::F32(v) => Ok(*v),
            other => Err(wrong_kind(key, "f32", other)),
        }
    }

    pub fn get_bool(&self, key: &str) -> Result<bool> {
        match self.get(key)? {
            Value::Bool(v) => Ok(*v),
            other => Err(wrong_kind(key, "bool", other)),
        }
    }

    pub fn get_str(&self, key: &str) -> Result<&str> {
        match self.get(key)? {
            Value::Str(v) => Ok(v),
            other => Err(wrong_kind(key, "string", other)),
        }
    }

    pub fn get_u32s(&self, key: &str) -> Result<Vec<u32>> {
        self.get_array(key)?.u32s().map_err(|e| e.within(key))
    }

    pub fn get_strs(&self, key: &str) -> Result<Vec<String>> {
        self.get_array(key)?.strs().map_err(|e| e.within(key))
    }

    fn get_array(&self, key: &str) -> Result<&Array> {
        match self.get(key)? {
            Value::Array(v) => Ok(v),
            other => Err(wrong_kind(key, "array", other)),
        }
    }
}

fn wrong_kind(key: &str, expected: &str, found: &Value) -> crate::Error {
    corrupt(format!("metadata {key} is a {}, expected {expected}", found.kind()))
}

fn read_metadata(cursor: &mut Cursor, count: usize) -> Result<BTreeMap<String, Value>> {
    let mut metadata = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.string("metadata key")?;
        let kind = cursor.u32(&key)?;
        let value = read_value(cursor, &key, kind)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(corrupt(format!("metadata {key} occurs twice")));
        }
    }
    Ok(metadata)
}

fn read_value(cursor: &mut Cursor, key: &str, kind: u32) -> Result<Value> {
    Ok(match kind {
        0 => Value::U8(u8::from_le_bytes(cursor.array(key)?)),
        1 => Value::I8(i8::from_le_bytes(cursor.array(key)?)),
        2 => Value::U16(u16::from_le_bytes(cursor.array(key)?)),
        3 => Value::I16(i16::from_le_bytes(cursor.array(key)?)),
        4 => Value::U32(cursor.u32(key)?),
        5 => Value::I32(i32::from_le_bytes(cursor.array(key)?)),
        6 => Value::F32(f32::from_le_bytes(cursor.array(key)?)),
        7 => match cursor.array::<1>(key)? {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return Err(corrupt(format!("metadata {key} is neither true nor false"))),
        },
        STR => Value::Str(cursor.string(key)?),
        ARRAY => Value::Array(read_array(cursor, key)?),
        10 => Value::U64(u64::from_le_bytes(cursor.array(key)?)),
        11 => Value::I64(i64::from_le_bytes(cursor.array(key)?)),
        12 => Value::F64(f64::from_le_bytes(cursor.array(key)?)),
        _ => return Err(unsupported(format!("metadata {key} has the unknown type {kind}"))),
    })
}

fn read_array(cursor: &mut Cursor, key: &str) -> Result<Array> {
    let item = cursor.u32(key)?;
    let size = item_size(item)
        .ok_or_else(|| unsupported(format!("metadata {key} is an array of items of the unsupported type {item}")))?;
    let len = cursor.count(key, size)?;
    let start = cursor.rest;
    if item == STR {
        for _ in 0..len {
            cursor.text(key)?;
        }
    } else {
        cursor.take(len.saturating_mul(size), key)?;
    }
    let data = start.get(..start.len() - cursor.rest.len()).unwrap_or_default().to_vec();
    Ok(Array { item, len, data })
}

/// A tensor's name, type, shape, and offset from the start of the data.
fn read_tensor(cursor: &mut Cursor) -> Result<(TensorSpec, usize)> {
    let name = cursor.string("tensor name")?;
    let dimensions = cursor.u32(&name)? as usize;
    if dimensions == 0 || dimensions > MAX_DIMENSIONS {
        return Err(misshapen(format!("tensor {name} has {dimensions} dimensions, expected 1 to {MAX_DIMENSIONS}")));
    }
    let mut shape = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        match usize::try_from(u64::from_le_bytes(cursor.array(&name)?)) {
            Ok(d) if d > 0 => shape.push(d),
            _ => return Err(misshapen(format!("tensor {name} has a dimension of 0 or beyond memory"))),
        }
    }
    shape.reverse();
    let kind = cursor.u32(&name)?;
    let dtype = DType::from_ggml_id(kind)
        .ok_or_else(|| unsupported(format!("tensor {name} has the unsupported type {kind}: convert it again")))?;
    let offset = usize::try_from(u64::from_le_bytes(cursor.array(&name)?))
        .map_err(|_| truncated(format!("tensor {name}: its offset lies beyond memory")))?;
    Ok((TensorSpec { name, dtype, shape }, offset))
}

fn check_overlaps(tensors: &[TensorInfo]) -> Result<()> {
    let mut by_place: Vec<&TensorInfo> = tensors.iter().collect();
    by_place.sort_by_key(|t| t.range.start);
    for pair in by_place.windows(2) {
        if let [a, b] = pair
            && a.range.end > b.range.start
        {
            return Err(corrupt(format!("the data of tensors {} and {} overlap", a.spec.name, b.spec.name)));
        }
    }
    Ok(())
}

impl<'a> Cursor<'a> {
    /// A number of items that each take at least `min_size` bytes, compared with what remains.
    fn count(&mut self, what: &str, min_size: usize) -> Result<usize> {
        let count = u64::from_le_bytes(self.array(what)?);
        usize::try_from(count)
            .ok()
            .filter(|n| n.checked_mul(min_size).is_some_and(|size| size <= self.rest.len()))
            .ok_or_else(|| truncated(format!("{what}: {count} items do not fit in the rest of the file")))
    }

    fn text(&mut self, what: &str) -> Result<&'a str> {
        let length = self.count(what, 1)?;
        std::str::from_utf8(self.take(length, what)?).map_err(|_| corrupt(format!("{what} is not valid UTF-8")))
    }

    fn string(&mut self, what: &str) -> Result<String> {
        self.text(what).map(str::to_owned)
    }
}

//! `consolidated.safetensors`. In: a mapped checkpoint. Out: the tensors that a [`crate::layout::Planned`] list asks
//! for, each with the shape it must have; everything else in the file is refused by name.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::Metadata};

use crate::dtype::DType;
use crate::error::{Result, corrupt, misshapen, missing, truncated, unsupported};
use crate::gguf::TensorView;
use crate::layout::{CODEBOOK, ENCODER_PREFIX, Origin, Planned};
use crate::map::Map;

pub const CHECKPOINT_FILE: &str = "consolidated.safetensors";

/// Name and shape of a tensor that a pack's tensor is made of.
pub type Input = (String, Vec<usize>);

/// A mapped safetensors file.
#[derive(Debug)]
pub struct Checkpoint {
    map: Map,
    tensors: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    dtype: DType,
    shape: Vec<usize>,
    range: Range<usize>,
}

impl Checkpoint {
    /// Errors: `Missing`, `Io`, `Truncated`, `Corrupt`, `Unsupported` (element types).
    pub fn open(path: &Path) -> Result<Self> {
        let map = Map::open(path)?;
        let tensors = index(&map).map_err(|e| e.within(path.display()))?;
        Ok(Self { map, tensors })
    }

    /// Errors: `Missing`.
    pub fn shape_of(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.entry(name)?.shape)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.tensors.get(name).ok_or_else(|| missing(format!("{CHECKPOINT_FILE}: tensor {name} is missing")))
    }

    /// A tensor of exactly this shape. Errors: `Missing`, `Shape`.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<TensorView<'_>> {
        let Entry { dtype, shape: found, range } = self.entry(name)?;
        if found != shape {
            return Err(misshapen(format!("{CHECKPOINT_FILE}: tensor {name} has shape {found:?}, expected {shape:?}")));
        }
        let bytes = self.map.get(range.clone()).unwrap_or_default(); // `index` has checked the range
        Ok(TensorView { name: name.to_owned(), dtype: *dtype, shape: found.clone(), bytes })
    }

    /// Checks, before anything is written, that `planned` can be made and that nothing else is in the file.
    ///
    /// Errors: `Missing`, `Shape`, `Unsupported` (a tensor that the model does not have).
    pub fn check(&self, planned: &[Planned], with_encoder: bool) -> Result<()> {
        let mut known = HashSet::new();
        for tensor in planned {
            for (name, shape) in inputs(tensor) {
                self.tensor(&name, &shape)?;
                known.insert(name);
            }
        }
        let expected = |name: &String| known.contains(name) || (with_encoder && name.starts_with(ENCODER_PREFIX));
        match self.tensors.keys().find(|name| !expected(name)) {
            None => Ok(()),
            Some(name) => Err(unsupported(format!("{CHECKPOINT_FILE}: params.json accounts for no tensor {name}"))),
        }
    }

    /// Names and shapes of the codec encoder's tensors.
    pub fn encoder(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let tensors = self.tensors.iter().filter(|(name, _)| name.starts_with(ENCODER_PREFIX));
        tensors.map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    /// Gives the memory of a tensor that has been read back to the system.
    pub fn release(&self, name: &str) {
        if let Some(entry) = self.tensors.get(name) {
            self.map.release(entry.range.clone());
        }
    }
}

/// The checkpoint tensors that a tensor of the pack is made of.
pub fn inputs(planned: &Planned) -> Vec<Input> {
    let normed = |base: &str, first: usize, second: usize, kernel: usize| {
        let weight = format!("{base}.conv.parametrizations.weight");
        vec![
            (format!("{weight}.original0"), vec![first, 1, 1]),
            (format!("{weight}.original1"), vec![first, second, kernel]),
        ]
    };
    let shape = &planned.shape;
    let first = shape.first().copied().unwrap_or(0);
    match &planned.origin {
        Origin::Tensor { name, rows } => {
            let mut shape = shape.clone();
            shape.iter_mut().take(1).for_each(|first| *first = *rows);
            vec![(name.clone(), shape)]
        }
        Origin::Taps { name, inputs, kernel } => vec![(name.clone(), vec![first, *inputs, *kernel])],
        Origin::Convolution { base, inputs, kernel } => normed(base, first, *inputs, *kernel),
        Origin::Transposed { base, inputs, outputs, kernel, .. } => normed(base, *inputs, *outputs, *kernel),
        Origin::Codebook => {
            vec![
                (format!("{CODEBOOK}.embedding_sum"), shape.clone()),
                (format!("{CODEBOOK}.cluster_usage"), vec![first]),
            ]
        }
        Origin::Voice { .. } | Origin::Constant { .. } => Vec::new(),
    }
}

fn index(bytes: &[u8]) -> Result<BTreeMap<String, Entry>> {
    let (head, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| safetensors_error(&e))?;
    let start = head.saturating_add(size_of::<u64>());
    let mut tensors = BTreeMap::new();
    for (name, info) in Metadata::tensors(&metadata) {
        let (from, to) = info.data_offsets;
        let range = start.saturating_add(from)..start.saturating_add(to);
        if range.start > range.end || range.end > bytes.len() {
            return Err(truncated(format!("the file ends before the data of tensor {name}: copy it again")));
        }
        let dtype = dtype(info.dtype).ok_or_else(|| {
            unsupported(format!("tensor {name} is {:?}; BF16, F16 and F32 are supported", info.dtype))
        })?;
        tensors.insert(name, Entry { dtype, shape: info.shape.clone(), range });
    }
    Ok(tensors)
}

/// The types of a checkpoint that can be read.
pub(crate) fn dtype(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::Bf16),
        _ => None,
    }
}

pub(crate) fn safetensors_error(e: &safetensors::SafeTensorError) -> crate::Error {
    use safetensors::SafeTensorError as E;
    match e {
        E::HeaderTooSmall | E::InvalidHeaderLength | E::MetadataIncompleteBuffer => {
            truncated(format!("the file is cut short or damaged ({e}): copy it again"))
        }
        _ => corrupt(format!("not a safetensors file ({e})")),
    }
}

//! ggml's block formats. In: rows of `f32`. Out: the bytes that ggml and the runtime's kernels read, and back.
//!
//! F32, F16, BF16, Q8_0 and Q4_0 are written here, bit for bit as `ggml_quantize_chunk` of the pinned llama.cpp
//! writes them (`quantize_row_q8_0_ref`, `quantize_row_q4_0_ref` in `ggml-quants.c`), so that import needs no C for
//! them and the kernels have one definition to follow. Q4_K and Q6_K search for their scales: those come from ggml
//! itself ([`crate::kquant`]) and are opaque here.

use half::{bf16, f16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::kquant;

/// Value i is `scale * quants[i]`.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct BlockQ8_0 {
    pub scale: f16,
    pub quants: [i8; 32],
}

/// Value i is `scale * ((nibbles[i] & 15) - 8)`, value 16 + i is `scale * ((nibbles[i] >> 4) - 8)`.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct BlockQ4_0 {
    pub scale: f16,
    pub nibbles: [u8; 16],
}

/// ggml's `block_q4_K`, not looked into.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(transparent)]
pub struct BlockQ4K(pub [u8; 144]);

/// ggml's `block_q6_K`, not looked into.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(transparent)]
pub struct BlockQ6K(pub [u8; 210]);

const _: () = assert!(size_of::<BlockQ8_0>() == DType::Q8_0.type_size() && align_of::<BlockQ8_0>() == 2);
const _: () = assert!(size_of::<BlockQ4_0>() == DType::Q4_0.type_size() && align_of::<BlockQ4_0>() == 2);

/// The least whose magnitude is the largest, and that magnitude; NaN counts as zero, as in ggml.
fn extreme(values: &[f32]) -> (f32, f32) {
    values.iter().fold(
        (0.0, 0.0),
        |(value, magnitude), &x| {
            if x.abs() > magnitude { (x, x.abs()) } else { (value, magnitude) }
        },
    )
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

impl BlockQ8_0 {
    /// `scale = max|x| / 127`, values rounded half away from zero.
    pub fn quantise(values: &[f32; 32]) -> Self {
        let scale = extreme(values).1 / 127.0;
        let per_scale = inverse(scale);
        Self { scale: f16::from_f32(scale), quants: values.map(|x| (x * per_scale).round() as i8) }
    }

    pub fn dequantise(&self) -> [f32; 32] {
        let scale = self.scale.to_f32();
        self.quants.map(|q| scale * f32::from(q))
    }
}

impl BlockQ4_0 {
    /// `scale = x / -8` for the x of the largest magnitude, so that this one is exact; the rest rounded half up.
    pub fn quantise(values: &[f32; 32]) -> Self {
        let scale = extreme(values).0 / -8.0;
        let per_scale = inverse(scale);
        let quant = |x: f32| ((x * per_scale + 8.5) as i8 as u8).min(15);
        let nibbles = std::array::from_fn(|i| quant(values[i]) | (quant(values[i + 16]) << 4));
        Self { scale: f16::from_f32(scale), nibbles }
    }

    pub fn dequantise(&self) -> [f32; 32] {
        let scale = self.scale.to_f32();
        std::array::from_fn(|i| {
            let nibble = if i < 16 { self.nibbles[i] & 15 } else { self.nibbles[i - 16] >> 4 };
            scale * (f32::from(nibble) - 8.0)
        })
    }
}

/// Writes `values` (whole rows, or any number of whole blocks) as `dtype` into `out`.
///
/// Errors: `Shape`, where `values` does not fill whole blocks or `out` is not exactly their size.
pub fn quantise(dtype: DType, values: &[f32], out: &mut [u8]) -> Result<()> {
    check_lengths(dtype, values.len(), out.len())?;
    match dtype {
        DType::F32 => each(values, out, |x: &[f32; 1]| x[0].to_le_bytes()),
        DType::F16 => each(values, out, |x: &[f32; 1]| f16::from_f32(x[0]).to_le_bytes()),
        DType::Bf16 => each(values, out, |x: &[f32; 1]| bf16::from_f32(x[0]).to_le_bytes()),
        DType::Q8_0 => each(values, out, |x| -> [u8; 34] { zerocopy::transmute!(BlockQ8_0::quantise(x)) }),
        DType::Q4_0 => each(values, out, |x| -> [u8; 18] { zerocopy::transmute!(BlockQ4_0::quantise(x)) }),
        DType::Q4K | DType::Q6K => return kquant::quantise(dtype, values, out),
    }
    Ok(())
}

/// Reads `bytes` of `dtype` into `out`.
///
/// Errors: `Shape`, as [`quantise`]; `Unsupported` for Q4_K and Q6_K, which only llama.cpp reads.
pub fn dequantise(dtype: DType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    check_lengths(dtype, out.len(), bytes.len())?;
    match dtype {
        DType::F32 => each(bytes, out, |b| [f32::from_le_bytes(*b)]),
        DType::F16 => each(bytes, out, |b| [f16::from_le_bytes(*b).to_f32()]),
        DType::Bf16 => each(bytes, out, |b| [bf16::from_le_bytes(*b).to_f32()]),
        DType::Q8_0 => each(bytes, out, |b: &[u8; 34]| {
            let block: BlockQ8_0 = zerocopy::transmute!(*b);
            block.dequantise()
        }),
        DType::Q4_0 => each(bytes, out, |b: &[u8; 18]| {
            let block: BlockQ4_0 = zerocopy::transmute!(*b);
            block.dequantise()
        }),
        DType::Q4K | DType::Q6K => {
            return Err(Error::new(ErrorKind::Unsupported, format!("{dtype} is read by llama.cpp only")));
        }
    }
    Ok(())
}

/// Applies `convert` to each group of N inputs, which makes M outputs.
fn each<A, B: Copy, const N: usize, const M: usize>(
    input: &[A],
    output: &mut [B],
    convert: impl Fn(&[A; N]) -> [B; M],
) {
    for (a, b) in input.as_chunks::<N>().0.iter().zip(output.as_chunks_mut::<M>().0) {
        *b = convert(a);
    }
}

fn check_lengths(dtype: DType, values: usize, bytes: usize) -> Result<()> {
    match dtype.row_bytes(values) {
        Some(expected) if expected == bytes => Ok(()),
        Some(expected) => {
            Err(Error::new(ErrorKind::Shape, format!("{values} values of {dtype} are {expected} bytes, not {bytes}")))
        }
        None => Err(Error::new(
            ErrorKind::Shape,
            format!("{values} values do not fill whole {dtype} blocks of {}", dtype.block_size()),
        )),
    }
}

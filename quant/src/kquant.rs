//! Q4_K and Q6_K. In: rows of `f32`. Out: ggml's blocks, by ggml's own search for scales, so that a backbone made
//! here equals one made by llama.cpp's quantiser without an importance matrix.

#![allow(unsafe_code)]

use crate::dtype::DType;
use crate::error::{Result, misshapen, unsupported};

/// Writes `values` as Q4_K or Q6_K (or any other type, which is how the tests compare) into `out`.
///
/// Errors: `Shape`, where lengths do not agree or do not fill whole blocks; `Unsupported` in a build without ggml.
pub fn quantise(dtype: DType, values: &[f32], out: &mut [u8]) -> Result<()> {
    if dtype.row_bytes(values.len()) != Some(out.len()) {
        return Err(misshapen(format!("{} values cannot be {} bytes of {dtype}", values.len(), out.len())));
    }
    match chunk(dtype, values, out) {
        written if written == out.len() => Ok(()),
        _ => Err(unsupported(format!("this build cannot write {dtype}: it needs the feature \"ggml\""))),
    }
}

/// Bytes written.
#[cfg(feature = "ggml")]
fn chunk(dtype: DType, values: &[f32], out: &mut [u8]) -> usize {
    use llama_cpp_sys_2 as sys;
    let Ok(columns) = i64::try_from(values.len()) else { return 0 };
    if columns == 0 {
        return 0;
    }
    // SAFETY: `values` holds 1 x `columns` floats and `out` exactly the bytes that one row of `columns` values of this
    // type takes (the caller has checked; block sizes equal ggml's by test). The call reads the first, writes the
    // second, keeps neither pointer, and needs no importance matrix for these types. Different threads may call it at
    // once: the tables that it builds on first use are guarded by ggml's own lock.
    unsafe {
        sys::ggml_quantize_chunk(
            dtype.ggml_id() as sys::ggml_type,
            values.as_ptr(),
            out.as_mut_ptr().cast(),
            0,
            1,
            columns,
            std::ptr::null(),
        )
    }
}

#[cfg(not(feature = "ggml"))]
fn chunk(_: DType, _: &[f32], _: &mut [u8]) -> usize {
    0
}

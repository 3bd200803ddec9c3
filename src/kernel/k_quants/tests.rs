//! Every set against ggml's own functions for one row, bit for bit, and that the linker has put ours in their place.

use std::ffi::{c_int, c_void};

use llama_cpp_sys_2 as sys;
use proptest::prelude::*;

use super::*;
use crate::kernel::tests::bits;

unsafe extern "C" {
    fn ggml_gemm_q4_K_8x8_q8_K(_: c_int, _: *mut f32, _: usize, _: *const c_void, _: *const c_void, _: c_int, _: c_int);
    fn ggml_gemv_q4_K_8x8_q8_K(_: c_int, _: *mut f32, _: usize, _: *const c_void, _: *const c_void, _: c_int, _: c_int);
    fn __real_ggml_gemv_q4_K_8x8_q8_K(
        _: c_int,
        _: *mut f32,
        _: usize,
        _: *const c_void,
        _: *const c_void,
        _: c_int,
        _: c_int,
    );
    fn ggml_quantize_mat_q8_K_4x8(_: *const f32, _: *mut c_void, _: i64);
    fn __real_ggml_vec_dot_q6_K_q8_K(
        _: c_int,
        _: *mut f32,
        _: usize,
        _: *const c_void,
        _: usize,
        _: *const c_void,
        _: usize,
        _: c_int,
    );
    fn __real_quantize_row_q8_K(_: *const f32, _: *mut c_void, _: i64);
}

/// Bytes as blocks, whatever they say.
fn blocks<T>(bytes: &[u8]) -> &[T] {
    // SAFETY: all three kinds of blocks are plain numbers, and the bytes of a vector are aligned for them.
    let (before, blocks, after) = unsafe { bytes.align_to() };
    assert!(before.is_empty() && after.is_empty());
    blocks
}

fn sets() -> Vec<(&'static str, &'static Kernels)> {
    let avx512 = Isa::Avx512Vnni.runs_here().then_some(("avx512", &AVX512));
    [("avx2", &AVX2)].into_iter().chain(avx512).collect()
}

/// Rounded by ours and by ggml's.
fn rounded(x: &[f32]) -> [Vec<u8>; 2] {
    let functions: [unsafe extern "C" fn(*const f32, *mut c_void, i64); 2] =
        [__wrap_quantize_row_q8_K, __real_quantize_row_q8_K];
    functions.map(|function| {
        let mut to = vec![0; x.len() / BLOCK * size_of::<Activations>()];
        // SAFETY: room for all values.
        unsafe { function(x.as_ptr(), to.as_mut_ptr().cast(), x.len() as i64) };
        to
    })
}

/// Activations: ordinary, of all sizes, many alike, none.
fn values(len: usize) -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![
        8 => -4f32..4.0,
        1 => Just(0.0),
        1 => prop::sample::select(vec![-0.0, 1e-30, -1e-20, 1e-6, 8.3e6, -8.2e6, 1e30, 4.0, -4.0]),
    ];
    prop_oneof![
        8 => prop::collection::vec(value, len),
        1 => prop::collection::vec(prop::sample::select(vec![3.0, -3.0]), len),
        1 => Just(vec![0.0; len]),
    ]
}

/// A scale of a block: finite.
fn finite(half: [u8; 2]) -> [u8; 2] {
    if half[1] & 0x7c == 0x7c { [half[0], half[1] & 0xbf] } else { half }
}

fn q4_rows(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(size_of::<Q4Rows>()) {
        block[..32].as_chunks_mut().0.iter_mut().for_each(|half| *half = finite(*half));
    }
}

fn q6_block(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(size_of::<Q6Block>()) {
        block[208..].as_chunks_mut().0.iter_mut().for_each(|half| *half = finite(*half));
    }
}

/// Bytes of `count` blocks, some with all bits set or none.
fn weights<T>(count: usize, scales: fn(&mut [u8])) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![1 => prop::sample::select(vec![0x00u8, 0xff, 0x80, 0x7f, 0x0f, 0xf0]), 3 => any::<u8>()];
    let bytes = count * size_of::<T>();
    prop_oneof![8 => prop::collection::vec(byte, bytes), 1 => Just(vec![0xff; bytes])].prop_map(move |mut bytes| {
        scales(&mut bytes);
        bytes
    })
}

fn check_q4_k(weights: &[u8], x: &[u8], rows: usize) {
    let count = x.len() / size_of::<Activations>();
    let mut expected = vec![0f32; rows];
    // SAFETY: `rows` rows of `count` blocks, as many activations, room for all rows.
    unsafe {
        let (len, y) = ((count * BLOCK) as c_int, expected.as_mut_ptr());
        let (weights, x) = (weights.as_ptr().cast(), x.as_ptr().cast());
        __real_ggml_gemv_q4_K_8x8_q8_K(len, y, rows, weights, x, 1, rows as c_int);
        let mut whole = vec![0f32; rows];
        __wrap_ggml_gemv_q4_K_8x8_q8_K(len, whole.as_mut_ptr(), rows, weights, x, 1, rows as c_int);
        assert_eq!(bits(&whole), bits(&expected));
    }
    for (name, set) in sets() {
        for (eight, expected) in blocks::<Q4Rows>(weights).chunks_exact(count).zip(expected.as_chunks::<8>().0) {
            // SAFETY: this processor has the set.
            let [y] = unsafe { (set.q4_k)(eight, blocks(x)) };
            assert_eq!(bits(&y), bits(expected), "{name}");
        }
    }
}

/// Several columns of activations, of `len` values each, give what ggml gives for each of them alone.
fn check_q4_k_columns(weights: &[u8], x: &[f32], len: usize) {
    let (count, columns) = (len / BLOCK, x.len() / len);
    let (rows, stride) = (weights.len() / size_of::<Q4Rows>() / count * ROWS, 37);
    let mut fours = vec![0u8; columns / 4 * count * size_of::<FourActivations>()];
    let (mut together, mut alone) = (vec![0f32; columns * stride], vec![0f32; columns * stride]);
    // SAFETY: room for all blocks, and for a row of results in every stride.
    unsafe {
        for (x, fours) in x.chunks(4 * len).zip(fours.chunks_mut(count * size_of::<FourActivations>())) {
            ggml_quantize_mat_q8_K_4x8(x.as_ptr(), fours.as_mut_ptr().cast(), len as i64);
        }
        let (weights, len) = (weights.as_ptr().cast(), len as c_int);
        let (y, x) = (together.as_mut_ptr(), fours.as_ptr().cast());
        __wrap_ggml_gemm_q4_K_8x8_q8_K(len, y, stride, weights, x, columns as c_int, rows as c_int);
        for (column, y) in alone.chunks_mut(stride).enumerate() {
            let blocks = blocks::<FourActivations>(&fours)[column / 4 * count..][..count].iter();
            let x: Vec<_> = blocks.map(|four| four.one(column % 4)).collect();
            __real_ggml_gemv_q4_K_8x8_q8_K(len, y.as_mut_ptr(), rows, weights, x.as_ptr().cast(), 1, rows as c_int);
        }
    }
    assert_eq!(bits(&together), bits(&alone), "{columns} columns, {rows} rows");
    for (name, set) in sets() {
        // SAFETY: this processor has the set.
        let first = unsafe { (set.q4_k_columns)(&blocks(weights)[..count], &blocks(&fours)[..count]) };
        for (y, alone) in first.iter().zip(alone.chunks(stride)) {
            assert_eq!(bits(y), bits(&alone[..ROWS]), "{name}");
        }
    }
}

impl FourActivations {
    fn one(&self, column: usize) -> Activations {
        let quants: Vec<i8> = self.quants.iter().flat_map(|group| group[column]).collect();
        let sums: Vec<i16> = self.sums.iter().flat_map(|part| part[column]).collect();
        Activations { scale: self.scales[column], quants: quants.try_into().unwrap(), sums: sums.try_into().unwrap() }
    }
}

fn check_q6_k(weights: &[u8], x: &[u8]) {
    crate::ggml::init().unwrap(); // ggml looks scales up in a table
    let len = (x.len() / size_of::<Activations>() * BLOCK) as c_int;
    let (mut expected, mut whole) = (0f32, 0f32);
    // SAFETY: a row of blocks, as many activations, room for one value.
    unsafe {
        let (weights, x) = (weights.as_ptr().cast(), x.as_ptr().cast());
        __real_ggml_vec_dot_q6_K_q8_K(len, &mut expected, 0, weights, 0, x, 0, 1);
        __wrap_ggml_vec_dot_q6_K_q8_K(len, &mut whole, 0, weights, 0, x, 0, 1);
    }
    assert_eq!(bits(&[whole]), bits(&[expected]));
    for (name, set) in sets() {
        // SAFETY: this processor has the set.
        let y = unsafe { (set.q6_k)(blocks(weights), blocks(x)) };
        assert_eq!(bits(&[y]), bits(&[expected]), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn activations_are_rounded_to_ggmls_bits(x in values(3 * BLOCK)) {
        let [ours, ggml] = rounded(&x);
        prop_assert_eq!(ours, ggml);
    }

    #[test]
    fn eight_rows_of_q4_k_give_ggmls_bits(weights in weights::<Q4Rows>(6, q4_rows), x in values(3 * BLOCK)) {
        check_q4_k(&weights, &rounded(&x)[1], 16);
    }

    #[test]
    fn columns_of_q4_k_give_the_bits_of_each_alone(
        weights in weights::<Q4Rows>(6, q4_rows),
        x in (1usize..6).prop_flat_map(|fours| values(fours * 4 * 2 * BLOCK)),
    ) {
        check_q4_k_columns(&weights, &x, 2 * BLOCK);
    }

    #[test]
    fn a_row_of_q6_k_gives_ggmls_bits(weights in weights::<Q6Block>(3, q6_block), x in values(3 * BLOCK)) {
        check_q6_k(&weights, &rounded(&x)[1]);
    }
}

#[test]
fn the_largest_sums_do_not_overflow() {
    for x in [1.0, -1.0] {
        let x = &rounded(&[x; 2 * BLOCK])[1];
        for byte in [0xff, 0x7f, 0x80, 0x0f] {
            let mut weights = vec![byte; 2 * size_of::<Q4Rows>()];
            q4_rows(&mut weights);
            check_q4_k(&weights, x, 8);
            check_q4_k_columns(&weights, &[1.0; 8 * BLOCK], 2 * BLOCK);
            let mut weights = vec![byte; 2 * size_of::<Q6Block>()];
            q6_block(&mut weights);
            check_q6_k(&weights, x);
        }
    }
}

/// Otherwise everything works and is slower, which nobody would see.
#[test]
fn llama_cpp_calls_ours() {
    type Product = unsafe extern "C" fn(c_int, *mut f32, usize, *const c_void, *const c_void, c_int, c_int);
    let (called, ours): (Product, Product) = (ggml_gemv_q4_K_8x8_q8_K, __wrap_ggml_gemv_q4_K_8x8_q8_K);
    assert_eq!(called as usize, ours as usize);
    let (called, ours): (Product, Product) = (ggml_gemm_q4_K_8x8_q8_K, __wrap_ggml_gemm_q4_K_8x8_q8_K);
    assert_eq!(called as usize, ours as usize);
    // SAFETY: ggml's table of formats, which lives as long as the program.
    let (q6_k, q8_k) = unsafe {
        (*sys::ggml_get_type_traits_cpu(sys::GGML_TYPE_Q6_K), *sys::ggml_get_type_traits_cpu(sys::GGML_TYPE_Q8_K))
    };
    assert_eq!(q6_k.vec_dot.map(|f| f as usize), Some(__wrap_ggml_vec_dot_q6_K_q8_K as *const () as usize));
    assert_eq!(q8_k.from_float.map(|f| f as usize), Some(__wrap_quantize_row_q8_K as *const () as usize));
}

//! Every set against ggml's own functions for one row, bit for bit. What ggml's graphs give with them: `graph.rs`.

use std::ffi::{c_int, c_void};

use proptest::prelude::*;

use super::*;
use crate::kernel::tests::bits;

mod graph;

unsafe extern "C" {
    fn ggml_gemv_q4_K_8x8_q8_K(_: c_int, _: *mut f32, _: usize, _: *const c_void, _: *const c_void, _: c_int, _: c_int);
    fn ggml_vec_dot_q6_K_q8_K(
        _: c_int,
        _: *mut f32,
        _: usize,
        _: *const c_void,
        _: usize,
        _: *const c_void,
        _: usize,
        _: c_int,
    );
    fn quantize_row_q8_K(_: *const f32, _: *mut c_void, _: i64);
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

/// Sixteen rows by tiles give every column what it gets alone.
fn check_many(weights: &[u8], x: &[f32], len: usize) {
    if !amx::runs_here() {
        return eprintln!("not checked: this processor has no AMX");
    }
    let (blocks_each, columns) = (len / BLOCK, x.len() / len);
    let rounded = &rounded(x)[1];
    let activations = blocks::<Activations>(rounded);
    // SAFETY: the blocks are plain numbers.
    let prepared: Vec<_> = activations.iter().map(|x| amx::prepared(unsafe { std::ptr::read(x) })).collect();
    let rows = blocks::<Q4Rows>(weights);
    let halves = [&rows[..blocks_each], &rows[blocks_each..2 * blocks_each]];
    let mut sums = vec![[0f32; amx::SIDE]; columns];
    // SAFETY: this processor has the instructions, this thread no other tiles.
    unsafe { amx::q4_k(&amx::Tiles::configure(columns), halves, &prepared, &mut sums) };
    for (x, sums) in activations.chunks_exact(blocks_each).zip(&sums) {
        for (eight, sums) in halves.into_iter().zip(sums.as_chunks::<ROWS>().0) {
            // SAFETY: who has AMX has AVX2.
            let [alone] = unsafe { (AVX2.q4_k)(eight, x) };
            assert_eq!(bits(sums), bits(&alone));
        }
    }
}

/// Rounded by ours and by ggml's.
fn rounded(x: &[f32]) -> [Vec<u8>; 2] {
    let mut to = [const { Vec::new() }; 2].map(|_: Vec<u8>| vec![0; x.len() / BLOCK * size_of::<Activations>()]);
    let [ours, ggmls] = &mut to;
    // SAFETY: room for all values; this processor has AVX2.
    unsafe {
        for (i, values) in x.as_chunks().0.iter().enumerate() {
            ours.as_mut_ptr().cast::<Activations>().add(i).write(avx2::quantise(values));
        }
        quantize_row_q8_K(x.as_ptr(), ggmls.as_mut_ptr().cast(), x.len() as i64);
    }
    to
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
        ggml_gemv_q4_K_8x8_q8_K(len, y, rows, weights.as_ptr().cast(), x.as_ptr().cast(), 1, rows as c_int);
    }
    for (name, set) in sets() {
        for (eight, expected) in blocks::<Q4Rows>(weights).chunks_exact(count).zip(expected.as_chunks::<8>().0) {
            // SAFETY: this processor has the set.
            let [y] = unsafe { (set.q4_k)(eight, blocks(x)) };
            assert_eq!(bits(&y), bits(expected), "{name}");
        }
    }
}

/// Four columns of activations, of `len` values each, give what ggml gives for each of them alone.
fn check_q4_k_columns(weights: &[u8], x: &[f32], len: usize) {
    let count = len / BLOCK;
    let mut fours = vec![0u8; count * size_of::<FourActivations>()];
    // SAFETY: four columns, and room for their blocks.
    unsafe { round_four(x.as_ptr(), fours.as_mut_ptr().cast(), len) };
    let fours = blocks::<FourActivations>(&fours);
    for eight in blocks::<Q4Rows>(weights).chunks_exact(count) {
        let alone: [[f32; ROWS]; 4] = std::array::from_fn(|column| {
            let x: Vec<_> = fours.iter().map(|four| four.one(column)).collect();
            let mut y = [0f32; ROWS];
            // SAFETY: eight rows of blocks, as many activations, room for eight values.
            unsafe {
                let (weights, x) = (eight.as_ptr().cast(), x.as_ptr().cast());
                ggml_gemv_q4_K_8x8_q8_K(len as c_int, y.as_mut_ptr(), ROWS, weights, x, 1, ROWS as c_int);
            }
            y
        });
        for (name, set) in sets() {
            // SAFETY: this processor has the set.
            let together = unsafe { (set.q4_k_columns)(eight, fours) };
            assert_eq!(together.map(|y| bits(&y)), alone.map(|y| bits(&y)), "{name}");
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
    let mut expected = 0f32;
    // SAFETY: a row of blocks, as many activations, room for one value.
    unsafe { ggml_vec_dot_q6_K_q8_K(len, &mut expected, 0, weights.as_ptr().cast(), 0, x.as_ptr().cast(), 0, 1) };
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
        x in values(4 * 2 * BLOCK),
    ) {
        check_q4_k_columns(&weights, &x, 2 * BLOCK);
    }

    #[test]
    fn sixteens_of_rows_and_columns_give_the_bits_of_each_alone(
        weights in weights::<Q4Rows>(2 * 2, q4_rows),
        x in (1usize..50).prop_flat_map(|columns| values(columns * 2 * BLOCK)),
    ) {
        check_many(&weights, &x, 2 * BLOCK);
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
            check_many(&weights, &[1.0; 20 * BLOCK], BLOCK);
            check_many(&weights, &[-1.0; 20 * BLOCK], BLOCK);
            let mut weights = vec![byte; 2 * size_of::<Q6Block>()];
            q6_block(&mut weights);
            check_q6_k(&weights, x);
        }
    }
}

#[test]
fn a_block_of_zeros_has_sums_of_zero() {
    // SAFETY: the tests of these kernels run where there is AVX2.
    let zeros = unsafe { avx2::quantise(&[0.0; BLOCK]) };
    assert_eq!((zeros.scale, zeros.sums, zeros.quants), (0.0, [0; BLOCK / 16], [0; BLOCK]));
}

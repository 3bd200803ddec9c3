//! Every kernel set that runs here against the plain one, bit for bit, on random and extreme weights and activations.

use proptest::prelude::*;
use syrinx_quant::DType;

use super::columns::{BLOCK, BlockQ8};
use super::isa::Isa;
use super::layout::Tiles;
use super::{Columns, Pool};

const FORMATS: [DType; 4] = [DType::F32, DType::F16, DType::Q8_0, DType::Q4_0];

/// A matrix and its columns.
#[derive(Clone, Debug)]
struct Case {
    dtype: DType,
    rows: usize,
    len: usize,
    weights: Vec<u8>,
    count: usize,
    x: Vec<f32>,
}

impl Case {
    fn product(&self, isa: Isa, pool: &Pool) -> Vec<f32> {
        let kernels = isa.kernels();
        let tiles = Tiles::pack(kernels.layout, self.dtype, self.len, &[&self.weights]).unwrap();
        let mut x = Columns::new(self.len, self.count);
        x.fill(self.count).copy_from_slice(&self.x);
        if self.dtype.block_size() == BLOCK {
            x.quantise();
        }
        let mut y = vec![f32::NAN; self.rows * self.count];
        let product = kernels.product(self.dtype).expect("a format of FORMATS");
        // As if the rows were heavy, so that they are shared out in the smallest chunks.
        pool.rows(&mut y, self.rows, 1 << 20, |rows, y| product(&tiles, &x, rows, y));
        y
    }

    fn check_all_sets(&self) {
        let alone = Pool::new(1);
        let expected = bits(&self.product(Isa::Scalar, &alone));
        for isa in Isa::ALL.into_iter().filter(|isa| isa.runs_here()) {
            assert_eq!(bits(&self.product(isa, &alone)), expected, "{isa:?} {self:?}");
        }
    }
}

/// Bits, with one for all that is not a number.
pub(super) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| if v.is_nan() { u32::MAX } else { v.to_bits() }).collect()
}

/// A scale or f16 weight: now and then zero, a denormal, the largest, and never anything but a finite number.
fn half() -> impl Strategy<Value = u16> {
    prop_oneof![
        1 => prop::sample::select(vec![0x0000, 0x8000, 0x0001, 0x83ff, 0x7bff, 0xfbff, 0x0400]),
        6 => any::<u16>().prop_map(|h| if h & 0x7c00 == 0x7c00 { h & 0xbfff } else { h }),
        6 => (0u16..0x800).prop_map(|h| 0x2400 + h),
    ]
}

fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![1 => prop::sample::select(vec![0x80u8, 0x81, 0x7f, 0xff, 0x00, 0x0f, 0xf0]), 2 => any::<u8>()]
}

/// Ordinary values, zeros, denormals, and some whose scale is beyond f16.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -4f32..4.0,
        1 => Just(0.0),
        1 => prop::sample::select(vec![-0.0, 1e-40, -1e-44, 1e-6, 8.3e6, -8.2e6, 3e7, 1e30, 0.5, 127.0]),
    ]
}

fn weights(dtype: DType, values: usize) -> BoxedStrategy<Vec<u8>> {
    let halves = |n| prop::collection::vec(half(), n);
    let blocks = |n: usize, size: usize| {
        (halves(n), prop::collection::vec(byte(), n * size)).prop_map(move |(scales, quants)| {
            let block = |(s, q): (&u16, &[u8])| [&s.to_le_bytes(), q].concat();
            scales.iter().zip(quants.chunks(size)).flat_map(block).collect()
        })
    };
    match dtype {
        DType::F32 => prop::collection::vec(value(), values)
            .prop_map(|v| v.into_iter().flat_map(f32::to_le_bytes).collect())
            .boxed(),
        DType::F16 => halves(values).prop_map(|v| v.into_iter().flat_map(u16::to_le_bytes).collect()).boxed(),
        _ => blocks(values / BLOCK, dtype.type_size() - 2).boxed(),
    }
}

fn case() -> impl Strategy<Value = Case> {
    (prop::sample::select(FORMATS.to_vec()), 1usize..40, 1usize..100, 1usize..=9).prop_flat_map(
        |(dtype, rows, len, count)| {
            let len = if dtype.block_size() == BLOCK { len.div_ceil(BLOCK) * BLOCK } else { len };
            (weights(dtype, rows * len), prop::collection::vec(value(), len * count))
                .prop_map(move |(weights, x)| Case { dtype, rows, len, weights, count, x })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_set_gives_the_bits_of_the_plain_kernels(case in case()) {
        case.check_all_sets();
    }

    #[test]
    fn every_set_rounds_activations_alike(values in prop::collection::vec(value(), BLOCK * 5)) {
        let blocks = |isa: Isa| {
            let mut blocks = vec![BlockQ8::default(); 5];
            (isa.kernels().quantise)(values.as_chunks().0, &mut blocks);
            blocks
        };
        for isa in Isa::ALL.into_iter().filter(|isa| isa.runs_here()) {
            prop_assert_eq!(blocks(isa), blocks(Isa::Scalar));
        }
    }

    #[test]
    fn activations_are_rounded_as_ggml_rounds_them(values in prop::collection::vec(-9f32..9.0, BLOCK)) {
        let mut block = [BlockQ8::default()];
        (Isa::Scalar.kernels().quantise)(values.as_chunks().0, &mut block);
        let mut bytes = [0; 34];
        syrinx_quant::block::quantise(DType::Q8_0, &values, &mut bytes).unwrap();
        prop_assert_eq!(&block[0].quants.map(|q| q as u8)[..], &bytes[2..]);
        prop_assert_eq!(block[0].scale, half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32());
        prop_assert_eq!(block[0].offset, -8 * block[0].quants.iter().map(|&q| i32::from(q)).sum::<i32>());
    }
}

/// A fixed case of any size.
fn fixed(dtype: DType, rows: usize, len: usize, count: usize) -> Case {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as f32 / 32_768.0 - 1.0
    };
    let values: Vec<f32> = (0..rows * len).map(|_| next()).collect();
    let mut weights = vec![0; dtype.row_bytes(len).unwrap() * rows];
    syrinx_quant::block::quantise(dtype, &values, &mut weights).unwrap();
    Case { dtype, rows, len, weights, count, x: (0..len * count).map(|_| next()).collect() }
}

#[test]
fn all_numbers_of_columns_and_rows_beside_the_tile_agree() {
    for dtype in FORMATS {
        for count in 1..=17 {
            for rows in [1, 7, 8, 9, 15, 16, 17, 31, 33] {
                fixed(dtype, rows, 96, count).check_all_sets();
            }
        }
    }
}

#[test]
fn the_largest_sums_of_a_block_do_not_overflow() {
    for (dtype, quant) in [(DType::Q8_0, 0x80u8), (DType::Q8_0, 0x7f), (DType::Q4_0, 0xff), (DType::Q4_0, 0x00)] {
        for x in [1.0, -1.0] {
            let block = [&[0x00, 0x3c][..], &vec![quant; dtype.type_size() - 2]].concat();
            let case = Case { dtype, rows: 17, len: 64, weights: block.repeat(34), count: 3, x: vec![x; 192] };
            case.check_all_sets();
            let weight = if dtype == DType::Q8_0 { f32::from(quant as i8) } else { f32::from(quant & 15) - 8.0 };
            let y = case.product(Isa::detect(), &Pool::new(1));
            assert!(y.iter().all(|y| (y - 64.0 * weight * x).abs() <= 0.001 * weight.abs() * 64.0), "{dtype} {y:?}");
        }
    }
}

#[test]
fn a_product_is_what_the_formats_say_it_is() {
    for dtype in FORMATS {
        let case = fixed(dtype, 37, 256, 5);
        let mut weights = vec![0.0; 37 * 256];
        syrinx_quant::block::dequantise(dtype, &case.weights, &mut weights).unwrap();
        let y = case.product(Isa::detect(), &Pool::new(1));
        let exact = |row: usize, column: usize| -> f64 {
            let (w, x) = (&weights[row * 256..][..256], &case.x[column * 256..][..256]);
            w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum()
        };
        // Rounding 256 activations to 1/254 of at most 1 each, against weights of at most 1, or to the last bit.
        let tolerance = if dtype.block_size() == BLOCK { 256f64.sqrt() / 254.0 } else { 1e-5 };
        for (i, y) in y.iter().enumerate() {
            let exact = exact(i % 37, i / 37);
            assert!((f64::from(*y) - exact).abs() < tolerance, "{dtype} row {} of column {}", i % 37, i / 37);
        }
    }
}

#[test]
fn the_number_of_threads_and_of_columns_changes_nothing() {
    let alone = Pool::new(1);
    for dtype in FORMATS {
        let case = fixed(dtype, 333, 320, 6);
        let expected = bits(&case.product(Isa::detect(), &alone));
        for threads in [2, 3, 4] {
            assert_eq!(bits(&case.product(Isa::detect(), &Pool::new(threads))), expected, "{dtype} {threads}");
        }
        for column in 0..6 {
            let single = Case { count: 1, x: case.x[column * 320..][..320].to_vec(), ..case.clone() };
            assert_eq!(bits(&single.product(Isa::detect(), &alone)), expected[column * 333..][..333], "{dtype}");
        }
    }
}

#[test]
fn columns_computed_on_several_threads_are_those_of_one() {
    let value = |column: usize, i: usize| ((column * 131 + i * 17) % 61) as f32 / 7.0 - 4.0;
    for (count, len) in [(1, 64), (6, 3072), (8, 2048), (17, 4096)] {
        let mut alone = Columns::new(len, count);
        alone.fill(count).iter_mut().enumerate().for_each(|(i, x)| *x = value(i / len, i % len));
        alone.quantise();
        for threads in [1, 2, 3] {
            for rounded in [true, false] {
                let mut x = Columns::new(len, count);
                x.compute(count, rounded, &Pool::new(threads), |column, out| {
                    out.iter_mut().enumerate().for_each(|(i, x)| *x = value(column, i));
                });
                assert_eq!(x.values(), alone.values());
                x.quantise();
                assert_eq!(x.blocks(), alone.blocks(), "{threads} threads, {count} columns of {len}");
            }
        }
    }
}

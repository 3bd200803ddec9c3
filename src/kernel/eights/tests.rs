//! Every set against plain sums over the blocks as a file has them, bit for bit. What ggml's graphs give: `graph.rs`.

use half::f16;
use proptest::prelude::*;

use super::*;
use crate::kernel::tests::bits;

mod graph;

unsafe extern "C" {
    fn quantize_row_q8_K(_: *const f32, _: *mut std::ffi::c_void, _: i64);
}

/// The plain sums: what a row gives is defined by these.
mod plain {
    use super::*;

    fn half(bytes: &[u8]) -> f32 {
        f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
    }

    fn sum(quants: impl Iterator<Item = i32>, x: &[i8]) -> i32 {
        quants.zip(x).map(|(q, x)| q * i32::from(*x)).sum()
    }

    pub fn q4_k(row: &[u8], x: &[Activations]) -> f32 {
        let (mut scaled, mut leasts) = (0f32, 0f32);
        for (block, x) in row.as_chunks::<144>().0.iter().zip(x) {
            let packed = &block[4..16];
            let (mut total, mut least) = (0, 0);
            for sub in 0..8 {
                // Of the first four the six low bits; of the others four bits, and above them two that the first have spare.
                let [s, m] = match sub {
                    0..4 => [packed[sub] & 63, packed[sub + 4] & 63],
                    _ => {
                        [packed[sub + 4] & 15 | packed[sub - 4] >> 6 << 4, packed[sub + 4] >> 4 | packed[sub] >> 6 << 4]
                    }
                };
                let quants = &block[16 + sub / 2 * 32..][..32];
                let x = &x.quants[sub * 32..][..32];
                total += i32::from(s) * sum(quants.iter().map(|q| i32::from(q >> (sub % 2 * 4) & 15)), x);
                least += i32::from(m) * x.iter().map(|x| i32::from(*x)).sum::<i32>();
            }
            scaled = (total as f32).mul_add(half(block) * x.scale, scaled);
            leasts = (least as f32).mul_add(half(&block[2..]) * x.scale, leasts);
        }
        scaled - leasts
    }

    pub fn q6_k(row: &[u8], x: &[Activations]) -> f32 {
        let mut scaled = 0f32;
        for (block, x) in row.as_chunks::<210>().0.iter().zip(x) {
            let mut total = 0;
            for (sub, scale) in block[192..208].iter().enumerate() {
                let quant = |i| {
                    let weight = sub * 16 + i;
                    let (half, quarter, i) = (weight / 128, weight / 32 % 4, weight % 32);
                    let low = block[half * 64 + quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 15;
                    let high = block[128 + half * 32 + i] >> (quarter * 2) & 3;
                    i32::from(low | high << 4) - 32
                };
                total += i32::from(*scale as i8) * sum((0..16).map(quant), &x.quants[sub * 16..][..16]);
            }
            scaled = (total as f32).mul_add(half(&block[208..]) * x.scale, scaled);
        }
        scaled
    }

    pub fn row(format: Format, row: &[u8], x: &[Activations]) -> f32 {
        match format {
            Format::Q4K => q4_k(row, x),
            Format::Q6K => q6_k(row, x),
        }
    }
}

const FORMATS: [Format; 2] = [Format::Q4K, Format::Q6K];

/// Of a block in a file.
fn bytes_of(format: Format) -> usize {
    match format {
        Format::Q4K => 144,
        Format::Q6K => 210,
    }
}

fn sets() -> impl Iterator<Item = &'static Kernels> {
    let sets = [(Isa::Neon, &NEON), (Isa::DotProd, &DOTPROD), (Isa::I8mm, &I8MM)];
    sets.into_iter().filter(|(isa, _)| isa.runs_here()).map(|(_, set)| set)
}

fn rounded(x: &[f32]) -> Vec<Activations> {
    x.as_chunks().0.iter().map(Activations::of).collect()
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
        1 => Just(vec![1e-42; len]),
    ]
}

/// All scales of blocks finite.
fn with_finite_scales(format: Format, bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(bytes_of(format)) {
        let halves = match format {
            Format::Q4K => &mut block[..4],
            Format::Q6K => &mut block[208..],
        };
        for half in halves.as_chunks_mut::<2>().0.iter_mut().filter(|half| half[1] & 0x7c == 0x7c) {
            half[1] &= 0xbf;
        }
    }
}

/// Bytes of `count` blocks, some with all bits set or none.
fn weights(format: Format, count: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![1 => prop::sample::select(vec![0x00u8, 0xff, 0x80, 0x7f, 0x0f, 0xf0]), 3 => any::<u8>()];
    let bytes = count * bytes_of(format);
    prop_oneof![8 => prop::collection::vec(byte, bytes), 1 => Just(vec![0xff; bytes])].prop_map(move |mut bytes| {
        with_finite_scales(format, &mut bytes);
        bytes
    })
}

/// Bytes of a tensor of ours, as aligned as a buffer's.
fn blocks<T>(bytes: &[u64]) -> &[T] {
    // SAFETY: both kinds of blocks are plain numbers of at most 16 bits.
    let (before, blocks, _) = unsafe { bytes.align_to() };
    assert!(before.is_empty());
    blocks
}

/// Eight rows with one column, and with four, by every set.
fn check(format: Format, weights: &[u8], x: &[f32]) {
    let count = x.len() / BLOCK / COLUMNS;
    let mut packed = vec![0u64; weights.len().div_ceil(8)];
    // SAFETY: as many bytes.
    let to = unsafe { std::slice::from_raw_parts_mut(packed.as_mut_ptr().cast(), weights.len()) };
    assert!(pack(format, count * BLOCK, weights, to));
    let columns = rounded(x);
    let columns: Vec<_> = columns.chunks(count).collect();
    let four = |i| FourActivations::of(std::array::from_fn(|n| &columns[n][i]));
    let fours: Vec<_> = (0..count).map(four).collect();
    let expected: Sums<COLUMNS> = std::array::from_fn(|n| {
        std::array::from_fn(|row| {
            plain::row(format, weights.chunks_exact(weights.len() / ROWS).nth(row).unwrap(), columns[n])
        })
    });
    for set in sets() {
        // SAFETY: this processor has the set.
        let (alone, together) = unsafe {
            match format {
                Format::Q4K => {
                    let w = &blocks(&packed)[..count];
                    (columns.iter().map(|x| (set.q4_k)(w, x)).collect::<Vec<_>>(), (set.q4_k_columns)(w, &fours))
                }
                Format::Q6K => {
                    let w = &blocks(&packed)[..count];
                    (columns.iter().map(|x| (set.q6_k)(w, x)).collect(), (set.q6_k_columns)(w, &fours))
                }
            }
        };
        for n in 0..COLUMNS {
            assert_eq!(bits(&alone[n][0]), bits(&expected[n]), "{} {format:?} column {n} alone", set.name);
            assert_eq!(bits(&together[n]), bits(&expected[n]), "{} {format:?} column {n} of four", set.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn eight_rows_of_q4_k_give_the_bits_of_plain_sums(
        weights in weights(Format::Q4K, 3 * ROWS),
        x in values(3 * BLOCK * COLUMNS),
    ) {
        check(Format::Q4K, &weights, &x);
    }

    #[test]
    fn eight_rows_of_q6_k_give_the_bits_of_plain_sums(
        weights in weights(Format::Q6K, 3 * ROWS),
        x in values(3 * BLOCK * COLUMNS),
    ) {
        check(Format::Q6K, &weights, &x);
    }

    #[test]
    fn activations_are_rounded_to_ggmls_numbers(x in values(BLOCK)) {
        // scale, quants, sums of sixteen each
        let mut ggmls = vec![0u8; 292];
        // SAFETY: 256 values, and room for their block.
        unsafe { quantize_row_q8_K(x.as_ptr(), ggmls.as_mut_ptr().cast(), BLOCK as i64) };
        let ours = &rounded(&x)[0];
        if x.iter().all(|x| x.abs() < 1e-36) {
            // ggml's inverse is infinite, and its quants are no numbers.
            prop_assert!((ours.scale, ours.sums, ours.quants) == (0.0, [0; BLOCK / 32], [0; BLOCK]));
            return Ok(());
        }
        prop_assert_eq!(&ours.scale.to_le_bytes()[..], &ggmls[..4]);
        prop_assert_eq!(&ours.quants.map(|q| q as u8)[..], &ggmls[4..260]);
        for (sum, two) in ours.sums.iter().zip(ggmls[260..].as_chunks::<4>().0) {
            prop_assert_eq!(*sum, i16::from_le_bytes([two[0], two[1]]) + i16::from_le_bytes([two[2], two[3]]));
        }
    }
}

#[test]
fn the_largest_sums_do_not_overflow() {
    for x in [1.0, -1.0] {
        for format in FORMATS {
            for byte in [0xff, 0x7f, 0x80, 0x0f, 0x00] {
                let mut weights = vec![byte; 2 * ROWS * bytes_of(format)];
                with_finite_scales(format, &mut weights);
                check(format, &weights, &[x; 2 * BLOCK * COLUMNS]);
            }
        }
    }
}

/// Of Q6_K the least quants with the least sub-scales, which no single byte makes.
#[test]
fn the_largest_sums_of_q6_k_do_not_overflow() {
    for (quant, sub_scale) in [(0x00, 0x80), (0xff, 0x80), (0x00, 0x7f)] {
        let block = [vec![quant; 192], vec![sub_scale; 16], vec![0x00, 0x3c]].concat();
        for x in [1.0, -1.0] {
            check(Format::Q6K, &block.repeat(2 * ROWS), &[x; 2 * BLOCK * COLUMNS]);
        }
    }
}

#[test]
fn what_is_no_eight_rows_of_whole_blocks_is_not_laid_out() {
    for format in FORMATS {
        for (len, bytes) in [(BLOCK, ROWS * bytes_of(format) - 1), (BLOCK, bytes_of(format)), (BLOCK / 2, 0), (0, 0)] {
            assert!(!pack(format, len, &vec![0; bytes], &mut vec![0; bytes]), "{format:?} {len} {bytes}");
        }
        let bytes = ROWS * bytes_of(format);
        assert!(!pack(format, BLOCK, &vec![0; bytes], &mut vec![0; 2 * bytes]));
    }
}

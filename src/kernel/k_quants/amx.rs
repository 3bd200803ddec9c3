//! With AMX: sixteen rows of Q4_K meet sixteen columns at a time, for a prompt's rows.
//!
//! A quant times its sub-scale has ten bits: too many for the tile unit, which takes bytes. So the lower seven and the upper
//! three go into tiles of their own, laid out once for all columns, and the unit adds over all 256 weights of a block. That gives
//! the integers that the other sets add up in another order: the same bits.

use std::arch::asm;
use std::arch::x86_64::*;
use std::sync::LazyLock;

use super::avx2::{ahead, pairs};
use super::{Activations, BLOCK, Q4Rows};

/// Rows, and columns, of a tile of results.
pub(super) const SIDE: usize = 16;
/// Most columns at once: their totals and the weights' tiles stay in the nearest cache.
pub(super) const MOST: usize = 8 * SIDE;
/// Weights of a row in a tile.
const DEPTH: usize = 64;
/// Bits of a scaled quant that lie in the tiles of its lower part.
const LOWER: u32 = 7;

/// Whether the processor has AMX, and the system lets this process use it. Asks the system for that: from then on its
/// signal frames have room for tiles.
pub(in crate::kernel) fn runs_here() -> bool {
    const REQUEST: libc::c_long = 0x1023; // ARCH_REQ_XCOMP_PERM of arch_prctl
    const TILE_DATA: libc::c_long = 18;
    static RUNS: LazyLock<bool> = LazyLock::new(|| {
        let most = __cpuid(0).eax;
        let amx = most >= 7 && (__cpuid_count(7, 0).edx >> 24) & 0b11 == 0b11; // AMX-TILE, AMX-INT8
        // SAFETY: the call reads no memory of ours, and an older system refuses it.
        amx && cfg!(target_os = "linux") && unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) } == 0
    });
    *RUNS
}

/// This thread's tiles, until it is dropped: eight of sixteen times 64 bytes.
pub(super) struct Tiles(());

impl Tiles {
    /// # Safety
    /// [`runs_here`], and the thread has no other.
    pub unsafe fn configure() -> Self {
        #[repr(C, align(64))]
        struct Config {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        config.row_bytes[..8].fill(DEPTH as u16);
        config.rows[..8].fill(SIDE as u8);
        // SAFETY: 64 bytes as Intel's manual has them (volume 1, 18.2).
        unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly, preserves_flags)) };
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: there is a configuration, so the processor has the instruction.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// A block of sixteen rows: for each 64 weights the lower and the upper parts, four weights of each row in turn.
#[repr(C, align(64))]
struct Scaled([[[[u8; DEPTH]; SIDE]; 2]; BLOCK / DEPTH]);

/// Sums of sixteen columns and sixteen rows: of the lower, and of the upper parts.
#[repr(C, align(64))]
struct Sums([[[i32; SIDE]; SIDE]; 2]);

/// Two times eight rows, for `columns` of activations, at most [`MOST`] and at least [`SIDE`].
///
/// # Safety
/// [`runs_here`], the processor has the other instructions too, and `tiles` are this thread's.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
pub(super) unsafe fn q4_k(_: &Tiles, weights: [&[Q4Rows]; 2], x: &[Activations], to: &mut [[f32; SIDE]]) {
    let (blocks, columns) = (weights[0].len(), to.len());
    assert!(weights[1].len() == blocks && x.len() == columns * blocks && (SIDE..=MOST).contains(&columns));
    let mut scaled = Scaled([[[[0; DEPTH]; SIDE]; 2]; BLOCK / DEPTH]);
    let mut sums = [const { Sums([[[0; SIDE]; SIDE]; 2]) }; 2];
    let mut totals = [[_mm512_setzero_ps(); 2]; MOST];
    // The last tile of columns begins early enough to be whole; what was before it is not added again.
    let tiles =
        |pair: usize| [pair * 2 * SIDE, (pair * 2 + 1) * SIDE].map(|nominal| (nominal, nominal.min(columns - SIDE)));
    for block in 0..blocks {
        let w = weights.map(|rows| &rows[block]);
        let unpacked = w.map(Q4Rows::unpack);
        scale(w, unpacked.map(|(scales, _)| scales), &mut scaled);
        let [first, second] = unpacked.map(|(_, least)| pairs(&least));
        let least: [__m512i; 4] = std::array::from_fn(|i| join(first[i], second[i]));
        let [scales, leasts] = [w.map(|w| &w.scales), w.map(|w| &w.leasts)].map(|halves| {
            // SAFETY: eight times 16 bits each.
            let [first, second] = halves.map(|halves| unsafe { _mm_loadu_si128(halves.as_ptr().cast()) });
            _mm512_cvtph_ps(_mm256_set_m128i(second, first))
        });
        for pair in 0..columns.div_ceil(2 * SIDE) {
            // SAFETY: sixteen columns from each start on, whose blocks lie `blocks` apart; the rest is required of the caller.
            unsafe { multiply(&scaled, tiles(pair).map(|(_, start)| &x[start * blocks + block..]), blocks, &mut sums) };
            for (sums, (nominal, start)) in sums.iter().zip(tiles(pair)) {
                for column in nominal..columns.min(nominal + SIDE) {
                    let x = &x[column * blocks + block];
                    let [lower, upper] = [0, 1].map(|part| {
                        // SAFETY: sixteen sums.
                        unsafe { _mm512_load_si512(sums.0[part][column - start].as_ptr().cast()) }
                    });
                    let sum = _mm512_add_epi32(lower, _mm512_slli_epi32::<LOWER>(upper));
                    let by = _mm512_set1_ps(x.scale);
                    let [total, of_leasts] = &mut totals[column];
                    *total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scales, by), *total);
                    let sum = _mm512_cvtepi32_ps(by_sums(&least, x));
                    *of_leasts = _mm512_fmadd_ps(sum, _mm512_mul_ps(leasts, by), *of_leasts);
                }
            }
        }
    }
    for (to, [total, leasts]) in to.iter_mut().zip(totals) {
        // SAFETY: room for sixteen floats.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), _mm512_sub_ps(total, leasts)) };
    }
}

/// Lays a block of sixteen rows out for the tile unit, every quant times its sub-scale.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn scale(w: [&Q4Rows; 2], scales: [[u64; 8]; 2], to: &mut Scaled) {
    let zero = _mm512_setzero_si512();
    let per_byte = _mm512_set1_epi8(15);
    let below = _mm512_set1_epi16((1 << LOWER) - 1);
    // Of eight rows with eight weights each: the first, or the last four of each row, and of the next eight rows.
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let halves = [even, _mm512_add_epi32(even, _mm512_set1_epi32(1))];
    for (part, to) in to.0.iter_mut().enumerate() {
        for half in 0..2 {
            let scales = scales.map(|scales| of_rows(scales[part * 2 + half]));
            for group in 0..4 {
                let mut parts = [[zero; 2]; 2];
                for (rows, (w, [of_even, of_odd])) in w.iter().zip(scales).enumerate() {
                    let quants = &w.quants[part * 4 + group];
                    ahead(quants, 0);
                    // SAFETY: 64 bytes of weights.
                    let quants = unsafe { _mm512_loadu_si512(quants.as_ptr().cast()) };
                    let quants = if half == 0 { quants } else { _mm512_srli_epi16::<4>(quants) };
                    let quants = _mm512_and_si512(quants, per_byte);
                    let first = _mm512_mullo_epi16(_mm512_unpacklo_epi8(quants, zero), of_even);
                    let second = _mm512_mullo_epi16(_mm512_unpackhi_epi8(quants, zero), of_odd);
                    parts[0][rows] =
                        _mm512_packus_epi16(_mm512_and_si512(first, below), _mm512_and_si512(second, below));
                    parts[1][rows] =
                        _mm512_packus_epi16(_mm512_srli_epi16::<LOWER>(first), _mm512_srli_epi16::<LOWER>(second));
                }
                for (to, [first, second]) in to.iter_mut().zip(parts) {
                    for (four, order) in halves.into_iter().enumerate() {
                        let line = &mut to[half * 8 + group * 2 + four];
                        let four = _mm512_permutex2var_epi32(first, order, second);
                        // SAFETY: 64 bytes.
                        unsafe { _mm512_store_si512(line.as_mut_ptr().cast(), four) };
                    }
                }
            }
        }
    }
}

/// The bytes of rows 0, 2, 4, 6 in eight lanes of 16 bits each, and those of rows 1, 3, 5, 7.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx2")]
fn of_rows(bytes: u64) -> [__m512i; 2] {
    let rows = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128(bytes as i64));
    [0x0100, 0x0908].map(|byte| _mm512_shuffle_epi8(rows, _mm512_set1_epi16(byte)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn join(first: __m256i, second: __m256i) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second)
}

/// The sub-leasts of sixteen rows times the sums of the activations that they belong to.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx2")]
fn by_sums(leasts: &[__m512i; 4], x: &Activations) -> __m512i {
    // SAFETY: sixteen sums of sixteen.
    let sixteens = unsafe { _mm256_loadu_si256(x.sums.as_ptr().cast()) };
    let sums = _mm256_madd_epi16(sixteens, _mm256_set1_epi16(1)); // of 32
    // Two to a lane: 0 1, 2 3, those again, 4 5, 6 7, those again.
    let sums = _mm512_castsi256_si512(_mm256_packs_epi32(sums, sums));
    let mut total = _mm512_setzero_si512();
    for (least, lane) in leasts.iter().zip([0, 1, 4, 5]) {
        let sums = _mm512_permutexvar_epi32(_mm512_set1_epi32(lane), sums);
        total = _mm512_add_epi32(total, _mm512_madd_epi16(*least, sums));
    }
    total
}

/// Products of a block of weights with two times sixteen columns: the first block of each stands in front.
///
/// # Safety
/// Sixteen columns of `blocks` blocks each from both on, and this thread has tiles.
#[inline]
unsafe fn multiply(weights: &Scaled, x: [&[Activations]; 2], blocks: usize, to: &mut [Sums; 2]) {
    let [first, second] = x.map(|x| x.as_ptr().wrapping_byte_add(std::mem::offset_of!(Activations, quants)));
    // SAFETY: the tiles of activations are sixteen times 64 quants, `blocks` blocks apart; those of weights and sums are whole.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{first} + {apart}*1]",
            "tileloadd tmm5, [{second} + {apart}*1]",
            "tileloadd tmm6, [{weights} + {line}*1]",
            "tileloadd tmm7, [{weights} + {line}*1 + 1024]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tdpbsud tmm1, tmm4, tmm7",
            "tdpbsud tmm2, tmm5, tmm6",
            "tdpbsud tmm3, tmm5, tmm7",
            "add {first}, 64",
            "add {second}, 64",
            "add {weights}, 2048",
            "dec {parts}",
            "jnz 2b",
            "tilestored [{to} + {line}*1], tmm0",
            "tilestored [{to} + {line}*1 + 1024], tmm1",
            "tilestored [{to} + {line}*1 + 2048], tmm2",
            "tilestored [{to} + {line}*1 + 3072], tmm3",
            first = inout(reg) first => _,
            second = inout(reg) second => _,
            weights = inout(reg) weights => _,
            parts = inout(reg) BLOCK / DEPTH => _,
            apart = in(reg) blocks * size_of::<Activations>(),
            line = in(reg) DEPTH,
            to = in(reg) to,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    }
}

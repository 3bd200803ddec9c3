//! With AMX: sixteen rows of Q4_K meet sixteen columns at a time, for a prompt's rows.
//!
//! A quant times its sub-scale has ten bits: too many for the tile unit, which takes bytes. So it is multiplied by the lower
//! three bits of the sub-scale, and by the upper three, each of which a byte holds (15 · 7). Both go into tiles of their own,
//! laid out once for all columns, and the unit adds over all 256 weights of a block. That gives the integers that the other
//! sets add up in another order: the same bits.

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
/// Bits of the lower part of a sub-scale, and of the upper part.
const PART: u32 = 3;
/// Columns from which on laying out the weights pays.
pub(super) const FEWEST: usize = 10;

/// Whether the processor has AMX, and the system lets this process use it. Asks the system for that: from then on its
/// signal frames have room for tiles.
pub(in crate::kernel) fn runs_here() -> bool {
    static RUNS: LazyLock<bool> = LazyLock::new(|| {
        let amx = __cpuid(0).eax >= 7 && (__cpuid_count(7, 0).edx >> 24) & 0b11 == 0b11; // AMX-TILE, AMX-INT8
        amx && is_allowed()
    });
    *RUNS
}

#[cfg(target_os = "linux")]
fn is_allowed() -> bool {
    const REQUEST: libc::c_long = 0x1023; // ARCH_REQ_XCOMP_PERM of arch_prctl
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call reads no memory of ours, and an older system refuses it.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn is_allowed() -> bool {
    false
}

/// This thread's tiles, until it is dropped: eight of sixteen times 64 bytes, or of fewer rows where there are fewer columns.
pub(super) struct Tiles {
    columns: usize,
}

impl Tiles {
    /// For products with so many columns.
    ///
    /// # Safety
    /// [`runs_here`], and the thread has no other.
    pub unsafe fn configure(columns: usize) -> Self {
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
        let columns = columns.clamp(1, SIDE);
        config.rows[..6].fill(columns as u8); // of sums and activations
        config.rows[6..8].fill(SIDE as u8); // of weights
        // SAFETY: 64 bytes as Intel's manual has them (volume 1, 18.2).
        unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly, preserves_flags)) };
        Self { columns }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: there is a configuration, so the processor has the instruction.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// A block of sixteen rows: for each 64 weights the quants by the lower and by the upper parts of their sub-scales, four weights
/// of each row in turn.
#[repr(C, align(64))]
struct Scaled([[[[u8; DEPTH]; SIDE]; 2]; BLOCK / DEPTH]);

/// Sums of sixteen columns and sixteen rows: of the lower, and of the upper parts.
#[repr(C, align(64))]
struct Sums([[[i32; SIDE]; SIDE]; 2]);

/// Activations as [`q4_k`] wants them: with the sums of 32 quants each in front of those of sixteen.
pub(super) fn prepared(mut x: Activations) -> Activations {
    for i in 0..BLOCK / 32 {
        x.sums[i] = x.sums[2 * i].wrapping_add(x.sums[2 * i + 1]);
    }
    x
}

/// Two times eight rows, for the columns of activations: at most [`MOST`], and at least as many as the tiles have.
///
/// # Safety
/// [`runs_here`], the processor has the other instructions too, and `tiles` are this thread's.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) unsafe fn q4_k(tiles: &Tiles, weights: [&[Q4Rows]; 2], x: &[Activations], to: &mut [[f32; SIDE]]) {
    let (blocks, columns) = (weights[0].len(), to.len());
    assert!(weights[1].len() == blocks && x.len() == columns * blocks && (tiles.columns..=MOST).contains(&columns));
    let mut scaled = Scaled([[[[0; DEPTH]; SIDE]; 2]; BLOCK / DEPTH]);
    let mut sums = [const { Sums([[[0; SIDE]; SIDE]; 2]) }; 2];
    let mut totals = [[_mm512_setzero_ps(); 2]; MOST];
    // The last tile of columns begins early enough to be whole; what was before it is not added again.
    let last = columns - tiles.columns;
    let tiles = |pair: usize| [pair * 2 * SIDE, (pair * 2 + 1) * SIDE].map(|nominal| (nominal, nominal.min(last)));
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
            // SAFETY: a tile's columns from each start on, whose blocks lie `blocks` apart; the rest is required of the caller.
            unsafe { multiply(&scaled, tiles(pair).map(|(_, start)| &x[start * blocks + block..]), blocks, &mut sums) };
            for (sums, (nominal, start)) in sums.iter().zip(tiles(pair)) {
                for column in nominal..columns.min(nominal + SIDE) {
                    let x = &x[column * blocks + block];
                    let [lower, upper] = [0, 1].map(|part| {
                        // SAFETY: sixteen sums.
                        unsafe { _mm512_load_si512(sums.0[part][column - start].as_ptr().cast()) }
                    });
                    let sum = _mm512_add_epi32(lower, _mm512_slli_epi32::<PART>(upper));
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

/// Lays a block of sixteen rows out for the tile unit.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn scale(w: [&Q4Rows; 2], scales: [[u64; 8]; 2], to: &mut Scaled) {
    let low_bits = _mm512_set1_epi8(15);
    // Of eight rows with eight weights each: the first, or the last four of each row, and of the next eight rows.
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let halves = [even, _mm512_add_epi32(even, _mm512_set1_epi32(1))];
    for (part, to) in to.0.iter_mut().enumerate() {
        for half in 0..2 {
            let scales = scales.map(|scales| parts(scales[part * 2 + half]));
            for group in 0..4 {
                let quants = w.map(|w| {
                    let quants = &w.quants[part * 4 + group];
                    ahead(quants, 0);
                    // SAFETY: 64 bytes of weights.
                    let quants = unsafe { _mm512_loadu_si512(quants.as_ptr().cast()) };
                    let quants = if half == 0 { quants } else { _mm512_srli_epi16::<4>(quants) };
                    _mm512_and_si512(quants, low_bits)
                });
                for (upper, to) in to.iter_mut().enumerate() {
                    // Two bytes by one factor: neither product has more bits than a byte.
                    let [first, second] = [0, 1].map(|rows| _mm512_mullo_epi16(quants[rows], scales[rows][upper]));
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

/// The lower and the upper parts of eight rows' sub-scales: each in the four lanes of 16 bits that are its row's.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx2")]
fn parts(scales: u64) -> [__m512i; 2] {
    const LOW: u64 = 0x0707_0707_0707_0707;
    let order = _mm512_set4_epi32(0x0908_0908, 0x0908_0908, 0x0100_0100, 0x0100_0100);
    [scales & LOW, (scales >> PART) & LOW].map(|bytes| {
        let rows = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128(bytes as i64));
        _mm512_shuffle_epi8(rows, order)
    })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn join(first: __m256i, second: __m256i) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second)
}

/// The sub-leasts of sixteen rows times the sums of the activations that they belong to.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
fn by_sums(leasts: &[__m512i; 4], x: &Activations) -> __m512i {
    let mut total = _mm512_setzero_si512();
    for (least, sums) in leasts.iter().zip(x.sums.as_chunks::<2>().0) {
        let sums = i32::from(sums[1]) << 16 | i32::from(sums[0]) & 0xffff;
        total = _mm512_dpwssd_epi32(total, *least, _mm512_set1_epi32(sums));
    }
    total
}

/// Products of a block of weights with two tiles of columns: the first block of each stands in front.
///
/// # Safety
/// A tile's columns of `blocks` blocks each from both on, and this thread has tiles.
#[inline]
unsafe fn multiply(weights: &Scaled, x: [&[Activations]; 2], blocks: usize, to: &mut [Sums; 2]) {
    let [first, second] = x.map(|x| x.as_ptr().wrapping_byte_add(std::mem::offset_of!(Activations, quants)));
    // SAFETY: the tiles of activations are as many times 64 quants as they have columns, `blocks` blocks apart; those of weights and sums are whole.
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

//! How weights lie in memory: eight rows interleaved, four weights of each row in turn, one row to a lane of 32 bits.
//!
//! In: rows as a file has them, ggml's `block_q4_K` and `block_q6_K`. Out: as many bytes, made once while a model is loaded. Of
//! six bits each, three bytes hold four values, so that two instructions and a half unpack sixteen where ggml's layouts take
//! four: sub-scales of Q4_K, and the quants of Q6_K, which are signed here, so that no offset has to be taken off again.

use super::{BLOCK, ROWS};

/// A block of each of eight rows of Q4_K. Its weights are `scale · sub-scale · quant - least · sub-least`, the sub-scales for
/// 32 weights each.
#[repr(C)]
pub(super) struct Q4Rows {
    pub scales: [u16; ROWS],
    pub leasts: [u16; ROWS],
    /// `[2 · sub-block + row / 8]`, see [`join`].
    pub sub_scales: [[u8; 16]; 3],
    pub sub_leasts: [[u8; 16]; 3],
    /// For each 64 weights eight times four bytes of each row, the rows 0 to 3 before the others: the first 32 weights in the
    /// low bits, the others above.
    pub quants: [[[[u8; 16]; 2]; 8]; BLOCK / 64],
}

/// A block of each of eight rows of Q6_K. Its weights are `scale · sub-scale · quant`, the sub-scales for 16 weights each.
#[repr(C)]
pub(super) struct Q6Rows {
    pub scales: [u16; ROWS],
    pub sub_scales: [[i8; ROWS]; BLOCK / 16],
    /// For each 16 weights those of the rows 0 to 3, and of the others: four weights of each row in each of four registers,
    /// see [`join_upper`].
    pub quants: [[[[u8; 16]; 3]; 2]; BLOCK / 16],
}

/// A block of a row in a file.
type Q4Block = [u8; 144];
type Q6Block = [u8; 210];

const _: () = assert!(size_of::<Q4Rows>() == ROWS * size_of::<Q4Block>());
const _: () = assert!(size_of::<Q6Rows>() == ROWS * size_of::<Q6Block>());

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Format {
    Q4K,
    Q6K,
}

/// Lays out rows of `len` weights, in as many bytes as they take in a file. False where they are not whole blocks of eight rows.
pub(in super::super) fn pack(format: Format, len: usize, from: &[u8], to: &mut [u8]) -> bool {
    let block_bytes = match format {
        Format::Q4K => size_of::<Q4Rows>(),
        Format::Q6K => size_of::<Q6Rows>(),
    };
    let eight_bytes = len / BLOCK * block_bytes;
    if len % BLOCK != 0 || eight_bytes == 0 || from.len() != to.len() || from.len() % eight_bytes != 0 {
        return false;
    }
    match format {
        Format::Q4K => eights(len, from, to, q4_rows),
        Format::Q6K => eights(len, from, to, q6_rows),
    }
    true
}

/// Block by block: `BYTES` a row's, `OF_EIGHT` those of eight rows.
fn eights<const BYTES: usize, const OF_EIGHT: usize>(
    len: usize,
    from: &[u8],
    to: &mut [u8],
    block: fn([&[u8; BYTES]; ROWS], &mut [u8; OF_EIGHT]),
) {
    let blocks = len / BLOCK;
    let rows = from.as_chunks::<BYTES>().0.chunks_exact(blocks * ROWS);
    for (rows, to) in rows.zip(to.as_chunks_mut::<OF_EIGHT>().0.chunks_exact_mut(blocks)) {
        for (i, to) in to.iter_mut().enumerate() {
            block(std::array::from_fn(|row| &rows[row * blocks + i]), to);
        }
    }
}

/// Six bits of each of four times sixteen values: three values whole, the fourth in the upper two bits of each, its lowest bits
/// first.
fn join(values: [[u8; 16]; 4]) -> [[u8; 16]; 3] {
    std::array::from_fn(|part| std::array::from_fn(|i| values[part][i] | (values[3][i] >> (2 * part) & 3) << 6))
}

/// The same with the six bits above and the fourth value's below, its highest bits first: shifted back they carry its sign.
fn join_upper(values: [[i8; 16]; 4]) -> [[u8; 16]; 3] {
    std::array::from_fn(|part| {
        std::array::from_fn(|i| (values[part][i] as u8) << 2 | values[3][i] as u8 >> (4 - 2 * part) & 3)
    })
}

fn q4_rows(rows: [&Q4Block; ROWS], to: &mut [u8; size_of::<Q4Rows>()]) {
    // scale, least, 12 bytes of sub-scales and sub-leasts, quants
    let (halves, rest) = to.split_at_mut(2 * 2 * ROWS);
    let (subs, quants) = rest.split_at_mut(2 * 48);
    for (row, block) in rows.iter().enumerate() {
        halves[2 * row..][..2].copy_from_slice(&block[..2]);
        halves[2 * ROWS + 2 * row..][..2].copy_from_slice(&block[2..4]);
    }
    let sub = |of_row: fn(&[u8], usize) -> u8| {
        join(std::array::from_fn(|pair| std::array::from_fn(|i| of_row(&rows[i % ROWS][4..16], 2 * pair + i / ROWS))))
    };
    subs[..48].copy_from_slice(sub(sub_scale).as_flattened());
    subs[48..].copy_from_slice(sub(sub_least).as_flattened());
    for (i, to) in quants.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        // Four bytes of a row: parts of 64 weights, fours of them, the two halves of the rows, rows.
        let (part, four, row) = (i / 64, i / ROWS % 8, i % ROWS);
        to.copy_from_slice(&rows[row][16 + part * 32 + four * 4..][..4]);
    }
}

/// ggml's `get_scale_min_k4`.
fn sub_scale(packed: &[u8], sub: usize) -> u8 {
    if sub < 4 { packed[sub] & 63 } else { packed[sub + 4] & 15 | packed[sub - 4] >> 6 << 4 }
}

fn sub_least(packed: &[u8], sub: usize) -> u8 {
    if sub < 4 { packed[sub + 4] & 63 } else { packed[sub + 4] >> 4 | packed[sub] >> 6 << 4 }
}

fn q6_rows(rows: [&Q6Block; ROWS], to: &mut [u8; size_of::<Q6Rows>()]) {
    // low four bits, upper two bits, sub-scales, scale
    let (scales, rest) = to.split_at_mut(2 * ROWS);
    let (sub_scales, quants) = rest.split_at_mut(ROWS * BLOCK / 16);
    for (row, block) in rows.iter().enumerate() {
        scales[2 * row..][..2].copy_from_slice(&block[208..]);
        for (sub, scale) in block[192..208].iter().enumerate() {
            sub_scales[sub * ROWS + row] = *scale;
        }
    }
    let weights = rows.map(q6);
    for (i, to) in quants.as_chunks_mut::<48>().0.iter_mut().enumerate() {
        let (sub, first) = (i / 2, i % 2 * 4);
        let four = |four: usize| std::array::from_fn(|i| weights[first + i / 4][sub * 16 + four * 4 + i % 4]);
        to.copy_from_slice(join_upper(std::array::from_fn(four)).as_flattened());
    }
}

/// The quants of a block of Q6_K, from -32 to 31.
fn q6(block: &Q6Block) -> [i8; BLOCK] {
    let mut quants = [0; BLOCK];
    for (half, quants) in quants.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&block[half * 64..][..64], &block[128 + half * 32..][..32]);
        for i in 0..32 {
            for quarter in 0..4 {
                let low = low[quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 15;
                quants[quarter * 32 + i] = (low | (high[i] >> (quarter * 2) & 3) << 4) as i8 - 32;
            }
        }
    }
    quants
}

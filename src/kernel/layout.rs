//! The order in which a kernel reads weights. In: rows in a pack's block format. Out: the same weights as tiles of a few
//! rows each, so that one vector register takes the same inputs of all rows of the tile.
//!
//! Within a tile the rows' values alternate in groups: `group` bytes of row 0, the same of row 1, …, then the next
//! group of row 0. The scales of quantised blocks follow the values, for each block those of all rows. A register thus
//! holds one partial sum per row, and no sum across a register is needed. Nothing is added to the size but the
//! padding of the last tile.

use memmap2::{Mmap, MmapMut};
use syrinx_quant::DType;
use zerocopy::FromBytes;

/// Bytes of a quantised block's scale, which precedes its values in a pack.
const SCALE_BYTES: usize = 2;

/// Bytes of an F32.
const FLOAT_BYTES: usize = 4;

/// Bytes; a cache line, and the largest register.
const TILE_ALIGNMENT: usize = 64;

/// How a kernel wants its tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Rows of a tile.
    pub rows: usize,
    /// Bytes of one row that lie side by side, where the weights are quantised. (Floats alternate one by one.)
    pub group: usize,
    /// Bits that are flipped in every byte of Q8_0: `0x80` turns q into q + 128 for instructions that multiply
    /// unsigned by signed bytes.
    pub flip_q8: u8,
}

/// A matrix in tiles, in memory of its own that begins on a page.
#[derive(Debug)]
pub(super) struct Tiles {
    memory: Memory,
    tile_bytes: usize,
    /// Where the scales begin in a tile: the bytes of its values.
    scales_at: usize,
    scales: usize,
}

#[derive(Debug)]
enum Memory {
    /// A pack's weights, which nobody writes any more.
    Packed(Mmap),
    /// What is written anew for each sound.
    Open(MmapMut),
}

/// One tile: values and, for quantised weights, scales (f16, `[block][row]`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile<'a> {
    pub values: &'a [u8],
    pub scales: &'a [u16],
}

impl Tiles {
    /// Packs the rows of `parts`, one part after the other; each is whole rows of `columns` values of `dtype`.
    ///
    /// Errors: where the system has no memory left.
    pub fn pack(layout: Layout, dtype: DType, columns: usize, parts: &[&[u8]]) -> std::io::Result<Self> {
        let row_bytes = dtype.row_bytes(columns).unwrap_or(0).max(1);
        let scales_per_row = if scaled(dtype) { columns / dtype.block_size() } else { 0 };
        let value_bytes = row_bytes - scales_per_row * SCALE_BYTES;
        let scales_at = layout.rows * value_bytes;
        let scales = layout.rows * scales_per_row;
        let tile_bytes = (scales_at + scales * SCALE_BYTES).next_multiple_of(TILE_ALIGNMENT);
        let rows: usize = parts.iter().map(|p| p.len() / row_bytes).sum();
        let mut memory = MmapMut::map_anon(rows.div_ceil(layout.rows) * tile_bytes)?;
        // A page of 4 KiB lasts a kernel for a tenth of a microsecond, and looking up the next one costs as much. Only
        // a hint: without it the results are the same.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        for (row, source) in parts.iter().flat_map(|p| p.chunks_exact(row_bytes)).enumerate() {
            let tile = &mut memory[row / layout.rows * tile_bytes..][..tile_bytes];
            let lane = row % layout.rows;
            if scaled(dtype) {
                let flip = if dtype == DType::Q8_0 { layout.flip_q8 } else { 0 };
                let (values, scales) = tile.split_at_mut(scales_at);
                for (b, block) in source.chunks_exact(dtype.type_size()).enumerate() {
                    let (scale, quants) = block.split_at(SCALE_BYTES);
                    scatter(scale, SCALE_BYTES, &mut scales[b * layout.rows * SCALE_BYTES..], layout.rows, lane, 0);
                    scatter(
                        quants,
                        layout.group,
                        &mut values[b * layout.rows * quants.len()..],
                        layout.rows,
                        lane,
                        flip,
                    );
                }
            } else {
                scatter(source, dtype.type_size(), tile, layout.rows, lane, 0);
            }
        }
        Ok(Self { memory: Memory::Packed(memory.make_read_only()?), tile_bytes, scales_at, scales })
    }

    /// Zeros `[rows][columns]` of F32, to be written by [`Tiles::write_row`] or [`Tiles::write_input`].
    ///
    /// Errors: where the system has no memory left.
    pub fn zeros(layout: Layout, rows: usize, columns: usize) -> std::io::Result<Self> {
        let scales_at = layout.rows * columns * FLOAT_BYTES;
        let tile_bytes = scales_at.next_multiple_of(TILE_ALIGNMENT).max(TILE_ALIGNMENT);
        let memory = MmapMut::map_anon(rows.div_ceil(layout.rows).max(1) * tile_bytes)?;
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Ok(Self { memory: Memory::Open(memory), tile_bytes, scales_at, scales: 0 })
    }

    /// Writes a row of [`Tiles::zeros`].
    pub fn write_row(&mut self, layout: Layout, row: usize, values: &[f32]) {
        let at = row / layout.rows * self.tile_bytes + row % layout.rows * FLOAT_BYTES;
        let places = self.floats().get_mut(at / FLOAT_BYTES..).unwrap_or_default();
        places.iter_mut().step_by(layout.rows).zip(values).for_each(|(to, &value)| *to = value);
    }

    /// Writes what one input of [`Tiles::zeros`] meets, a value of each row.
    pub fn write_input(&mut self, layout: Layout, input: usize, values: &[f32]) {
        let tile = self.tile_bytes / FLOAT_BYTES;
        for (to, values) in self.floats().chunks_exact_mut(tile).zip(values.chunks(layout.rows)) {
            to[input * layout.rows..][..values.len()].copy_from_slice(values);
        }
    }

    /// All places of [`Tiles::zeros`]; none where the weights are a pack's.
    fn floats(&mut self) -> &mut [f32] {
        match &mut self.memory {
            // A whole number of floats, from a page's beginning on.
            Memory::Open(memory) => <[f32]>::mut_from_bytes(memory).unwrap_or_default(),
            Memory::Packed(_) => &mut [],
        }
    }

    pub fn tile(&self, index: usize) -> Tile<'_> {
        let tile = &self.memory()[index * self.tile_bytes..][..self.tile_bytes];
        let (values, rest) = tile.split_at(self.scales_at);
        let scales = &rest[..self.scales * SCALE_BYTES];
        // Tiles are aligned and values fill an even number of bytes, so this holds for every tile.
        Tile { values, scales: <[u16]>::ref_from_bytes(scales).expect("scales are aligned") }
    }

    /// Bytes in memory, which a product reads once.
    pub fn bytes(&self) -> usize {
        self.memory().len()
    }

    fn memory(&self) -> &[u8] {
        match &self.memory {
            Memory::Packed(memory) => memory,
            Memory::Open(memory) => memory,
        }
    }
}

fn scaled(dtype: DType) -> bool {
    matches!(dtype, DType::Q8_0 | DType::Q4_0)
}

/// Distributes `source` in groups of `group` bytes, `rows` groups apart.
fn scatter(source: &[u8], group: usize, to: &mut [u8], rows: usize, lane: usize, flip: u8) {
    match group {
        2 => scatter_groups::<2>(source, to, rows, lane, flip),
        4 => scatter_groups::<4>(source, to, rows, lane, flip),
        8 => scatter_groups::<8>(source, to, rows, lane, flip),
        16 => scatter_groups::<16>(source, to, rows, lane, flip),
        _ => unreachable!("no kernel has groups of {group} bytes"),
    }
}

fn scatter_groups<const GROUP: usize>(source: &[u8], to: &mut [u8], rows: usize, lane: usize, flip: u8) {
    let places = to.as_chunks_mut::<GROUP>().0.iter_mut().skip(lane).step_by(rows);
    for (to, from) in places.zip(source.as_chunks::<GROUP>().0) {
        *to = from.map(|byte| byte ^ flip);
    }
}

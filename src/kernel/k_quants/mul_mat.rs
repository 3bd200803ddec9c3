//! A product of ggml's graph, shared out over its threads. In: weights, and activations of a few columns. Out: a column of
//! results for each. All threads round the activations into the operation's work memory, meet, and take chunks of rows.

use std::ffi::c_void;

use llama_cpp_sys_2::{GGML_TYPE_F32, ggml_tensor};

use super::super::share::Share;
use super::{Activations, BLOCK, FourActivations, Kernels, Many, Q4Rows, Q6Block, ROWS, amx, avx2, round_four};

/// Rows of Q6_K in a unit of work.
const TILE: usize = 16;
/// Columns from which on ggml's product with Q6_K, which unpacks tiles of weights once for all, is the quicker one.
const MANY: usize = 8;

/// Weights `[rows][blocks]`, activations `[columns][blocks · 256]`, results `[columns][rows]`, which lie `stride` apart.
struct MulMat {
    blocks: usize,
    rows: usize,
    columns: usize,
    weights: *const c_void,
    x: *const f32,
    y: *mut f32,
    stride: usize,
}

impl MulMat {
    /// None where it is ggml's to compute: several matrices in one tensor, or activations that do not lie one behind the
    /// other.
    ///
    /// # Safety
    /// `op` is a complete `GGML_OP_MUL_MAT`, whose weights have blocks of `block_bytes` for a row.
    unsafe fn of(op: &ggml_tensor, block_bytes: usize) -> Option<Self> {
        // SAFETY: sources of a complete tensor are complete or null.
        let [weights, x] = [0, 1].map(|i| unsafe { op.src[i].as_ref() });
        let (weights, x) = (weights?, x?);
        let ([len, rows, 1, 1], [_, columns, 1, 1]) = (weights.ne, x.ne) else { return None };
        let (len, rows, columns) = (len as usize, rows as usize, columns as usize);
        let blocks = len / BLOCK;
        let shapes =
            blocks > 0 && len % BLOCK == 0 && x.ne[0] == weights.ne[0] && op.ne == [rows as i64, columns as i64, 1, 1];
        let formats = [x.type_, op.type_] == [GGML_TYPE_F32; 2];
        let dense = [x.nb[0], op.nb[0], weights.nb[1]] == [4, 4, blocks * block_bytes]
            && (columns == 1 || x.nb[1] == 4 * len)
            && op.nb[1].is_multiple_of(4)
            && op.nb[1] >= 4 * rows;
        (shapes && formats && dense).then(|| Self {
            blocks,
            rows,
            columns,
            weights: weights.data,
            x: x.data.cast_const().cast(),
            y: op.data.cast(),
            stride: op.nb[1] / 4,
        })
    }

    /// Room for the rounded activations.
    fn work<T>(&self, share: &Share) -> Option<*mut T> {
        share.work(self.columns * self.blocks * size_of::<Activations>())
    }

    /// Rounds column `column` to `to`.
    ///
    /// # Safety
    /// There is such a column, room for its blocks at `to`, which nobody else uses, and the processor has AVX2.
    unsafe fn round(&self, column: usize, to: *mut Activations) {
        for block in 0..self.blocks {
            // SAFETY: `blocks · 256` activations to a column, one behind the other; the rest is required of the caller.
            unsafe {
                let x = self.x.add((column * self.blocks + block) * BLOCK).cast::<[f32; BLOCK]>();
                to.add(block).write(avx2::quantise(&*x));
            }
        }
    }
}

/// A product with Q4_K in eights of rows. Columns come in fours while there are so many. Each gets the bits that it gets alone;
/// in fours ggml's own, which adds in `f32` every 64 weights, has others in the last place. False where it is ggml's to compute.
///
/// # Safety
/// `op` is a complete product with such weights, every thread of the operation calls this once with its share, and the
/// processor has the instructions of [`Kernels::active`].
pub unsafe fn q4_k(share: &Share, op: &ggml_tensor) -> bool {
    // SAFETY: required of the caller.
    let product = unsafe { MulMat::of(op, size_of::<Q4Rows>() / ROWS) };
    let Some(product) = product.filter(|product| product.rows % ROWS == 0) else { return false };
    let (Some(kernels), Some(work)) = (Kernels::active(), product.work::<Activations>(share)) else { return false };
    if let Some(many) = kernels.q4_k_many
        && product.columns >= amx::FEWEST
        && product.rows % amx::SIDE == 0
    {
        // SAFETY: required of the caller; the set in use has this kernel, and there is room for the blocks.
        unsafe { q4_k_many(share, &product, work, many) };
        return true;
    }
    let (blocks, (thread, threads)) = (product.blocks, share.of());
    let fours = product.columns / 4;
    // A block of four columns takes the room of four blocks of one.
    const { assert!(size_of::<FourActivations>() == 4 * size_of::<Activations>()) };
    const { assert!(align_of::<FourActivations>() == align_of::<Activations>()) };
    for four in (thread..fours).step_by(threads) {
        // SAFETY: four columns, one behind the other, and room for them, which are this thread's alone.
        unsafe {
            let x = product.x.add(four * 4 * blocks * BLOCK);
            round_four(x, work.add(four * 4 * blocks).cast(), blocks * BLOCK);
        }
    }
    for column in (fours * 4 + thread..product.columns).step_by(threads) {
        // SAFETY: a column and room for it that are this thread's alone.
        unsafe { product.round(column, work.add(column * blocks)) };
    }
    // SAFETY: each thread calls it once. After it all blocks are written and only read, until the operation's end.
    let (fours, singles) = unsafe {
        share.meet();
        let singles = (product.columns - fours * 4) * blocks;
        (
            std::slice::from_raw_parts(work.cast_const().cast::<FourActivations>(), fours * blocks),
            std::slice::from_raw_parts(work.cast_const().add(fours * 4 * blocks), singles),
        )
    };
    // SAFETY: after the meeting.
    for eights in unsafe { share.chunks(product.rows / ROWS) } {
        // The eight rows stay in the nearest cache for all columns.
        for eight in eights {
            // SAFETY: eight of `rows` rows, whose results are this chunk's; bytes and `u16` are aligned as ggml aligns its
            // tensors; the processor has the instructions.
            unsafe {
                let weights = product.weights.cast::<Q4Rows>().add(eight * blocks);
                let weights = std::slice::from_raw_parts(weights, blocks);
                let put = |column: usize, sums: [f32; ROWS]| {
                    product.y.add(column * product.stride + eight * ROWS).cast::<[f32; ROWS]>().write(sums);
                };
                for (four, x) in fours.chunks_exact(blocks).enumerate() {
                    for (n, sums) in (kernels.q4_k_columns)(weights, x).into_iter().enumerate() {
                        put(four * 4 + n, sums);
                    }
                }
                for (n, x) in singles.chunks_exact(blocks).enumerate() {
                    let [sums] = (kernels.q4_k)(weights, x);
                    put(fours.len() / blocks * 4 + n, sums);
                }
            }
        }
    }
    true
}

/// The same by sixteens of rows and columns.
///
/// # Safety
/// As for [`q4_k`], with at least [`amx::FEWEST`] columns and whole sixteens of rows, `work` has room for all columns' blocks,
/// and the processor has the instructions of `many`.
unsafe fn q4_k_many(share: &Share, product: &MulMat, work: *mut Activations, many: Many) {
    let (blocks, (thread, threads)) = (product.blocks, share.of());
    for column in (thread..product.columns).step_by(threads) {
        // SAFETY: a column and room for it that are this thread's alone.
        unsafe {
            let to = work.add(column * blocks);
            product.round(column, to);
            (0..blocks).for_each(|block| to.add(block).write(amx::prepared(to.add(block).read())));
        }
    }
    // SAFETY: each thread calls it once. After it all blocks are written and only read, until the operation's end. This thread
    // has no other tiles: it computes nothing else meanwhile.
    let (x, tiles) = unsafe {
        share.meet();
        (
            std::slice::from_raw_parts(work.cast_const(), product.columns * blocks),
            amx::Tiles::configure(product.columns),
        )
    };
    let mut sums = [[0f32; amx::SIDE]; amx::MOST];
    // SAFETY: after the meeting.
    for sixteens in unsafe { share.chunks(product.rows / amx::SIDE) } {
        for sixteen in sixteens {
            // SAFETY: two times eight of `rows` rows; bytes and `u16` are aligned as ggml aligns its tensors.
            let weights = [0, 1].map(|eight| unsafe {
                let weights = product.weights.cast::<Q4Rows>().add((sixteen * 2 + eight) * blocks);
                std::slice::from_raw_parts(weights, blocks)
            });
            // The last columns are as many as a tile has, some of them computed again.
            for start in (0..product.columns).step_by(amx::MOST) {
                let count = (product.columns - start).clamp(amx::SIDE.min(product.columns), amx::MOST);
                let start = start.min(product.columns - count);
                // SAFETY: the processor has the instructions; sixteen results of each column are this chunk's.
                unsafe {
                    many(&tiles, weights, &x[start * blocks..][..count * blocks], &mut sums[..count]);
                    for (column, sums) in sums[..count].iter().enumerate() {
                        let to = product.y.add((start + column) * product.stride + sixteen * amx::SIDE);
                        to.cast::<[f32; amx::SIDE]>().write(*sums);
                    }
                }
            }
        }
    }
}

/// A product of a few columns with Q6_K as it is in the file. False where it is ggml's to compute.
///
/// # Safety
/// As for [`q4_k`].
pub unsafe fn q6_k(share: &Share, op: &ggml_tensor) -> bool {
    // SAFETY: required of the caller.
    let product = unsafe { MulMat::of(op, size_of::<Q6Block>()) };
    let Some(product) = product.filter(|product| product.columns < MANY) else { return false };
    let (Some(kernels), Some(work)) = (Kernels::active(), product.work::<Activations>(share)) else { return false };
    let (blocks, (thread, threads)) = (product.blocks, share.of());
    for column in (thread..product.columns).step_by(threads) {
        // SAFETY: a column and room for it that are this thread's alone.
        unsafe { product.round(column, work.add(column * blocks)) };
    }
    // SAFETY: each thread calls it once. After it all blocks are written and only read, until the operation's end.
    let x = unsafe {
        share.meet();
        std::slice::from_raw_parts(work.cast_const(), product.columns * blocks)
    };
    // SAFETY: after the meeting.
    for tiles in unsafe { share.chunks(product.rows.div_ceil(TILE)) } {
        for row in tiles.start * TILE..product.rows.min(tiles.end * TILE) {
            for (column, x) in x.chunks_exact(blocks).enumerate() {
                // SAFETY: one of `rows` rows, whose results are this chunk's; ggml aligns its tensors for `u16`; the processor
                // has the instructions.
                unsafe {
                    let weights = product.weights.cast::<Q6Block>().add(row * blocks);
                    let weights = std::slice::from_raw_parts(weights, blocks);
                    *product.y.add(column * product.stride + row) = (kernels.q6_k)(weights, x);
                }
            }
        }
    }
    true
}

//! A product of ggml's graph, shared out over its threads. In: weights in a buffer of ours, activations of any number of columns.
//! Out: a column of results for each. All threads round the activations into the operation's work memory, meet, and take chunks
//! of rows. There is nobody else to compute it: ggml does not know the layout.

use llama_cpp_sys_2::{GGML_TYPE_F32, ggml_tensor};

use super::super::share::Share;
use super::{Activations, BLOCK, COLUMNS, FourActivations, Kernels, Q4Rows, Q6Rows, ROWS, Sums};

/// Weights `[rows / 8][blocks]`, activations `[columns][blocks · 256]`, results `[columns][rows]`. Columns lie in up to three
/// dimensions, with strides in bytes.
struct MulMat {
    blocks: usize,
    rows: usize,
    columns: [usize; 3],
    weights: *const u8,
    x: *const u8,
    x_strides: [usize; 3],
    y: *mut u8,
    y_strides: [usize; 3],
}

impl MulMat {
    /// None where the shapes are not those of a product, or values of a column do not lie one behind the other.
    ///
    /// # Safety
    /// `op` is a complete `GGML_OP_MUL_MAT`.
    unsafe fn of(op: &ggml_tensor) -> Option<Self> {
        // SAFETY: sources of a complete tensor are complete or null.
        let [weights, x] = [0, 1].map(|i| unsafe { op.src[i].as_ref() });
        let (weights, x) = (weights?, x?);
        let ([len, rows, 1, 1], [_, columns @ ..]) = (weights.ne, x.ne) else { return None };
        let fits = len > 0
            && x.ne[0] == len
            && len % BLOCK as i64 == 0
            && rows % ROWS as i64 == 0
            && op.ne[0] == rows
            && op.ne[1..] == columns
            && [x.type_, op.type_] == [GGML_TYPE_F32; 2]
            && [x.nb[0], op.nb[0]] == [4, 4]
            && [x.nb, op.nb].iter().flatten().all(|stride| stride.is_multiple_of(4));
        let last_three = |of: [usize; 4]| [of[1], of[2], of[3]];
        fits.then(|| Self {
            blocks: len as usize / BLOCK,
            rows: rows as usize,
            columns: columns.map(|n| n as usize),
            weights: weights.data.cast_const().cast(),
            x: x.data.cast_const().cast(),
            x_strides: last_three(x.nb),
            y: op.data.cast(),
            y_strides: last_three(op.nb),
        })
    }

    fn count(&self) -> usize {
        self.columns.iter().product()
    }

    /// Bytes to a column, of those that are `strides` apart.
    fn offset(&self, column: usize, strides: [usize; 3]) -> usize {
        let [a, b, _] = self.columns;
        column % a * strides[0] + column / a % b * strides[1] + column / (a * b) * strides[2]
    }

    /// # Safety
    /// There are such a column and such a block.
    unsafe fn rounded(&self, column: usize, block: usize) -> Activations {
        // SAFETY: `blocks · 256` activations to a column, one behind the other; the rest is required of the caller.
        unsafe {
            let x = self.x.add(self.offset(column, self.x_strides)).cast::<[f32; BLOCK]>();
            Activations::of(&*x.add(block))
        }
    }

    /// # Safety
    /// There are such a column and such rows, whose results nobody else writes.
    unsafe fn put(&self, column: usize, eight: usize, sums: [f32; ROWS]) {
        // SAFETY: required of the caller; results are aligned, as their strides are.
        unsafe {
            let y = self.y.add(self.offset(column, self.y_strides)).cast::<[f32; ROWS]>();
            y.add(eight).write(sums);
        }
    }

    /// # Safety
    /// Every thread of the operation calls this once with its share, its weights are blocks of `W` in [`super::layout`]'s order,
    /// and the processor has the instructions of the kernels.
    unsafe fn compute<W>(
        &self,
        share: &Share,
        one: unsafe fn(&[W], &[Activations]) -> Sums<1>,
        four: unsafe fn(&[W], &[FourActivations]) -> Sums<COLUMNS>,
    ) -> bool {
        let (blocks, columns) = (self.blocks, self.count());
        let Some(work) = share.work::<Activations>(columns * blocks * size_of::<Activations>()) else { return false };
        let (thread, threads) = share.of();
        let fours = columns / COLUMNS;
        // A block of four columns takes the room of four blocks of one. All blocks are shared out, few columns too.
        for part in (thread..fours * blocks).step_by(threads) {
            let (four, block) = (part / blocks, part % blocks);
            // SAFETY: four of the columns, a block of each, and room for them that is this thread's alone.
            unsafe {
                let [a, b, c, d] = [0, 1, 2, 3].map(|n| self.rounded(four * COLUMNS + n, block));
                work.cast::<FourActivations>().add(part).write(FourActivations::of([&a, &b, &c, &d]));
            }
        }
        let singles = fours * COLUMNS;
        for part in (singles * blocks + thread..columns * blocks).step_by(threads) {
            // SAFETY: a block of a column, and room for it that is this thread's alone.
            unsafe { work.add(part).write(self.rounded(part / blocks, part % blocks)) };
        }
        // SAFETY: each thread calls it once. After it all blocks are written and only read, until the operation's end.
        let (of_fours, of_singles) = unsafe {
            share.meet();
            (
                std::slice::from_raw_parts(work.cast_const().cast::<FourActivations>(), fours * blocks),
                std::slice::from_raw_parts(work.cast_const().add(singles * blocks), (columns - singles) * blocks),
            )
        };
        // SAFETY: after the meeting.
        for eights in unsafe { share.chunks(self.rows / ROWS) } {
            // The eight rows stay in the nearest cache for all columns.
            for eight in eights {
                // SAFETY: eight of `rows` rows, whose results are this chunk's; blocks are aligned as buffers are; the processor
                // has the instructions.
                unsafe {
                    let weights = self.weights.cast::<W>().add(eight * blocks);
                    let weights = std::slice::from_raw_parts(weights, blocks);
                    for (i, x) in of_fours.chunks_exact(blocks).enumerate() {
                        for (n, sums) in four(weights, x).into_iter().enumerate() {
                            self.put(i * COLUMNS + n, eight, sums);
                        }
                    }
                    for (n, x) in of_singles.chunks_exact(blocks).enumerate() {
                        let [sums] = one(weights, x);
                        self.put(singles + n, eight, sums);
                    }
                }
            }
        }
        true
    }
}

/// A product with Q4_K. False where it cannot be computed.
///
/// # Safety
/// `op` is a complete product with such weights in a buffer of ours, every thread of the operation calls this once with its share,
/// and the processor has the instructions of [`Kernels::active`].
pub unsafe fn q4_k(share: &Share, op: &ggml_tensor) -> bool {
    // SAFETY: required of the caller.
    let (Some(product), Some(kernels)) = (unsafe { MulMat::of(op) }, Kernels::active()) else { return false };
    // SAFETY: as above.
    unsafe { product.compute::<Q4Rows>(share, kernels.q4_k, kernels.q4_k_columns) }
}

/// The same with Q6_K.
///
/// # Safety
/// As for [`q4_k`].
pub unsafe fn q6_k(share: &Share, op: &ggml_tensor) -> bool {
    // SAFETY: required of the caller.
    let (Some(product), Some(kernels)) = (unsafe { MulMat::of(op) }, Kernels::active()) else { return false };
    // SAFETY: as above.
    unsafe { product.compute::<Q6Rows>(share, kernels.q6_k, kernels.q6_k_columns) }
}

//! Attention: the part of a backbone's step that grows with what has been said.
//!
//! In: what ggml hands to its operation, queries in `f32`, keys and values of all positions in `f16`. Out: what ggml's own
//! gives, sooner and closer to the formula: that one reads the cache anew for every query head, takes one exponential at
//! a time and keeps its sums in 16 bits. This one reads it once for the heads that share it, in `f32`.
//!
//! Comes to ggml as [`super::extra`] says. ggml still does all else: long prompts, caches of other formats, attention of other
//! kinds.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
mod tests;

use half::f16;
use llama_cpp_sys_2::{GGML_TYPE_F16, GGML_TYPE_F32, ggml_tensor};

use super::ops::exp;
use super::share::Share;
#[cfg(target_arch = "x86_64")]
use avx2::{add_values, ahead, dots};
#[cfg(target_arch = "aarch64")]
use neon::{add_values, ahead, dots};

/// Query heads that go through the cache together.
const HEADS: usize = 4;
/// Positions between two corrections of the sums.
const BLOCK: usize = 32;
/// Rows from which on ggml's way, by tiles of so many, is the quicker one.
const MAX_ROWS: i64 = 64;
/// The widest heads.
const MAX_DIM: usize = 256;

/// A thread's part of an attention. False where it is ggml's to compute.
///
/// # Safety
/// `result` is a complete `GGML_OP_FLASH_ATTN_EXT`, every thread of the operation calls this once with its share, and the
/// processor has, on x86, AVX2, FMA and F16C.
pub(super) unsafe fn compute(share: &Share, result: &ggml_tensor) -> bool {
    // SAFETY: required of the caller.
    let Some(attention) = (unsafe { Attention::of(result) }) else { return false };
    let (thread, threads) = share.of();
    // SAFETY: as above; `of` accepts no shapes and strides but those that are relied on.
    unsafe { attention.compute(thread, threads) };
    true
}

/// Rows of `dim` values, one per head and position. Strides in bytes.
#[derive(Clone, Copy)]
struct Rows {
    start: *const u8,
    head: usize,
    position: usize,
}

impl Rows {
    fn of(tensor: &ggml_tensor) -> Self {
        Self { start: tensor.data.cast_const().cast(), head: tensor.nb[2], position: tensor.nb[1] }
    }

    fn row(self, head: usize, position: usize) -> *const u8 {
        self.start.wrapping_add(head * self.head + position * self.position)
    }
}

/// Whether it has a value for each position of each row, the same for all heads.
fn is_mask(mask: &ggml_tensor, rows: i64, positions: i64) -> bool {
    let ([width, height, 1, 1], [2, row, ..]) = (mask.ne, mask.nb) else { return false };
    mask.type_ == GGML_TYPE_F16 && width >= positions && height >= rows && row % 2 == 0
}

/// softmax(q·k · scale + mask) · v of every row and head.
struct Attention {
    dim: usize,
    rows: usize,
    positions: usize,
    key_heads: usize,
    /// Query heads that share the keys and values of one.
    group: usize,
    scale: f32,
    queries: Rows,
    keys: Rows,
    values: Rows,
    /// Added to the scores of a row, for each position: zero, or minus infinity where it is not to be seen.
    mask: Option<Rows>,
    /// `[rows][heads][dim]`.
    out: *mut f32,
}

impl Attention {
    /// None where it is ggml's to compute.
    ///
    /// # Safety
    /// As for [`compute`].
    unsafe fn of(result: &ggml_tensor) -> Option<Self> {
        // SAFETY: sources of a complete tensor are complete or null.
        let [q, k, v, mask, sinks] = [0, 1, 2, 3, 4].map(|i| unsafe { result.src[i].as_ref() });
        let (q, k, v) = (q?, k?, v?);
        let ([dim, rows @ 1..MAX_ROWS, heads, 1], [_, positions, key_heads, 1]) = (q.ne, k.ne) else { return None };
        let formats = [q.type_, k.type_, v.type_, result.type_]
            == [GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_F16, GGML_TYPE_F32]
            && mask.is_none_or(|mask| is_mask(mask, rows, positions));
        let shapes = v.ne == k.ne && k.ne[0] == dim && dim % 16 == 0 && dim <= MAX_DIM as i64;
        let dense = [q.nb[0], k.nb[0], v.nb[0], result.nb[0], result.nb[1]] == [4, 2, 2, 4, 4 * dim as usize];
        // Linear biases, capped scores and sinks are of other models.
        let [scale, max_bias, cap] = [0, 1, 2].map(|i| f32::from_bits(result.op_params[i] as u32));
        let plain = max_bias == 0.0 && cap == 0.0 && sinks.is_none() && heads % key_heads == 0;
        (formats && shapes && dense && plain).then(|| Self {
            dim: dim as usize,
            rows: rows as usize,
            positions: positions as usize,
            key_heads: key_heads as usize,
            group: (heads / key_heads) as usize,
            scale,
            queries: Rows::of(q),
            keys: Rows::of(k),
            values: Rows::of(v),
            mask: mask.map(Rows::of),
            out: result.data.cast(),
        })
    }

    /// # Safety
    /// As for [`compute`].
    unsafe fn compute(&self, thread: usize, threads: usize) {
        let parts = self.group.div_ceil(HEADS);
        for part in (thread..self.key_heads * self.rows * parts).step_by(threads) {
            let (key_head, row, first) = (part / parts / self.rows, part / parts % self.rows, part % parts * HEADS);
            // SAFETY: heads of `first..` below `group`, which no other part has.
            unsafe {
                match self.group - first {
                    1 => self.heads::<1>(row, key_head, first),
                    2 => self.heads::<2>(row, key_head, first),
                    3 => self.heads::<3>(row, key_head, first),
                    _ => self.heads::<HEADS>(row, key_head, first),
                }
            }
        }
    }

    /// A row's query heads `first..first + N` of those that share a key head.
    ///
    /// # Safety
    /// There are such heads, nobody else writes their results, and the processor has these instructions.
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,f16c"))]
    unsafe fn heads<const N: usize>(&self, row: usize, key_head: usize, first: usize) {
        let (head, heads) = (key_head * self.group + first, self.key_heads * self.group);
        let queries: [*const f32; N] = std::array::from_fn(|n| self.queries.row(head + n, row).cast());
        let mut totals = [[0f32; MAX_DIM]; N];
        let (mut largest, mut sums) = ([f32::NEG_INFINITY; HEADS], [0f32; HEADS]);
        let all_seen;
        let mask = match self.mask {
            // SAFETY: `is_mask` has seen a value for each position of each row; rows of `f16` begin at even addresses.
            Some(mask) => unsafe { std::slice::from_raw_parts(mask.row(0, row).cast::<f16>(), self.positions) },
            None => {
                all_seen = vec![f16::ZERO; self.positions];
                &all_seen
            }
        };
        let mut seen = mask.iter().enumerate().filter(|(_, mask)| **mask != f16::NEG_INFINITY);
        loop {
            let mut rows = [std::ptr::null(); BLOCK];
            let mut scores = [[0f32; HEADS]; BLOCK];
            let mut count = 0;
            for (position, mask) in seen.by_ref().take(BLOCK) {
                rows[count] = self.values.row(key_head, position);
                // SAFETY: keys have `dim` values at each of the positions, as the queries have; a hint faults nowhere.
                let products = unsafe {
                    ahead(rows[count], self.dim * 2);
                    dots(&queries, self.keys.row(key_head, position), self.dim)
                };
                let mask = mask.to_f32();
                for n in 0..HEADS {
                    scores[count][n] = products[n] * self.scale + mask;
                }
                count += 1;
            }
            if count == 0 {
                break;
            }
            let scores = &mut scores[..count];
            let before = largest;
            for score in scores.iter() {
                for n in 0..HEADS {
                    largest[n] = largest[n].max(score[n]);
                }
            }
            let mut correction = [0f32; HEADS];
            for n in 0..HEADS {
                correction[n] = exp(before[n] - largest[n]);
                sums[n] *= correction[n];
            }
            for score in scores.iter_mut() {
                for n in 0..HEADS {
                    score[n] = exp(score[n] - largest[n]);
                    sums[n] += score[n];
                }
            }
            // SAFETY: values have the shape of the keys, and there is a weight for each of `rows` that was set.
            unsafe { add_values(&mut totals, &correction, scores, &rows, self.dim) };
        }
        for (n, total) in totals.iter().enumerate() {
            // SAFETY: the result lies without gaps, aligned as ggml aligns its tensors; these `dim` values of it are written
            // by this call alone.
            let out =
                unsafe { std::slice::from_raw_parts_mut(self.out.add((row * heads + head + n) * self.dim), self.dim) };
            let inverse = if sums[n] == 0.0 { 0.0 } else { 1.0 / sums[n] };
            for (out, total) in out.iter_mut().zip(total) {
                *out = total * inverse;
            }
        }
    }
}

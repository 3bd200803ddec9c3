//! Attention of all positions of a sound to each other. In: queries, keys and values of a layer, position by position. Out: for
//! each position the values, weighted by softmax(query · key · scale).
//!
//! One query after the other reads all keys and values anew. Here both are matrices, packed as weights are, and the queries
//! meet them in the products that everything else is made of: eight for each time that a key is read, and the same bits by
//! every kernel set. A head is computed by one thread, whatever their number is.

use super::isa::{Isa, Kernels};
use super::layout::Tiles;
use super::rows::SharedResult;
use super::{Columns, Pool, ops};
use crate::error::{Error, ErrorKind, Result};

/// Queries that meet a key each time that it is read; their weights stay in the first caches.
const QUERIES: usize = 8;

/// The heads of a layer, for so many positions.
#[derive(Debug)]
pub struct Heads {
    heads: Vec<Head>,
    head_dim: usize,
    positions: usize,
}

#[derive(Debug)]
struct Head {
    /// `[positions][head_dim]`.
    keys: Tiles,
    /// `[head_dim][positions]`.
    values: Tiles,
    /// `[positions][head_dim]`.
    queries: Vec<f32>,
    few: Columns,
    weights: Columns,
    /// `[positions][head_dim]`.
    out: Vec<f32>,
}

impl Heads {
    /// Errors: `OutOfMemory`.
    pub fn new(heads: usize, head_dim: usize, positions: usize) -> Result<Self> {
        let layout = Isa::active().layout;
        let head = |_| -> std::io::Result<Head> {
            Ok(Head {
                keys: Tiles::zeros(layout, positions, head_dim)?,
                values: Tiles::zeros(layout, head_dim, positions)?,
                queries: vec![0.0; positions * head_dim],
                few: Columns::new(head_dim, QUERIES),
                weights: Columns::new(positions, QUERIES),
                out: vec![0.0; positions * head_dim],
            })
        };
        let heads = (0..heads).map(head).collect::<std::io::Result<_>>().map_err(|e| {
            let message = format!("no memory for the attention of {positions} positions: free some");
            Error::new(ErrorKind::OutOfMemory, message).with_source(e)
        })?;
        Ok(Self { heads, head_dim, positions })
    }

    /// Takes what a position asks and is: query, key and value side by side, each `[heads][head_dim]`.
    pub fn set(&mut self, position: usize, query_key_value: &[f32]) {
        let (layout, dim) = (Isa::active().layout, self.head_dim);
        let parts = query_key_value.chunks_exact(self.heads.len() * dim);
        for (part, values) in parts.enumerate() {
            for (head, values) in self.heads.iter_mut().zip(values.chunks_exact(dim)) {
                match part {
                    0 => head.queries[position * dim..][..dim].copy_from_slice(values),
                    1 => head.keys.write_row(layout, position, values),
                    _ => head.values.write_input(layout, position, values),
                }
            }
        }
    }

    /// Computes what all positions see, scores by `1 / sqrt(head_dim)`.
    pub fn attend(&mut self, pool: &Pool) {
        let (kernels, dim, positions) = (Isa::active(), self.head_dim, self.positions);
        let work = self.heads.len() * positions * positions;
        pool.each(&mut self.heads, work, |head| head.attend(kernels, dim, positions));
    }

    /// What a position saw, `[heads][head_dim]`.
    pub fn get(&self, position: usize, out: &mut [f32]) {
        let dim = self.head_dim;
        for (head, out) in self.heads.iter().zip(out.chunks_exact_mut(dim)) {
            out.copy_from_slice(&head.out[position * dim..][..dim]);
        }
    }
}

impl Head {
    fn attend(&mut self, kernels: &Kernels, dim: usize, positions: usize) {
        let scale = 1.0 / (dim as f32).sqrt();
        let Self { keys, values, queries, few, weights, out } = self;
        for (queries, out) in queries.chunks(QUERIES * dim).zip(out.chunks_mut(QUERIES * dim)) {
            let count = queries.len() / dim;
            few.fill(count).copy_from_slice(queries);
            let scores = weights.fill(count);
            (kernels.f32)(keys, few, 0..positions, &mut SharedResult::new(scores, positions).whole());
            let mut sums = [1.0; QUERIES];
            for (scores, sum) in scores.chunks_exact_mut(positions).zip(&mut sums) {
                *sum = ops::attention_weights(scores, scale);
            }
            (kernels.f32)(values, weights, 0..dim, &mut SharedResult::new(out, dim).whole());
            for (out, sum) in out.chunks_exact_mut(dim).zip(sums) {
                out.iter_mut().for_each(|value| *value /= sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(i: usize) -> f32 {
        ((i * 37 % 101) as f32 - 50.0) / 50.0
    }

    /// By the formula, in double precision.
    fn expected(heads: usize, dim: usize, all: &[Vec<f32>], position: usize) -> Vec<f64> {
        let part = |position: usize, part: usize, head: usize| &all[position][(part * heads + head) * dim..][..dim];
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let of_head = |head: usize| {
            let score = |other: usize| dot(part(position, 0, head), part(other, 1, head)) / (dim as f64).sqrt();
            let weights: Vec<f64> = (0..all.len()).map(|other| score(other).exp()).collect();
            let sum: f64 = weights.iter().sum();
            let seen = move |d: usize| {
                weights.iter().enumerate().map(|(other, w)| w / sum * f64::from(part(other, 2, head)[d])).sum::<f64>()
            };
            (0..dim).map(seen).collect::<Vec<f64>>()
        };
        (0..heads).flat_map(of_head).collect()
    }

    #[test]
    fn attention_by_products_is_attention_by_the_formula_on_any_number_of_threads() {
        for (heads, dim, positions) in [(1, 16, 1), (2, 64, 7), (3, 16, 33), (2, 24, 100)] {
            let all: Vec<Vec<f32>> = (0..positions)
                .map(|at| (0..3 * heads * dim).map(|i| 3.0 * value(at * 977 + i * i)).collect())
                .collect();
            let attend = |threads: usize| {
                let mut layer = Heads::new(heads, dim, positions).unwrap();
                // Written twice, since a layer's place is the next one's.
                for all in [&vec![vec![9.0; 3 * heads * dim]; positions], &all] {
                    all.iter().enumerate().for_each(|(at, values)| layer.set(at, values));
                    layer.attend(&Pool::new(threads));
                }
                let mut out = vec![0.0; heads * dim];
                let get = |at| {
                    layer.get(at, &mut out);
                    out.clone()
                };
                (0..positions).map(get).collect::<Vec<_>>()
            };
            let found = attend(1);
            for (at, found) in found.iter().enumerate() {
                for (found, exact) in found.iter().zip(expected(heads, dim, &all, at)) {
                    assert!((f64::from(*found) - exact).abs() < 1e-4, "{heads} heads of {dim}, position {at}");
                }
            }
            assert_eq!(attend(2), found);
        }
    }
}

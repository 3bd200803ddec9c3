//! How fast the kernels multiply here. In: a type, a shape, and how many bytes of weights pass before one comes again.
//! Out: the time of a product.
//!
//! Tiles, kernels and pool are those of a [`super::Matrix`]; the weights are zeros, since the time does not depend on
//! what they say. What passes before a weight comes again decides which memory it comes from: a cache, or none.

use std::time::{Duration, Instant};

use syrinx_quant::DType;

use super::isa::{Isa, ProductFn};
use super::layout::Tiles;
use super::{Columns, Pool};
use crate::error::{Error, ErrorKind, Result};

/// Rounds over all matrices, at least.
const ROUNDS: usize = 3;

/// Matrices of one shape that take turns.
#[derive(Debug)]
pub struct Throughput {
    tiles: Vec<Tiles>,
    product: ProductFn,
    rows: usize,
    inputs: usize,
    quantised: bool,
}

impl Throughput {
    /// As many matrices `[rows, inputs]` of `dtype` as it takes for `reuse_bytes`, at least one.
    ///
    /// Errors: `Unsupported` for a type that the kernels do not compute with, `OutOfMemory`.
    pub fn new(dtype: DType, rows: usize, inputs: usize, reuse_bytes: usize) -> Result<Self> {
        let kernels = Isa::detect().kernels();
        let unsupported = || Error::new(ErrorKind::Unsupported, format!("no kernel for rows of {inputs} {dtype}"));
        let product = kernels.product(dtype).ok_or_else(unsupported)?;
        let row_bytes = dtype.row_bytes(inputs).filter(|&bytes| bytes > 0).ok_or_else(unsupported)?;
        let weights = vec![0; rows.max(1) * row_bytes];
        let pack = |_| {
            Tiles::pack(kernels.layout, dtype, inputs, &[&weights]).map_err(|e| {
                let message = format!("no memory to measure products: free {} MB", reuse_bytes >> 20);
                Error::new(ErrorKind::OutOfMemory, message).with_source(e)
            })
        };
        let tiles = (0..(reuse_bytes / weights.len()).max(1)).map(pack).collect::<Result<_>>()?;
        Ok(Self { tiles, product, rows: rows.max(1), inputs, quantised: dtype.block_size() > 1 })
    }

    /// Weights of one product.
    pub fn weights(&self) -> usize {
        self.rows * self.inputs
    }

    /// Seconds per product with `columns`, the rounding of its inputs included: the median of rounds over all matrices,
    /// for about `time`.
    pub fn seconds(&self, columns: usize, pool: &Pool, time: Duration) -> f64 {
        let mut x = Columns::new(self.inputs, columns);
        let mut y = vec![0.0; self.rows * columns];
        x.fill(columns).iter_mut().enumerate().for_each(|(i, x)| *x = (i % 61) as f32 / 30.0 - 1.0);
        let mut rounds = Vec::new();
        let begun = Instant::now();
        // The first round brings the weights to where later ones find them.
        while rounds.len() <= ROUNDS || begun.elapsed() < time {
            let round = Instant::now();
            for tiles in &self.tiles {
                x.fill(columns); // the same values, to be rounded again
                if self.quantised {
                    x.quantise();
                }
                let (x, product) = (&x, self.product);
                pool.rows(&mut y, self.rows, tiles.bytes() / self.rows, |rows, y| product(tiles, x, rows, y));
            }
            rounds.push(round.elapsed().as_secs_f64() / self.tiles.len() as f64);
        }
        rounds.remove(0);
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_columns_take_no_less_time_and_more_bytes_make_more_matrices() {
        let pool = Pool::new(1);
        let one = Throughput::new(DType::Q8_0, 256, 256, 0).unwrap();
        let many = Throughput::new(DType::Q8_0, 256, 256, 10 * 256 * 272).unwrap();
        assert_eq!((one.tiles.len(), many.tiles.len()), (1, 10));
        let few = one.seconds(1, &pool, Duration::from_millis(20));
        let all = one.seconds(64, &pool, Duration::from_millis(20));
        assert!(0.0 < few && few < all, "{few} {all}");
    }

    #[test]
    fn a_type_without_a_kernel_is_refused() {
        assert_eq!(Throughput::new(DType::Q4K, 16, 256, 0).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(Throughput::new(DType::Q8_0, 16, 33, 0).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

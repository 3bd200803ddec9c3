//! What this machine's memory gives: the measure of the kernels, and of the machine. In: a pool. Out: GB/s.

#![allow(unsafe_code)]

use std::time::Instant;

use memmap2::MmapMut;
use zerocopy::FromBytes;

use super::Pool;
use crate::error::{Error, ErrorKind, Result};

/// Bytes that are read in turn; several times the largest cache.
const BYTES: usize = 256 << 20;
/// Bytes that count as a row of the pool.
const ROW_BYTES: usize = 16 << 10;
const ROUNDS: usize = 5;

/// Memory that takes turns with whatever it is compared with.
#[derive(Debug)]
pub struct Bandwidth {
    memory: MmapMut,
    sums: Vec<f32>,
}

/// How the memory is mapped. It matters: on a virtual machine looking up small pages can cost half of the bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// As an ordinary program gets them, 4 KiB nearly everywhere.
    Ordinary,
    /// Huge ones where the system has them; so the weights are mapped.
    Huge,
}

impl Bandwidth {
    /// Errors: `OutOfMemory`; it takes 256 MiB while it lives.
    pub fn new(pages: Pages) -> Result<Self> {
        let mut memory = MmapMut::map_anon(BYTES).map_err(|e| {
            Error::new(ErrorKind::OutOfMemory, "no memory to measure its bandwidth: free 256 MiB").with_source(e)
        })?;
        #[cfg(target_os = "linux")]
        let _ = memory.advise(match pages {
            Pages::Ordinary => memmap2::Advice::NoHugePage,
            Pages::Huge => memmap2::Advice::HugePage,
        });
        #[cfg(not(target_os = "linux"))]
        let _ = pages;
        memory.fill(1);
        Ok(Self { memory, sums: vec![0.0; BYTES / ROW_BYTES] })
    }

    /// GB/s of one reading of all of it, on all threads of the pool.
    pub fn read_gbs(&mut self, pool: &Pool) -> f64 {
        let start = Instant::now();
        let memory = &self.memory[..];
        pool.rows(&mut self.sums, BYTES / ROW_BYTES, ROW_BYTES, |rows, y| {
            for row in rows {
                let words = <[u64]>::ref_from_bytes(&memory[row * ROW_BYTES..][..ROW_BYTES]).unwrap_or_default();
                y.write(0, row, &[sum(words) as f32]);
            }
        });
        BYTES as f64 / start.elapsed().as_secs_f64() / 1e9
    }

    /// The median of five readings.
    pub fn median_gbs(&mut self, pool: &Pool) -> f64 {
        let mut all: [f64; ROUNDS] = std::array::from_fn(|_| self.read_gbs(pool));
        all.sort_by(f64::total_cmp);
        all[ROUNDS / 2]
    }
}

/// Looks at every word, in the widest registers that the kernel set has.
fn sum(words: &[u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(words: &[u64]) -> u64 {
            body(words)
        }
        if super::Isa::detect() != super::Isa::Scalar {
            // SAFETY: every set of this family but the plain one needs AVX2.
            return unsafe { wide(words) };
        }
    }
    body(words)
}

#[inline(always)]
fn body(words: &[u64]) -> u64 {
    let mut sums = [0u64; 16];
    for chunk in words.as_chunks::<16>().0 {
        for i in 0..16 {
            sums[i] = sums[i].wrapping_add(chunk[i]);
        }
    }
    sums.iter().fold(0, |a, &b| a.wrapping_add(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memory_is_read() {
        let mut bandwidth = Bandwidth::new(Pages::Huge).unwrap();
        bandwidth.memory[BYTES - 8..].fill(0);
        assert!(bandwidth.median_gbs(&Pool::new(2)) > 0.0);
        let expected = 0x0101_0101_0101_0101u64.wrapping_mul((ROW_BYTES / 8) as u64);
        let (last, others) = bandwidth.sums.split_last().unwrap();
        assert!(others.iter().all(|&sum| sum == expected as f32));
        assert_eq!(*last, expected.wrapping_sub(0x0101_0101_0101_0101) as f32);
    }
}

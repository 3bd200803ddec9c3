//! What this machine's memory gives: the measure of the kernels, and of the machine. In: a pool. Out: GB/s.

#![allow(unsafe_code)]

use std::time::Instant;

use memmap2::MmapMut;
use zerocopy::FromBytes;

use super::Pool;
use crate::error::{Error, ErrorKind, Result};

/// How many times the last cache is read in turn: what was in it is gone when its turn comes again.
const CACHES: usize = 4;
/// At least so much is read, that starting and ending do not count; and never more.
const BYTES: std::ops::RangeInclusive<usize> = 32 << 20..=256 << 20;
/// Where the system does not tell the last cache's size.
const LLC_BYTES: usize = 8 << 20;
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
    /// Errors: `OutOfMemory`; it takes four times the last cache while it lives, 32 to 256 MiB.
    pub fn new(pages: Pages) -> Result<Self> {
        Self::with_cache(pages, last_cache_bytes().unwrap_or(LLC_BYTES))
    }

    fn with_cache(pages: Pages, llc_bytes: usize) -> Result<Self> {
        let bytes = llc_bytes.saturating_mul(CACHES).clamp(*BYTES.start(), *BYTES.end()) / ROW_BYTES * ROW_BYTES;
        let mut memory = MmapMut::map_anon(bytes).map_err(|e| {
            let message = format!("no memory to measure its bandwidth: free {} MiB", bytes >> 20);
            Error::new(ErrorKind::OutOfMemory, message).with_source(e)
        })?;
        #[cfg(target_os = "linux")]
        let _ = memory.advise(match pages {
            Pages::Ordinary => memmap2::Advice::NoHugePage,
            Pages::Huge => memmap2::Advice::HugePage,
        });
        #[cfg(not(target_os = "linux"))]
        let _ = pages;
        memory.fill(1);
        Ok(Self { memory, sums: vec![0.0; bytes / ROW_BYTES] })
    }

    /// GB/s of one reading of all of it, on all threads of the pool.
    pub fn read_gbs(&mut self, pool: &Pool) -> f64 {
        let start = Instant::now();
        let memory = &self.memory[..];
        pool.rows(&mut self.sums, memory.len() / ROW_BYTES, ROW_BYTES, |rows, y| {
            for row in rows {
                let words = <[u64]>::ref_from_bytes(&memory[row * ROW_BYTES..][..ROW_BYTES]).unwrap_or_default();
                y.write(0, row, &[sum(words) as f32]);
            }
        });
        memory.len() as f64 / start.elapsed().as_secs_f64() / 1e9
    }

    /// The median of five readings.
    pub fn median_gbs(&mut self, pool: &Pool) -> f64 {
        let mut all: [f64; ROUNDS] = std::array::from_fn(|_| self.read_gbs(pool));
        all.sort_by(f64::total_cmp);
        all[ROUNDS / 2]
    }
}

/// Size of the last-level cache, as Linux tells it of the first processor.
pub fn last_cache_bytes() -> Option<usize> {
    let caches = std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let size = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("size")).ok()?;
        let text = text.trim();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let scale = match unit {
            "K" => 1 << 10,
            "M" => 1 << 20,
            _ => 1,
        };
        Some(number.parse::<usize>().ok()? * scale)
    };
    caches.flatten().filter_map(size).max()
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
    fn a_small_machine_gives_little_memory_and_a_large_one_not_too_much() {
        let bytes = |llc_bytes| Bandwidth::with_cache(Pages::Ordinary, llc_bytes).unwrap().memory.len();
        assert_eq!([0, 1 << 20, 16 << 20, usize::MAX].map(bytes), [32 << 20, 32 << 20, 64 << 20, 256 << 20]);
    }

    #[test]
    fn all_memory_is_read() {
        let mut bandwidth = Bandwidth::new(Pages::Huge).unwrap();
        let bytes = bandwidth.memory.len();
        bandwidth.memory[bytes - 8..].fill(0);
        assert!(bandwidth.median_gbs(&Pool::new(2)) > 0.0);
        let expected = 0x0101_0101_0101_0101u64.wrapping_mul((ROW_BYTES / 8) as u64);
        let (last, others) = bandwidth.sums.split_last().unwrap();
        assert!(others.iter().all(|&sum| sum == expected as f32));
        assert_eq!(*last, expected.wrapping_sub(0x0101_0101_0101_0101) as f32);
    }
}

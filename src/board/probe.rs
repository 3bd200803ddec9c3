//! What this machine does in two seconds. In: the work of a frame, a pool. Out: [`Rates`]: memory, integer products from
//! a cache, and the costs that a prediction is made of.
//!
//! Nothing of the pack is run. Products are measured with the kernels and libraries that a frame uses, on zeros of the
//! same types and shapes; between two uses of a matrix pass as many bytes as in a frame, up to [`FAR_LLC`] times the last
//! cache. So what fits a cache is measured in it, and what does not is measured from memory.

mod llama;

use std::time::{Duration, Instant};

use syrinx_quant::DType;

use crate::error::Result;
use crate::kernel::{Bandwidth, Pages, Pool, Throughput, last_cache_bytes, ops};
use crate::model::work::{ProductWork, StageWork, Work};

/// Caches' worth of weights beyond which a matrix comes from memory for certain.
const FAR_LLC: usize = 3;
/// Where the system does not tell the last cache's size.
const LLC_BYTES: usize = 8 << 20;
/// Never more is taken to measure from.
const MOST_BYTES: usize = 256 << 20;
/// Matrices below this share of a stage's bytes are taken to be as fast as the others.
const MINOR: f64 = 0.03;
const TIME: Duration = Duration::from_millis(25);
/// Weights of the product that shows the processor's own speed: they fit a first- or second-level cache.
const NEAR: (usize, usize) = (256, 512);
/// Columns of that product: six, as in a flow step with guidance.
const NEAR_COLUMNS: usize = 6;
/// Rows of a product whose time is nearly all in what surrounds it.
const FEW_ROWS: usize = 16;

/// Positions whose keys and values a step is measured with: a voice and some seconds of speech.
const POSITIONS: usize = 300;

/// Seconds of a product per weight: at one column, and for each further one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    pub first: f64,
    pub further: f64,
}

impl Line {
    /// Through the times of `few` and of `many` columns; never falling.
    fn through((few, few_seconds): (usize, f64), (many, many_seconds): (usize, f64)) -> Self {
        let further = if many > few { (many_seconds - few_seconds) / (many - few) as f64 } else { 0.0 };
        let further = further.max(0.0);
        Self { first: few_seconds - further * (few - 1) as f64, further }
    }

    pub fn seconds(self, product: &ProductWork) -> f64 {
        product.weights() as f64 * (self.first + self.further * (product.columns - 1) as f64)
    }
}

/// Times of one stage's products.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageRates {
    /// By type; the first stands for those that are missing.
    pub lines: Vec<(DType, Line)>,
    /// Seconds around a product: rounding its inputs, waking the threads.
    pub product_seconds: f64,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    pub threads: usize,
    /// GB/s of reading memory with small pages and with huge ones.
    pub memory_gbs: [f64; 2],
    /// Billions of 8-bit multiply-adds per second, by our kernel on weights in a near cache.
    pub int8_gmacs: f64,
    pub backbone: StageRates,
    pub flow: StageRates,
    pub codec: StageRates,
    /// Seconds of llama.cpp for an operation on a short vector.
    pub node_seconds: f64,
    /// Seconds of llama.cpp for the attention of all its layers.
    pub attention_seconds: f64,
    /// Seconds per multiply-add of norms and attention, and per value of SwiGLU.
    pub element_seconds: f64,
    pub activation_seconds: f64,
}

impl Rates {
    /// Errors: `OutOfMemory`, `Backend`, `Unsupported`.
    pub fn measure(work: &Work, pool: &Pool) -> Result<Self> {
        let far_bytes = (FAR_LLC * last_cache_bytes().unwrap_or(LLC_BYTES)).min(MOST_BYTES);
        let frame_bytes = work.bytes().min(far_bytes);
        // One after the other: this may be a small machine, with a model in its memory.
        let memory_gbs =
            [Bandwidth::new(Pages::Ordinary)?.median_gbs(pool), Bandwidth::new(Pages::Huge)?.median_gbs(pool)];
        let near = Throughput::new(DType::Q8_0, NEAR.0, NEAR.1, 0)?;
        let near_macs = (near.weights() * NEAR_COLUMNS) as f64;
        Ok(Self {
            threads: pool.threads(),
            memory_gbs,
            int8_gmacs: near_macs / near.seconds(NEAR_COLUMNS, pool, TIME) / 1e9,
            backbone: llama::rates(&work.backbone, frame_bytes, pool.threads())?,
            // The layers of the flow head come again with the next step.
            flow: native(&work.flow, work.flow.bytes().min(far_bytes), pool)?,
            codec: native(&work.codec, frame_bytes, pool)?,
            node_seconds: llama::node_seconds(pool.threads())?,
            attention_seconds: llama::attention_seconds(work.attention, POSITIONS, pool.threads())?,
            element_seconds: element_seconds(),
            activation_seconds: activation_seconds(),
        })
    }

    /// The mean of two measurements, one before something and one after it.
    pub fn mean(&self, other: &Self) -> Self {
        let mean = |a: f64, b: f64| (a + b) / 2.0;
        let stage = |a: &StageRates, b: &StageRates| StageRates {
            lines: (a.lines.iter().zip(&b.lines))
                .map(|(&(dtype, a), &(_, b))| {
                    (dtype, Line { first: mean(a.first, b.first), further: mean(a.further, b.further) })
                })
                .collect(),
            product_seconds: mean(a.product_seconds, b.product_seconds),
        };
        Self {
            threads: self.threads,
            memory_gbs: [0, 1].map(|i| {
                mean(self.memory_gbs.get(i).copied().unwrap_or(0.0), other.memory_gbs.get(i).copied().unwrap_or(0.0))
            }),
            int8_gmacs: mean(self.int8_gmacs, other.int8_gmacs),
            backbone: stage(&self.backbone, &other.backbone),
            flow: stage(&self.flow, &other.flow),
            codec: stage(&self.codec, &other.codec),
            node_seconds: mean(self.node_seconds, other.node_seconds),
            attention_seconds: mean(self.attention_seconds, other.attention_seconds),
            element_seconds: mean(self.element_seconds, other.element_seconds),
            activation_seconds: mean(self.activation_seconds, other.activation_seconds),
        }
    }
}

/// The types that make up a stage, each with its largest product, those with most bytes first.
fn types(stage: &StageWork) -> Vec<(DType, ProductWork)> {
    let mut sums: Vec<(DType, usize, ProductWork)> = Vec::new();
    for &product in &stage.products {
        let bytes = product.bytes() * product.times;
        match sums.iter_mut().find(|(dtype, ..)| *dtype == product.dtype) {
            Some((_, sum, largest)) => {
                *sum += bytes;
                if product.bytes() > largest.bytes() {
                    *largest = product;
                }
            }
            None => sums.push((product.dtype, bytes, product)),
        }
    }
    sums.sort_by_key(|(_, bytes, _)| std::cmp::Reverse(*bytes));
    let all = sums.iter().map(|(_, bytes, _)| bytes).sum::<usize>() as f64;
    sums.retain(|(_, bytes, _)| *bytes as f64 > MINOR * all);
    sums.into_iter().map(|(dtype, _, product)| (dtype, product)).collect()
}

/// Rates of a stage that this crate's kernels compute.
fn native(stage: &StageWork, reuse_bytes: usize, pool: &Pool) -> Result<StageRates> {
    let columns = || stage.products.iter().map(|p| p.columns);
    let (few, many) = (columns().min().unwrap_or(1).max(1), columns().max().unwrap_or(1).max(1));
    let mut rates = StageRates::default();
    for (dtype, largest) in types(stage) {
        let (rows, inputs) = (largest.rows, largest.inputs);
        let small = Throughput::new(dtype, FEW_ROWS, inputs, 0)?;
        let around = small.seconds(many, pool, TIME / 4);
        let products = Throughput::new(dtype, rows, inputs, reuse_bytes)?;
        let per_weight = |columns| without(around, products.seconds(columns, pool, TIME)) / products.weights() as f64;
        let line = Line::through((few, per_weight(few)), (many, per_weight(many)));
        if rates.lines.is_empty() {
            rates.product_seconds = around;
        }
        rates.lines.push((dtype, line));
    }
    Ok(rates)
}

/// What a product itself takes. A stall while its surroundings were measured does not make it free.
fn without(around: f64, seconds: f64) -> f64 {
    seconds - around.min(seconds / 2.0)
}

fn element_seconds() -> f64 {
    const LEN: usize = 256;
    let (a, b) = (vec![0.5f32; LEN], vec![0.25f32; LEN]);
    let mut sum = 0.0;
    let seconds = time(|| sum += ops::dot(std::hint::black_box(&a), &b));
    std::hint::black_box(sum);
    seconds / LEN as f64
}

fn activation_seconds() -> f64 {
    const LEN: usize = 1024;
    let (gate, up, mut out) = (vec![0.5f32; LEN], vec![0.25f32; LEN], vec![0f32; LEN]);
    time(|| ops::silu_mul(std::hint::black_box(&gate), &up, &mut out)) / LEN as f64
}

/// Seconds of one run, the median of several rounds.
fn time(mut run: impl FnMut()) -> f64 {
    let mut rounds = [0.0; 21];
    for seconds in &mut rounds {
        let begun = Instant::now();
        (0..50).for_each(|_| run());
        *seconds = begun.elapsed().as_secs_f64() / 50.0;
    }
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

#[cfg(test)]
mod tests {
    use syrinx_quant::Recipe;
    use syrinx_quant::synthetic::Preset;

    use super::*;

    #[test]
    fn a_line_goes_through_both_points_and_never_falls() {
        let product = |columns| ProductWork { dtype: DType::Q8_0, rows: 10, inputs: 10, columns, times: 1 };
        let line = Line::through((1, 2.0), (6, 7.0));
        assert_eq!((line.seconds(&product(1)), line.seconds(&product(6))), (200.0, 700.0));
        let flat = Line::through((1, 2.0), (6, 1.0));
        assert_eq!(flat.further, 0.0);
    }

    #[test]
    fn every_type_of_a_stage_is_measured() {
        let work = Work::of_recipe(&Preset::Mid.shape(), Recipe::Q4);
        let found: Vec<DType> = types(&work.backbone).into_iter().map(|(dtype, _)| dtype).collect();
        assert!(found.contains(&DType::Q4K) && found.contains(&DType::Q6K), "{found:?}");
        let tiny = Work::of_recipe(&Preset::Tiny.shape(), Recipe::Q8);
        let rates = Rates::measure(&tiny, &Pool::new(1)).unwrap();
        for stage in [&rates.backbone, &rates.flow, &rates.codec] {
            assert!(stage.lines.iter().all(|(_, line)| line.first > 0.0), "{rates:?}");
        }
        assert!(rates.memory_gbs.iter().all(|&gbs| gbs > 0.0) && rates.int8_gmacs > 0.0 && rates.node_seconds > 0.0);
        assert!(rates.attention_seconds > 0.0);
        assert_eq!(rates.mean(&rates), rates);
    }
}

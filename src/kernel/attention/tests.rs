//! What a graph of ggml's computes, against the formula in `f64`, and to the bit against plain sums: so it is also tested that
//! ggml calls ours, as its own 16-bit sums are further off.

use std::sync::atomic::Ordering;

use half::f16;
use llama_cpp_sys_2 as sys;
use proptest::prelude::*;

use super::BLOCK;
use crate::kernel::extra::SEEN;
use crate::kernel::ops::exp;
use crate::kernel::tests::bits;

/// Queries `[heads][rows][dim]`, keys and values `[positions][key_heads][dim]` as in llama.cpp's cache.
#[derive(Clone, Debug)]
struct Case {
    dim: usize,
    rows: usize,
    heads: usize,
    key_heads: usize,
    positions: usize,
    scale: f32,
    queries: Vec<f32>,
    keys: Vec<f16>,
    values: Vec<f16>,
    /// None: all is seen.
    mask: Option<Vec<f16>>,
}

impl Case {
    /// `[rows][heads][dim]`.
    fn computed(&self, threads: i32) -> Vec<f32> {
        self.with_result(|context, result| {
            // SAFETY: the context has room for the graph with its work; the result has as many values as the queries.
            unsafe {
                let graph = sys::ggml_new_graph(context);
                sys::ggml_build_forward_expand(graph, result);
                assert_eq!(sys::ggml_graph_compute_with_ctx(context, graph, threads), sys::GGML_STATUS_SUCCESS);
                std::slice::from_raw_parts((*result).data.cast::<f32>(), self.queries.len()).to_vec()
            }
        })
    }

    /// The operation before it is computed.
    fn with_result<T>(&self, run: impl FnOnce(*mut sys::ggml_context, *mut sys::ggml_tensor) -> T) -> T {
        crate::ggml::init().unwrap();
        let bytes = 4 * self.queries.len() * 2 + 4 * self.keys.len() + 2 * self.rows * self.positions;
        // SAFETY: ggml's memory holds all tensors; sizes of the copies are those of the tensors that are written.
        unsafe {
            let mem_size = bytes + (1 << 20);
            let context =
                sys::ggml_init(sys::ggml_init_params { mem_size, mem_buffer: std::ptr::null_mut(), no_alloc: false });
            assert!(!context.is_null());
            let tensor = |type_, ne: [usize; 3]| {
                let [a, b, c] = ne.map(|n| n as i64);
                sys::ggml_new_tensor_3d(context, type_, a, b, c)
            };
            let (kv, f16_type) = ([self.dim, self.key_heads, self.positions], sys::GGML_TYPE_F16);
            let q = tensor(sys::GGML_TYPE_F32, [self.dim, self.rows, self.heads]);
            let (k, v) = (tensor(f16_type, kv), tensor(f16_type, kv));
            let mask = tensor(f16_type, [self.positions, self.rows, 1]);
            std::ptr::copy_nonoverlapping(self.queries.as_ptr(), (*q).data.cast(), self.queries.len());
            std::ptr::copy_nonoverlapping(self.keys.as_ptr(), (*k).data.cast(), self.keys.len());
            std::ptr::copy_nonoverlapping(self.values.as_ptr(), (*v).data.cast(), self.values.len());
            let mask = self.mask.as_ref().map_or(std::ptr::null_mut(), |values| {
                std::ptr::copy_nonoverlapping(values.as_ptr(), (*mask).data.cast(), values.len());
                mask
            });
            let by_head = |t| sys::ggml_permute(context, t, 0, 2, 1, 3);
            let result = sys::ggml_flash_attn_ext(context, q, by_head(k), by_head(v), mask, self.scale, 0.0, 0.0);
            let out = run(context, result);
            sys::ggml_free(context);
            out
        }
    }

    fn expected(&self) -> Vec<f64> {
        let mut out = Vec::new();
        for row in 0..self.rows {
            for head in 0..self.heads {
                let key_head = head / (self.heads / self.key_heads);
                let at = |position: usize| (position * self.key_heads + key_head) * self.dim;
                let query = &self.queries[(head * self.rows + row) * self.dim..][..self.dim];
                let score = |position: usize| -> f64 {
                    let key = &self.keys[at(position)..][..self.dim];
                    let product: f64 = query.iter().zip(key).map(|(q, k)| f64::from(*q) * k.to_f64()).sum();
                    product * f64::from(self.scale)
                        + self.mask.as_ref().map_or(0.0, |mask| mask[row * self.positions + position].to_f64())
                };
                let scores: Vec<f64> = (0..self.positions).map(score).collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weight = |s: f64| if s == f64::NEG_INFINITY { 0.0 } else { (s - largest).exp() };
                let sum: f64 = scores.iter().map(|s| weight(*s)).sum();
                for i in 0..self.dim {
                    let value = |(p, s): (usize, &f64)| weight(*s) * self.values[at(p) + i].to_f64();
                    let total: f64 = scores.iter().enumerate().map(value).sum();
                    out.push(if sum == 0.0 { 0.0 } else { total / sum });
                }
            }
        }
        out
    }

    /// `[rows][heads][dim]`, one number after another: what ours give is defined by this.
    fn plain(&self) -> Vec<f32> {
        let mut out = Vec::new();
        for row in 0..self.rows {
            for head in 0..self.heads {
                let key_head = head / (self.heads / self.key_heads);
                let at = |position: usize| (position * self.key_heads + key_head) * self.dim;
                let query = &self.queries[(head * self.rows + row) * self.dim..][..self.dim];
                let mask =
                    |position: usize| self.mask.as_ref().map_or(f16::ZERO, |m| m[row * self.positions + position]);
                let seen: Vec<usize> = (0..self.positions).filter(|&p| mask(p) != f16::NEG_INFINITY).collect();
                let (mut total, mut largest, mut sum) = (vec![0f32; self.dim], f32::NEG_INFINITY, 0f32);
                for block in seen.chunks(BLOCK) {
                    let score = |&p: &usize| {
                        let mut lanes = [0f32; 8];
                        for (i, (q, k)) in query.iter().zip(&self.keys[at(p)..][..self.dim]).enumerate() {
                            lanes[i % 8] = q.mul_add(k.to_f32(), lanes[i % 8]);
                        }
                        let [a, b] = [0, 4].map(|i| (lanes[i] + lanes[i + 1]) + (lanes[i + 2] + lanes[i + 3]));
                        (a + b) * self.scale + mask(p).to_f32()
                    };
                    let scores: Vec<f32> = block.iter().map(score).collect();
                    let before = largest;
                    largest = scores.iter().copied().fold(largest, f32::max);
                    let correction = exp(before - largest);
                    sum *= correction;
                    total.iter_mut().for_each(|t| *t *= correction);
                    for (position, score) in block.iter().zip(scores) {
                        let weight = exp(score - largest);
                        sum += weight;
                        for (total, value) in total.iter_mut().zip(&self.values[at(*position)..][..self.dim]) {
                            *total = weight.mul_add(value.to_f32(), *total);
                        }
                    }
                }
                let inverse = if sum == 0.0 { 0.0 } else { 1.0 / sum };
                out.extend(total.iter().map(|t| t * inverse));
            }
        }
        out
    }

    /// Values are below one, so this is also the error relative to the largest.
    fn error(&self, threads: i32) -> f64 {
        let (computed, expected) = (self.computed(threads), self.expected());
        computed.iter().zip(expected).map(|(c, e)| (f64::from(*c) - e).abs()).fold(0.0, f64::max)
    }
}

fn case(rows: usize, sizes: [usize; 4], scale: f32, seed: u64) -> Case {
    let [dim, key_heads, group, positions] = sizes;
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    let mut many = |n: usize| -> Vec<f32> { (0..n).map(|_| next()).collect() };
    let halves = |values: Vec<f32>| values.into_iter().map(f16::from_f32).collect::<Vec<_>>();
    let heads = key_heads * group;
    let queries = many(heads * rows * dim);
    let (keys, values) = (halves(many(positions * key_heads * dim)), halves(many(positions * key_heads * dim)));
    // A third is not seen; some positions are liked less.
    let seen = |m: f32| if m < -0.33 { f16::NEG_INFINITY } else { f16::from_f32(m.min(0.0)) };
    let mask = Some(many(positions * rows).into_iter().map(seen).collect());
    Case { dim, rows, heads, key_heads, positions, scale, queries, keys, values, mask }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn attention_is_softmax_of_scores_times_values_to_the_bits_of_plain_sums(
        rows in prop::sample::select(vec![1usize, 1, 2, 5, 63]),
        dim in prop::sample::select(vec![16usize, 64, 80, 128, 256]),
        key_heads in 1usize..4,
        group in 1usize..10,
        positions in 1usize..600,
        threads in 1i32..4,
        scale in prop::sample::select(vec![0.1f32, 1.0, 30.0]),
        seed in any::<u64>(),
    ) {
        let mut case = case(rows, [dim, key_heads, group, positions], scale, seed);
        if seed % 4 == 0 {
            case.mask = None;
        }
        prop_assert_eq!(bits(&case.computed(threads)), bits(&case.plain()));
        let error = case.error(threads);
        // Scores of up to 30 · 256 in f32; ggml's 16-bit sums are 1e-3 off.
        prop_assert!(error < if scale > 1.0 { 3e-4 } else { 5e-6 }, "{error:e}");
    }
}

#[test]
fn what_is_not_seen_does_not_count_even_if_it_is_no_number() {
    let mut case = case(1, [64, 2, 4, 100], 1.0, 5);
    let whole = case.computed(1);
    let (width, mask) = (case.key_heads * case.dim, case.mask.clone().unwrap());
    for (position, _) in mask.iter().enumerate().filter(|(_, mask)| **mask == f16::NEG_INFINITY) {
        case.keys[position * width..][..width].fill(f16::NAN);
        case.values[position * width..][..width].fill(f16::INFINITY);
    }
    assert_eq!(case.computed(1), whole);
    case.mask = Some(vec![f16::NEG_INFINITY; 100]);
    assert!(case.computed(1).iter().all(|y| *y == 0.0));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let case = case(1, [128, 3, 6, 513], 1.0, 9);
    assert_eq!(case.computed(1), case.computed(2));
    assert_eq!(case.computed(1), case.computed(3));
}

#[test]
fn what_is_ggmls_to_compute_is_still_computed() {
    let long = case(64, [64, 2, 3, 96], 1.0, 3);
    let odd = case(1, [24, 2, 3, 96], 1.0, 3);
    for (case, name) in [(long, "a long prompt"), (odd, "heads of 24")] {
        let error = case.error(2);
        assert!(error < 5e-3, "{name}: {error:e}");
    }
}

#[test]
fn a_mask_of_fewer_values_than_positions_is_ggmls_to_judge() {
    let case = case(2, [64, 1, 1, 40], 1.0, 7);
    for (dimension, is_ours) in [(2, true), (0, false), (1, false)] {
        case.with_result(|_, result| {
            // SAFETY: the operation and its mask live during the call.
            unsafe {
                (*(*result).src[3]).ne[dimension] -= i64::from(!is_ours);
                assert_eq!(super::Attention::of(&*result).is_some(), is_ours, "dimension {dimension}");
            }
        });
    }
}

#[test]
fn llama_cpp_calls_ours() {
    SEEN.attention.store(false, Ordering::Relaxed);
    case(1, [64, 1, 1, 40], 1.0, 7).computed(2);
    assert!(SEEN.attention.load(Ordering::Relaxed));
}

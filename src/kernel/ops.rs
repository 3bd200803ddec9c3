//! The small arithmetic between products, on single vectors in `f32`. Each function is plain Rust over groups of eight,
//! compiled once for any processor and once for the kernel set's vectors; both give the same bits, since no operation
//! is fused or reordered.

#![allow(unsafe_code)]

use super::isa::Isa;

/// Declares the functions: a public one that calls what suits the processor, and their table for either case.
macro_rules! ops {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
        $($(#[$doc])*
        pub fn $name($($arg: $kind),*) $(-> $result)? {
            (Isa::active().ops.$name)($($arg),*)
        })*

        /// One compilation of all functions.
        #[derive(Debug)]
        pub(super) struct Ops {
            $($name: fn($($kind),*) $(-> $result)?,)*
        }

        /// For any processor.
        pub(super) static PLAIN: Ops = Ops { $($name: body::$name,)* };

        /// For kernel sets that need AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        pub(super) static AVX2: Ops = Ops { $($name: avx2::$name,)* };

        #[cfg(target_arch = "x86_64")]
        mod avx2 {
            $(pub(super) fn $name($($arg: $kind),*) $(-> $result)? {
                #[target_feature(enable = "avx2,fma")]
                fn inner($($arg: $kind),*) $(-> $result)? {
                    super::body::$name($($arg),*)
                }
                // SAFETY: reachable only through a kernel set that the processor was found to have.
                unsafe { inner($($arg),*) }
            })*
        }

        /// For kernel sets that need AVX-512: vectors of twice the length.
        #[cfg(target_arch = "x86_64")]
        pub(super) static AVX512: Ops = Ops { $($name: avx512::$name,)* };

        #[cfg(target_arch = "x86_64")]
        mod avx512 {
            $(pub(super) fn $name($($arg: $kind),*) $(-> $result)? {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
                fn inner($($arg: $kind),*) $(-> $result)? {
                    super::body::$name($($arg),*)
                }
                // SAFETY: as above.
                unsafe { inner($($arg),*) }
            })*
        }
    };
}

ops! {
    /// `out = x / sqrt(mean(x²) + eps) * weight` (RMSNorm; Voxtral specification sections 4.1 and 6.2).
    fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]);
    /// [`rms_norm`] in place.
    fn rms_norm_mut(x: &mut [f32], weight: &[f32], eps: f32);
    /// `out = silu(gate) * up`, the middle of SwiGLU. Relative error of silu below 1e-6.
    fn silu_mul(gate: &[f32], up: &[f32], out: &mut [f32]);
    /// GELU by the error function, in place: `x / 2 * (1 + erf(x / √2))`. Absolute error below 1e-6.
    fn gelu(x: &mut [f32]);
    /// `x += y`.
    fn add(x: &mut [f32], y: &[f32]);
    /// `x += scale * y`, element by element (layer scale).
    fn add_scaled(x: &mut [f32], scale: &[f32], y: &[f32]);
    /// `x += factor * y`.
    fn add_multiple(x: &mut [f32], factor: f32, y: &[f32]);
    /// Softmax in place. The largest score is subtracted first, so that nothing overflows.
    fn softmax(scores: &mut [f32]);
    /// Weights of attention in place, and their sum: e^((score - largest) * scale), which is softmax but for the division.
    fn attention_weights(scores: &mut [f32], scale: f32) -> f32;
    /// Dot product in eight running sums.
    fn dot(a: &[f32], b: &[f32]) -> f32;
    /// `out = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias` (LayerNorm, Ba et al. 2016).
    fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]);
    /// Products of a query with keys that lie side by side: value `d` of key `j` is `keys[d * stride + j]`.
    fn products(query: &[f32], keys: &[f32], stride: usize, out: &mut [f32]);
    /// `out = Σ weight · value`; `values` is `[weights][out]`.
    fn weighted_sum(weights: &[f32], values: &[f32], out: &mut [f32]);
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use body::exp;

/// What is compiled.
mod body {
    #[inline(always)]
    pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        let scale = rms_scale(x, eps);
        for ((out, x), w) in out.iter_mut().zip(x).zip(weight) {
            *out = x * scale * w;
        }
    }

    #[inline(always)]
    pub fn rms_norm_mut(x: &mut [f32], weight: &[f32], eps: f32) {
        let scale = rms_scale(x, eps);
        for (x, w) in x.iter_mut().zip(weight) {
            *x *= scale * w;
        }
    }

    #[inline(always)]
    fn rms_scale(x: &[f32], eps: f32) -> f32 {
        let mean = dot(x, x) / x.len() as f32;
        1.0 / (mean + eps).sqrt()
    }

    #[inline(always)]
    pub fn silu_mul(gate: &[f32], up: &[f32], out: &mut [f32]) {
        for ((out, g), u) in out.iter_mut().zip(gate).zip(up) {
            *out = g / (1.0 + exp(-g)) * u;
        }
    }

    #[inline(always)]
    pub fn gelu(x: &mut [f32]) {
        for x in x.iter_mut() {
            *x = 0.5 * *x * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }

    /// Abramowitz and Stegun, 7.1.26: a polynomial in 1 / (1 + p|x|) times e^-x². Absolute error below 5e-7 in `f32`.
    #[inline(always)]
    fn erf(x: f32) -> f32 {
        let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
        let mut p = 1.061_405_4f32;
        for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            p = p * t + c;
        }
        (1.0 - p * t * exp(-x * x)).copysign(x)
    }

    #[inline(always)]
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }

    #[inline(always)]
    pub fn add_scaled(x: &mut [f32], scale: &[f32], y: &[f32]) {
        for ((x, s), y) in x.iter_mut().zip(scale).zip(y) {
            *x += s * y;
        }
    }

    #[inline(always)]
    pub fn add_multiple(x: &mut [f32], factor: f32, y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += factor * y;
        }
    }

    #[inline(always)]
    pub fn softmax(scores: &mut [f32]) {
        let largest = scores.iter().fold(f32::NEG_INFINITY, |m, &s| m.max(s));
        for s in scores.iter_mut() {
            *s = exp(*s - largest);
        }
        let inverse = 1.0 / scores.iter().sum::<f32>();
        for s in scores.iter_mut() {
            *s *= inverse;
        }
    }

    #[inline(always)]
    pub fn attention_weights(scores: &mut [f32], scale: f32) -> f32 {
        const LANES: usize = 16;
        let mut largest = [f32::NEG_INFINITY; LANES];
        let (blocks, rest) = scores.as_chunks_mut::<LANES>();
        let larger = |m: f32, s: f32| if s > m { s } else { m };
        for block in blocks.iter() {
            for i in 0..LANES {
                largest[i] = larger(largest[i], block[i]);
            }
        }
        let largest = largest.iter().chain(rest.iter()).fold(f32::NEG_INFINITY, |m, &s| larger(m, s));
        let mut sums = [0f32; LANES];
        for block in blocks.iter_mut() {
            for i in 0..LANES {
                block[i] = exp((block[i] - largest) * scale);
                sums[i] += block[i];
            }
        }
        let mut sum = sums.iter().sum::<f32>();
        for s in rest {
            *s = exp((*s - largest) * scale);
            sum += *s;
        }
        sum
    }

    #[inline(always)]
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0f32; 8];
        let (a8, a_rest) = a.as_chunks::<8>();
        let (b8, b_rest) = b.as_chunks::<8>();
        for (a, b) in a8.iter().zip(b8) {
            for i in 0..8 {
                sums[i] += a[i] * b[i];
            }
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        sums.iter().sum::<f32>() + rest
    }

    #[inline(always)]
    pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
        let count = x.len() as f32;
        let mean = sum(x) / count;
        for (out, x) in out.iter_mut().zip(x) {
            *out = x - mean;
        }
        let scale = 1.0 / (dot(out, out) / count + eps).sqrt();
        for ((out, w), b) in out.iter_mut().zip(weight).zip(bias) {
            *out = *out * scale * w + b;
        }
    }

    /// Sum in eight running sums.
    #[inline(always)]
    fn sum(x: &[f32]) -> f32 {
        let mut sums = [0f32; 8];
        let (x8, rest) = x.as_chunks::<8>();
        for x in x8 {
            for i in 0..8 {
                sums[i] += x[i];
            }
        }
        sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
    }

    #[inline(always)]
    pub fn products(query: &[f32], keys: &[f32], stride: usize, out: &mut [f32]) {
        const BLOCK: usize = 32;
        let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
        let whole = blocks.len() * BLOCK;
        for (b, out) in blocks.iter_mut().enumerate() {
            let mut sums = [0f32; BLOCK];
            for (d, q) in query.iter().enumerate() {
                let Some(keys) = keys.get(d * stride + b * BLOCK..).and_then(|keys| keys.first_chunk::<BLOCK>()) else {
                    break;
                };
                for i in 0..BLOCK {
                    sums[i] += q * keys[i];
                }
            }
            *out = sums;
        }
        for (j, out) in rest.iter_mut().enumerate() {
            *out = query.iter().enumerate().map(|(d, q)| q * keys[d * stride + whole + j]).sum();
        }
    }

    #[inline(always)]
    pub fn weighted_sum(weights: &[f32], values: &[f32], out: &mut [f32]) {
        const BLOCK: usize = 32;
        let dim = out.len();
        let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
        let whole = blocks.len() * BLOCK;
        for (b, out) in blocks.iter_mut().enumerate() {
            let mut sums = [0f32; BLOCK];
            for (w, value) in weights.iter().zip(values.chunks_exact(dim)) {
                let Some(value) = value.get(b * BLOCK..).and_then(|value| value.first_chunk::<BLOCK>()) else { break };
                for i in 0..BLOCK {
                    sums[i] += w * value[i];
                }
            }
            *out = sums;
        }
        for (i, out) in rest.iter_mut().enumerate() {
            *out = weights.iter().zip(values.chunks_exact(dim)).map(|(w, value)| w * value[whole + i]).sum();
        }
    }

    /// e^x without a branch, so that it becomes vectors: x = n ln 2 + r, e^x = 2^n e^r, a polynomial in r (Cephes,
    /// `expf.c`). Relative error below 2e-7 within -87..=88; beyond, the value at that end.
    #[inline(always)]
    pub fn exp(x: f32) -> f32 {
        /// Adding it leaves the nearest whole number in the low bits.
        const ROUND: f32 = 12_582_912.0;
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let x = x.clamp(-87.0, 88.0);
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = x - n * LN2_HIGH - n * LN2_LOW;
        let mut p = 1.987_569_1e-4;
        for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
            p = p * r + c;
        }
        let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
        (p * r * r + r + 1.0) * power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_parts_in_ten_million() {
        for i in -87_000..=88_000 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(body::exp(x)) - exact).abs() / exact;
            assert!(error < 2e-7, "exp({x}): {error:e}");
        }
        assert_eq!(body::exp(0.0), 1.0);
        assert!(body::exp(f32::NEG_INFINITY) < 1e-37 && body::exp(1e9) > 1e38 && body::exp(f32::NAN).is_nan());
    }

    #[test]
    fn silu_keeps_its_promise_of_accuracy() {
        let gate: Vec<f32> = (-8000..8000).map(|i| i as f32 / 400.0).collect();
        let mut out = vec![0.0; gate.len()];
        silu_mul(&gate, &vec![2.0; gate.len()], &mut out);
        for (&g, &out) in gate.iter().zip(&out) {
            let exact = 2.0 * f64::from(g) / (1.0 + (-f64::from(g)).exp());
            assert!((f64::from(out) - exact).abs() <= 1e-6 * exact.abs(), "silu({g})");
        }
    }

    /// The error function at some points, to ten digits (Abramowitz and Stegun, table 7.1).
    #[test]
    fn gelu_keeps_its_promise_of_accuracy() {
        let erf = [(0.0, 0.0), (0.1, 0.112_462_916), (0.5, 0.520_499_878), (1.0, 0.842_700_793), (1.5, 0.966_105_146)];
        for (x, erf) in erf.into_iter().chain([(2.0, 0.995_322_265), (3.0, 0.999_977_910), (6.0, 1.0)]) {
            let x = x * std::f64::consts::SQRT_2;
            let mut out = [x as f32, -x as f32];
            gelu(&mut out);
            let exact = [0.5 * x * (1.0 + erf), -0.5 * x * (1.0 - erf)];
            for (out, exact) in out.into_iter().zip(exact) {
                assert!((f64::from(out) - exact).abs() < 1e-6, "gelu({x}): {out}, not {exact}");
            }
        }
    }

    #[test]
    fn layer_norm_leaves_the_mean_of_the_bias_and_the_spread_of_the_weight() {
        let x: Vec<f32> = (0..96).map(|i| 100.0 + (i as f32).sin()).collect();
        let mut out = vec![0.0; 96];
        layer_norm(&x, &[2.0; 96], &[0.5; 96], 1e-5, &mut out);
        let mean = out.iter().sum::<f32>() / 96.0;
        let spread = (out.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 96.0).sqrt();
        assert!((mean - 0.5).abs() < 1e-4 && (spread - 2.0).abs() < 1e-3, "{mean} {spread}");
    }

    #[test]
    fn attention_in_blocks_is_attention_one_by_one() {
        for (keys, dim) in [(1, 64), (31, 16), (32, 64), (45, 40), (100, 64)] {
            let stride = keys + 3;
            let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 50.0;
            let all: Vec<f32> = (0..dim * stride).map(value).collect();
            let query: Vec<f32> = (0..dim).map(|i| value(i + 7)).collect();
            let mut scores = vec![0.0; keys];
            products(&query, &all, stride, &mut scores);
            for (j, score) in scores.iter().enumerate() {
                let expected: f32 = (0..dim).map(|d| query[d] * all[d * stride + j]).sum();
                assert!((score - expected).abs() < 1e-4, "{keys} keys of {dim}");
            }
            let values: Vec<f32> = (0..keys * dim).map(value).collect();
            let mut out = vec![0.0; dim];
            weighted_sum(&scores, &values, &mut out);
            for (i, out) in out.iter().enumerate() {
                let expected: f32 = (0..keys).map(|j| scores[j] * values[j * dim + i]).sum();
                assert!((out - expected).abs() < 1e-2, "{keys} keys of {dim}: {out} {expected}");
            }
        }
    }

    #[test]
    fn softmax_sums_to_one_and_survives_huge_scores() {
        for mut scores in [vec![0.0; 3], vec![1e30, 1e30, -1e30], vec![-500.0, -501.0, -502.0, 3.0], vec![7.0]] {
            softmax(&mut scores);
            assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{scores:?}");
        }
    }

    /// The vectors of this processor against the plain compilation, at lengths that do not fill them.
    #[test]
    fn every_compilation_gives_the_same_bits() {
        let values = |seed: u32, n: usize| -> Vec<f32> {
            (0..n as u32).map(|i| (((i ^ seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 8e6 - 1.0) * 9.0).collect()
        };
        for isa in Isa::ALL.into_iter().filter(|isa| isa.runs_here()) {
            for n in [1, 3, 7, 8, 9, 31, 64, 257] {
                let (a, b) = (values(1, n), values(2, n));
                let run = |ops: &Ops| {
                    let (mut out, mut all) = (vec![0.0; n], Vec::new());
                    (ops.rms_norm)(&a, &b, 1e-5, &mut out);
                    all.extend(out.iter().map(|v| v.to_bits()));
                    (ops.silu_mul)(&a, &b, &mut out);
                    all.extend(out.iter().map(|v| v.to_bits()));
                    (ops.rms_norm_mut)(&mut out, &b, 1e-5);
                    (ops.add_scaled)(&mut out, &a, &b);
                    (ops.add_multiple)(&mut out, 0.3, &b);
                    (ops.add)(&mut out, &a);
                    (ops.gelu)(&mut out);
                    all.extend(out.iter().map(|v| v.to_bits()));
                    (ops.softmax)(&mut out);
                    all.extend(out.iter().map(|v| v.to_bits()));
                    out.copy_from_slice(&a);
                    all.push((ops.attention_weights)(&mut out, 0.3).to_bits());
                    all.extend(out.iter().map(|v| v.to_bits()));
                    all.push((ops.dot)(&a, &b).to_bits());
                    (ops.layer_norm)(&a, &b, &a, 1e-5, &mut out);
                    all.extend(out.iter().map(|v| v.to_bits()));
                    let keys = values(3, 5 * (n + 2));
                    (ops.products)(&a[..n.min(5)], &keys, n + 2, &mut out);
                    all.extend(out.iter().map(|v| v.to_bits()));
                    (ops.weighted_sum)(&a[..n.min(5)], &keys, &mut out);
                    all.extend(out.iter().map(|v| v.to_bits()));
                    all
                };
                assert_eq!(run(isa.kernels().ops), run(&PLAIN), "{isa:?} {n}");
            }
        }
    }
}

//! The delay. In: how many tokens after its end a word is to be told. Out: vectors for the decoder.
//!
//! Each layer multiplies the input of its feed-forward part by `1 + s`, where `s` depends on the delay alone. As that input
//! is a norm times a vector of weights, the factor goes into the weights (`voxtral-realtime.md`, section 5.3).

use syrinx_quant::GgufFile;
use syrinx_quant::realtime::layout::{conditions, folded};
use syrinx_quant::shape::Realtime;

use crate::backbone::Variant;
use crate::error::Result;
use crate::pack::vector;

/// Base of the delay embedding's frequencies.
const THETA: f64 = 10_000.0;

/// `[cos(d f); sin(d f)]` with `f_i = 10000^(-i / (dim / 2))`.
fn embedding(delay: usize, dim: usize) -> Vec<f64> {
    let half = dim / 2;
    let angle = |i: usize| delay as f64 * (-THETA.ln() * i as f64 / half as f64).exp();
    (0..half).map(|i| angle(i).cos()).chain((0..half).map(|i| angle(i).sin())).collect()
}

/// The scales of all layers, `[layers][dim]`: `s`, not `1 + s`. Errors: `BadPack`.
pub fn scales(hear: &GgufFile, shape: &Realtime, delay: usize) -> Result<Vec<Vec<f32>>> {
    let (dim, inner) = (shape.decoder.dim, shape.text.condition_dim);
    let t = embedding(delay, dim);
    let layer = |layer: usize| {
        let [down, up] = conditions(layer);
        let (down, up) = (hear.tensor(&down)?, hear.tensor(&up)?);
        down.expect_shape(&[inner, dim])?;
        up.expect_shape(&[dim, inner])?;
        let hidden: Vec<f64> = down.to_f32()?.chunks_exact(dim).map(|row| gelu(dot(row, &t))).collect();
        Ok(up.to_f32()?.chunks_exact(inner).map(|row| dot(row, &hidden) as f32).collect())
    };
    (0..shape.decoder.layers).map(layer).collect()
}

/// The decoder's vectors for a delay. Errors: `BadPack`.
pub fn variant(hear: &GgufFile, decoder: &GgufFile, shape: &Realtime, delay: usize) -> Result<Variant> {
    let fold = |(layer, scales): (usize, Vec<f32>)| {
        let name = folded(layer);
        let mut weights = vector(decoder, &name, shape.decoder.dim)?;
        weights.iter_mut().zip(&scales).for_each(|(w, s)| *w *= 1.0 + s);
        Ok((name, weights))
    };
    let vectors = scales(hear, shape, delay)?.into_iter().enumerate().map(fold).collect::<Result<_>>()?;
    Ok(Variant { number: delay, vectors })
}

fn dot(row: &[f32], x: &[f64]) -> f64 {
    row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum()
}

/// By the error function, as [`crate::kernel::ops::gelu`].
fn gelu(x: f64) -> f64 {
    let mut out = [x as f32];
    crate::kernel::ops::gelu(&mut out);
    f64::from(out[0])
}

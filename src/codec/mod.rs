//! The codec decoder. In: frames of codes. Out: samples in -1..1 (not clamped), `samples_per_frame` for each frame.
//!
//! Causal throughout, so each block keeps exactly the inputs that it still needs, and any division of an utterance
//! into calls gives the same samples as one call: a join can't click (Voxtral specification section 6.3). Weights may
//! be F16; the arithmetic is `f32`. [`CodecWeights`] are read once, each [`CodecDecoder`] is the state of one utterance
//! at a time over them.

mod layer;
mod weights;

use std::sync::Arc;

use syrinx_quant::shape::{Audio, Codec, SPECIAL_CODES};

use crate::frame::Frame;
use crate::kernel::Pool;
use crate::net::conv::Past;
use crate::watermark::Watermark;
use layer::{Scratch, Window};
pub use weights::CodecWeights;
use weights::Rate;

/// A decoder's state. Allocates when made, never afterwards.
#[derive(Debug)]
pub struct CodecDecoder {
    weights: Arc<CodecWeights>,
    /// Frames that one pass takes; more are decoded in several passes.
    capacity_frames: usize,
    input: Past,
    rates: Vec<RateState>,
    output: Past,
    latents: Vec<f32>,
    stream: Vec<f32>,
    upsampled: Vec<f32>,
    scratch: Scratch,
    watermark: Option<Watermark>,
}

/// What a rate's convolution and layers have seen and still need.
#[derive(Debug)]
struct RateState {
    upsample: Option<Past>,
    layers: Vec<Window>,
}

impl CodecDecoder {
    /// A decoder over weights that others may use at the same time, with room for `capacity_frames` per pass: 1 for the
    /// least latency, more to read the weights less often.
    pub fn new(weights: &Arc<CodecWeights>, capacity_frames: usize) -> Self {
        let codec = &weights.codec;
        let capacity_frames = capacity_frames.max(1);
        let mut positions = capacity_frames;
        let mut state = |rate: &Rate| {
            let upsample = rate.upsample.as_ref().map(|upsample| upsample.past(positions));
            positions *= rate.stride;
            RateState { upsample, layers: rate.layers.iter().map(|layer| layer.window(positions)).collect() }
        };
        let rates = weights.rates.iter().map(&mut state).collect();
        Self {
            capacity_frames,
            input: weights.input.past(capacity_frames),
            rates,
            output: weights.output.past(positions),
            latents: vec![0.0; capacity_frames * codec.latent_dim()],
            stream: vec![0.0; positions * codec.dim],
            upsampled: vec![0.0; positions * codec.dim],
            scratch: Scratch::new(codec, positions),
            weights: weights.clone(),
            watermark: None,
        }
    }

    /// The same, with what marks its samples, if anything does.
    pub fn marked(self, watermark: Option<Watermark>) -> Self {
        Self { watermark, ..self }
    }

    /// Samples of one frame.
    pub fn samples_per_frame(&self) -> usize {
        self.weights.samples_per_frame()
    }

    /// Bytes of weights that one pass reads.
    pub fn pass_bytes(&self) -> usize {
        self.weights.pass_bytes()
    }

    /// Forgets the past: the next frame is the first of an utterance.
    pub fn reset(&mut self) {
        self.input.reset();
        for rate in &mut self.rates {
            rate.layers.iter_mut().for_each(Window::reset);
            rate.upsample.iter_mut().for_each(Past::reset);
        }
        self.output.reset();
        if let Some(watermark) = &mut self.watermark {
            watermark.reset();
        }
    }

    /// Decodes `frames` into `pcm`, which has [`CodecDecoder::samples_per_frame`] samples for each.
    ///
    /// Codes without sound (EMPTY, END or beyond their codebook) are taken as the nearest that has one.
    pub fn decode(&mut self, frames: &[Frame], pcm: &mut [f32], pool: &Pool) {
        let samples = self.samples_per_frame();
        debug_assert_eq!(pcm.len(), frames.len() * samples);
        for (frames, pcm) in frames.chunks(self.capacity_frames).zip(pcm.chunks_mut(self.capacity_frames * samples)) {
            self.pass(frames, pcm, pool);
        }
        if let Some(watermark) = &mut self.watermark {
            watermark.mark(pcm);
        }
    }

    fn pass(&mut self, frames: &[Frame], pcm: &mut [f32], pool: &Pool) {
        let weights = &*self.weights;
        let (codec, dim) = (&weights.codec, weights.codec.dim);
        let latents = &mut self.latents[..frames.len() * codec.latent_dim()];
        for (frame, latent) in frames.iter().zip(latents.chunks_exact_mut(codec.latent_dim())) {
            latent_of(frame, &weights.semantic, codec, &weights.audio, latent);
        }
        let mut positions = frames.len();
        weights.input.step(latents, &mut self.stream[..positions * dim], &mut self.input, pool);
        for (rate, state) in weights.rates.iter().zip(&mut self.rates) {
            if let (Some(upsample), Some(past)) = (&rate.upsample, &mut state.upsample) {
                let from = &self.stream[..positions * dim];
                positions *= rate.stride;
                upsample.step(from, &mut self.upsampled[..positions * dim], past, pool);
                std::mem::swap(&mut self.stream, &mut self.upsampled);
            }
            for (layer, window) in rate.layers.iter().zip(&mut state.layers) {
                layer.step(&mut self.stream[..positions * dim], window, &mut self.scratch, pool);
            }
        }
        weights.output.step(&self.stream[..positions * dim], pcm, &mut self.output, pool);
    }
}

/// Semantic row and scaled acoustic levels, side by side (section 6.1).
fn latent_of(frame: &Frame, semantic: &[f32], codec: &Codec, audio: &Audio, latent: &mut [f32]) {
    let (row, levels) = latent.split_at_mut(codec.semantic_dim);
    let plain = |code: u16, size: usize| usize::from(code).saturating_sub(SPECIAL_CODES).min(size - 1);
    let code = plain(frame.semantic(), audio.semantic_codebook_size);
    row.copy_from_slice(&semantic[code * codec.semantic_dim..][..codec.semantic_dim]);
    let top = (audio.acoustic_codebook_size - 1) as f32;
    for (level, &code) in levels.iter_mut().zip(frame.codes.iter().skip(1)) {
        *level = plain(code, audio.acoustic_codebook_size) as f32 * 2.0 / top - 1.0;
    }
}

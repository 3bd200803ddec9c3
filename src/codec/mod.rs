//! The codec decoder. In: frames of codes. Out: samples in -1..1 (not clamped), `samples_per_frame` for each frame.
//!
//! Causal throughout, so each block keeps exactly the inputs that it still needs, and any division of an utterance
//! into calls gives the same samples as one call: a join can't click (Voxtral specification section 6.3). Weights may
//! be F16; the arithmetic is `f32`.

mod conv;
mod layer;

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::{Audio, Codec, SPECIAL_CODES, Shape};

use crate::error::Result;
use crate::frame::Frame;
use crate::kernel::Pool;
use conv::{CausalConv, Start, Upsample};
use layer::{Layer, Scratch};

/// A decoder with its state. Allocates when opened, never afterwards.
#[derive(Debug)]
pub struct CodecDecoder {
    codec: Codec,
    audio: Audio,
    /// Frames that one pass takes; more are decoded in several passes.
    capacity_frames: usize,
    /// `[semantic codes][semantic_dim]`.
    semantic: Vec<f32>,
    input: CausalConv,
    stages: Vec<Stage>,
    output: CausalConv,
    latents: Vec<f32>,
    stream: Vec<f32>,
    upsampled: Vec<f32>,
    scratch: Scratch,
}

/// A rate: what brings the stream to it (nothing, for the first), and its layers.
#[derive(Debug)]
struct Stage {
    upsample: Option<Upsample>,
    stride: usize,
    layers: Vec<Layer>,
}

/// THROWAWAY.
#[derive(Debug)]
pub struct CodecWeights {
    file: Arc<GgufFile>,
    shape: Shape,
}
impl CodecWeights {
    pub fn open(file: &Arc<GgufFile>, shape: &Shape) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { file: file.clone(), shape: shape.clone() }))
    }
}
impl CodecDecoder {
    pub fn new(weights: &Arc<CodecWeights>, capacity: usize) -> Self {
        Self::open(&weights.file, &weights.shape, capacity).unwrap()
    }
    /// Reads the decoder out of `speech.gguf`, with room for `capacity_frames` per pass: 1 for the least latency, more
    /// to read the weights less often. Errors: `BadPack`, `Unsupported`.
    pub fn open(file: &Arc<GgufFile>, shape: &Shape, capacity_frames: usize) -> Result<Self> {
        let codec = shape.codec.clone();
        let capacity_frames = capacity_frames.max(1);
        let block = |i: usize| format!("audio_tokenizer.decoder_blocks.{i}");
        let (latent, dim) = (codec.latent_dim(), codec.dim);
        let first_kernel = codec.kernels[0];
        let name = format!("{}.conv.weight", block(0));
        let input = CausalConv::open(file, &name, dim, first_kernel, latent, Start::Replicate, capacity_frames)?;
        let mut positions = capacity_frames;
        let mut stages = Vec::with_capacity(codec.strides.len());
        for (s, &stride) in codec.strides.iter().enumerate() {
            let upsample = match s {
                0 => None,
                _ => {
                    let name = format!("{}.conv.weight", block(2 * s));
                    Some(Upsample::open(file, &name, dim, codec.kernels[s], stride, positions)?)
                }
            };
            positions *= stride;
            let layers = (0..codec.lengths[s])
                .map(|l| {
                    let prefix = format!("{}.layers.{l}", block(2 * s + 1));
                    Layer::open(file, &codec, &prefix, codec.windows[s], positions)
                })
                .collect::<Result<Vec<_>>>()?;
            stages.push(Stage { upsample, stride, layers });
        }
        let name = "audio_tokenizer.output_proj.conv.weight";
        let output = CausalConv::open(file, name, codec.patch, codec.out_kernel, dim, Start::Reflect, positions)?;
        let table = file.tensor("audio_tokenizer.quantizer.semantic_codebook.embedding")?;
        table.expect_shape(&[shape.audio.semantic_codebook_size, codec.semantic_dim])?;
        Ok(Self {
            semantic: table.to_f32()?,
            input,
            stages,
            output,
            latents: vec![0.0; capacity_frames * latent],
            stream: vec![0.0; positions * dim],
            upsampled: vec![0.0; positions * dim],
            scratch: Scratch::new(&codec, positions),
            capacity_frames,
            audio: shape.audio.clone(),
            codec,
        })
    }

    /// Samples of one frame.
    pub fn samples_per_frame(&self) -> usize {
        self.codec.samples_per_frame()
    }

    /// Bytes of weights that one pass reads.
    pub fn pass_bytes(&self) -> usize {
        let stage = |s: &Stage| {
            s.layers.iter().map(Layer::bytes).sum::<usize>() + s.upsample.as_ref().map_or(0, Upsample::bytes)
        };
        self.input.bytes() + self.stages.iter().map(stage).sum::<usize>() + self.output.bytes()
    }

    /// Forgets the past: the next frame is the first of an utterance.
    pub fn reset(&mut self) {
        self.input.reset();
        for stage in &mut self.stages {
            stage.layers.iter_mut().for_each(Layer::reset);
            stage.upsample.iter_mut().for_each(Upsample::reset);
        }
        self.output.reset();
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
    }

    fn pass(&mut self, frames: &[Frame], pcm: &mut [f32], pool: &Pool) {
        let dim = self.codec.dim;
        let latents = &mut self.latents[..frames.len() * self.codec.latent_dim()];
        for (frame, latent) in frames.iter().zip(latents.chunks_exact_mut(self.codec.latent_dim())) {
            latent_of(frame, &self.semantic, &self.codec, &self.audio, latent);
        }
        let mut positions = frames.len();
        self.input.step(latents, &mut self.stream[..positions * dim], pool);
        for stage in &mut self.stages {
            if let Some(upsample) = &mut stage.upsample {
                let from = &self.stream[..positions * dim];
                positions *= stage.stride;
                upsample.step(from, &mut self.upsampled[..positions * dim], pool);
                std::mem::swap(&mut self.stream, &mut self.upsampled);
            }
            for layer in &mut stage.layers {
                layer.step(&self.codec, &mut self.stream[..positions * dim], &mut self.scratch, pool);
            }
        }
        self.output.step(&self.stream[..positions * dim], pcm, pool);
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

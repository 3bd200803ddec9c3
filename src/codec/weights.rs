//! The decoder's weights. In: `speech.gguf`. Out: what any number of [`CodecDecoder`](super::CodecDecoder)s compute with.

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::{Audio, Codec, Shape};

use super::layer::CodecLayer;
use crate::error::Result;
use crate::net::conv::{CausalConv, Start, Upsample};

/// The weights of one pack's decoder. Nobody writes them after they are read.
#[derive(Debug)]
pub struct CodecWeights {
    pub(super) codec: Codec,
    pub(super) audio: Audio,
    /// `[semantic codes][semantic_dim]`.
    pub(super) semantic: Vec<f32>,
    pub(super) input: CausalConv,
    pub(super) rates: Vec<Rate>,
    pub(super) output: CausalConv,
}

/// A rate: what brings the stream to it (nothing, for the first), and its layers.
#[derive(Debug)]
pub(super) struct Rate {
    pub upsample: Option<Upsample>,
    pub stride: usize,
    pub layers: Vec<CodecLayer>,
}

impl CodecWeights {
    /// Reads them out of `speech.gguf`. Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, shape: &Shape) -> Result<Arc<Self>> {
        let codec = shape.codec.clone();
        let block = |i: usize| format!("audio_tokenizer.decoder_blocks.{i}");
        let name = format!("{}.conv.weight", block(0));
        let input = CausalConv::open(file, &name, codec.dim, codec.kernels[0], codec.latent_dim(), Start::Replicate)?;
        let mut rates = Vec::with_capacity(codec.strides.len());
        for (s, &stride) in codec.strides.iter().enumerate() {
            let upsample = match s {
                0 => None,
                _ => {
                    let name = format!("{}.conv.weight", block(2 * s));
                    Some(Upsample::open(file, &name, codec.dim, codec.kernels[s], stride)?)
                }
            };
            let layers = (0..codec.lengths[s])
                .map(|l| CodecLayer::open(file, &codec, &format!("{}.layers.{l}", block(2 * s + 1)), codec.windows[s]))
                .collect::<Result<Vec<_>>>()?;
            rates.push(Rate { upsample, stride, layers });
        }
        let name = "audio_tokenizer.output_proj.conv.weight";
        let output = CausalConv::open(file, name, codec.patch, codec.out_kernel, codec.dim, Start::Reflect)?;
        let table = file.tensor("audio_tokenizer.quantizer.semantic_codebook.embedding")?;
        table.expect_shape(&[shape.audio.semantic_codebook_size, codec.semantic_dim])?;
        Ok(Arc::new(Self { semantic: table.to_f32()?, input, rates, output, audio: shape.audio.clone(), codec }))
    }

    /// Samples of one frame.
    pub fn samples_per_frame(&self) -> usize {
        self.codec.samples_per_frame()
    }

    /// Bytes of weights that one pass reads.
    pub fn pass_bytes(&self) -> usize {
        let rate = |rate: &Rate| {
            rate.layers.iter().map(CodecLayer::bytes).sum::<usize>() + rate.upsample.as_ref().map_or(0, Upsample::bytes)
        };
        self.input.bytes() + self.rates.iter().map(rate).sum::<usize>() + self.output.bytes()
    }
}

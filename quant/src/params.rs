//! `params.json`. In: its text. Out: the sizes it declares, or the name of the first key that this runtime does not
//! understand. Strict on purpose: a key that is read over is a model that sounds subtly wrong.

pub(crate) mod section;

use serde_json::Value;

use crate::error::{Result, corrupt};
use crate::shape::{Audio, Backbone, Codec, Flow};
use section::Section;

/// The parts of a [`crate::Shape`] that `params.json` knows; tensors and `tekken.json` supply the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    pub dim: usize,
    pub vocab_size: usize,
    pub max_context: usize,
    pub backbone: Backbone,
    /// `audio_rows` and `head_rows` are the padded sizes of the released model; the tensors decide.
    pub audio: Audio,
    pub flow: Flow,
    pub codec: Codec,
    pub bos: u32,
    pub audio_token: u32,
    pub begin_audio: u32,
    /// Voice names in the order of their index.
    pub voices: Vec<String>,
    /// Sizes of the codec's encoder, kept as they are, where the model has one.
    pub encoder: Option<Value>,
}

/// Rows of the audio table and of the semantic head are padded to a multiple of this (voxtral-tts.md, 4.2 and 5.1).
const ROW_PADDING: usize = 128;

impl Params {
    /// `ignored` are full key paths that the user has declared harmless.
    ///
    /// Errors: `Corrupt` (not JSON, wrong type), `Missing` (key), `Unsupported` (key or value, by path), `Shape`.
    pub fn parse(text: &str, ignored: &[String]) -> Result<Self> {
        let json = serde_json::from_str(text).map_err(|e| corrupt(format!("params.json: {e}")))?;
        let mut top = Section::root(json, ignored)?;

        let dim = top.size("dim")?;
        let backbone = Backbone {
            layers: top.size("n_layers")?,
            heads: top.size("n_heads")?,
            kv_heads: top.size("n_kv_heads")?,
            head_dim: top.size("head_dim")?,
            hidden_dim: top.size("hidden_dim")?,
            rope_theta: top.number("rope_theta")?,
            norm_eps: top.number("norm_eps")?,
        };
        let vocab_size = top.size("vocab_size")?;
        let longest = top.size("max_seq_len")?;
        let max_context = top.optional_size("max_position_embeddings")?.map_or(longest, |n| n.min(longest));
        top.must_be("model_type", "voxtral_tts")?;
        top.must_be("causal", true)?;
        top.must_be("use_biases", false)?;
        top.must_be("model_parallel", 1)?;
        for absent in ["yarn", "rope_scaling", "sliding_window", "llama_4_scaling"] {
            top.must_be(absent, Value::Null)?;
        }
        top.inert("tied_embeddings"); // text logits are never computed

        let mut multimodal = top.section("multimodal")?;
        let bos = multimodal.id("bos_token_id")?;
        let mut model = multimodal.section("audio_model_args")?;
        let (mut audio, audio_token, begin_audio) = audio(&mut model)?;
        let flow = flow(&mut model)?;
        model.finish()?;
        let mut tokenizer = multimodal.section("audio_tokenizer_args")?;
        let (codec, voices, encoder) = codec(&mut tokenizer, &audio)?;
        tokenizer.finish()?;
        multimodal.finish()?;
        top.finish()?;

        audio.audio_rows = audio.used_rows().next_multiple_of(ROW_PADDING);
        audio.head_rows = audio.semantic_rows().next_multiple_of(ROW_PADDING);
        Ok(Self {
            dim,
            vocab_size,
            max_context,
            backbone,
            audio,
            flow,
            codec,
            bos,
            audio_token,
            begin_audio,
            voices,
            encoder,
        })
    }
}

/// The codes; also the ids of `[AUDIO]` and `[BEGIN_AUDIO]`.
fn audio(model: &mut Section) -> Result<(Audio, u32, u32)> {
    let n_acoustic = model.size("n_acoustic_codebook")?;
    let mut encoding = model.section("audio_encoding_args")?;
    let audio = Audio {
        semantic_codebook_size: model.size("semantic_codebook_size")?,
        acoustic_codebook_size: model.size("acoustic_codebook_size")?,
        n_acoustic,
        audio_rows: 0,
        head_rows: 0,
        frame_rate: encoding.number("frame_rate")?,
        sampling_rate: encoding.size("sampling_rate")?,
    };
    encoding.must_be("codebook_pattern", "parallel")?;
    encoding.must_be("num_codebooks", n_acoustic + 1)?;
    encoding.must_be("single_trailing_segment", false)?;
    encoding.inert("interleave_audio_tokens_per_segment"); // longer than any request: nothing is interleaved
    encoding.inert("interleave_text_tokens_per_segment");
    encoding.finish()?;
    model.must_be("input_embedding_concat_type", "sum")?;
    model.must_be("text_feature_bugged", false)?;
    model.inert("p_uncond"); // training only
    model.inert("condition_dropped_token_id"); // no implementation reads it
    Ok((audio, model.id("audio_token_id")?, model.id("begin_audio_token_id")?))
}

fn flow(model: &mut Section) -> Result<Flow> {
    let mut args = model.section("acoustic_transformer_args")?;
    let flow = Flow {
        dim: args.size("dim")?,
        input_dim: args.size("input_dim")?,
        layers: args.size("n_layers")?,
        heads: args.size("n_heads")?,
        kv_heads: args.size("n_kv_heads")?,
        head_dim: args.size("head_dim")?,
        hidden_dim: args.size("hidden_dim")?,
        norm_eps: args.optional_number("norm_eps")?.unwrap_or(1e-5),
        time_theta: args.optional_number("rope_theta")?.unwrap_or(1e4), // no rotation: the time embedding's base
        steps: args.optional_size("n_decoding_steps")?.unwrap_or(7),
        guidance: args.optional_number("cfg_alpha")?.unwrap_or(1.2),
    };
    args.must_be("use_biases", false)?;
    args.inert("sigma"); // training only
    args.inert("sigma_max");
    args.finish()?;
    Ok(flow)
}

fn codec(args: &mut Section, audio: &Audio) -> Result<(Codec, Vec<String>, Option<Value>)> {
    let strides = args.sizes("decoder_convs_strides_str")?;
    let codec = Codec {
        dim: args.size("dim")?,
        hidden_dim: args.size("hidden_dim")?,
        heads: args.size("n_heads")?,
        kv_heads: args.size("n_kv_heads")?,
        head_dim: args.size("head_dim")?,
        semantic_dim: args.size("semantic_dim")?,
        acoustic_dim: args.size("acoustic_dim")?,
        patch: args.size("pretransform_patch_size")?,
        out_kernel: args.size("patch_proj_kernel_size")?,
        kernels: args.sizes("decoder_convs_kernels_str")?,
        windows: Codec::windows_of(args.size("attn_sliding_window_size")?, &strides),
        lengths: args.sizes("decoder_transformer_lengths_str")?,
        strides,
        norm_eps: args.number("norm_eps")?,
        qk_norm_eps: args.number("qk_norm_eps")?,
    };
    args.must_be("channels", 1)?;
    args.must_be("sampling_rate", audio.sampling_rate)?;
    args.must_be("semantic_codebook_size", audio.semantic_codebook_size)?;
    args.must_be("acoustic_codebook_size", audio.acoustic_codebook_size)?;
    for on in ["causal", "conv_weight_norm", "half_attn_window_upon_downsampling", "qk_norm", "layer_scale"] {
        args.must_be(on, true)?;
    }
    args.must_be("use_biases", false)?;
    args.inert("layer_scale_init"); // training only
    let voices = args.ranked_names("voice")?;
    Ok((codec, voices, args.optional("encoder")))
}

#[cfg(test)]
mod tests;

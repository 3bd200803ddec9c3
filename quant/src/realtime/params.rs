//! `params.json` of Voxtral Realtime. In: its text. Out: the sizes it declares, or the name of the first key that this
//! runtime does not understand (voxtral-realtime.md, section 2.2).

use serde_json::Value;

use crate::error::{Result, corrupt, misshapen};
use crate::params::section::Section;
use crate::shape::realtime::{Front, SPECTRA_PER_ROW, Stack};

/// The parts of a [`crate::shape::Realtime`] that `params.json` knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    pub front: Front,
    pub encoder: Stack,
    pub decoder: Stack,
    pub vocab_size: usize,
    pub condition_dim: usize,
    pub rows_per_token: usize,
    /// Tokens per second.
    pub frame_rate: f32,
}

impl Params {
    /// `ignored` are full key paths that the user has declared harmless.
    ///
    /// Errors: `Corrupt` (not JSON, wrong type), `Missing` (key), `Unsupported` (key or value, by path), `Shape`.
    pub fn parse(text: &str, ignored: &[String]) -> Result<Self> {
        let json = serde_json::from_str(text).map_err(|e| corrupt(format!("params.json: {e}")))?;
        let mut top = Section::root(json, ignored)?;
        let decoder = stack(&mut top)?;
        let vocab_size = top.size("vocab_size")?;
        top.must_be("causal", true)?;
        top.must_be("use_biases", false)?;
        top.must_be("model_parallel", 1)?;
        top.must_be("tied_embeddings", true)?;
        top.must_be("ada_rms_norm_t_cond", true)?;
        for absent in ["yarn", "rope_scaling", "llama_4_scaling"] {
            top.must_be(absent, Value::Null)?;
        }
        top.inert("model_max_length"); // the window bounds what is seen, and positions run on
        let condition_dim = top.size("ada_rms_norm_t_cond_dim")?;

        let mut multimodal = top.section("multimodal")?;
        let mut model = multimodal.section("whisper_model_args")?;
        let mut args = model.section("encoder_args")?;
        let encoder = stack(&mut args)?;
        args.must_be("use_biases", true)?;
        args.must_be("use_cache", false)?;
        args.must_be("causal", true)?;
        args.must_be("pos_embed", "rope")?;
        args.must_be("max_source_positions", Value::Null)?;
        args.must_be("ffn_type", "swiglu")?;
        args.must_be("norm_type", "rms_norm")?;
        for absent in ["yarn", "rope_scaling"] {
            args.must_be(absent, Value::Null)?;
        }
        args.inert("vocab_size"); // the encoder has no tokens
        let mut encoding = args.section("audio_encoding_args")?;
        let frame_rate = encoding.number("frame_rate")?;
        let front = front(&mut encoding)?;
        encoding.finish()?;
        args.finish()?;
        let mut downsample = model.section("downsample_args")?;
        let rows_per_token = downsample.size("downsample_factor")?;
        downsample.finish()?;
        model.finish()?;
        multimodal.finish()?;
        top.finish()?;

        let samples = front.hop.saturating_mul(SPECTRA_PER_ROW).saturating_mul(rows_per_token);
        if samples as f64 * f64::from(frame_rate) != front.sampling_rate as f64 {
            let message =
                format!("{samples} samples of a token x {frame_rate} tokens/s is not {} Hz", front.sampling_rate);
            return Err(misshapen(format!("params.json: {message}")));
        }
        Ok(Self { front, encoder, decoder, vocab_size, condition_dim, rows_per_token, frame_rate })
    }
}

fn stack(args: &mut Section) -> Result<Stack> {
    Ok(Stack {
        dim: args.size("dim")?,
        layers: args.size("n_layers")?,
        heads: args.size("n_heads")?,
        kv_heads: args.size("n_kv_heads")?,
        head_dim: args.size("head_dim")?,
        hidden_dim: args.size("hidden_dim")?,
        rope_theta: args.number("rope_theta")?,
        norm_eps: args.number("norm_eps")?,
        window: args.loose_size("sliding_window")?,
    })
}

fn front(encoding: &mut Section) -> Result<Front> {
    let front = Front {
        sampling_rate: encoding.size("sampling_rate")?,
        mels: encoding.size("num_mel_bins")?,
        hop: encoding.size("hop_length")?,
        window: encoding.size("window_size")?,
        log_mel_max: encoding.number("global_log_mel_max")?,
    };
    encoding.must_be("chunk_length_s", Value::Null)?;
    encoding.must_be("transcription_format", "streaming")?;
    Ok(front)
}

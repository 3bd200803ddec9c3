//! Checkpoint of Voxtral Realtime → pack. In: `consolidated.safetensors`, `params.json`, `tekken.json`. Out: a pack.

use super::params::Params;
use super::{Contents, layout, write};
use crate::about::About;
use crate::checkpoint::{CHECKPOINT_FILE, Checkpoint};
use crate::error::{Result, misshapen, missing, unsupported};
use crate::import::{ImportOptions, PARAMS_FILE, Source, read_text};
use crate::pack::{Progress, Written};
use crate::shape::Realtime;
use crate::shape::realtime::{Schedule, Text};
use crate::tekken::{TEKKEN_FILE, Tekken};

/// The longest delay that the model was trained with: 2.4 s (paper, and voxtral.c).
const LONGEST_DELAY: usize = 30;
/// Silence for a long last word (mistral-common's `OFFLINE_STREAMING_BUFFER_TOKENS`).
const RIGHT_PAD: usize = 10;

/// Whether a `params.json` is of this family: it has an encoder of sound, and no acoustic head.
pub(crate) fn is_realtime(params: &str) -> bool {
    let json = serde_json::from_str::<serde_json::Value>(params).unwrap_or_default();
    json.pointer("/multimodal/whisper_model_args").is_some()
}

/// Imports a checkpoint whose `params.json` is `params`. Errors: as [`crate::import::import`].
pub(crate) fn import(options: &ImportOptions, params: &str, progress: &dyn Progress) -> Result<Written> {
    let ImportOptions { from, to, recipe, overwrite } = options;
    let mut about = About::read(from)?;
    about.fill_in_listening(from)?;
    let params = Params::parse(params, &about.import.ignore_keys)?;
    let tekken = Tekken::parse(&read_text(&from.join(TEKKEN_FILE))?)?;
    let shape = shape(params, &tekken)?;
    shape.validate()?;
    let checkpoint = Checkpoint::open(&from.join(CHECKPOINT_FILE))?;
    let planned = [layout::encoder(&shape), layout::decoder(&shape), layout::hear(&shape)].concat();
    checkpoint.check(&planned, false)?;
    let contents = Contents {
        shape: &shape,
        tokenizer: &tekken.to_tokenizer_json()?,
        recipe: *recipe,
        about: &about,
        synthetic: false,
    };
    write(to, *overwrite, &contents, &Source::without_voices(checkpoint), progress)
}

/// The sizes of both files, which must not contradict each other.
fn shape(params: Params, tekken: &Tekken) -> Result<Realtime> {
    let Params { front, encoder, decoder, vocab_size, condition_dim, rows_per_token, frame_rate } = params;
    let streaming = tekken.streaming().ok_or_else(|| {
        missing(format!(
            "{TEKKEN_FILE}: audio.transcription_format is missing: not a vocabulary of a model that streams"
        ))
    })?;
    if streaming.transcription_format != "streaming" {
        let format = &streaming.transcription_format;
        return Err(unsupported(format!(
            "{TEKKEN_FILE}: audio.transcription_format is \"{format}\", expected streaming"
        )));
    }
    let encoding = &streaming.audio_encoding_config;
    for (key, found, declared) in [
        ("audio.sampling_rate", streaming.sampling_rate, front.sampling_rate),
        ("audio.audio_encoding_config.num_mel_bins", encoding.num_mel_bins, front.mels),
        ("audio.audio_encoding_config.hop_length", encoding.hop_length, front.hop),
        ("audio.audio_encoding_config.window_size", encoding.window_size, front.window),
    ] {
        if found != declared {
            return Err(misshapen(format!("{TEKKEN_FILE}: {key} is {found}, {PARAMS_FILE} says {declared}")));
        }
    }
    if streaming.frame_rate != f64::from(frame_rate) {
        let found = streaming.frame_rate;
        return Err(misshapen(format!("{TEKKEN_FILE}: audio.frame_rate is {found}, {PARAMS_FILE} says {frame_rate}")));
    }
    // More ids than rows do not belong to the model; fewer could not be told.
    if tekken.vocab_size() < vocab_size {
        let found = tekken.vocab_size();
        return Err(misshapen(format!("{TEKKEN_FILE} has {found} ids, {PARAMS_FILE} has {vocab_size}")));
    }
    let delay = streaming.transcription_delay_ms * streaming.frame_rate / 1000.0;
    if !(1.0..=LONGEST_DELAY as f64).contains(&delay) || delay.fract() != 0.0 {
        let found = streaming.transcription_delay_ms;
        return Err(unsupported(format!("{TEKKEN_FILE}: audio.transcription_delay_ms is {found}, not 1 to 30 tokens")));
    }
    Ok(Realtime {
        front,
        encoder,
        decoder,
        text: Text {
            vocab_size,
            special_ids: tekken.special_count(),
            bos: tekken.special("<s>")?,
            eos: tekken.special("</s>")?,
            pad: tekken.special("[STREAMING_PAD]")?,
            word: tekken.special("[STREAMING_WORD]")?,
            condition_dim,
        },
        schedule: Schedule {
            rows_per_token,
            left_pad: streaming.streaming_n_left_pad_tokens,
            delay: delay as usize,
            longest_delay: LONGEST_DELAY,
            right_pad: RIGHT_PAD,
        },
    })
}

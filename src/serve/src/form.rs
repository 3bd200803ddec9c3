//! In which form speech is sent. In: what the client asks for, bytes of sound. Out: headers, bodies and events.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use syrinx::Word;

use crate::encode;
use crate::refusal::Refusal;
use crate::request::Allowed;

/// Of telephones, of speech, of discs and of what plays them.
const RATES_HZ: [u32; 6] = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000];

/// What the samples are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    /// 16-bit little-endian samples.
    Pcm,
    /// 32-bit little-endian floats.
    Float,
    /// 16-bit samples behind the header of a WAV file.
    Wav,
    /// The same without loss, in about half as many bytes.
    Flac,
    /// Opus in Ogg, in a tenth of the bytes.
    Opus,
    /// MP3, where the system has an encoder of it.
    Mp3,
}

impl Wrap {
    /// As OpenAI calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcm | Self::Float => "pcm",
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Opus => "opus",
            Self::Mp3 => "mp3",
        }
    }
}

/// Whose clients read it: both vendors have the same path, with other names for the same things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    OpenAi,
    /// A whole body is JSON with base64 in it, events have their kind in a line of their own, and samples are floats.
    Mistral,
}

/// How the body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub wrap: Wrap,
    /// Another rate than the pack's own.
    pub rate_hz: Option<u32>,
    pub dialect: Dialect,
    /// As server-sent events with base64 in them.
    pub events: bool,
    /// At once when it is complete, with its true length.
    pub whole: bool,
    /// Another form was asked for that this build cannot make.
    pub instead: bool,
    /// Events tell the words too, as their times are known.
    pub words: bool,
}

impl Form {
    /// Samples one after another, as they are made.
    pub fn samples(wrap: Wrap) -> Self {
        let rate_hz = None;
        Self { wrap, rate_hz, dialect: Dialect::OpenAi, events: false, whole: false, instead: false, words: false }
    }

    /// Errors: 400 for a form that there is not.
    pub fn asked(
        format: Option<&str>,
        stream: Option<&str>,
        whole: bool,
        words: bool,
        allowed: Allowed,
    ) -> Result<Self, Refusal> {
        let (wrap, instead) = match format {
            Some("pcm") => (Wrap::Pcm, false),
            Some("wav") => (Wrap::Wav, false),
            Some("flac") => (Wrap::Flac, false),
            Some("opus") => (Wrap::Opus, false),
            None | Some("mp3") if allowed.mp3 && encode::has_mp3() => (Wrap::Mp3, false),
            // Clients that want mp3, or do not say what they want, go by the type that the answer names.
            None | Some("mp3") if !allowed.strict => (Wrap::Wav, true),
            other => {
                let other = other.unwrap_or("mp3");
                let message = format!("response_format {other} is not supported: choose wav, flac, opus or pcm");
                return Err(Refusal::of_field("response_format", "unsupported_response_format", message));
            }
        };
        let events = match stream {
            None | Some("audio") => false,
            Some("sse") => true,
            Some(other) => {
                let message = format!("stream_format {other} is not supported: choose audio or sse");
                return Err(Refusal::of_field("stream_format", "unsupported_stream_format", message));
            }
        };
        // Events cannot say that another form is in them than was asked for: the sound comes by itself then, with its type.
        let events = events && !(instead && format == Some("mp3"));
        let (dialect, rate_hz) = (Dialect::OpenAi, None);
        Ok(Self { wrap, rate_hz, dialect, events, whole: whole && !events, instead, words: words && events })
    }

    /// For Mistral's clients, as events or at once. Errors: as [`Form::asked`].
    pub fn mistral(format: Option<&str>, events: bool, allowed: Allowed) -> Result<Self, Refusal> {
        let form = Self::asked(format, events.then_some("sse"), true, false, allowed)?;
        let wrap = if form.wrap == Wrap::Pcm { Wrap::Float } else { form.wrap };
        Ok(Self { wrap, events, whole: !events, dialect: Dialect::Mistral, ..form })
    }

    /// At this rate, if one is named. Errors: one that nobody plays.
    pub fn at_rate(self, rate_hz: Option<u64>) -> Result<Self, Refusal> {
        let Some(rate) = rate_hz else { return Ok(self) };
        let known = u32::try_from(rate).ok().filter(|rate| RATES_HZ.contains(rate));
        let rate_hz = known.ok_or_else(|| {
            let message = format!("sample_rate {rate} is not supported: choose one of {RATES_HZ:?}");
            Refusal::of_field("sample_rate", "unsupported_sample_rate", message)
        })?;
        Ok(Self { rate_hz: Some(rate_hz), ..self })
    }

    pub fn content_type(self) -> &'static str {
        match (self.events, self.wrap) {
            (true, _) => "text/event-stream",
            (false, _) if self.dialect == Dialect::Mistral => "application/json",
            (false, Wrap::Pcm | Wrap::Float) => "audio/pcm",
            (false, Wrap::Wav) => "audio/wav",
            (false, Wrap::Flac) => "audio/flac",
            (false, Wrap::Opus) => "audio/ogg; codecs=opus",
            (false, Wrap::Mp3) => "audio/mpeg",
        }
    }

    /// Words with their times in seconds, each as it is written.
    pub fn words(words: &[Word], rate_hz: u32) -> Vec<u8> {
        let seconds = |sample: u64| sample as f64 / f64::from(rate_hz);
        let word = |word: &Word| json!({ "word": word.text, "start": seconds(word.samples.start), "end": seconds(word.samples.end) });
        let words: Vec<_> = words.iter().map(word).collect();
        event(&json!({ "type": "speech.audio.words", "words": words }))
    }

    /// What comes after the last block. Tokens are characters of the text and frames of sound.
    pub fn tail(self, characters: usize, frames: u64) -> Vec<u8> {
        if !self.events {
            return Vec::new();
        }
        let (input, output) = match self.dialect {
            Dialect::OpenAi => ("input_tokens", "output_tokens"),
            Dialect::Mistral => ("prompt_tokens", "completion_tokens"),
        };
        let (heard, made) = (characters as u64, frames);
        self.event("speech.audio.done", "usage", json!({ input: heard, output: made, "total_tokens": heard + made }))
    }

    /// A complete body.
    pub fn sealed(self, bytes: Vec<u8>) -> Vec<u8> {
        match self.dialect {
            Dialect::OpenAi => bytes,
            Dialect::Mistral => json!({ "audio_data": BASE64_STANDARD.encode(bytes) }).to_string().into_bytes(),
        }
    }

    /// Bytes of sound as they are sent, if there are some.
    pub fn packed(self, bytes: Vec<u8>) -> Vec<u8> {
        let name = if self.dialect == Dialect::Mistral { "audio_data" } else { "audio" };
        match self.events && !bytes.is_empty() {
            false => bytes,
            true => self.event("speech.audio.delta", name, BASE64_STANDARD.encode(bytes).into()),
        }
    }

    fn event(self, kind: &str, name: &str, value: Value) -> Vec<u8> {
        let line = if self.dialect == Dialect::Mistral { format!("event: {kind}\n") } else { String::new() };
        [line.into_bytes(), event(&json!({ "type": kind, name: value }))].concat()
    }
}

/// One server-sent event.
pub fn event(data: &Value) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

//! Messages of the WebSocket. In: JSON of a client. Out: what it asks for; and back, what it is told.
//!
//! Every message that is sent has a `type`, a `context_id` and a `done`, which clients read before anything else.

use axum::body::Bytes;
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use syrinx::{ModelInfo, Word};

use crate::form::{Form, Wrap};
use crate::refusal::Refusal;
use crate::request::{known_voice, speed};

/// Most bytes of a context's name.
const MAX_NAME: usize = 128;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    context_id: Value,
    transcript: String,
    #[serde(rename = "continue")]
    more: bool,
    cancel: bool,
    flush: bool,
    voice: Value,
    language: Option<String>,
    output_format: Output,
    add_timestamps: bool,
    max_buffer_delay_ms: Option<u64>,
    generation_config: Config,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Output {
    container: Option<String>,
    encoding: Option<String>,
    sample_rate: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    speed: Option<Value>,
    volume: Option<f32>,
}

/// What a client asks for.
#[derive(Debug)]
pub struct Asks {
    pub context: String,
    pub transcript: String,
    /// The text goes on.
    pub more: bool,
    pub cancel: bool,
    pub flush: bool,
    /// Each piece is to be spoken as it comes.
    pub each: bool,
    pub voice: Option<String>,
    pub language: Option<String>,
    pub speed: Option<f32>,
    pub volume: Option<f32>,
    pub form: Form,
    pub words: bool,
}

impl Asks {
    /// Of a text that is no part of a connection, so that it needs no context. Errors: what is wrong.
    pub fn whole(body: &[u8], info: &ModelInfo) -> Result<Self, Refusal> {
        let no_message = |e| bad(&format!("no message: {e}"));
        let object: serde_json::Map<_, _> = serde_json::from_slice(body).map_err(no_message)?;
        Self::of(serde_json::from_value(object.into()).map_err(no_message)?, String::new(), info)
    }

    /// Errors: what is wrong, with the name of the context where it has one.
    pub fn read(text: &str, info: &ModelInfo) -> Result<Self, (String, Refusal)> {
        let fields: Fields =
            serde_json::from_str(text).map_err(|e| (String::new(), bad(&format!("no message: {e}"))))?;
        let context = match &fields.context_id {
            Value::String(name) if name.len() <= MAX_NAME => name.clone(),
            _ => return Err((String::new(), bad("context_id is missing, or no short string"))),
        };
        Self::of(fields, context.clone(), info).map_err(|refusal| (context, refusal))
    }

    fn of(fields: Fields, context: String, info: &ModelInfo) -> Result<Self, Refusal> {
        let voice = match fields.voice {
            Value::Null => None,
            voice => known_voice(voice, info)?,
        };
        let form = form(&fields.output_format)?;
        // A regional tag of a language that the pack speaks anyway is no other language.
        let spoken = |tag: &String| info.languages.iter().any(|own| own == tag);
        Ok(Self {
            transcript: fields.transcript,
            more: fields.more,
            cancel: fields.cancel,
            flush: fields.flush,
            each: fields.max_buffer_delay_ms == Some(0),
            voice,
            language: fields.language.filter(|tag| !spoken(tag)),
            speed: speed(fields.generation_config.speed)?,
            volume: fields.generation_config.volume,
            form,
            words: fields.add_timestamps,
            context,
        })
    }
}

fn form(output: &Output) -> Result<Form, Refusal> {
    if !matches!(output.container.as_deref(), None | Some("raw")) {
        return Err(bad("output_format: container is raw here"));
    }
    let wrap = match output.encoding.as_deref() {
        None | Some("pcm_s16le") => Wrap::Pcm,
        Some("pcm_f32le") => Wrap::Float,
        Some(_) => return Err(bad("output_format: encoding is pcm_s16le or pcm_f32le here")),
    };
    Form::samples(wrap).at_rate(output.sample_rate)
}

pub fn bad(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "bad_message", message)
}

/// What a client is told of a context.
#[derive(Debug)]
pub enum Says {
    Sound { context: String, bytes: Bytes },
    Words { context: String, words: Value },
    Flushed { context: String, number: u32 },
    Done { context: String },
    Refused { context: String, message: String, code: String, status: u16 },
}

impl Says {
    /// Words with their times in seconds.
    pub fn words(context: &str, words: &[Word], rate_hz: u32) -> Self {
        let seconds = |sample: u64| sample as f64 / f64::from(rate_hz);
        let all = |of: &dyn Fn(&Word) -> Value| words.iter().map(of).collect::<Vec<_>>();
        let words = json!({
            "words": all(&|word| word.text.as_str().into()),
            "start": all(&|word| seconds(word.samples.start).into()),
            "end": all(&|word| seconds(word.samples.end).into()),
        });
        Self::Words { context: context.to_owned(), words }
    }

    pub fn refused(context: &str, refusal: &Refusal) -> Self {
        Self::Refused {
            context: context.to_owned(),
            message: refusal.message().to_owned(),
            code: refusal.code().to_owned(),
            status: refusal.status().as_u16(),
        }
    }

    pub fn context(&self) -> &str {
        match self {
            Self::Sound { context, .. }
            | Self::Words { context, .. }
            | Self::Flushed { context, .. }
            | Self::Done { context }
            | Self::Refused { context, .. } => context,
        }
    }

    pub fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Refused { .. })
    }

    pub fn status(&self) -> u16 {
        match self {
            Self::Sound { .. } | Self::Words { .. } | Self::Flushed { .. } => StatusCode::PARTIAL_CONTENT.as_u16(),
            Self::Done { .. } => StatusCode::OK.as_u16(),
            Self::Refused { status, .. } => *status,
        }
    }

    pub fn json(&self) -> Value {
        let (kind, more) = match self {
            Self::Sound { bytes, .. } => ("chunk", json!({ "data": BASE64_STANDARD.encode(bytes), "step_time": 0.0 })),
            Self::Words { words, .. } => ("timestamps", json!({ "word_timestamps": words })),
            Self::Flushed { number, .. } => ("flush_done", json!({ "flush_done": true, "flush_id": number })),
            Self::Done { .. } => ("done", json!({})),
            // The first is what frameworks read, the others what Cartesia's own client does.
            Self::Refused { message, code, .. } => {
                ("error", json!({ "error": message, "message": message, "error_code": code }))
            }
        };
        let mut message = json!({ "type": kind, "done": self.is_last(), "status_code": self.status() });
        message["context_id"] = self.context().into();
        if let (Value::Object(message), Value::Object(more)) = (&mut message, more) {
            message.extend(more);
        }
        message
    }
}

//! What a client asks for. In: the JSON of OpenAI's `/v1/audio/speech`, or of Mistral's, which names a `voice_id`; what is not known in it is ignored, as clients add
//! fields of their own. Out: a text, options, a form; or what is wrong with it, by field.

use serde::Deserialize;
use serde_json::Value;
use syrinx::{ModelInfo, SpeakOptions, Word};
use tokio::sync::mpsc;

use crate::form::Form;
use crate::refusal::Refusal;
use crate::speaking::Text;

/// OpenAI's names of voices, which some clients send whatever the server has.
pub const ALIASES: [&str; 13] =
    ["alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse", "marin", "cedar"];

#[derive(Debug, Deserialize)]
struct Fields {
    model: Option<Value>,
    input: Option<Value>,
    voice: Option<Value>,
    response_format: Option<Value>,
    speed: Option<Value>,
    stream_format: Option<Value>,
    stream: Option<Value>,
    seed: Option<Value>,
    sample_rate: Option<Value>,
    word_timestamps: Option<Value>,
    voice_id: Option<Value>,
    ref_audio: Option<Value>,
}

/// A request that can be spoken.
#[derive(Debug)]
pub struct Asked {
    pub text: Text,
    pub options: SpeakOptions,
    pub form: Form,
    /// Where the words of what was spoken go, as their times are known.
    pub words: Option<mpsc::UnboundedSender<Vec<Word>>>,
}

/// What the service allows.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    pub max_input: usize,
    pub strict: bool,
    /// mp3 is made where the system has an encoder of it.
    pub mp3: bool,
}

fn text(name: &'static str, value: Option<Value>) -> Result<Option<String>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::of_field(name, "invalid_type", format!("{name} is to be a string"))),
    }
}

fn whole_number(name: &'static str, value: Option<Value>) -> Result<Option<u64>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Ok(Some(value.as_u64().ok_or_else(|| {
            Refusal::of_field(name, "invalid_type", format!("{name} is to be a whole number, not below zero"))
        })?)),
    }
}

/// Errors: 400, with the field and what is wrong with it.
pub fn read(body: &[u8], info: &ModelInfo, allowed: Allowed) -> Result<Asked, Refusal> {
    let bad_json =
        |e: serde_json::Error| Refusal::of_field("body", "invalid_json", format!("the body is no JSON: {e}"));
    let fields: Fields = serde_json::from_slice(body).map_err(bad_json)?;
    let input = text("input", fields.input)?.unwrap_or_default();
    if input.trim().is_empty() {
        return Err(Refusal::of_field("input", "missing_required_field", "input is missing or empty: give a text"));
    }
    let (characters, most) = (input.chars().count(), allowed.max_input);
    if characters > most {
        let message = format!("input has {characters} characters: give {most} at most");
        return Err(Refusal::of_field("input", "input_too_long", message));
    }
    let model = text("model", fields.model)?;
    if allowed.strict && model.as_deref().is_some_and(|model| model != info.name) {
        return Err(Refusal::of_field("model", "unknown_model", format!("the model here is {}", info.name)));
    }
    let speed = speed(fields.speed)?;
    if fields.ref_audio.is_some_and(|audio| !audio.is_null()) {
        return Err(Refusal::of_field(
            "ref_audio",
            "unsupported",
            "no voice is made from a recording: name one of the pack's",
        ));
    }
    let mistral = fields.voice_id.is_some();
    let voice = voice(fields.voice_id.or(fields.voice), info, allowed.strict)?;
    let (seed, rate_hz) = (whole_number("seed", fields.seed)?, whole_number("sample_rate", fields.sample_rate)?);
    let stream = fields.stream.as_ref().and_then(Value::as_bool);
    let (format, stream_format) =
        (text("response_format", fields.response_format)?, text("stream_format", fields.stream_format)?);
    let words = fields.word_timestamps == Some(Value::Bool(true));
    let form = match mistral {
        true => Form::mistral(format.as_deref(), stream == Some(true), allowed)?,
        false => Form::asked(format.as_deref(), stream_format.as_deref(), stream == Some(false), words, allowed)?,
    };
    let options = SpeakOptions::default().voice(voice).seed(seed).speed(speed);
    let form = form.at_rate(rate_hz)?;
    Ok(Asked { text: Text::Whole(input), options, form, words: None })
}

/// As [`voice`], where nobody is strict. A name that is unknown is found out where it is spoken in.
pub fn known_voice(value: Value, info: &ModelInfo) -> Result<Option<String>, Refusal> {
    voice(Some(value), info, false)
}

/// A pack's voice: by its name, as an object with an `id`, or one of OpenAI's names.
fn voice(value: Option<Value>, info: &ModelInfo, strict: bool) -> Result<Option<String>, Refusal> {
    let name = match value {
        Some(Value::Object(mut object)) => text("voice", object.remove("id"))?,
        value => text("voice", value)?,
    };
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    if !strict && !info.voices.contains(&name) {
        return Ok(Some(alias(&name, info).unwrap_or(name)));
    }
    Ok(Some(name))
}

/// Which voice stands for one of OpenAI's.
pub fn alias(name: &str, info: &ModelInfo) -> Option<String> {
    let place = ALIASES.iter().position(|alias| *alias == name)?;
    info.voices.get(place % info.voices.len().max(1)).cloned()
}

/// Errors: one that cannot be followed.
pub fn speed(speed: Option<Value>) -> Result<Option<f32>, Refusal> {
    match speed {
        None | Some(Value::Null) => Ok(None),
        Some(speed) => match speed.as_f64() {
            Some(factor) if (0.5..=4.0).contains(&factor) => Ok(Some(factor as f32)),
            Some(_) => {
                let message = format!("speed {speed} cannot be followed: choose 0.5 to 4");
                Err(Refusal::of_field("speed", "unsupported_speed", message))
            }
            None => Err(Refusal::of_field("speed", "invalid_type", "speed is to be a number")),
        },
    }
}

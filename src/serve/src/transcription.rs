//! OpenAI's `/v1/audio/transcriptions`. In: a form with a recording in it; fields that are not known are ignored. Out: what was
//! said in it, at once or as it is heard; or what is wrong with the form, by field.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde_json::json;
use syrinx::lab::hear::subtitles::Subtitles;
use syrinx::{EarsInfo, ListenOptions};

use crate::Shared;
use crate::form::event;
use crate::hearing::{Hearing, Room, Sound, Told, begin, no_ears};
use crate::refusal::Refusal;
use crate::speaking::Broken;
use crate::transcript::{Form, Growing};

/// Of a recording that is too large, as many times that is read before it is refused, so that its sender comes to read that.
pub const MOST_READ: usize = 4;
/// For all of a form.
const UPLOAD: Duration = Duration::from_secs(120);
const MOST_FIELDS: usize = 32;
/// Most bytes of a field that is no recording.
const MOST_FIELD: usize = 64 << 10;
/// A prompt's phrases have no more words: what is longer is no name, but prose.
const PHRASE_WORDS: usize = 5;
const MOST_PHRASES: usize = 200;

/// A request that can be answered.
struct Asked {
    file: Bytes,
    options: ListenOptions,
    language: Option<String>,
    form: Form,
    stream: bool,
}

pub async fn transcriptions(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let id = crate::answer::request_id(request.headers());
    let mut response = heard(&shared, request).await.unwrap_or_else(Refusal::into_response);
    response.headers_mut().insert("x-request-id", id);
    response
}

async fn heard(shared: &Arc<Shared>, request: Request) -> Result<Response, Refusal> {
    let most = shared.arguments.max_audio_bytes();
    let place = shared.ears.as_ref().ok_or_else(no_ears).and_then(|room| {
        let place = room.recordings.clone().try_acquire_owned().map_err(|_| room.line.full())?;
        Ok((room, place))
    });
    let (room, _place) = match place {
        Ok(place) => place,
        Err(refusal) => {
            // Read to its end, so that its sender comes to read why.
            let _ = tokio::time::timeout(UPLOAD, drop_all(request.into_body(), most)).await;
            return Err(refusal);
        }
    };
    let reading = read(request, room, shared.arguments.strict, most, shared.arguments.patience());
    let asked = tokio::time::timeout(UPLOAD, reading).await.unwrap_or_else(|_| Err(late()))?;
    let mut hearing = begin(shared, Sound::File(asked.file), asked.options).await?;
    if asked.stream {
        let mut response =
            Body::from_stream(Events { hearing, text: Growing::default(), ready: VecDeque::new(), over: false })
                .into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        return Ok(response);
    }
    let mut texts = Vec::new();
    let seconds = loop {
        match hearing.next().await? {
            Told::Text(heard) if heard.is_final => texts.push(heard),
            Told::Text(_) => {}
            Told::End { seconds } => break seconds,
        }
    };
    if seconds == 0.0 {
        return Err(Refusal::of_field("file", "audio_too_short", "the file has no samples: send one that has"));
    }
    let languages = &room.ears.info().languages;
    let language = asked.language.as_ref().or_else(|| languages.first().filter(|_| languages.len() == 1));
    let body = asked.form.body(&texts, seconds, language.map(String::as_str));
    Ok(([(header::CONTENT_TYPE, asked.form.content_type())], body).into_response())
}

/// Reads a body up to so many bytes, and keeps none.
async fn drop_all(body: Body, most: usize) {
    let (mut stream, mut left) = (std::pin::pin!(body.into_data_stream()), most);
    while let Some(Ok(piece)) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn late() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body has not come in time")
}

fn no_form() -> Refusal {
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "send multipart/form-data")
}

fn too_large(message: String) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
}

fn broken_form(e: &MultipartError) -> Refusal {
    match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large("the body is longer than any that is read: send less".to_owned()),
        _ => Refusal::of_field("body", "invalid_multipart", format!("the body is no whole form: {}", e.body_text())),
    }
}

/// Errors: 400, with the field and what is wrong with it; 408, 413, 415.
async fn read(request: Request, room: &Room, strict: bool, most: usize, patience: Duration) -> Result<Asked, Refusal> {
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| no_form())?;
    let (mut file, mut fields) = (None, Vec::new());
    for count in 0.. {
        let next = tokio::time::timeout(patience, form.next_field()).await.map_err(|_| late())?;
        let Some(field) = next.map_err(|e| broken_form(&e))? else { break };
        if count >= MOST_FIELDS {
            return Err(too_large(format!("the form has more than {MOST_FIELDS} fields")));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = name == "file";
        let most = if is_file { most } else { MOST_FIELD };
        let Some(bytes) = bytes(field, most, patience).await? else {
            let what = if is_file { "the file" } else { "a field" };
            return Err(too_large(format!("{what} is longer than {most} bytes: send less, or raise --max-audio")));
        };
        match is_file {
            true => file = Some(bytes),
            false => fields.push((name, String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
    asked(file, &fields, room.ears.info(), strict)
}

/// A field's bytes; `None` where they are too many, which are read and dropped.
async fn bytes(mut field: Field<'_>, most: usize, patience: Duration) -> Result<Option<Bytes>, Refusal> {
    let mut bytes = Vec::new();
    let mut fits = true;
    loop {
        let piece = tokio::time::timeout(patience, field.chunk()).await.map_err(|_| late())?;
        let Some(piece) = piece.map_err(|e| broken_form(&e))? else { break };
        fits &= bytes.len() + piece.len() <= most;
        match fits {
            true => bytes.extend_from_slice(&piece),
            false => bytes = Vec::new(),
        }
    }
    Ok(fits.then(|| bytes.into()))
}

fn asked(file: Option<Bytes>, fields: &[(String, String)], info: &EarsInfo, strict: bool) -> Result<Asked, Refusal> {
    let field = |name: &str| {
        let value = fields.iter().rev().find(|(key, _)| key == name);
        value.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let file = file.filter(|file| !file.is_empty()).ok_or_else(|| {
        Refusal::of_field("file", "missing_required_field", "file is missing or empty: send a WAV file")
    })?;
    if strict && field("model").is_some_and(|model| model != info.name) {
        return Err(Refusal::of_field("model", "unknown_model", format!("the model here is {}", info.name)));
    }
    let granularities: Vec<&str> = fields
        .iter()
        .filter(|(key, _)| matches!(key.as_str(), "timestamp_granularities[]" | "timestamp_granularities"))
        .map(|(_, value)| value.trim())
        .collect();
    if let Some(other) = granularities.iter().find(|value| !matches!(**value, "word" | "segment")) {
        let message = format!("timestamp granularity {other} is not supported: choose word or segment");
        return Err(Refusal::of_field("timestamp_granularities", "unsupported_granularity", message));
    }
    let words = granularities.contains(&"word");
    let form = match field("response_format") {
        None | Some("json") => Form::Json,
        Some("text") => Form::Text,
        Some("srt") => Form::Subtitles(Subtitles::Srt),
        Some("vtt") => Form::Subtitles(Subtitles::Vtt),
        Some("verbose_json") => Form::Verbose { segments: !words || granularities.contains(&"segment"), words },
        Some(other) => {
            let message =
                format!("response_format {other} is not supported: choose json, text, srt, vtt or verbose_json");
            return Err(Refusal::of_field("response_format", "unsupported_response_format", message));
        }
    };
    let stream = match field("stream").map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(_) => return Err(Refusal::of_field("stream", "invalid_type", "stream is to be true or false")),
    };
    if field("temperature").is_some_and(|value| value.parse::<f32>().is_err()) {
        return Err(Refusal::of_field("temperature", "invalid_type", "temperature is to be a number"));
    }
    let language = field("language").map(primary);
    let phrases = field("prompt").map(phrases).unwrap_or_default();
    Ok(Asked { options: options(info, language.clone(), phrases), file, language, form, stream })
}

/// `en` of `en-US`.
pub fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// The names in a prompt: what stands between commas or in a line of its own, and is short.
fn phrases(prompt: &str) -> Vec<String> {
    let pieces = prompt.split([',', ';', '\n']).map(|piece| piece.trim().trim_end_matches('.'));
    let short = pieces.filter(|piece| (1..=PHRASE_WORDS).contains(&piece.split_whitespace().count()));
    short.take(MOST_PHRASES).map(str::to_owned).collect()
}

/// What of a client's wishes the pack can follow: one that answers while somebody speaks tells the language by itself, and
/// expects phrases; another the other way round.
pub fn options(info: &EarsInfo, language: Option<String>, phrases: Vec<String>) -> ListenOptions {
    match info.longest_delay_ms > 0 {
        true => ListenOptions::default().phrases(phrases),
        false => ListenOptions::default().language(language),
    }
}

/// What is heard, as server-sent events.
struct Events {
    hearing: Hearing,
    text: Growing,
    ready: VecDeque<Result<Bytes, Broken>>,
    over: bool,
}

impl Events {
    fn take(&mut self, told: Result<Told, Refusal>) {
        match told {
            Ok(Told::Text(heard)) => {
                let delta = self.text.add(&heard.text, heard.is_final);
                if !delta.is_empty() {
                    self.push(&json!({ "type": "transcript.text.delta", "delta": delta }));
                }
            }
            Ok(Told::End { .. }) => {
                self.push(&json!({ "type": "transcript.text.done", "text": self.text.text() }));
                self.over = true;
            }
            Err(refusal) => {
                let mut data = refusal.body();
                if let Some(data) = data.as_object_mut() {
                    data.insert("type".to_owned(), "error".into());
                }
                self.push(&data);
                self.ready.push_back(Err(Broken));
                self.over = true;
            }
        }
    }

    fn push(&mut self, data: &serde_json::Value) {
        self.ready.push_back(Ok(event(data).into()));
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Poll::Ready(Some(ready));
            }
            if self.over {
                return Poll::Ready(None);
            }
            let told = std::task::ready!(self.hearing.poll_next(context));
            self.take(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_of_names_is_phrases_and_prose_is_none() {
        assert_eq!(phrases("Syrinx, Harbour Street;\n Wren. ,"), ["Syrinx", "Harbour Street", "Wren"]);
        assert_eq!(phrases("The speakers talk at length about boats and the weather."), [""; 0]);
        assert_eq!(phrases(&"name,".repeat(1000)).len(), MOST_PHRASES);
    }

    #[test]
    fn a_tag_is_its_language() {
        assert_eq!(["en-US", "DE", "pt_BR", ""].map(primary), ["en", "de", "pt", ""]);
    }
}

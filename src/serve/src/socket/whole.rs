//! A whole text in the shape of Cartesia's messages, over HTTP: what its clients ask for where they stream nothing. In: a message
//! that needs no context. Out: its sound, as it is made.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use syrinx::SpeakOptions;
use syrinx::lab::provenance::STATEMENT;

use super::message::{Asks, bad};
use crate::Shared;
use crate::answer::{SYNTHETIC, whole_body};
use crate::refusal::Refusal;
use crate::request::Asked;
use crate::speaking::{Text, begin};

pub async fn whole(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let since = Instant::now();
    let body = whole_body(&shared, &headers, body).await?;
    let Asks { transcript, voice, language, speed, volume, form, .. } = Asks::whole(&body, shared.model.info())?;
    let most = shared.arguments.max_input;
    if transcript.chars().count() > most {
        return Err(bad(&format!("the text has more than {most} characters")));
    }
    let options = SpeakOptions::default().voice(voice).language(language).speed(speed).volume(volume);
    let sound = begin(&shared, Asked { text: Text::Whole(transcript), options, form, words: None }, since).await?;
    let mut response = Body::from_stream(sound).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(SYNTHETIC, HeaderValue::from_static(STATEMENT));
    Ok(response)
}

//! Requests and their answers. In: a request. Out: speech, a text, a list, a page of numbers, or a refusal; each is counted.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use syrinx::lab::provenance::STATEMENT;

use crate::refusal::Refusal;
use crate::request::{Allowed, read};
use crate::transcription::{self, transcriptions};
use crate::{Shared, guard, lists, socket, speaking};

/// Most bytes of a request's body.
const MAX_BODY: usize = 128 * 1024;
/// Of one that is longer, as much is read before it is refused, so that its sender comes to read that.
const MOST_READ: usize = 8 * MAX_BODY;
/// The header that says what speech is, also where its form has no place for it.
pub const SYNTHETIC: &str = "x-synthetic-speech";
/// Most characters of a client's name for its request.
const MAX_ID: usize = 128;

/// Everything that can be asked.
pub fn router(shared: Arc<Shared>) -> Router {
    let most = shared.arguments.max_audio_bytes().saturating_mul(transcription::MOST_READ);
    Router::new()
        .route("/v1/audio/speech", post(speech))
        .route("/v1/audio/transcriptions", post(transcriptions).layer(DefaultBodyLimit::max(most)))
        .route("/tts/websocket", get(socket::open))
        .route("/tts/bytes", post(socket::whole))
        .route("/v1/models", get(lists::models))
        .route("/v1/models/{id}", get(lists::one_model))
        .route("/v1/audio/voices", get(lists::voices))
        .route("/v1/audio/models", get(lists::models))
        .route("/metrics", get(metrics))
        .route("/", get(lists::page))
        .route("/health", get(lists::alive))
        .route("/ready", get(lists::alive))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path is asked in another way")
        })
        .layer(from_fn_with_state(shared.clone(), around))
        .with_state(shared)
}

/// What is done for every request: who asks, and from where.
async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = request.method() == Method::OPTIONS;
    let mut response = match guard::check(&shared, request.uri().path(), request.headers(), preflight) {
        Err(refusal) => refusal.into_response(),
        Ok(()) if preflight && origin.is_some() => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => next.run(request).await,
    };
    if let Some(origin) = origin.filter(|_| response.status() != StatusCode::FORBIDDEN) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
    }
    response
}

/// As nginx counts a client that did not wait for its answer.
const GONE: u16 = 499;

/// One request, counted when it is over: answered, or dropped with its connection.
pub struct Counted {
    shared: Arc<Shared>,
    endpoint: &'static str,
    code: u16,
}

impl Counted {
    pub fn new(shared: &Arc<Shared>, path: &str) -> Self {
        Self { shared: shared.clone(), endpoint: endpoint(path), code: GONE }
    }

    pub fn answered(mut self, code: StatusCode) {
        self.code = code.as_u16();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.metrics.request(self.endpoint, self.code);
    }
}

/// A path as a label: one of ours, so that nobody outside makes labels.
fn endpoint(path: &str) -> &'static str {
    match path {
        "/v1/audio/speech" => "speech",
        "/v1/audio/transcriptions" => "transcriptions",
        "/v1/audio/voices" => "voices",
        "/tts/websocket" => "upgrade",
        "/tts/bytes" => "bytes",
        "/metrics" => "metrics",
        "/" | "/health" | "/ready" => "health",
        path if path.starts_with("/v1/") => "models",
        _ => "other",
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let page = shared.metrics.page(&shared);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page)
}

async fn speech(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Response {
    let id = request_id(&headers);
    let mut response = match spoken(&shared, &headers, body).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    response
}

/// The client's name for its request, or a number of ours.
pub fn request_id(headers: &HeaderMap) -> HeaderValue {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let given = headers.get("x-request-id").filter(|id| id.len() <= MAX_ID).cloned();
    let number = || COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    given.unwrap_or_else(|| HeaderValue::from(number()))
}

async fn spoken(shared: &Arc<Shared>, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let since = Instant::now();
    let body = whole_body(shared, headers, body).await?;
    let arguments = &shared.arguments;
    let allowed = Allowed { max_input: arguments.max_input, strict: arguments.strict, mp3: !arguments.no_mp3 };
    let asked = read(&body, shared.model.info(), allowed)?;
    let form = asked.form;
    let sound = speaking::begin(shared, asked, since).await?;
    let mut response = match form.whole {
        true => {
            let failed = |_| speaking::broken();
            to_bytes(Body::from_stream(sound), usize::MAX).await.map_err(failed)?.into_response()
        }
        false => Body::from_stream(sound).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(SYNTHETIC, HeaderValue::from_static(STATEMENT));
    headers.insert("x-sample-rate", HeaderValue::from(form.rate_hz.unwrap_or(shared.model.info().sample_rate_hz)));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    if form.events {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if form.instead {
        headers.insert("x-syrinx-format", HeaderValue::from_static("wav"));
    }
    Ok(response)
}

/// Errors: 415 for what says that it is no JSON, 413 for too much of it, 408 where it does not come.
pub async fn whole_body(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    if kind.is_some_and(|kind| !kind.to_ascii_lowercase().contains("json")) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send application/json",
        ));
    }
    match tokio::time::timeout(shared.arguments.patience(), to_bytes(body, MOST_READ)).await {
        Ok(Ok(body)) if body.len() <= MAX_BODY => Ok(body),
        Ok(_) => {
            let message = format!("the body is broken, or longer than {MAX_BODY} bytes");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message))
        }
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body has not come in time")),
    }
}

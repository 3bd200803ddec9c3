//! Errors in the form that OpenAI's clients read. In: a reason. Out: a status, and a body with all four keys.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use syrinx::ErrorKind;

/// Why a request is not answered with speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    code: String,
    param: Option<&'static str>,
    message: String,
    retry_after_s: Option<u64>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), param: None, message: message.into(), retry_after_s: None }
    }

    /// 400 for a field.
    pub fn of_field(param: &'static str, code: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param), ..Self::new(StatusCode::BAD_REQUEST, code, message) }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The client may come again after so long.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The body, also as an event of a stream.
    pub fn body(&self) -> serde_json::Value {
        let kind = match self.status.as_u16() {
            401 | 403 => "authentication_error",
            429 => "rate_limit_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        };
        json!({ "error": { "message": self.message, "type": kind, "param": self.param, "code": self.code } })
    }
}

/// `UnknownVoice` as `unknown_voice`.
fn snake(kind: ErrorKind) -> String {
    let mut snake = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

impl From<syrinx::Error> for Refusal {
    fn from(e: syrinx::Error) -> Self {
        let code = snake(e.kind());
        let (status, param) = match e.kind() {
            ErrorKind::BadText => (StatusCode::BAD_REQUEST, Some("input")),
            ErrorKind::UnknownVoice => (StatusCode::BAD_REQUEST, Some("voice")),
            ErrorKind::BadOption | ErrorKind::Unsupported => (StatusCode::BAD_REQUEST, None),
            ErrorKind::OutOfBudget => (StatusCode::BAD_REQUEST, Some("input")),
            ErrorKind::Busy => (StatusCode::TOO_MANY_REQUESTS, None),
            ErrorKind::OutOfMemory => (StatusCode::SERVICE_UNAVAILABLE, None),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let refusal = Self { param, ..Self::new(status, &code, e.message()) };
        if matches!(e.kind(), ErrorKind::Busy | ErrorKind::OutOfMemory) { refusal.retry_after(1) } else { refusal }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

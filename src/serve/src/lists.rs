//! What there is. In: a model. Out: lists of models and voices, as OpenAI and Open WebUI read them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};

use crate::Shared;
use crate::refusal::Refusal;
use crate::request::{ALIASES, alias};

/// Names of the packs that are open: what speaks, and what listens.
fn names(shared: &Shared) -> Vec<&str> {
    let ears = shared.ears.as_ref().map(|room| room.ears.info().name.as_str());
    std::iter::once(shared.model.info().name.as_str()).chain(ears).collect()
}

fn model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": 0, "owned_by": "syrinx" })
}

pub async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let models: Vec<Value> = names(&shared).into_iter().map(model).collect();
    Json(json!({ "object": "list", "data": models, "models": models }))
}

/// Errors: 404 for another model.
pub async fn one_model(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let names = names(&shared);
    match names.contains(&id.as_str()) {
        true => Ok(Json(model(&id))),
        false => {
            let message = format!("there is no model of this name: choose {}", names.join(" or "));
            Err(Refusal::new(StatusCode::NOT_FOUND, "model_not_found", message))
        }
    }
}

pub async fn voices(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let info = shared.model.info();
    let language = info.languages.first();
    let voices: Vec<Value> =
        info.voices.iter().map(|name| json!({ "id": name, "name": name, "language": language })).collect();
    let aliases: serde_json::Map<String, Value> =
        ALIASES.iter().filter_map(|name| Some(((*name).to_owned(), alias(name, info)?.into()))).collect();
    let aliases = if shared.arguments.strict { json!({}) } else { aliases.into() };
    Json(json!({ "object": "list", "voices": voices, "data": voices, "aliases": aliases }))
}

/// It lives, and the model is open: it is opened before anybody can connect.
pub async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// A page that speaks, for browsers; for others the same as [`alive`]. It loads nothing from anywhere else.
pub async fn page(headers: HeaderMap) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match accepts.contains("text/html") {
        true => ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("page.html"))).into_response(),
        false => alive().await.into_response(),
    }
}

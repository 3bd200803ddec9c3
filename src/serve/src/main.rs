//! The program `syrinx-serve`. In: requests over HTTP on this machine, and Wyoming's events. Out: speech, from its first frame on;
//! and with ears what was said in a sound.
//!
//! ```text
//! connection ─► guard (host, origin, key) ─► request ─► queue ─► a session on a thread ─► a few blocks ─► body
//!      └── the client is gone: the body is dropped, and with it the speech is cancelled ──┘
//! ```
//!
//! A block is computed when the connection has taken the one before but a few: what a slow client costs is bounded.

#![deny(unsafe_code)]

mod answer;
mod arguments;
mod connections;
mod encode;
mod form;
mod guard;
mod hearing;
mod listener;
mod lists;
mod metrics;
mod queue;
mod refusal;
mod request;
mod socket;
mod speaking;
mod told;
mod transcript;
mod transcription;
mod wyoming;

use std::process::ExitCode;
use std::sync::Arc;

use arguments::Arguments;
use clap::Parser;
use tokio::sync::{Semaphore, watch};

/// What every request sees.
#[derive(Debug)]
struct Shared {
    model: syrinx::Model,
    arguments: Arguments,
    queue: queue::Queue,
    ears: Option<hearing::Room>,
    metrics: metrics::Metrics,
    key: Option<String>,
    /// One for each connection that may be open.
    places: Arc<Semaphore>,
    /// The service was told to end.
    ends: watch::Receiver<bool>,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_timestamp(None)
        .format_target(false)
        .init();
    match serve(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("syrinx-serve: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Errors: one line for a person.
fn serve(arguments: Arguments) -> Result<(), String> {
    let key = arguments.key()?;
    arguments.check(key.is_some())?;
    let model = arguments.open_model().map_err(|e| e.to_string())?;
    let queue = queue::Queue::new(&model, arguments.speakers(), arguments.queue).map_err(|e| e.to_string())?;
    let ears = arguments.open_ears().map_err(|e| e.to_string())?;
    let ears = ears.map(|ears| hearing::Room::new(ears, arguments.listeners(), arguments.queue));
    let (metrics, places) = (metrics::Metrics::default(), Arc::new(Semaphore::new(arguments.max_connections)));
    let (end, ends) = watch::channel(false);
    let shared = Arc::new(Shared { metrics, model, ears, queue, key, places, ends, arguments });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| format!("no threads for connections: {e}"))?;
    runtime.block_on(connections::serve(shared, end))
}

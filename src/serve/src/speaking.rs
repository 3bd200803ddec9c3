//! A text on its way to a connection. In: a turn, a request. Out: bytes in a short channel, filled by a thread that computes.
//!
//! The channel holds a few blocks, so nothing is computed that nobody takes. The far end of it is the body: when that is
//! dropped, as the connection has gone, the speech is cancelled before its next block.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Bytes;
use axum::http::StatusCode;
use futures_core::Stream;
use syrinx::{Canceller, Next, Speech};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

use crate::Shared;
use crate::form::{Form, event};
use crate::metrics::Why;
use crate::queue::Turn;
use crate::refusal::Refusal;
use crate::request::Asked;

/// Blocks that are made before anybody takes them: half a second.
const AHEAD: usize = 6;

/// What the connection reads. An error ends it in the midst, so that nobody takes half of a speech for all of it.
#[derive(Debug)]
pub struct Sound {
    bytes: mpsc::Receiver<Result<Bytes, Broken>>,
    first: Option<Bytes>,
    canceller: Canceller,
    /// All of it was sent: an end without that, of a thread that gave up or panicked, is none.
    complete: Arc<AtomicBool>,
}

/// Speech broke off; what is known of it is in the log.
#[derive(Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("speech broke off")
    }
}

impl std::error::Error for Broken {}

impl Stream for Sound {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => self.bytes.poll_recv(context).map(|next| match next {
                None if !self.complete.swap(true, Ordering::AcqRel) => Some(Err(Broken)),
                next => next,
            }),
        }
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.canceller.cancel();
    }
}

/// Begins to speak, and waits for the first bytes. Errors: as they are before anything was sent.
pub async fn begin(shared: &Arc<Shared>, turn: Turn, asked: Asked, since: Instant) -> Result<Sound, Refusal> {
    let (to, bytes) = mpsc::channel(AHEAD);
    let (tell, told) = tokio::sync::oneshot::channel();
    let (shared, runtime, complete) = (shared.clone(), Handle::current(), Arc::<AtomicBool>::default());
    let ended = complete.clone();
    let work = move || Work { shared: &shared, asked: &asked, to, since, runtime, ended }.run(turn, tell);
    tokio::task::spawn_blocking(work);
    let canceller = told.await.map_err(|_| broken())??;
    // From here on: gone means cancelled, also while the first block is waited for.
    let mut sound = Sound { bytes, first: None, canceller, complete };
    sound.first = match sound.bytes.recv().await {
        Some(Ok(first)) => Some(first),
        Some(Err(Broken)) => return Err(broken()),
        None => return Err(Refusal::of_field("input", "bad_text", "nothing in the text can be spoken")),
    };
    Ok(sound)
}

fn broken() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "backend", "the model has failed: see the service's log")
}

struct Work<'a> {
    shared: &'a Shared,
    asked: &'a Asked,
    to: mpsc::Sender<Result<Bytes, Broken>>,
    since: Instant,
    runtime: Handle,
    ended: Arc<AtomicBool>,
}

/// How the thread learns that nobody takes any more.
struct Left;

impl Work<'_> {
    /// All of a speech, on a thread that may wait.
    fn run(self, mut turn: Turn, tell: tokio::sync::oneshot::Sender<Result<Canceller, Refusal>>) {
        let _running = self.shared.metrics.running.one();
        let speech = match turn.session() {
            Some(session) => session.speak(&self.asked.text, &self.asked.options).map_err(Refusal::from),
            None => Err(broken()),
        };
        let speech = match speech {
            Ok(speech) => speech,
            Err(refusal) => return drop(tell.send(Err(refusal))), // or nobody waits for it any more
        };
        let canceller = speech.canceller();
        if tell.send(Ok(canceller)).is_err() {
            return self.shared.metrics.cancelled(Why::Disconnect);
        }
        self.shared.metrics.text(self.asked.text.chars().count());
        let sent = if self.asked.form.whole { self.whole(speech) } else { self.stream(speech) };
        // Before the channel closes, which is what the body sees.
        self.ended.store(sent.is_ok(), Ordering::Release);
    }

    /// A block, and how long it took to the first one.
    fn block(&self, speech: &mut Speech, pcm: &mut [f32]) -> Option<Result<(), Broken>> {
        let started = Instant::now();
        match speech.next_into(pcm) {
            Ok(Next::Audio(block)) => {
                if block.sample == 0 {
                    self.shared.metrics.first_sound(self.since.elapsed());
                }
                let rate_hz = f64::from(self.shared.model.info().sample_rate_hz);
                self.shared.metrics.block(block.samples as f64 / rate_hz, started.elapsed());
                Some(Ok(()))
            }
            Ok(_) => None,
            Err(e) => {
                log::error!("a speech broke off: {e}");
                Some(Err(Broken))
            }
        }
    }

    fn stream(&self, mut speech: Speech) -> Result<(), Left> {
        let form = self.asked.form;
        let mut pcm = vec![0.0; speech.samples_per_block()];
        let mut head = form.head(self.shared.model.info().sample_rate_hz, None);
        while let Some(block) = self.block(&mut speech, &mut pcm) {
            if block.is_err() {
                return self.break_off(form);
            }
            let mut bytes = std::mem::take(&mut head);
            bytes.extend(form.block(&pcm));
            self.send(Ok(bytes.into()))?;
        }
        if speech.canceller().is_cancelled() {
            return Err(self.left(Why::Disconnect));
        }
        let tail = form.tail(self.asked.text.chars().count(), speech.summary().frames);
        if tail.is_empty() { Ok(()) } else { self.send(Ok(tail.into())) }
    }

    /// Once it is complete, with its length.
    fn whole(&self, mut speech: Speech) -> Result<(), Left> {
        let mut pcm = vec![0.0; speech.samples_per_block()];
        let mut body = Vec::new();
        let mut samples = 0;
        while let Some(block) = self.block(&mut speech, &mut pcm) {
            if block.is_err() {
                return self.send(Err(Broken));
            }
            samples += pcm.len();
            body.extend(self.asked.form.block(&pcm));
        }
        if speech.canceller().is_cancelled() {
            return Err(self.left(Why::Disconnect));
        }
        let mut all = self.asked.form.head(self.shared.model.info().sample_rate_hz, Some(samples));
        all.extend(body);
        self.send(Ok(all.into()))
    }

    /// Events say it; a sound is cut, since it has no other way.
    fn break_off(&self, form: Form) -> Result<(), Left> {
        if form.events {
            let mut data = broken().body();
            if let Some(data) = data.as_object_mut() {
                data.insert("type".to_owned(), "error".into());
            }
            self.send(Ok(event(&data).into()))?;
        }
        self.send(Err(Broken))
    }

    fn send(&self, bytes: Result<Bytes, Broken>) -> Result<(), Left> {
        let patience = self.shared.arguments.patience();
        match self.runtime.block_on(self.to.send_timeout(bytes, patience)) {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(self.left(Why::Disconnect)),
            Err(SendTimeoutError::Timeout(_)) => Err(self.left(Why::Timeout)),
        }
    }

    /// Counts one who takes no more.
    fn left(&self, why: Why) -> Left {
        self.shared.metrics.cancelled(why);
        Left
    }
}

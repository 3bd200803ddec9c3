//! A text on its way to a connection. In: a turn, a request. Out: bytes in a short channel, filled by a thread that computes.
//!
//! A text that comes in pieces is the same way with another beginning: where speech needs text, the thread waits for a piece,
//! and flushes what there is when a speaker would.
//!
//! The channel holds a few blocks, so nothing is computed that nobody takes. The far end of it is the body: when that is
//! dropped, as the connection has gone, the speech is cancelled before its next block.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::StatusCode;
use futures_core::Stream;
use syrinx::{Canceller, Next, SpeakOptions, Speech, Word};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use crate::Shared;
use crate::encode::Encoder;
use crate::form::{Form, event};
use crate::metrics::Why;
use crate::queue::Turn;
use crate::refusal::Refusal;
use crate::request::Asked;

/// Blocks that are made before anybody takes them: half a second.
const AHEAD: usize = 6;
/// A text that stops for so long, before it is complete, ends: its speaker is wanted by others.
const TEXT_WAIT: Duration = Duration::from_secs(60);

/// What is to be spoken.
#[derive(Debug)]
pub enum Text {
    Whole(String),
    /// As it comes. Where its sender is dropped before the end, nobody listens any more.
    Pieces(mpsc::UnboundedReceiver<Piece>),
}

/// What a client says of a text that comes in pieces.
#[derive(Debug)]
pub enum Piece {
    Text(String),
    /// What there is is to be spoken now.
    Flush,
    /// It is complete.
    End,
}

/// Where the pieces of a text go in.
#[derive(Debug)]
pub struct Writer {
    /// `None` once it is complete.
    to: Option<mpsc::UnboundedSender<Piece>>,
    characters: usize,
    most: usize,
}

impl Writer {
    /// And the text that comes of it, of at most so many characters.
    pub fn new(most: usize) -> (Self, Text) {
        let (to, text) = mpsc::unbounded_channel();
        (Self { to: Some(to), characters: 0, most }, Text::Pieces(text))
    }

    pub fn is_open(&self) -> bool {
        self.to.is_some()
    }

    /// Errors: a line, where the text has become too long.
    pub fn push(&mut self, text: &str) -> Result<(), String> {
        self.characters += text.chars().count();
        if self.characters > self.most {
            return Err(format!("the text has more than {} characters", self.most));
        }
        if !text.is_empty() {
            self.send(Piece::Text(text.to_owned()));
        }
        Ok(())
    }

    pub fn flush(&self) {
        self.send(Piece::Flush);
    }

    /// It is complete.
    pub fn end(&mut self) {
        self.send(Piece::End);
        self.to = None;
    }

    fn send(&self, piece: Piece) {
        if let Some(to) = &self.to {
            let _ = to.send(piece); // or it has failed, which is told soon
        }
    }
}

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

impl Sound {
    /// The next bytes.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.canceller.cancel();
    }
}

/// Waits for a turn, begins to speak, and waits for the first bytes. Errors: as they are before anything was sent; of the queue.
pub async fn begin(shared: &Arc<Shared>, asked: Asked, since: Instant) -> Result<Sound, Refusal> {
    let turn = shared.queue.turn(Duration::from_secs(shared.arguments.wait)).await?;
    let (to, bytes) = mpsc::channel(AHEAD);
    let (tell, told) = oneshot::channel();
    let (shared, runtime, complete) = (shared.clone(), Handle::current(), Arc::<AtomicBool>::default());
    let ended = complete.clone();
    tokio::task::spawn_blocking(move || {
        let Asked { text, options, form, words } = asked;
        let (text, pieces) = match text {
            Text::Whole(text) => (Some(text), None),
            Text::Pieces(pieces) => (None, Some(pieces)),
        };
        Work { shared: &shared, form, pieces, words, characters: 0, to, since, lasts: None, runtime, ended }
            .run(turn, text, &options, tell);
    });
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

/// Why a speech broke off, as far as a client is told.
pub fn broken() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "backend", "the model has failed: see the service's log")
}

/// Errors: an encoder that fails, which is told once.
fn encoded<T>(bytes: std::io::Result<T>) -> Result<T, Broken> {
    bytes.map_err(|e| {
        log::error!("a sound was not encoded: {e}");
        Broken
    })
}

struct Work<'a> {
    shared: &'a Shared,
    form: Form,
    /// Text that is still to come.
    pieces: Option<mpsc::UnboundedReceiver<Piece>>,
    words: Option<mpsc::UnboundedSender<Vec<Word>>>,
    characters: usize,
    to: mpsc::Sender<Result<Bytes, Broken>>,
    since: Instant,
    /// Until when what was made lasts, for somebody who plays it from its first block on.
    lasts: Option<Instant>,
    runtime: Handle,
    ended: Arc<AtomicBool>,
}

/// How the thread learns that nobody takes any more.
struct Left;

impl Work<'_> {
    /// All of a speech, on a thread that may wait. `text`: all of it, unless it comes in pieces.
    fn run(
        mut self,
        mut turn: Turn,
        text: Option<String>,
        options: &SpeakOptions,
        tell: oneshot::Sender<Result<Canceller, Refusal>>,
    ) {
        let _running = self.shared.metrics.running.one();
        let speech = match (turn.session(), &text) {
            (Some(session), Some(text)) => session.speak(text, options).map_err(Refusal::from),
            (Some(session), None) => session.speech(options).map_err(Refusal::from),
            (None, _) => Err(broken()),
        };
        let own_hz = self.shared.model.info().sample_rate_hz;
        let encoder = Encoder::new(self.form.wrap, own_hz, self.form.rate_hz.unwrap_or(own_hz));
        let (speech, encoder) = match speech.and_then(|speech| Ok((speech, encoder?))) {
            Ok(both) => both,
            Err(refusal) => return drop(tell.send(Err(refusal))), // or nobody waits for it any more
        };
        let canceller = speech.canceller();
        if tell.send(Ok(canceller)).is_err() {
            return self.shared.metrics.cancelled(Why::Disconnect);
        }
        self.accepted(text.as_deref().unwrap_or_default());
        let sent = if self.form.whole { self.whole(speech, encoder) } else { self.stream(speech, encoder) };
        // Before the channel closes, which is what the body sees.
        self.ended.store(sent.is_ok(), Ordering::Release);
    }

    fn accepted(&mut self, text: &str) {
        let characters = text.chars().count();
        self.characters += characters;
        self.shared.metrics.text(characters);
    }

    /// A block's samples, once there is the text that it needs; `None` at the end.
    fn block(&mut self, speech: &mut Speech, pcm: &mut [f32]) -> Option<Result<usize, Broken>> {
        loop {
            while let Some(Ok(piece)) = self.pieces.as_mut().map(mpsc::UnboundedReceiver::try_recv) {
                self.take(speech, Some(piece));
            }
            let started = Instant::now();
            match speech.next_into(pcm) {
                Ok(Next::Audio(block)) => {
                    if block.sample == 0 {
                        self.shared.metrics.first_sound(self.since.elapsed());
                    }
                    let rate_hz = f64::from(self.shared.model.info().sample_rate_hz);
                    let length = block.samples as f64 / rate_hz;
                    self.shared.metrics.block(length, started.elapsed());
                    let now = Instant::now();
                    self.lasts = Some(self.lasts.map_or(now, |lasts| lasts.max(now)) + Duration::from_secs_f64(length));
                    self.tell_words(speech);
                    return Some(Ok(block.samples));
                }
                Ok(Next::NeedText { flush_at }) => self.wait(speech, flush_at),
                Ok(Next::Mark { .. }) => {}
                Ok(_) => {
                    self.tell_words(speech);
                    return None;
                }
                Err(e) => {
                    log::error!("a speech broke off: {e}");
                    return Some(Err(Broken));
                }
            }
        }
    }

    /// Events of the words whose times are known by now, where they are wanted.
    fn events_of_words(&self, speech: &mut Speech) -> Vec<u8> {
        let words = if self.form.words { speech.take_words() } else { Vec::new() };
        match words.is_empty() {
            true => Vec::new(),
            false => Form::words(&words, self.shared.model.info().sample_rate_hz),
        }
    }

    fn tell_words(&self, speech: &mut Speech) {
        if let Some(to) = &self.words {
            let words = speech.take_words();
            if !words.is_empty() {
                let _ = to.send(words); // or nobody listens any more
            }
        }
    }

    /// For the next piece, or until what there is is spoken without it.
    fn wait(&mut self, speech: &mut Speech, flush_at: Option<Instant>) {
        let Some(pieces) = &mut self.pieces else { return speech.finish() };
        let until = flush_at.unwrap_or_else(|| Instant::now() + TEXT_WAIT);
        let piece = self.runtime.block_on(async { tokio::time::timeout_at(until.into(), pieces.recv()).await });
        match piece {
            Ok(piece) => self.take(speech, piece),
            Err(_) if flush_at.is_some() => speech.flush(),
            Err(_) => speech.finish(),
        }
    }

    fn take(&mut self, speech: &mut Speech, piece: Option<Piece>) {
        match piece {
            Some(Piece::Text(text)) => {
                self.accepted(&text);
                if let Err(e) = speech.push(&text) {
                    log::error!("a text was not taken: {e}");
                    speech.canceller().cancel();
                }
            }
            Some(Piece::Flush) => speech.flush(),
            Some(Piece::End) => {
                speech.finish();
                self.pieces = None;
            }
            None => speech.canceller().cancel(),
        }
    }

    fn stream(&mut self, mut speech: Speech, mut encoder: Encoder) -> Result<(), Left> {
        let form = self.form;
        let mut pcm = vec![0.0; speech.samples_per_block()];
        let Ok(head) = encoded(encoder.head(false)) else { return self.break_off(form) };
        let mut head = Some(head).filter(|head| !head.is_empty());
        while let Some(block) = self.block(&mut speech, &mut pcm) {
            let sound = block.and_then(|samples| encoded(encoder.block(&pcm[..samples])));
            let Ok(sound) = sound else { return self.break_off(form) };
            let mut bytes = head.take().map_or(Vec::new(), |head| form.packed(head));
            bytes.extend(form.packed(sound));
            bytes.extend(self.events_of_words(&mut speech));
            if !bytes.is_empty() {
                self.send(Ok(bytes.into()))?;
            }
        }
        if speech.canceller().is_cancelled() {
            return Err(self.left(Why::Disconnect));
        }
        let ends = encoder.rest().and_then(|rest| Ok([rest, encoder.end()?].concat()));
        let Ok(end) = encoded(ends) else { return self.break_off(form) };
        let mut tail = form.packed(end);
        tail.extend(self.events_of_words(&mut speech));
        tail.extend(form.tail(self.characters, speech.summary().frames));
        if tail.is_empty() { Ok(()) } else { self.send(Ok(tail.into())) }
    }

    /// Once it is complete, with its length.
    fn whole(&mut self, mut speech: Speech, mut encoder: Encoder) -> Result<(), Left> {
        let mut pcm = vec![0.0; speech.samples_per_block()];
        let mut body = Vec::new();
        while let Some(block) = self.block(&mut speech, &mut pcm) {
            let Ok(count) = block else { return self.send(Err(Broken)) };
            let Ok(sound) = encoded(encoder.block(&pcm[..count])) else { return self.send(Err(Broken)) };
            body.extend(sound);
        }
        if speech.canceller().is_cancelled() {
            return Err(self.left(Why::Disconnect));
        }
        let ends = encoder.rest().and_then(|rest| Ok((encoder.head(true)?, rest, encoder.end()?)));
        let Ok((head, rest, end)) = encoded(ends) else { return self.send(Err(Broken)) };
        self.send(Ok(self.form.sealed([head, body, rest, end].concat()).into()))
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
        // Who plays it takes no more than it plays.
        let playing = self.lasts.map_or(Duration::ZERO, |lasts| lasts.saturating_duration_since(Instant::now()));
        let patience = self.shared.arguments.patience() + playing;
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

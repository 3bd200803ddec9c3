//! Speech over a WebSocket, in the shape of Cartesia's messages, which agent frameworks speak. In: pieces of texts, each under
//! the name of its context. Out: their sound as it is made, their words with times, and what became of each context.
//!
//! A context is a task with its own speech: to cancel it is to end the task, and the speech with it. All write into one short
//! channel, so that a client that takes nothing stops them all.

mod message;
mod whole;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use message::{Asks, Says};
use syrinx::{SpeakOptions, Word};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
pub use whole::whole;

use crate::Shared;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::request::Asked;
use crate::speaking::{Broken, Writer, begin, broken};

/// Most bytes of a message.
const MAX_MESSAGE: usize = 128 * 1024;
/// Most contexts of a connection at a time.
const MAX_CONTEXTS: usize = 16;
/// After so long without a message, and with nothing to say, the connection is closed.
const IDLE: Duration = Duration::from_secs(300);
/// Messages that wait for the client.
const AHEAD: usize = 4;

pub async fn open(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_upgrade(|socket| async move {
        // The connection's place went with its HTTP.
        let Ok(_place) = shared.places.clone().acquire_owned().await else { return };
        talk(shared, socket).await;
    })
}

/// Contexts of one connection, by name.
struct Contexts {
    shared: Arc<Shared>,
    all: HashMap<String, Context>,
    begun: u64,
    /// What contexts say, each by its number: a cancelled one may have a namesake.
    to: mpsc::Sender<(u64, Says)>,
    /// One speech of a connection is made at a time, in the order in which they were asked for.
    one: Arc<Semaphore>,
}

struct Context {
    number: u64,
    text: Writer,
    flushes: u32,
    work: AbortHandle,
}

impl Drop for Context {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn talk(shared: Arc<Shared>, mut socket: WebSocket) {
    let (to, mut says) = mpsc::channel(AHEAD);
    let (patience, mut ends) = (shared.arguments.patience(), shared.ends.clone());
    let mut contexts = Contexts { shared, all: HashMap::new(), begun: 0, to, one: Arc::new(Semaphore::new(1)) };
    loop {
        let answer = tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => contexts.heard(&text),
                Some(Ok(Message::Binary(_))) => Some(Says::refused("", &message::bad("send text, not bytes"))),
                Some(Ok(_)) => None, // pings are answered for us
                Some(Err(_)) | None => return,
            },
            Some((number, says)) = says.recv() => contexts.known(number, says),
            () = tokio::time::sleep(IDLE), if contexts.all.is_empty() => return,
            _ = ends.wait_for(|ends| *ends), if contexts.all.is_empty() => return,
        };
        if let Some(answer) = answer {
            let text = Utf8Bytes::from(answer.json().to_string());
            match tokio::time::timeout(patience, socket.send(Message::Text(text))).await {
                Ok(Ok(())) => {}
                _ => return, // gone, or it takes nothing
            }
        }
    }
}

impl Contexts {
    /// What is to be answered at once.
    fn heard(&mut self, text: &str) -> Option<Says> {
        match Asks::read(text, self.shared.model.info()) {
            Err((context, refusal)) => Some(Says::refused(&context, &refusal)),
            Ok(Asks { context, cancel: true, .. }) => self.all.remove(&context).map(|_| Says::Done { context }),
            Ok(asks) => {
                let context = asks.context.clone();
                match self.push(asks) {
                    Ok(flushed) => flushed,
                    Err(refusal) => {
                        self.all.remove(&context);
                        Some(Says::refused(&context, &refusal))
                    }
                }
            }
        }
    }

    fn push(&mut self, asks: Asks) -> Result<Option<Says>, Refusal> {
        let Asks { context: name, transcript, more, flush, each, voice, language, speed, volume, form, words, .. } =
            asks;
        if !self.all.contains_key(&name) {
            if self.all.len() == MAX_CONTEXTS {
                return Err(message::bad(&format!("more than {MAX_CONTEXTS} contexts at a time")));
            }
            let options = SpeakOptions::default().voice(voice).language(language).speed(speed).volume(volume);
            let context = self.begin(name.clone(), options, form, words);
            self.all.insert(name.clone(), context);
        }
        let Some(context) = self.all.get_mut(&name) else { return Ok(None) };
        if !context.text.is_open() {
            return Err(message::bad("this context's text was complete: begin another"));
        }
        context.text.push(&transcript).map_err(|message| message::bad(&message))?;
        if flush || each {
            context.text.flush();
        }
        if !more {
            context.text.end();
        }
        if !flush {
            return Ok(None);
        }
        context.flushes += 1;
        Ok(Some(Says::Flushed { context: name, number: context.flushes }))
    }

    fn begin(&mut self, name: String, options: SpeakOptions, form: Form, words: bool) -> Context {
        let (writer, text) = Writer::new(self.shared.arguments.max_input);
        let (tell, told) = mpsc::unbounded_channel();
        let asked = Asked { text, options, form, words: words.then_some(tell) };
        self.begun += 1;
        let (shared, one) = (self.shared.clone(), self.one.clone());
        let mut speech = Speech { name, number: self.begun, to: self.to.clone(), told };
        let work = tokio::spawn(async move {
            let name = speech.name.clone();
            let last = match speech.make(&shared, asked, one).await {
                Ok(()) => Says::Done { context: name },
                Err(refusal) if refusal.code() == "bad_text" => Says::Done { context: name }, // nothing to say is no fault
                Err(refusal) => Says::refused(&name, &refusal),
            };
            shared.metrics.request("websocket", last.status());
            speech.say(last).await;
        });
        let number = self.begun;
        Context { number, text: writer, flushes: 0, work: work.abort_handle() }
    }

    /// What a context says, unless it was cancelled; its last word ends it.
    fn known(&mut self, number: u64, says: Says) -> Option<Says> {
        if self.all.get(says.context()).is_none_or(|context| context.number != number) {
            return None;
        }
        if says.is_last() {
            self.all.remove(says.context());
        }
        Some(says)
    }
}

/// A context's task.
struct Speech {
    name: String,
    number: u64,
    to: mpsc::Sender<(u64, Says)>,
    told: mpsc::UnboundedReceiver<Vec<Word>>,
}

impl Speech {
    async fn say(&self, says: Says) {
        let _ = self.to.send((self.number, says)).await; // or the connection has gone, and this task with it
    }

    async fn make(&mut self, shared: &Arc<Shared>, asked: Asked, one: Arc<Semaphore>) -> Result<(), Refusal> {
        let since = Instant::now();
        let _first = one.acquire_owned().await;
        let mut sound = begin(shared, asked, since).await?;
        let rate_hz = shared.model.info().sample_rate_hz;
        loop {
            let next = sound.next().await;
            while let Ok(words) = self.told.try_recv() {
                self.say(Says::words(&self.name, &words, rate_hz)).await;
            }
            match next {
                Some(Ok(bytes)) => self.say(Says::Sound { context: self.name.clone(), bytes }).await,
                Some(Err(Broken)) => return Err(broken()),
                None => return Ok(()),
            }
        }
    }
}

//! One connection's talk. In: `describe`, `ping`, `synthesize`, or a text in pieces; sound to be heard. Out: what is known of the
//! voices and ears, speech as it is made, or what was said.
//!
//! Home Assistant sends the pieces and, for older services, the whole text again before it says that they are complete: that
//! one is passed over. It waits for `synthesize-stopped`, or for `audio-stop` where it sent no pieces, and reads no errors: so
//! these always come, and an error closes the connection. The connection's end is the only way to cancel.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::{Value, json};
use syrinx::options::Ssml;
use syrinx::{EarsInfo, SpeakOptions};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::event::{Event, Unreadable};
use super::listening::{self, Listening, Wish};
use crate::Shared;
use crate::form::{Form, Wrap};
use crate::hearing::no_ears;
use crate::refusal::Refusal;
use crate::request::Asked;
use crate::speaking::{Broken, Sound, Writer, begin, broken};

const SAMPLE_BYTES: u64 = 2;
/// Events that are read ahead of what is done about them.
const READ_AHEAD: usize = 16;
/// How long what the other end still sends is taken from it after a refusal.
const LINGER: Duration = Duration::from_secs(1);

/// Until the other end closes, or an error does; where the service `ends`, until the speech that is running is over.
pub async fn talk(
    shared: Arc<Shared>,
    from: impl AsyncRead + Unpin + Send + 'static,
    to: impl AsyncWrite + Unpin + Send,
    ends: impl Future<Output = ()>,
) -> io::Result<()> {
    let (tell, mut events) = mpsc::channel(READ_AHEAD);
    let reading = tokio::spawn(async move {
        let mut from = BufReader::new(from);
        while let Some(event) = Event::read(&mut from).await.transpose() {
            let last = event.is_err();
            if tell.send(event).await.is_err() {
                return;
            }
            if last {
                break;
            }
        }
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await; // nothing more of it is understood
    });
    let mut talk = Talk { shared, to, speech: None, wish: None, listening: None };
    tokio::pin!(ends);
    let mut held = None;
    let outcome = loop {
        if let Some(event) = held.take_if(|event| !talk.must_wait(event))
            && let Err(refused) = talk.heard(event).await
        {
            break Err(refused);
        }
        let wants_room = held.is_some() && talk.listening.as_ref().is_some_and(Listening::is_full);
        let outcome = tokio::select! {
            event = events.recv(), if held.is_none() => match event {
                None => break Ok(()),
                Some(Err(Unreadable(why))) => {
                    let told = talk.error("bad_event", &why).await;
                    break told.and(Err(io::Error::other(why)));
                }
                Some(Ok(event)) if talk.must_wait(&event) => {
                    held = Some(event);
                    Ok(())
                }
                Some(Ok(event)) => talk.heard(event).await,
            },
            made = next(&mut talk.speech) => talk.made(made).await,
            heard = listening::next(&mut talk.listening, wants_room) => talk.listened(heard).await,
            () = &mut ends, if talk.speech.is_none() && talk.listening.is_none() => break Ok(()),
        };
        if outcome.is_err() {
            break outcome;
        }
    };
    if outcome.is_err() {
        // A connection that is closed with something unread in it is reset, and the refusal may be lost with it.
        let _ = talk.to.shutdown().await;
        let _ = timeout(LINGER, async { while events.recv().await.is_some() {} }).await;
    }
    reading.abort();
    outcome
}

struct Talk<W> {
    shared: Arc<Shared>,
    to: W,
    speech: Option<Speech>,
    /// What the next sound is to be heard for.
    wish: Option<Wish>,
    listening: Option<Listening>,
}

/// A speech on its way.
struct Speech {
    text: Writer,
    /// Its text came in pieces, which its asker ends otherwise.
    in_pieces: bool,
    sound: Begun,
    /// Bytes sent; `None` before `audio-start`.
    sent: Option<u64>,
}

enum Begun {
    /// A speaker, or the first sound, is waited for.
    Soon(Pin<Box<dyn Future<Output = Result<Sound, Refusal>> + Send>>),
    Now(Sound),
}

enum Made {
    Bytes(Bytes),
    End,
    Broken,
    Refused(Refusal),
}

/// What the speech brings next; never anything where there is none.
async fn next(speech: &mut Option<Speech>) -> Made {
    let Some(speech) = speech else { return std::future::pending().await };
    if let Begun::Soon(soon) = &mut speech.sound {
        match soon.await {
            Ok(sound) => speech.sound = Begun::Now(sound),
            Err(refusal) => return Made::Refused(refusal),
        }
    }
    let Begun::Now(sound) = &mut speech.sound else { return Made::Broken };
    match sound.next().await {
        Some(Ok(bytes)) => Made::Bytes(bytes),
        Some(Err(Broken)) => Made::Broken,
        None => Made::End,
    }
}

impl<W: AsyncWrite + Unpin> Talk<W> {
    /// It asks for another speech while one is running, or brings sound faster than it is heard.
    fn must_wait(&self, event: &Event) -> bool {
        match (&self.listening, event.kind.as_str()) {
            (Some(listening), "audio-chunk" | "audio-stop") if listening.is_open() => return listening.is_full(),
            (Some(listening), "audio-start" | "audio-chunk") => return !listening.is_open(),
            _ => {}
        }
        match &self.speech {
            None => false,
            Some(speech) if speech.text.is_open() => event.kind == "synthesize-start",
            Some(_) => event.kind.starts_with("synthesize"),
        }
    }

    async fn heard(&mut self, event: Event) -> io::Result<()> {
        match event.kind.as_str() {
            "describe" => self.send(&Event::new("info", info(&self.shared))).await,
            "ping" => self.send(&Event { kind: "pong".to_owned(), ..event }).await,
            "synthesize" if self.speech.is_none() => {
                self.begin(&event, false);
                self.push(event.text("text").unwrap_or_default()).await?;
                self.complete();
                Ok(())
            }
            "synthesize-start" => {
                self.begin(&event, true);
                Ok(())
            }
            "synthesize-chunk" => self.push(event.text("text").unwrap_or_default()).await,
            "synthesize-stop" => {
                self.complete();
                Ok(())
            }
            "transcribe" if self.shared.ears.is_none() => {
                let refusal = no_ears();
                self.fail(&refusal).await
            }
            "transcribe" => {
                self.wish = Some(Wish::of(&event));
                Ok(())
            }
            "audio-start" => self.listen(&event).await,
            "audio-chunk" => {
                if self.listening.is_none() {
                    self.listen(&event).await?;
                }
                if let Some(listening) = &mut self.listening {
                    listening.push(event.payload);
                }
                Ok(())
            }
            "audio-stop" => {
                if let Some(listening) = &mut self.listening {
                    listening.complete();
                }
                Ok(())
            }
            _ => Ok(()), // a whole text behind its pieces, or what a later version of the protocol says
        }
    }

    fn begin(&mut self, event: &Event, in_pieces: bool) {
        let voice = event.data.get("voice").and_then(|voice| voice.get("name")).and_then(Value::as_str);
        let ssml = (event.text("text_format") == Some("ssml")).then_some(Ssml::Lenient);
        let options = SpeakOptions::default().voice(voice.map(str::to_owned)).ssml(ssml);
        let (writer, text) = Writer::new(self.shared.arguments.max_input);
        let form = Form::samples(Wrap::Pcm);
        let asked = Asked { text, options, form, words: None };
        let shared = self.shared.clone();
        let soon = async move { begin(&shared, asked, Instant::now()).await };
        self.speech = Some(Speech { text: writer, in_pieces, sound: Begun::Soon(Box::pin(soon)), sent: None });
    }

    /// Begins to listen. Sound that nobody has asked to be heard is passed over where there are no ears.
    async fn listen(&mut self, event: &Event) -> io::Result<()> {
        let Some(room) = &self.shared.ears else { return Ok(()) };
        if self.listening.is_some() {
            return Ok(());
        }
        match Listening::begin(&self.shared, room, self.wish.take().unwrap_or_default(), &event.data) {
            Ok(listening) => {
                self.listening = Some(listening);
                Ok(())
            }
            Err(message) => self.fail(&Refusal::of_field("file", "unsupported_audio", message)).await,
        }
    }

    async fn listened(&mut self, next: listening::Next) -> io::Result<()> {
        let told = match next {
            listening::Next::Room => return Ok(()),
            listening::Next::Refused(refusal) => return self.fail(&refusal).await,
            listening::Next::Told(told) => told,
        };
        let Some(listening) = &mut self.listening else { return Ok(()) };
        let (events, over) = listening.events(&told);
        if over {
            self.listening = None;
            self.count(200);
        }
        for event in &events {
            self.send(event).await?;
        }
        Ok(())
    }

    /// Ends the connection: nothing was heard, or not all.
    async fn fail(&mut self, refusal: &Refusal) -> io::Result<()> {
        self.count(refusal.status().as_u16());
        self.error(refusal.code(), refusal.message()).await?;
        Err(io::Error::other(refusal.message().to_owned()))
    }

    async fn push(&mut self, text: &str) -> io::Result<()> {
        let Some(speech) = &mut self.speech else { return Ok(()) };
        match speech.text.push(text) {
            Ok(()) => Ok(()),
            Err(message) => self.refuse("input_too_long", &message).await,
        }
    }

    fn complete(&mut self) {
        if let Some(speech) = &mut self.speech {
            speech.text.end();
        }
    }

    async fn made(&mut self, made: Made) -> io::Result<()> {
        match made {
            Made::Bytes(bytes) => self.sound(bytes).await,
            Made::End => {
                self.count(200);
                self.over().await
            }
            Made::Refused(refusal) if refusal.code() == "bad_text" => {
                self.count(200); // nothing to say is no fault of a text that a language model writes
                self.over().await
            }
            Made::Refused(refusal) => self.refuse(refusal.code(), refusal.message()).await,
            Made::Broken => {
                let broken = broken();
                self.refuse(broken.code(), broken.message()).await
            }
        }
    }

    async fn sound(&mut self, bytes: Bytes) -> io::Result<()> {
        let Some(speech) = &mut self.speech else { return Ok(()) };
        let before = speech.sent.unwrap_or(0);
        let first = speech.sent.is_none();
        speech.sent = Some(before + bytes.len() as u64);
        if first {
            self.send(&Event::new("audio-start", self.format(0))).await?;
        }
        let payload = bytes.to_vec();
        self.send(&Event { payload, ..Event::new("audio-chunk", self.format(before)) }).await
    }

    /// Of the samples behind so many bytes.
    fn format(&self, bytes: u64) -> Value {
        let rate = self.shared.model.info().sample_rate_hz;
        let timestamp_ms = bytes / SAMPLE_BYTES * 1000 / u64::from(rate);
        json!({ "rate": rate, "width": SAMPLE_BYTES, "channels": 1, "timestamp": timestamp_ms })
    }

    /// Says that the speech is over, in the way that its asker waits for.
    async fn over(&mut self) -> io::Result<()> {
        let Some(speech) = self.speech.take() else { return Ok(()) };
        if speech.sent.is_none() {
            self.send(&Event::new("audio-start", self.format(0))).await?;
        }
        let format = self.format(speech.sent.unwrap_or(0));
        self.send(&Event::new("audio-stop", json!({ "timestamp": format["timestamp"] }))).await?;
        match speech.in_pieces {
            true => self.send(&Event::new("synthesize-stopped", Value::Null)).await,
            false => Ok(()),
        }
    }

    /// Ends the speech and the connection.
    async fn refuse(&mut self, code: &str, message: &str) -> io::Result<()> {
        self.count(if code == "busy" { 429 } else { 400 });
        self.send(&Event::new("error", json!({ "text": message, "code": code }))).await?;
        self.over().await?;
        Err(io::Error::other(message.to_owned()))
    }

    async fn error(&mut self, code: &str, message: &str) -> io::Result<()> {
        self.send(&Event::new("error", json!({ "text": message, "code": code }))).await
    }

    fn count(&self, code: u16) {
        self.shared.metrics.request("wyoming", code);
    }

    async fn send(&mut self, event: &Event) -> io::Result<()> {
        let bytes = event.bytes();
        let sending = async {
            self.to.write_all(&bytes).await?;
            self.to.flush().await
        };
        timeout(self.shared.arguments.patience(), sending).await?
    }
}

/// What Home Assistant asks for to list a service's voices.
fn info(shared: &Shared) -> Value {
    let info = shared.model.info();
    let about = |name: &str, description: String| about(name, &info.version, &info.licence, description);
    let voices: Vec<Value> = info
        .voices
        .iter()
        .map(|voice| {
            let mut about = about(voice, format!("{}, {voice}", info.name));
            about["languages"] = json!(info.languages);
            about["speakers"] = Value::Null;
            about
        })
        .collect();
    let mut program = about("syrinx", format!("Syrinx with {}", info.name));
    program["voices"] = json!(voices);
    program["supports_synthesize_streaming"] = true.into();
    let asr: Vec<Value> = shared.ears.as_ref().map(|room| recogniser(room.ears.info())).into_iter().collect();
    json!({ "tts": [program], "asr": asr, "handle": [], "intent": [], "wake": [], "mic": [], "snd": [] })
}

/// What listens, with the one pack that it has.
fn recogniser(info: &EarsInfo) -> Value {
    let about = |name: &str, description: String| about(name, &info.version, &info.licence, description);
    let mut model = about(&info.name, format!("{}, {}", info.name, info.family));
    model["languages"] = json!(info.languages);
    let mut program = about("syrinx", format!("Syrinx with {}", info.name));
    program["models"] = json!([model]);
    program["supports_transcript_streaming"] = true.into();
    program
}

fn about(name: &str, version: &str, licence: &str, description: String) -> Value {
    json!({
        "name": name,
        "attribution": { "name": licence, "url": "" },
        "installed": true,
        "description": description,
        "version": version,
    })
}

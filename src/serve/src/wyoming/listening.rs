//! Listening over Wyoming. In: what is asked for, sound in pieces. Out: what was said, as it is heard.
//!
//! Who asks sends `transcribe`, `audio-start`, `audio-chunk`s and `audio-stop`, and waits for `transcript`. Before it there are
//! `transcript-start` and `transcript-chunk`s, and behind it `transcript-stop`, for whom can read them.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use syrinx::lab::hear::wav::{Encoding, Format};
use tokio::sync::mpsc;

use super::event::Event;
use crate::Shared;
use crate::hearing::{Hearing, Room, Sound, Told, begin};
use crate::refusal::Refusal;
use crate::transcript::Growing;
use crate::transcription::{options, primary};

/// Pieces that wait to be heard; then their sender waits.
const AHEAD: usize = 8;

/// What `transcribe` asks for.
#[derive(Debug, Default)]
pub struct Wish {
    language: Option<String>,
    phrases: Vec<String>,
}

impl Wish {
    pub fn of(event: &Event) -> Self {
        let names =
            ["transcript_names", "transcript_terms"].into_iter().filter_map(|name| event.data.get(name)?.as_array());
        let phrases = names.flatten().filter_map(Value::as_str).filter(|name| !name.trim().is_empty());
        Self { language: event.text("language").map(primary), phrases: phrases.map(str::to_owned).collect() }
    }
}

/// A sound on its way to text.
pub struct Listening {
    /// `None` once it is complete.
    to: Option<mpsc::Sender<Vec<u8>>>,
    hearing: Begun,
    text: Growing,
    language: Option<String>,
    /// `transcript-start` has been sent.
    started: bool,
}

enum Begun {
    /// A listener is waited for.
    Soon(Pin<Box<dyn Future<Output = Result<Hearing, Refusal>> + Send>>),
    Now(Hearing),
}

/// What there is next.
pub enum Next {
    Told(Told),
    Refused(Refusal),
    /// There is room for a piece.
    Room,
}

/// Never anything where nobody is listened to.
pub async fn next(listening: &mut Option<Listening>, wants_room: bool) -> Next {
    let Some(listening) = listening else { return std::future::pending().await };
    if let Begun::Soon(soon) = &mut listening.hearing {
        match soon.await {
            Ok(hearing) => listening.hearing = Begun::Now(hearing),
            Err(refusal) => return Next::Refused(refusal),
        }
    }
    let Begun::Now(hearing) = &mut listening.hearing else { return std::future::pending().await };
    let room = async {
        match &listening.to {
            Some(to) if wants_room && to.reserve().await.is_ok() => {}
            _ => std::future::pending().await, // or it has ended, which is told
        }
    };
    tokio::select! {
        told = hearing.next() => told.map_or_else(Next::Refused, Next::Told),
        () = room => Next::Room,
    }
}

impl Listening {
    /// Errors: a line, of a format that is not read.
    pub fn begin(shared: &Arc<Shared>, room: &Room, wish: Wish, data: &Map<String, Value>) -> Result<Self, String> {
        let format = format(data)?;
        let (to, pieces) = mpsc::channel(AHEAD);
        let options = options(room.ears.info(), wish.language.clone(), wish.phrases);
        let shared = shared.clone();
        let soon = async move { begin(&shared, Sound::Pieces(format, pieces), options).await };
        let (text, hearing) = (Growing::default(), Begun::Soon(Box::pin(soon)));
        Ok(Self { to: Some(to), hearing, text, language: wish.language, started: false })
    }

    pub fn is_open(&self) -> bool {
        self.to.is_some()
    }

    /// A piece more would have to wait.
    pub fn is_full(&self) -> bool {
        self.to.as_ref().is_some_and(|to| to.capacity() == 0 && !to.is_closed())
    }

    pub fn push(&mut self, piece: Vec<u8>) {
        if let Some(to) = &self.to {
            let _ = to.try_send(piece); // there is room, or it has ended, which is told
        }
    }

    /// The sound is complete.
    pub fn complete(&mut self) {
        self.to = None;
    }

    /// What is sent of it, and whether that is all.
    pub fn events(&mut self, told: &Told) -> (Vec<Event>, bool) {
        let mut events = Vec::new();
        let over = matches!(told, Told::End { .. });
        let mut chunk = String::new();
        if let Told::Text(heard) = told {
            chunk = self.text.add(&heard.text, heard.is_final);
            self.language = heard.language.clone().or(self.language.take());
        }
        let about = |more: Value| {
            let mut data = more;
            if let Some(language) = &self.language {
                data["language"] = json!(language);
            }
            data
        };
        if (over || !chunk.is_empty()) && !self.started {
            self.started = true;
            events.push(Event::new("transcript-start", about(json!({}))));
        }
        if !chunk.is_empty() {
            events.push(Event::new("transcript-chunk", json!({ "text": chunk })));
        }
        if over {
            events.push(Event::new("transcript", about(json!({ "text": self.text.text() }))));
            events.push(Event::new("transcript-stop", Value::Null));
        }
        (events, over)
    }
}

/// Of samples as `audio-start` and `audio-chunk` tell it; as Home Assistant sends them where they do not.
fn format(data: &Map<String, Value>) -> Result<Format, String> {
    let number = |name: &str, usual: u64| match data.get(name) {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => value.as_u64().ok_or_else(|| format!("{name} is {value}: send a whole number")),
    };
    let encoding = match number("width", 2)? {
        1 => Encoding::U8,
        2 => Encoding::S16,
        3 => Encoding::S24,
        4 => Encoding::S32,
        other => return Err(format!("samples of {other} bytes are not read: send 2")),
    };
    let narrow = |name: &str, value: u64| format!("{name} is {value}: send 16 bits, 16000 Hz, one channel");
    let (rate, channels) = (number("rate", 16_000)?, number("channels", 1)?);
    let rate_hz = u32::try_from(rate).map_err(|_| narrow("rate", rate))?;
    let channels = u16::try_from(channels).map_err(|_| narrow("channels", channels))?;
    Ok(Format { rate_hz, channels, encoding })
}

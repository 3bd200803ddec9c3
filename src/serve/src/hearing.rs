//! Sound on its way to text. In: a turn, a recording or pieces of one. Out: texts in a short channel, filled by a thread that
//! computes.
//!
//! When who reads the channel drops it, as the connection has gone, no further block is heard.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::StatusCode;
use syrinx::lab::hear::wav::{Format, Recording};
use syrinx::{Ears, ErrorKind, Heard, ListenOptions, Listener};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Semaphore, mpsc};

use crate::Shared;
use crate::metrics::Why;
use crate::queue::Line;
use crate::refusal::Refusal;
use crate::speaking::broken;

/// Texts that are heard before anybody takes them.
const AHEAD: usize = 16;
/// A sound that stops for so long, before it is complete, ends: its listener is wanted by others.
const SOUND_WAIT: Duration = Duration::from_secs(60);

/// Ears, and who is listened to with them.
#[derive(Debug)]
pub struct Room {
    pub ears: Ears,
    pub line: Line,
    /// One for each recording that may be in memory.
    pub recordings: Arc<Semaphore>,
}

impl Room {
    pub fn new(ears: Ears, listeners: usize, most_waiting: usize) -> Self {
        let recordings = Arc::new(Semaphore::new(listeners + most_waiting));
        Self { ears, line: Line::new(listeners, most_waiting, "listener"), recordings }
    }
}

/// There is nothing to listen with.
pub fn no_ears() -> Refusal {
    let message = "this service has no ears: start it with --ears and the folder of a pack that listens";
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "no_ears", message)
}

/// What is to be heard.
#[derive(Debug)]
pub enum Sound {
    /// A WAV file.
    File(Bytes),
    /// Bare samples, as they come. Where their sender is dropped they are complete.
    Pieces(Format, mpsc::Receiver<Vec<u8>>),
}

/// What comes of it.
#[derive(Debug)]
pub enum Told {
    Text(Heard),
    /// All of it has been heard.
    End {
        seconds: f64,
    },
}

/// What a connection reads.
#[derive(Debug)]
pub struct Hearing {
    told: mpsc::Receiver<Result<Told, Refusal>>,
    gone: Arc<AtomicBool>,
}

impl Hearing {
    /// What comes next. Errors: the sound, or the model; also where the thread has ended without a word.
    pub async fn next(&mut self) -> Result<Told, Refusal> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Told, Refusal>> {
        self.told.poll_recv(context).map(|told| told.unwrap_or_else(|| Err(broken())))
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
    }
}

/// Waits for a turn, opens the recording and begins to hear it. Errors: as they are before anything was heard; of the queue.
pub async fn begin(shared: &Arc<Shared>, sound: Sound, options: ListenOptions) -> Result<Hearing, Refusal> {
    let room = shared.ears.as_ref().ok_or_else(no_ears)?;
    let turn = room.line.turn(Duration::from_secs(shared.arguments.wait)).await?;
    let (to, told) = mpsc::channel(AHEAD);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let hearing = Hearing { told, gone: Arc::default() };
    let work = Work { shared: shared.clone(), to, gone: hearing.gone.clone(), runtime: Handle::current() };
    let ears = room.ears.clone();
    tokio::task::spawn_blocking(move || {
        let running = work.shared.metrics.listening.one();
        // The place is given back before the last word, whatever that is: who has heard it may ask again.
        let give_back = || {
            drop(turn);
            drop(running);
        };
        match work.open(&ears, sound, options) {
            Err(refusal) => {
                give_back();
                let _ = begun.send(Err(refusal)); // or nobody waits for it any more
            }
            Ok(_) if begun.send(Ok(())).is_err() => work.shared.metrics.left_unheard(Why::Disconnect),
            Ok((recording, listener)) => {
                let last = work.run(recording, listener);
                give_back();
                if let Some(last) = last {
                    let _ = work.send(last); // or it has gone, which is counted
                }
            }
        }
    });
    has_begun.await.map_err(|_| broken())??;
    Ok(hearing)
}

struct Work {
    shared: Arc<Shared>,
    to: mpsc::Sender<Result<Told, Refusal>>,
    gone: Arc<AtomicBool>,
    runtime: Handle,
}

/// Why a sound is not heard to its end.
enum Ended {
    /// Nobody takes any more; that has been counted.
    Left,
    Refused(Refusal),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Work {
    /// All of a sound, on a thread that may wait. Out: the last word about it, if there is somebody to tell.
    fn run(&self, recording: Recording, listener: Listener) -> Option<Result<Told, Refusal>> {
        match self.hear(recording, listener) {
            Ok(end) => Some(Ok(end)),
            Err(Ended::Left) => None,
            Err(Ended::Refused(refusal)) => {
                if refusal.status().is_server_error() {
                    log::error!("a sound was not heard to its end: {}", refusal.message());
                }
                Some(Err(refusal))
            }
        }
    }

    fn open(&self, ears: &Ears, sound: Sound, options: ListenOptions) -> Result<(Recording, Listener), Refusal> {
        let has_language = options.language.is_some();
        let recording = self.recording(sound)?;
        let listener = ears.listener(options).map_err(|e| match e.kind() {
            ErrorKind::BadOption if has_language => Refusal::of_field("language", "bad_option", e.message()),
            _ => e.into(),
        })?;
        Ok((recording, listener))
    }

    fn recording(&self, sound: Sound) -> Result<Recording, Refusal> {
        let opened = match sound {
            Sound::File(bytes) => Recording::wav("file", Box::new(Cursor::new(bytes))),
            Sound::Pieces(format, pieces) => {
                let reader = Pieces { pieces, piece: Cursor::default(), runtime: self.runtime.clone() };
                Recording::raw("sound", Box::new(reader), format)
            }
        };
        opened.map_err(|e| match e.kind() {
            ErrorKind::Unsupported => {
                let message =
                    format!("{}; what is read is WAV with linear samples, 8 to 32 bits or floats", e.message());
                Refusal::of_field("file", "unsupported_audio", message)
            }
            _ => e.into(),
        })
    }

    fn hear(&self, mut recording: Recording, mut listener: Listener) -> Result<Told, Ended> {
        let rate_hz = f64::from(syrinx::lab::hear::wav::RATE_HZ);
        let mut samples = Vec::new();
        let mut count = 0;
        while recording.read(&mut samples).map_err(Refusal::from)? {
            if self.gone.load(Ordering::Acquire) {
                return Err(self.left(Why::Disconnect));
            }
            let started = Instant::now();
            let heard = listener.feed(&samples).map_err(Refusal::from)?;
            self.shared.metrics.heard(samples.len() as f64 / rate_hz, started.elapsed());
            count += samples.len();
            samples.clear();
            self.tell(heard)?;
        }
        let started = Instant::now();
        let heard = listener.flush().map_err(Refusal::from)?;
        self.shared.metrics.heard(0.0, started.elapsed());
        self.tell(heard)?;
        Ok(Told::End { seconds: count as f64 / rate_hz })
    }

    fn tell(&self, heard: Vec<Heard>) -> Result<(), Ended> {
        heard.into_iter().try_for_each(|heard| self.send(Ok(Told::Text(heard))))
    }

    fn send(&self, told: Result<Told, Refusal>) -> Result<(), Ended> {
        match self.runtime.block_on(self.to.send_timeout(told, self.shared.arguments.patience())) {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(self.left(Why::Disconnect)),
            Err(SendTimeoutError::Timeout(_)) => Err(self.left(Why::Timeout)),
        }
    }

    /// Counts one who takes no more.
    fn left(&self, why: Why) -> Ended {
        self.shared.metrics.left_unheard(why);
        Ended::Left
    }
}

/// Bytes that come in pieces, as a stream for a thread that may wait.
struct Pieces {
    pieces: mpsc::Receiver<Vec<u8>>,
    piece: Cursor<Vec<u8>>,
    runtime: Handle,
}

impl Read for Pieces {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let count = self.piece.read(to)?;
            if count > 0 || to.is_empty() {
                return Ok(count);
            }
            let next = self.runtime.block_on(async { tokio::time::timeout(SOUND_WAIT, self.pieces.recv()).await });
            match next {
                Ok(Some(piece)) => self.piece = Cursor::new(piece),
                Ok(None) | Err(_) => return Ok(0),
            }
        }
    }
}

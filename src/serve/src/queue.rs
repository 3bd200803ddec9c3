//! Who is spoken for, and who waits. In: clients as they come. Out: a session for each that has its turn; a refusal for whom
//! there is no place left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use syrinx::{Model, Session, SessionOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// Sessions, opened once, and a bounded number of clients that wait for them.
#[derive(Debug)]
pub struct Queue {
    idle: Arc<Mutex<Vec<Session>>>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A session in use; it goes back when this is dropped.
#[derive(Debug)]
pub struct Turn {
    session: Option<Session>,
    idle: Arc<Mutex<Vec<Session>>>,
    _permit: OwnedSemaphorePermit,
}

/// One that waits, until it is dropped: also where its client has gone.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Queue {
    /// Errors: as [`Model::session`].
    pub fn new(model: &Model, speakers: usize, most_waiting: usize) -> syrinx::Result<Self> {
        let idle: syrinx::Result<Vec<Session>> =
            (0..speakers).map(|_| model.session(SessionOptions::default())).collect();
        let idle = Arc::new(Mutex::new(idle?));
        Ok(Self { idle, turns: Arc::new(Semaphore::new(speakers)), waiting: AtomicUsize::new(0), most_waiting })
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Waits for a turn. Errors: 429 where too many wait, or it takes too long; 503 as the service ends.
    pub async fn turn(&self, wait: Duration) -> Result<Turn, Refusal> {
        let permit = match self.turns.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(wait).await?,
        };
        let session = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Turn { session, idle: self.idle.clone(), _permit: permit })
    }

    async fn wait(&self, wait: Duration) -> Result<OwnedSemaphorePermit, Refusal> {
        let busy = |message: &str| Refusal::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).retry_after(1);
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= self.most_waiting {
            return Err(busy("every speaker is busy, and the queue is full: try again"));
        }
        match tokio::time::timeout(wait, self.turns.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "closing", "the service ends")),
            Err(_) => Err(busy("every speaker is busy: try again")),
        }
    }
}

impl Turn {
    /// Errors: `None` only where a session was lost to a panic.
    pub fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.session.take());
    }
}

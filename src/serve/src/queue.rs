//! Who is spoken for or listened to, and who waits. In: clients as they come. Out: a turn for each, with a session where it
//! speaks; a refusal for whom there is no place left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use syrinx::{Model, Session, SessionOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// So many at a time, and a bounded number of clients that wait.
#[derive(Debug)]
pub struct Line {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    /// What is waited for, in a line for a client.
    what: &'static str,
}

/// Sessions, opened once, and who waits for them.
#[derive(Debug)]
pub struct Queue {
    idle: Arc<Mutex<Vec<Session>>>,
    line: Line,
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

impl Line {
    pub fn new(at_a_time: usize, most_waiting: usize, what: &'static str) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_a_time)), waiting: AtomicUsize::new(0), most_waiting, what }
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Waits for a turn. Errors: 429 where too many wait, or it takes too long; 503 as the service ends.
    pub async fn turn(&self, wait: Duration) -> Result<OwnedSemaphorePermit, Refusal> {
        match self.turns.clone().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => self.wait(wait).await,
        }
    }

    async fn wait(&self, wait: Duration) -> Result<OwnedSemaphorePermit, Refusal> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= self.most_waiting {
            return Err(self.full());
        }
        match tokio::time::timeout(wait, self.turns.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "closing", "the service ends")),
            Err(_) => Err(busy(format!("every {} is busy: try again", self.what))),
        }
    }

    /// There is no place left in it.
    pub fn full(&self) -> Refusal {
        busy(format!("every {} is busy, and the queue is full: try again", self.what))
    }
}

fn busy(message: String) -> Refusal {
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).retry_after(1)
}

impl Queue {
    /// Errors: as [`Model::session`].
    pub fn new(model: &Model, speakers: usize, most_waiting: usize) -> syrinx::Result<Self> {
        let idle: syrinx::Result<Vec<Session>> =
            (0..speakers).map(|_| model.session(SessionOptions::default())).collect();
        Ok(Self { idle: Arc::new(Mutex::new(idle?)), line: Line::new(speakers, most_waiting, "speaker") })
    }

    pub fn waiting(&self) -> usize {
        self.line.waiting()
    }

    /// Waits for a turn. Errors: as [`Line::turn`].
    pub async fn turn(&self, wait: Duration) -> Result<Turn, Refusal> {
        let permit = self.line.turn(wait).await?;
        let session = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Turn { session, idle: self.idle.clone(), _permit: permit })
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

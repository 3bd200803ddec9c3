//! An utterance in the making. In: text in pieces. Out: speech, and events when something was heard.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::desk::Desk;
use super::guard::Trip;
use super::pace::Quality;
use crate::board::Rung;
use crate::error::Result;

/// Events that wait to be read; of more, the oldest go.
const MAILBOX: usize = 256;

/// What became of an utterance. Positions are characters of the text pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The first sample was heard.
    Started,
    /// The first sample of this clause was heard.
    Clause { chars: Range<usize> },
    /// Samples ran out at about this character; silence was heard instead.
    Underrun { position: usize },
    /// A clause went astray; it is spoken once more with another seed, or was cut.
    Guard { trip: Trip, retried: bool },
    /// The governor changed the quality to keep up, or back.
    Quality { quality: Quality },
    /// The board's heat asks for this from here on; at [`Rung::ShortForm`] also for shorter texts of the caller.
    Heat { rung: Rung },
    /// The device has gone; speech waits for it.
    DeviceLost,
    /// The device is back; speech goes on at the clause that was interrupted.
    DeviceBack,
    /// Something more important is spoken first; this resumes at its clause.
    Interrupted { position: usize },
    /// All was heard.
    Finished,
    /// Nothing more will be heard; this much was.
    Cancelled { position: usize },
    /// The model failed; this much was heard.
    Failed { position: usize, message: String },
}

impl Event {
    /// No other event follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled { .. } | Self::Failed { .. })
    }
}

/// Events on their way to whoever asks.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    events: Mutex<VecDeque<Event>>,
    arrived: Condvar,
}

impl Mailbox {
    pub fn put(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == MAILBOX {
            events.pop_front();
        }
        events.push_back(event);
        self.arrived.notify_all();
    }

    fn take(&self, timeout: Duration) -> Option<Event> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.arrived.wait_timeout_while(events, timeout, |events| events.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0.pop_front()
    }
}

/// A handle on an utterance; clones mean the same one. Dropping it changes nothing: [`Utterance::cancel`] does.
///
/// Every call returns at once, from any thread, but [`Utterance::next_event`] and [`Utterance::wait`].
#[derive(Clone, Debug)]
pub struct Utterance {
    pub(super) id: u64,
    pub(super) desk: Arc<Desk>,
    pub(super) mailbox: Arc<Mailbox>,
}

impl Utterance {
    /// Most bytes of text that may wait to be spoken.
    pub const MAX_WAITING_BYTES: usize = 1 << 20;

    /// Adds text; words and sentences may be cut up anywhere.
    ///
    /// Errors: `BadText` where more than [`Utterance::MAX_WAITING_BYTES`] wait; `Cancelled` where it has ended.
    pub fn push(&self, text: &str) -> Result<()> {
        self.desk.push(self.id, text, false)
    }

    /// The text is complete.
    pub fn finish(&self) {
        self.desk.finish(self.id);
    }

    /// Speaks what has been pushed so far without waiting for the end of the sentence.
    pub fn flush(&self) {
        self.desk.flush(self.id);
    }

    /// Stops within one period of the device, and returns how far it was. [`Event::Cancelled`] gives the final place.
    pub fn cancel(&self) -> usize {
        self.desk.cancel(self.id)
    }

    /// Characters that have been heard.
    pub fn position(&self) -> usize {
        self.desk.position(self.id)
    }

    /// The next event, or `None` when none comes in time.
    pub fn next_event(&self, timeout: Duration) -> Option<Event> {
        self.mailbox.take(timeout)
    }

    /// Waits for the last event, or `None` when it does not come in time. Other events are discarded.
    pub fn wait(&self, timeout: Duration) -> Option<Event> {
        let deadline = Instant::now() + timeout;
        loop {
            let event = self.mailbox.take(deadline.saturating_duration_since(Instant::now()))?;
            if event.is_last() {
                return Some(event);
            }
        }
    }
}

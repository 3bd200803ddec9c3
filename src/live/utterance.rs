//! An utterance in the making. In: text in pieces. Out: speech, and events when something was heard.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::board::Rung;
use crate::error::Result;
use crate::flow::Quality;
use crate::speak::Trip;

/// Events that wait to be read; of more, the oldest go.
const MAILBOX: usize = 256;

/// What became of an utterance. Positions are characters of the text pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The first sample was heard.
    Started,
    /// The first sample of this clause was heard.
    Clause {
        /// Characters of the text.
        chars: Range<usize>,
    },
    /// One of the text's own marks was reached (SSML's `mark`).
    Mark {
        /// As it is called there.
        name: String,
    },
    /// Samples ran out at about this character; silence was heard instead.
    Underrun {
        /// Characters heard.
        position: usize,
    },
    /// A clause went astray; it is spoken once more with another seed, or was cut.
    Guard {
        /// What was wrong.
        trip: Trip,
        /// It is spoken once more; else it was left there.
        retried: bool,
    },
    /// The governor changed the quality to keep up, or back.
    Quality {
        /// As speech is made from here on.
        quality: Quality,
    },
    /// The board's heat asks for this from here on; at [`Rung::ShortForm`] also for shorter texts of the caller.
    Heat {
        /// Its place on the ladder.
        rung: Rung,
    },
    /// The device has gone; speech waits for it.
    DeviceLost,
    /// The device is back; speech goes on at the clause that was interrupted.
    DeviceBack,
    /// Something more important is spoken first; this resumes at its clause.
    Interrupted {
        /// Characters heard.
        position: usize,
    },
    /// All was heard.
    Finished,
    /// The caller's frame budget was too small; this much was heard, and the message says what was left unsaid.
    OutOfBudget {
        /// Characters heard.
        position: usize,
        /// For people.
        message: String,
    },
    /// Nothing more will be heard; this much was.
    Cancelled {
        /// Characters heard.
        position: usize,
    },
    /// The model failed; this much was heard.
    Failed {
        /// Characters heard.
        position: usize,
        /// What failed, for people.
        message: String,
    },
}

impl Event {
    /// No other event follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Finished | Self::OutOfBudget { .. } | Self::Cancelled { .. } | Self::Failed { .. })
    }
}

/// Events on their way to whoever asks. The last one is put once, and none after it.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// The utterance is over: characters that were heard.
    ended_at: Option<usize>,
}

impl Mailbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, event: Event) {
        self.add(event, None);
    }

    /// Puts the last event.
    pub fn close(&self, event: Event, position: usize) {
        self.add(event, Some(position));
    }

    fn add(&self, event: Event, ended_at: Option<usize>) {
        let mut waiting = self.lock();
        if waiting.ended_at.is_none() {
            if waiting.events.len() == MAILBOX {
                waiting.events.pop_front();
            }
            waiting.events.push_back(event);
            waiting.ended_at = ended_at;
            self.arrived.notify_all();
        }
    }

    /// Waits for an event until `deadline`, or without one for ever; but not for one that cannot come any more.
    pub(super) fn take(&self, deadline: Option<Instant>) -> Option<Event> {
        let mut waiting = self.lock();
        loop {
            if let Some(event) = waiting.events.pop_front() {
                return Some(event);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if waiting.ended_at.is_some() || left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            let left = left.unwrap_or(Duration::from_secs(3600));
            waiting = self.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What all clones of an utterance share.
#[derive(Debug)]
pub(super) struct Handle {
    pub id: u64,
    pub shared: Arc<Shared>,
    pub mailbox: Arc<Mailbox>,
}

/// What becomes of an utterance when its last handle is dropped.
#[derive(Debug)]
struct Held {
    handle: Handle,
    cancels: AtomicBool,
}

impl Drop for Held {
    fn drop(&mut self) {
        match self.cancels.load(Ordering::Relaxed) {
            true => drop(self.handle.shared.cancel(self.handle.id)),
            false => self.handle.shared.finish(self.handle.id),
        }
    }
}

/// A handle on an utterance; clones mean the same one. When the last is dropped the text is complete, as after
/// [`Utterance::finish`]; or the utterance is cancelled, if [`Utterance::cancel_on_drop`] says so.
///
/// Every call returns at once, from any thread, but [`Utterance::next_event`] and [`Utterance::wait`].
#[derive(Clone, Debug)]
pub struct Utterance(Arc<Held>);

impl Utterance {
    /// Most bytes of text that may wait to be spoken.
    pub const MAX_WAITING_BYTES: usize = crate::speak::Speech::MAX_WAITING_BYTES;

    pub(super) fn new(handle: Handle) -> Self {
        Self(Arc::new(Held { handle, cancels: AtomicBool::new(false) }))
    }

    pub(super) fn id(&self) -> u64 {
        self.0.handle.id
    }

    /// Where its events come, for whoever reads them after the last handle is gone.
    #[cfg(test)]
    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        self.0.handle.mailbox.clone()
    }

    fn shared(&self) -> &Shared {
        &self.0.handle.shared
    }

    /// Adds text; words and sentences may be cut up anywhere.
    ///
    /// Errors: `Ended` where it has ended or its text is complete; `Busy` where more than
    /// [`Utterance::MAX_WAITING_BYTES`] would wait.
    pub fn push(&self, text: &str) -> Result<()> {
        self.shared().push(self.id(), text, false)
    }

    /// The text is complete.
    pub fn finish(&self) {
        self.shared().finish(self.id());
    }

    /// Speaks what has been pushed so far without waiting for the end of the sentence.
    pub fn flush(&self) {
        self.shared().flush(self.id());
    }

    /// Stops within one period of the device, and returns how far it was. [`Event::Cancelled`] gives the final place.
    pub fn cancel(&self) -> usize {
        self.shared().cancel(self.id()).unwrap_or_else(|| self.position())
    }

    /// When the last handle is dropped, what was not heard is not spoken: for whoever speaks for a client that may go.
    pub fn cancel_on_drop(&self) {
        self.0.cancels.store(true, Ordering::Relaxed);
    }

    /// Characters that have been heard; after the last event, those that were.
    pub fn position(&self) -> usize {
        let ended_at = || self.0.handle.mailbox.lock().ended_at.unwrap_or(0);
        self.shared().position(self.id()).unwrap_or_else(ended_at)
    }

    /// The next event, or `None` when none comes in time, or none will.
    pub fn next_event(&self, timeout: Duration) -> Option<Event> {
        self.0.handle.mailbox.take(Instant::now().checked_add(timeout))
    }

    /// Waits for the last event, or `None` when it does not come in time. Other events are discarded.
    pub fn wait(&self, timeout: Duration) -> Option<Event> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let event = self.0.handle.mailbox.take(deadline)?;
            if event.is_last() {
                return Some(event);
            }
        }
    }
}

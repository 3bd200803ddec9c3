//! What becomes of an utterance. In: events as they happen. Out: events to whoever asks, the last one once.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::board::Rung;
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
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, event: Event) {
        self.add(event, None);
    }

    /// Puts the last event.
    pub fn close(&self, event: Event, position: usize) {
        self.add(event, Some(position));
    }

    /// Characters that were heard, once the utterance is over.
    pub fn ended_at(&self) -> Option<usize> {
        self.lock().ended_at
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
    pub fn take(&self, deadline: Option<Instant>) -> Option<Event> {
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

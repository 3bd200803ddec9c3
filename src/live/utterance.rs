//! An utterance in the making. In: text in pieces. Out: speech, and events when something was heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::event::{Event, Mailbox};
use super::shared::Shared;
use crate::error::Result;
use crate::speak::{Lane, Script};

/// What all clones of an utterance share.
#[derive(Debug)]
struct Held {
    id: u64,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    /// What becomes of it when its last handle is dropped.
    cancels: AtomicBool,
}

impl Drop for Held {
    fn drop(&mut self) {
        match self.cancels.load(Ordering::Relaxed) {
            true => drop(self.shared.cancel(self.id)),
            false => self.shared.finish(self.id),
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

    /// Errors: as [`Shared::open`].
    pub(super) fn open(shared: &Arc<Shared>, lane: Lane, script: Script) -> Result<Self> {
        Ok(Self::of(shared, shared.open(lane, script)?))
    }

    /// Of a complete text. Errors: as [`Shared::open`] and [`Shared::push`].
    pub(super) fn speak(shared: &Arc<Shared>, lane: Lane, script: Script, text: &str) -> Result<Self> {
        Ok(Self::of(shared, shared.speak(lane, script, text)?))
    }

    fn of(shared: &Arc<Shared>, (id, mailbox): (u64, Arc<Mailbox>)) -> Self {
        Self(Arc::new(Held { id, shared: shared.clone(), mailbox, cancels: AtomicBool::new(false) }))
    }

    fn id(&self) -> u64 {
        self.0.id
    }

    /// Where its events come, for whoever reads them after the last handle is gone.
    #[cfg(test)]
    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        self.0.mailbox.clone()
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
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
        let ended_at = || self.0.mailbox.ended_at().unwrap_or(0);
        self.shared().position(self.id()).unwrap_or_else(ended_at)
    }

    /// The next event, or `None` when none comes in time, or none will.
    pub fn next_event(&self, timeout: Duration) -> Option<Event> {
        self.0.mailbox.take(Instant::now().checked_add(timeout))
    }

    /// Waits for the last event, or `None` when it does not come in time. Other events are discarded.
    pub fn wait(&self, timeout: Duration) -> Option<Event> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let event = self.0.mailbox.take(deadline)?;
            if event.is_last() {
                return Some(event);
            }
        }
    }
}

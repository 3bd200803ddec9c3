//! Where callers, the threads and the ear meet. In: calls of any thread. Out: turns for the generator's thread, events
//! for listeners.
//!
//! Two books are kept here, under one short lock that no real-time thread takes: the *schedule* of who speaks, and the
//! *ledger* of what is on its way to the ear. An utterance's life: `open`, `push` (text waits in its inbox), `turn` (the
//! generator takes the text), `begin_clause` (a line in the ledger, and a ticket), `report` (the ear has passed it:
//! events), `complete`, and its last event when nothing of it is left in the ledger.
//!
//! A *cut* takes back clauses that were generated and not heard to their end, by name: a cancel those of one
//! utterance, a higher lane those of lower ones, a lost device all. Whoever is still wanted goes on at the first clause
//! that was not heard whole.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::books::{Books, Job, Starved};
use super::event::{Event, Mailbox};
use super::lane::Lanes;
use super::schedule::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::pack::Voice;
use crate::ring::gate::Gate;
use crate::speak::{ClauseText, Lane, Script, Why, check_waiting};

/// Utterances that may be open at a time.
const MAX_UTTERANCES: usize = 4096;
/// How soon the generator looks again at what only the ear can settle.
const SETTLE: Duration = Duration::from_millis(2);
/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<Books>,
    /// The generator's thread has something to do.
    changed: Condvar,
    /// Another lane has the ear.
    lane_changed: Condvar,
}

/// What the generator's thread is to do next.
#[derive(Debug)]
pub(super) enum Turn {
    /// A clause, and text that has come.
    Speak(Job),
    /// Nothing new has come within the time given.
    Late,
    Warm(Arc<Voice>),
    Close,
}

impl Shared {
    pub fn new(gate: &Arc<Gate>, lanes: Lanes) -> Self {
        let state = Books::new(gate, lanes);
        Self { state: Mutex::new(state), changed: Condvar::new(), lane_changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What callers do.

    /// Opens an utterance: its number, and where its events come. Errors: `Backend` where the model has failed for good, `Busy` for too many.
    pub fn open(&self, lane: Lane, script: Script) -> Result<(u64, Arc<Mailbox>)> {
        let mut state = self.lock();
        if let Some(why) = &state.broken {
            return Err(Error::new(ErrorKind::Backend, format!("nothing can be spoken: {why}: open the device again")));
        }
        if state.schedule.entries().len() >= MAX_UTTERANCES {
            let message = format!("{MAX_UTTERANCES} utterances are open: finish or cancel some, or try later");
            return Err(Error::new(ErrorKind::Busy, message));
        }
        Ok(state.schedule.open(lane, script))
    }

    /// Opens an utterance of a complete text. Errors: as [`Shared::open`] and [`Shared::push`].
    pub fn speak(&self, lane: Lane, script: Script, text: &str) -> Result<(u64, Arc<Mailbox>)> {
        let (id, mailbox) = self.open(lane, script)?;
        self.push(id, text, true).inspect_err(|_| self.lock().schedule.withdraw(id))?;
        Ok((id, mailbox))
    }

    /// Adds text; `last`: it is complete now. Errors: `Ended`, `Busy`.
    pub fn push(&self, id: u64, text: &str, last: bool) -> Result<()> {
        let mut state = self.lock();
        let entry = state.schedule.entry_mut(id).filter(|entry| entry.is_going() && !entry.finished);
        let Some(entry) = entry else {
            return Err(Error::new(ErrorKind::Ended, "the utterance has ended or its text is complete: begin another"));
        };
        check_waiting(entry.inbox.len() + entry.unread, text)?;
        entry.inbox.push_str(text);
        entry.finished = last;
        let arrives = !text.is_empty() && !entry.has_text;
        entry.has_text |= arrives || last;
        let lane = entry.lane;
        if arrives {
            state.arrive(lane);
        }
        self.changed.notify_all();
        Ok(())
    }

    pub fn finish(&self, id: u64) {
        if let Some(entry) = self.lock().schedule.entry_mut(id) {
            (entry.finished, entry.has_text) = (true, true);
        }
        self.changed.notify_all();
    }

    pub fn flush(&self, id: u64) {
        if let Some(entry) = self.lock().schedule.entry_mut(id) {
            entry.flush = true;
        }
        self.changed.notify_all();
    }

    /// Stops an utterance and says how far it was heard; `None` where it has ended already.
    pub fn cancel(&self, id: u64) -> Option<usize> {
        let mut state = self.lock();
        state.stop(|entry| entry.id == id, None);
        self.changed.notify_all();
        state.position(id)
    }

    /// Stops every utterance.
    pub fn cancel_all(&self) {
        self.lock().stop(|_| true, None);
        self.changed.notify_all();
    }

    pub fn position(&self, id: u64) -> Option<usize> {
        self.lock().position(id)
    }

    /// Has a voice prepared, once for all who ask before it is.
    pub fn warm(&self, voice: &Arc<Voice>) {
        let mut state = self.lock();
        if !state.warm.iter().any(|waiting| Arc::ptr_eq(waiting, voice)) {
            state.warm.push_back(voice.clone());
            self.changed.notify_all();
        }
    }

    pub fn underruns(&self) -> u64 {
        self.lock().underruns
    }

    /// Waits until the lane that is heard is another than `known`, or the time is over; the lane it is then.
    pub fn lane(&self, known: Option<Lane>, timeout: Duration) -> Option<Lane> {
        let same = |state: &mut Books| state.lane == known && !state.closing;
        let waited = self.lane_changed.wait_timeout_while(self.lock(), timeout, same);
        waited.unwrap_or_else(PoisonError::into_inner).0.lane
    }

    /// No turn is given any more, and everybody is stopped.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.stop(|_| true, None);
        self.changed.notify_all();
        self.lane_changed.notify_all();
    }

    // What the generator does.

    /// Waits for something to do.
    pub fn turn(&self, starved: Option<Starved>) -> Turn {
        let mut state = self.lock();
        loop {
            if state.closing {
                return Turn::Close;
            }
            if let Some(voice) = state.warm.pop_front() {
                return Turn::Warm(voice);
            }
            let unsettled = state.settle();
            if let Some(job) = state.job(starved) {
                return Turn::Speak(job);
            }
            let until = starved.and_then(|starved| starved.until);
            let wait = until.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if wait.is_some_and(|wait| wait.is_zero()) {
                return Turn::Late;
            }
            let wait = wait.unwrap_or(FOR_EVER).min(if unsettled { SETTLE } else { FOR_EVER });
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A clause is going to be generated: its ticket, or `None` where the job is stale.
    /// `unread`: bytes of text that the generator still has to read.
    pub fn begin_clause(
        &self,
        job: &Job,
        clause: usize,
        text: &Arc<ClauseText>,
        expected: u64,
        unread: usize,
    ) -> Option<u64> {
        let mut state = self.lock();
        let Books { schedule, ledger, device_away: false, closing: false, .. } = &mut *state else { return None };
        let entry = schedule.entry_mut(job.id).filter(|entry| entry.is_going() && entry.sent_back == job.sent_back)?;
        let ticket = ledger.begin(job.id, clause, text, expected)?;
        (entry.clause, entry.unread) = (clause + 1, unread);
        Some(ticket)
    }

    /// Is there still anything to say in this utterance?
    pub fn is_open(&self, id: u64) -> bool {
        self.lock().schedule.entry(id).is_some_and(Entry::is_going)
    }

    /// All of an utterance has been generated that will be; `unsaid`: its budget was too small for all.
    pub fn complete(&self, job: &Job, unsaid: Option<String>) {
        let mut state = self.lock();
        if let Some(entry) = state.schedule.entry_mut(job.id).filter(|entry| entry.sent_back == job.sent_back) {
            (entry.complete, entry.unsaid) = (true, unsaid);
            state.schedule.speaking = None;
        }
    }

    /// Samples that are still to be heard, if it is known how many.
    pub fn ahead(&self) -> Option<u64> {
        self.lock().ledger.ahead()
    }

    pub fn tell(&self, id: u64, event: Event) {
        if let Some(entry) = self.lock().schedule.entry(id) {
            entry.mailbox.put(event);
        }
    }

    /// Tells of a clause that is over, where that is worth telling.
    pub fn tell_why(&self, id: u64, why: Why) {
        if let Why::Astray { trip, retried } = why {
            self.tell(id, Event::Guard { trip, retried });
        }
    }

    /// Stops one utterance, since the model cannot speak it.
    pub fn fail_one(&self, id: u64, why: &str) {
        self.lock().stop(|entry| entry.id == id, Some(why));
    }

    /// Stops every utterance, since the model failed. `for_good`: no other can be opened.
    pub fn fail(&self, why: &str, for_good: bool) {
        let mut state = self.lock();
        if for_good {
            state.broken.get_or_insert_with(|| why.to_owned());
        }
        state.stop(|_| true, Some(why));
        self.changed.notify_all();
    }

    // What codec and device report.

    /// A clause sounds as if it had gone astray, after so many frames. What was made behind it is not wanted.
    pub fn astray(&self, ticket: u64, frames: u64) {
        let mut state = self.lock();
        let Books { schedule, ledger, .. } = &mut *state;
        let Some((id, clause)) = ledger.clause(ticket) else { return };
        let Some(entry) = schedule.entry_mut(id).filter(|entry| entry.is_going()) else { return };
        ledger.cut(id, |later| later.number() > clause);
        (entry.astray, entry.clause, entry.complete) = (Some((clause, frames)), clause, false);
        entry.sent_back += 1;
        self.changed.notify_all();
    }

    /// Samples ran out in a clause.
    pub fn underrun(&self, ticket: u64) {
        let mut state = self.lock();
        state.underruns += 1;
        let Some((id, _)) = state.ledger.clause(ticket) else { return };
        let position = state.position(id).unwrap_or(0);
        if let Some(entry) = state.schedule.entry(id) {
            entry.mailbox.put(Event::Underrun { position });
        }
    }

    /// The device has gone (speech waits at its clause) or is back.
    pub fn device(&self, present: bool) {
        let mut state = self.lock();
        state.device_away = !present;
        for id in state.schedule.going(|_| true) {
            state.send_back(id, |_| true);
            if let Some(entry) = state.schedule.entry(id) {
                entry.mailbox.put(if present { Event::DeviceBack } else { Event::DeviceLost });
            }
        }
        self.changed.notify_all();
    }

    /// Somebody is to be heard.
    pub fn is_busy(&self) -> bool {
        let state = self.lock();
        state.ledger.front().is_some() || state.schedule.entries().iter().any(|e| e.has_text || !e.is_going())
    }

    /// Tells listeners what has been heard since the last call.
    pub fn report(&self) {
        if self.lock().report(false) {
            self.lane_changed.notify_all();
        }
    }

    /// Nobody plays any more: everybody who is left hears how far it came.
    pub fn abandon(&self, why: Option<&str>) {
        let mut state = self.lock();
        state.stop(|_| true, why);
        state.report(true);
        self.lane_changed.notify_all();
    }
}

//! What the generator's thread is to do next. In: the desk, and how far the thread is. Out: a turn.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::{Desk, State};
use crate::engine::generator::Request;
use crate::pack::Voice;

/// How an utterance is spoken, with nothing left to be looked up.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Script {
    pub voice: Voice,
    pub request: Request,
    pub max_frames: u64,
    /// Whole sentences, rather than an early first fragment.
    pub sentences: bool,
}

#[derive(Debug)]
pub(in crate::engine) enum Turn {
    Speak(Job),
    /// Nothing new has come within the time given.
    Late,
    Warm(Voice),
    Close,
}

/// An utterance's turn to speak.
#[derive(Debug)]
pub(in crate::engine) struct Job {
    pub id: u64,
    pub epoch: u64,
    /// The clause to begin with where the utterance is new to the generator, or was sent back.
    pub clause: usize,
    /// Text that has come since the last turn.
    pub text: String,
    pub finished: bool,
    pub flush: bool,
    /// Clauses before this one were heard and are not asked for again.
    pub oldest: usize,
}

/// An utterance whose known text is used up.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Starved {
    pub id: u64,
    pub epoch: u64,
    /// When it will not wait any longer.
    pub until: Option<Instant>,
}

impl Desk {
    /// Waits for something to do. `within`: this utterance is in the midst of a clause.
    pub fn turn(&self, starved: Option<Starved>, within: Option<u64>) -> Turn {
        let mut state = self.lock();
        loop {
            if state.closing {
                return Turn::Close;
            }
            // The model's state is a clause's own until that clause ends.
            let in_clause = within.is_some() && state.floor.next(within) == within;
            if !in_clause && let Some(voice) = state.warm.pop_front() {
                return Turn::Warm(voice);
            }
            let epoch = self.control.gate().epoch();
            if let Some(job) = job(&mut state, epoch, starved, within) {
                return Turn::Speak(job);
            }
            let until = starved.and_then(|starved| starved.until);
            let wait = until.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if wait.is_some_and(|wait| wait.is_zero()) {
                return Turn::Late;
            }
            let waited = self.changed.wait_timeout(state, wait.unwrap_or(Duration::from_secs(3600)));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The job of the utterance that has the floor, unless it is starved and nothing has come for it.
fn job(state: &mut State, epoch: u64, starved: Option<Starved>, within: Option<u64>) -> Option<Job> {
    let State { floor, trail, device_away: false, .. } = state else { return None };
    let id = floor.next(within)?;
    let entry = floor.entry_mut(id)?;
    let news = !entry.inbox.is_empty() || entry.finished || entry.flush;
    if !news && starved.is_some_and(|starved| (starved.id, starved.epoch) == (id, epoch)) {
        return None;
    }
    let job = Job {
        id,
        epoch,
        clause: entry.clause,
        text: std::mem::take(&mut entry.inbox),
        finished: entry.finished,
        flush: std::mem::take(&mut entry.flush),
        oldest: trail.oldest_clause(id, epoch).unwrap_or(entry.clause).min(entry.clause),
    };
    floor.speaking = Some(id);
    Some(job)
}

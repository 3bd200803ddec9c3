//! Who speaks, how far, and what was heard. In: calls of any thread. Out: turns for the generator's thread, events for
//! listeners.
//!
//! One short lock guards it; no real-time thread takes it. A cut (cancel, interruption, loss of the device) raises the
//! epoch under the lock and sends every utterance that was not heard to its end back to the clause that was being
//! heard: what lies in the rings is stale then, wherever it is.

mod state;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::generator::Request;
use super::lane::{Arrival, Lane, Lanes};
use super::position::{ClauseText, Span};
use super::utterance::{Event, Mailbox, Utterance};
use crate::device::callback::Cut;
use crate::device::control::Control;
use crate::error::{Error, ErrorKind, Result};
use crate::pack::Voice;
use state::{Entry, State};

/// Utterances that may be open at a time.
const MAX_UTTERANCES: usize = 4096;

/// How an utterance is spoken, with nothing left to be looked up.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub voice: Voice,
    pub request: Request,
    pub max_frames: u64,
    /// Whole sentences, rather than an early first fragment.
    pub sentences: bool,
}

/// What the generator's thread is to do.
#[derive(Debug)]
pub(super) enum Turn {
    Speak(Job),
    /// Nothing new has come within the time given.
    Late,
    Warm(Voice),
    Close,
}

/// An utterance whose known text is used up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starved {
    pub id: u64,
    pub epoch: u64,
    /// When it will not wait any longer.
    pub until: Option<Instant>,
}

/// An utterance's turn to speak.
#[derive(Debug)]
pub(super) struct Job {
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

#[derive(Debug)]
pub(super) struct Desk {
    control: Arc<Control>,
    lanes: Lanes,
    state: Mutex<State>,
    changed: Condvar,
}

impl Desk {
    pub fn new(control: Arc<Control>, lanes: Lanes) -> Self {
        Self { control, lanes, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an utterance. Errors: `Backend` where the model has failed for good, `BadOption` for too many.
    pub fn open(self: &Arc<Self>, lane: Lane, script: Script) -> Result<Utterance> {
        let mut state = self.lock();
        if let Some(why) = &state.broken {
            return Err(Error::new(ErrorKind::Backend, format!("nothing can be spoken: {why}: open the engine again")));
        }
        if state.entries.len() >= MAX_UTTERANCES {
            let message = format!("{MAX_UTTERANCES} utterances are open: finish or cancel some");
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        state.next_id += 1;
        let (id, mailbox) = (state.next_id, Arc::<Mailbox>::default());
        state.entries.push(Entry {
            id,
            lane,
            script: Arc::new(script),
            mailbox: mailbox.clone(),
            inbox: String::new(),
            has_text: false,
            finished: false,
            flush: false,
            clause: 0,
            complete: false,
            stopped: None,
            started: false,
            position: 0,
        });
        Ok(Utterance { id, desk: self.clone(), mailbox })
    }

    pub fn push(&self, id: u64, text: &str) -> Result<()> {
        let mut state = self.lock();
        let Some(entry) = state.entry(id).filter(|entry| entry.stopped.is_none() && !entry.finished) else {
            return Err(Error::new(ErrorKind::Cancelled, "the utterance has ended: begin another"));
        };
        if entry.inbox.len() + text.len() > Utterance::MAX_WAITING_BYTES {
            let message = format!("more than {} bytes wait to be spoken: push later", Utterance::MAX_WAITING_BYTES);
            return Err(Error::new(ErrorKind::BadText, message));
        }
        entry.inbox.push_str(text);
        if !text.is_empty() && !std::mem::replace(&mut entry.has_text, true) {
            let lane = entry.lane;
            self.arrive(&mut state, id, lane);
        }
        self.changed.notify_all();
        Ok(())
    }

    pub fn finish(&self, id: u64) {
        if let Some(entry) = self.lock().entry(id) {
            entry.finished = true;
            entry.has_text = true;
        }
        self.changed.notify_all();
    }

    pub fn flush(&self, id: u64) {
        if let Some(entry) = self.lock().entry(id) {
            entry.flush = true;
        }
        self.changed.notify_all();
    }

    /// Stops an utterance and says how far it was heard.
    pub fn cancel(&self, id: u64) -> usize {
        let mut state = self.lock();
        self.stop(&mut state, |entry| entry.id == id, None);
        self.position_in(&state, id)
    }

    /// Stops every utterance.
    pub fn cancel_all(&self) {
        self.stop(&mut self.lock(), |_| true, None);
    }

    /// Stops every utterance, since the model failed. `for_good`: no other can be opened.
    pub fn fail(&self, why: &str, for_good: bool) {
        let mut state = self.lock();
        if for_good {
            state.broken = Some(why.to_owned());
        }
        self.stop(&mut state, |_| true, Some(why));
    }

    /// Stops one utterance, since the model cannot speak it.
    pub fn fail_one(&self, id: u64, why: &str) {
        self.stop(&mut self.lock(), |entry| entry.id == id, Some(why));
    }

    fn stop(&self, state: &mut State, which: impl Fn(&Entry) -> bool, why: Option<&str>) {
        let meant: Vec<u64> = state.entries.iter().filter(|e| e.stopped.is_none() && which(e)).map(|e| e.id).collect();
        if meant.is_empty() {
            return;
        }
        let epoch = self.cut_from(state, &meant);
        for id in meant {
            if let Some(entry) = state.entry(id) {
                entry.stopped = Some((epoch, why.map(str::to_owned)));
                entry.inbox = String::new();
            }
        }
        self.changed.notify_all();
    }

    /// Cuts where the first of these utterances begins: what is heard before it goes on. The epoch, or 0 where none of
    /// them has begun.
    fn cut_from(&self, state: &mut State, meant: &[u64]) -> u64 {
        let epoch = self.control.gate().epoch();
        let mut edge = 0;
        for span in state.spans.iter().filter(|span| span.epoch == epoch) {
            if meant.contains(&span.utterance) {
                return self.cut(state, span.first.unwrap_or(edge));
            }
            edge = span.end.unwrap_or(0);
        }
        match state.speaking.is_some_and(|id| meant.contains(&id)) {
            true => self.cut(state, edge),
            false => 0,
        }
    }

    /// Makes all stale that is on its way, but samples before index `keep`, and sends utterances back to the clauses
    /// that are being heard.
    fn cut(&self, state: &mut State, keep: u64) -> u64 {
        let (old, heard) = (self.control.gate().epoch(), self.control.gate().taken().max(keep));
        let unheard = |span: &&Span| span.epoch == old && span.end.is_none_or(|end| end > heard);
        for entry in &mut state.entries {
            let first = state.spans.iter().filter(unheard).filter(|span| span.utterance == entry.id);
            if let Some(clause) = first.map(|span| span.clause).min() {
                entry.clause = clause;
                entry.complete = false;
            }
        }
        state.speaking = None;
        let epoch = self.control.gate().cut(keep);
        let kept = |span: &&mut Span| span.epoch == old && span.end.is_some_and(|end| end <= keep);
        state.spans.iter_mut().filter(kept).for_each(|span| span.epoch = epoch);
        epoch
    }

    /// An utterance has its first text: it may interrupt a lower lane.
    fn arrive(&self, state: &mut State, id: u64, lane: Lane) {
        let heard = |state: &State, id: u64| state.spans.iter().any(|span| span.utterance == id);
        let lower: Vec<u64> =
            state.entries.iter().filter(|e| e.lane < lane && e.stopped.is_none()).map(|e| e.id).collect();
        let speaking = lower.iter().any(|&other| other != id && (heard(state, other) || state.speaking == Some(other)));
        if speaking && self.lanes.arrival(lane) == Arrival::Interrupt {
            self.cut(state, 0);
            for other in lower {
                let position = self.position_in(state, other);
                if let Some(entry) = state.entry(other).filter(|entry| entry.started) {
                    entry.mailbox.put(Event::Interrupted { position });
                }
            }
        }
    }

    pub fn position(&self, id: u64) -> usize {
        self.position_in(&self.lock(), id)
    }

    fn position_in(&self, state: &State, id: u64) -> usize {
        let heard = self.control.heard();
        let before = state.entries.iter().find(|e| e.id == id).map_or(0, |e| e.position);
        let begun = |span: &&Span| span.utterance == id && span.first.is_some_and(|first| first < heard);
        state.spans.iter().filter(begun).map(|span| span.chars_at(heard)).max().unwrap_or(0).max(before)
    }

    /// Waits for something to do. `within`: this utterance is in the midst of a clause.
    pub fn turn(&self, starved: Option<Starved>, within: Option<u64>) -> Turn {
        let mut state = self.lock();
        loop {
            if state.closing {
                return Turn::Close;
            }
            if let Some(voice) = state.warm.pop_front() {
                return Turn::Warm(voice);
            }
            let next = if state.waiting { None } else { state.floor(&self.lanes, within) };
            let epoch = self.control.gate().epoch();
            let spans = state.spans.iter().filter(|span| Some(span.utterance) == next && span.epoch == epoch);
            let oldest = spans.map(|span| span.clause).min();
            if let Some(entry) = next.and_then(|id| state.entry(id)) {
                let new = !entry.inbox.is_empty() || entry.finished || entry.flush;
                if new || starved.is_none_or(|starved| (starved.id, starved.epoch) != (entry.id, epoch)) {
                    let job = Job {
                        id: entry.id,
                        epoch,
                        clause: entry.clause,
                        text: std::mem::take(&mut entry.inbox),
                        finished: entry.finished,
                        flush: std::mem::take(&mut entry.flush),
                        oldest: oldest.unwrap_or(entry.clause).min(entry.clause),
                    };
                    state.speaking = Some(job.id);
                    return Turn::Speak(job);
                }
            }
            let wait = starved
                .and_then(|starved| starved.until)
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if wait.is_some_and(|wait| wait.is_zero()) {
                return Turn::Late;
            }
            let waited = self.changed.wait_timeout(state, wait.unwrap_or(Duration::from_secs(3600)));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn script(&self, id: u64) -> Option<Arc<Script>> {
        Some(self.lock().entry(id)?.script.clone())
    }

    /// Is there still anything to say in this utterance?
    pub fn is_open(&self, id: u64) -> bool {
        self.lock().entry(id).is_some_and(|entry| entry.stopped.is_none())
    }

    /// A clause is going to be generated. The number of its span, or `None` where it is stale.
    pub fn begin_clause(&self, job: &Job, clause: usize, text: &Arc<ClauseText>, expected: u64) -> Option<u64> {
        let mut state = self.lock();
        if self.control.gate().is_past(job.epoch) {
            return None;
        }
        let entry = state.entry(job.id)?;
        entry.clause = clause + 1;
        state.last_span += 1;
        let number = state.last_span;
        let (utterance, epoch, text) = (job.id, job.epoch, text.clone());
        let (first, end, cut, announced) = (None, None, None, false);
        state.spans.push_back(Span { number, utterance, clause, epoch, text, first, end, cut, expected, announced });
        Some(number)
    }

    /// The codec has reached a clause: its first sample has this index.
    pub fn clause_at(&self, span: u64, first: u64) {
        if let Some(span) = self.lock().span(span) {
            span.first = Some(first);
        }
    }

    /// The codec has reached a clause's end.
    pub fn clause_ends(&self, span: u64, end: u64) {
        if let Some(span) = self.lock().span(span) {
            span.first.get_or_insert(end);
            span.end = Some(end);
        }
    }

    /// All of an utterance has been generated.
    pub fn complete(&self, id: u64, epoch: u64) {
        let mut state = self.lock();
        if self.control.gate().epoch() == epoch
            && let Some(entry) = state.entry(id)
        {
            entry.complete = true;
            state.speaking = None;
        }
    }

    /// Samples ran out in an utterance.
    pub fn underrun(&self, id: u64) {
        let mut state = self.lock();
        state.underruns += 1;
        let position = self.position_in(&state, id);
        state.tell(id, Event::Underrun { position });
    }

    pub fn underruns(&self) -> u64 {
        self.lock().underruns
    }

    pub fn tell(&self, id: u64, event: Event) {
        self.lock().tell(id, event);
    }

    pub fn warm(&self, voice: Voice) {
        self.lock().warm.push_back(voice);
        self.changed.notify_all();
    }

    /// The device has gone (speech waits at its clause) or is back.
    pub fn device(&self, present: bool) {
        let mut state = self.lock();
        self.cut(&mut state, 0);
        state.waiting = !present;
        for entry in state.entries.iter().filter(|entry| entry.stopped.is_none()) {
            entry.mailbox.put(if present { Event::DeviceBack } else { Event::DeviceLost });
        }
        self.changed.notify_all();
    }

    pub fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    /// Somebody is to be heard.
    pub fn is_busy(&self) -> bool {
        let state = self.lock();
        !state.spans.is_empty() || state.entries.iter().any(|entry| entry.has_text || entry.stopped.is_some())
    }

    /// A cut has reached the device.
    pub fn apply(&self, cut: Cut) {
        let mut state = self.lock();
        state.cut_epoch = state.cut_epoch.max(cut.epoch);
        state.spans.retain_mut(|span| span.epoch >= cut.epoch || span.cut(cut.index));
    }

    /// Tells listeners what has been heard since the last call.
    pub fn report(&self) {
        self.lock().report(self.control.heard());
    }
}

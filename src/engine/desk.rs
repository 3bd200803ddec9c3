//! Where callers, the generator and the ear meet. In: calls of any thread. Out: turns for the generator's thread,
//! events for listeners.
//!
//! Three things are known here, each in its own place:
//!
//! - the *floor* ([`floor`]): which utterances are open, and whose turn it is to be generated;
//! - the *trail* ([`Trail`]): which clauses are on their way to the ear, and how far they were heard;
//! - the *epoch* (`ring/gate.rs`): a number that all on its way carries, and that counts only until somebody raises it.
//!
//! An utterance's life: `open`, `push` (text waits in its inbox), `turn` (the generator takes the text), `begin_clause`
//! (a span on the trail), `clause_starts` and `clause_ends` (the codec knows its samples), `report` (the ear has passed
//! them: events), `complete`, and its last event when nothing of it is left on the trail.
//!
//! A *cut* is whatever takes back what was generated and not heard: a cancel, a higher lane, a lost device. It raises
//! the epoch, so that every stage drops what is older, and sends each utterance that is still wanted back to its first
//! clause that will not be heard to the end. What of it the ear gets is known when the callback has met it (`apply`).
//!
//! One short lock guards floor and trail together; no real-time thread takes it.

mod floor;
mod turn;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::lane::{Arrival, Lane, Lanes};
use super::position::{ClauseText, Heard, Trail};
use super::utterance::{Event, Utterance};
use crate::device::callback::Cut;
use crate::device::control::Control;
use crate::error::{Error, ErrorKind, Result};
use crate::pack::Voice;
use floor::{Entry, Floor};
pub(super) use turn::{Job, Script, Starved, Turn};

/// Utterances that may be open at a time.
const MAX_UTTERANCES: usize = 4096;

#[derive(Debug)]
pub(super) struct Desk {
    control: Arc<Control>,
    state: Mutex<State>,
    /// The generator's thread has something to do.
    changed: Condvar,
    /// Another lane has the ear.
    lane_changed: Condvar,
}

#[derive(Debug)]
struct State {
    floor: Floor,
    trail: Trail,
    /// Voices whose prefix is to be computed.
    warm: VecDeque<Voice>,
    underruns: u64,
    /// The lane that is heard, or about to be.
    lane: Option<Lane>,
    /// Nothing is generated meanwhile.
    device_away: bool,
    closing: bool,
    /// Why nothing can be spoken any more.
    broken: Option<String>,
}

impl Desk {
    pub fn new(control: Arc<Control>, lanes: Lanes) -> Self {
        let state = State {
            floor: Floor::new(lanes),
            trail: Trail::default(),
            warm: VecDeque::new(),
            underruns: 0,
            lane: None,
            device_away: false,
            closing: false,
            broken: None,
        };
        Self { control, state: Mutex::new(state), changed: Condvar::new(), lane_changed: Condvar::new() }
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
        if state.floor.entries().len() >= MAX_UTTERANCES {
            let message = format!("{MAX_UTTERANCES} utterances are open: finish or cancel some");
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        let (id, mailbox) = state.floor.open(lane, script);
        Ok(Utterance { id, desk: self.clone(), mailbox })
    }

    /// Adds text; `last`: it is complete now. Errors: as [`Utterance::push`].
    pub fn push(&self, id: u64, text: &str, last: bool) -> Result<()> {
        let mut state = self.lock();
        let entry = state.floor.entry_mut(id).filter(|entry| entry.stopped.is_none() && !entry.finished);
        let Some(entry) = entry else {
            return Err(Error::new(ErrorKind::Cancelled, "the utterance has ended: begin another"));
        };
        if entry.inbox.len() + text.len() > Utterance::MAX_WAITING_BYTES {
            let message = format!("more than {} bytes wait to be spoken: push later", Utterance::MAX_WAITING_BYTES);
            return Err(Error::new(ErrorKind::BadText, message));
        }
        entry.inbox.push_str(text);
        entry.finished = last;
        let arrives = !text.is_empty() && !entry.has_text;
        entry.has_text |= arrives || last;
        let lane = entry.lane;
        if arrives {
            self.arrive(&mut state, lane);
        }
        self.changed.notify_all();
        Ok(())
    }

    pub fn finish(&self, id: u64) {
        if let Some(entry) = self.lock().floor.entry_mut(id) {
            entry.finished = true;
            entry.has_text = true;
        }
        self.changed.notify_all();
    }

    pub fn flush(&self, id: u64) {
        if let Some(entry) = self.lock().floor.entry_mut(id) {
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
        let meant = state.floor.going(which);
        if meant.is_empty() {
            return;
        }
        // What is heard before the first of them goes on. Where none of them has begun there is nothing to cut.
        let epoch = match state.trail.edge(self.control.gate().epoch(), &meant) {
            Ok(first) => self.cut(state, first),
            Err(end) if state.floor.speaking.is_some_and(|id| meant.contains(&id)) => self.cut(state, end),
            Err(_) => 0,
        };
        for id in meant {
            if let Some(entry) = state.floor.entry_mut(id) {
                entry.stopped = Some((epoch, why.map(str::to_owned)));
                entry.inbox = String::new();
            }
        }
        self.changed.notify_all();
    }

    /// An utterance has its first text: lower lanes give way as its policy says.
    fn arrive(&self, state: &mut State, lane: Lane) {
        let lower = state.floor.going(|entry| entry.lane < lane);
        let (epoch, taken) = (self.control.gate().epoch(), self.control.gate().taken());
        let arrival = state.floor.arrival(lane);
        let keep = match state.trail.edge(epoch, &lower) {
            Ok(first) if first > taken => Some(first), // none of them is heard yet, but something before them
            Ok(first) => match arrival {
                Arrival::Interrupt => Some(first),
                Arrival::AfterClause => state.trail.clause_end(epoch, taken),
                Arrival::AfterUtterance => {
                    let heard = state.trail.front().and_then(|id| state.floor.entry(id)).filter(|entry| entry.complete);
                    heard.and_then(|entry| state.trail.utterance_end(epoch, entry.id))
                }
            },
            Err(end) => {
                let speaking = state.floor.speaking.is_some_and(|id| lower.contains(&id));
                (speaking && arrival == Arrival::Interrupt).then_some(end)
            }
        };
        let Some(keep) = keep else { return };
        self.cut(state, keep);
        for id in lower {
            let position = self.position_in(state, id);
            if let Some(entry) = state.floor.entry(id).filter(|entry| entry.started && !entry.complete) {
                entry.mailbox.put(Event::Interrupted { position });
            }
        }
    }

    /// Makes all stale that is on its way, but samples before index `keep`, and sends utterances back to the first
    /// clause that will not be heard to its end.
    fn cut(&self, state: &mut State, keep: u64) -> u64 {
        let (old, heard) = (self.control.gate().epoch(), self.control.gate().taken().max(keep));
        for entry in state.floor.entries_mut() {
            if let Some(clause) = state.trail.unheard_clause(entry.id, old, heard) {
                entry.clause = clause;
                entry.complete = false;
            }
        }
        state.floor.speaking = None;
        let epoch = self.control.gate().cut(keep);
        state.trail.keep(keep, old, epoch);
        epoch
    }

    pub fn position(&self, id: u64) -> usize {
        self.position_in(&self.lock(), id)
    }

    fn position_in(&self, state: &State, id: u64) -> usize {
        let before = state.floor.entry(id).map_or(0, |entry| entry.position);
        state.trail.position(id, self.control.heard()).max(before)
    }

    pub fn script(&self, id: u64) -> Option<Arc<Script>> {
        Some(self.lock().floor.entry(id)?.script.clone())
    }

    /// Is there still anything to say in this utterance?
    pub fn is_open(&self, id: u64) -> bool {
        self.lock().floor.entry(id).is_some_and(|entry| entry.stopped.is_none())
    }

    /// A clause is going to be generated. The number of its span, or `None` where it is stale.
    pub fn begin_clause(&self, job: &Job, clause: usize, text: &Arc<ClauseText>, expected: u64) -> Option<u64> {
        let mut state = self.lock();
        if self.control.gate().is_past(job.epoch) {
            return None;
        }
        state.floor.entry_mut(job.id)?.clause = clause + 1;
        Some(state.trail.begin(job.id, clause, job.epoch, text, expected))
    }

    /// The codec has reached a clause: its first sample has this index.
    pub fn clause_starts(&self, span: u64, first: u64) {
        self.lock().trail.starts(span, first);
    }

    /// The codec has reached a clause's end.
    pub fn clause_ends(&self, span: u64, end: u64) {
        self.lock().trail.ends(span, end);
    }

    /// Samples that are still to be heard, if it is known how many.
    pub fn ahead(&self) -> Option<u64> {
        self.lock().trail.ahead(self.control.gate().taken())
    }

    /// All of an utterance has been generated.
    pub fn complete(&self, id: u64, epoch: u64) {
        let mut state = self.lock();
        if self.control.gate().epoch() == epoch
            && let Some(entry) = state.floor.entry_mut(id)
        {
            entry.complete = true;
            state.floor.speaking = None;
        }
    }

    /// Samples ran out in an utterance.
    pub fn underrun(&self, id: u64) {
        let mut state = self.lock();
        state.underruns += 1;
        let position = self.position_in(&state, id);
        if let Some(entry) = state.floor.entry(id) {
            entry.mailbox.put(Event::Underrun { position });
        }
    }

    pub fn underruns(&self) -> u64 {
        self.lock().underruns
    }

    pub fn tell(&self, id: u64, event: Event) {
        if let Some(entry) = self.lock().floor.entry(id) {
            entry.mailbox.put(event);
        }
    }

    pub fn warm(&self, voice: Voice) {
        self.lock().warm.push_back(voice);
        self.changed.notify_all();
    }

    /// The device has gone (speech waits at its clause) or is back.
    pub fn device(&self, present: bool) {
        let mut state = self.lock();
        self.cut(&mut state, 0);
        state.device_away = !present;
        for entry in state.floor.entries().iter().filter(|entry| entry.stopped.is_none()) {
            entry.mailbox.put(if present { Event::DeviceBack } else { Event::DeviceLost });
        }
        self.changed.notify_all();
    }

    pub fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
        self.lane_changed.notify_all();
    }

    /// Somebody is to be heard.
    pub fn is_busy(&self) -> bool {
        let state = self.lock();
        state.trail.front().is_some() || state.floor.entries().iter().any(|e| e.has_text || e.stopped.is_some())
    }

    /// A cut has reached the device.
    pub fn apply(&self, cut: Cut) {
        self.lock().trail.apply(cut);
    }

    /// Tells listeners what has been heard since the last call.
    pub fn report(&self) {
        let mut state = self.lock();
        let State { floor, trail, .. } = &mut *state;
        trail.hear(self.control.heard(), |id, heard| {
            let Some(entry) = floor.entry_mut(id) else { return };
            match heard {
                Heard::Begins(chars) => {
                    if !std::mem::replace(&mut entry.started, true) {
                        entry.mailbox.put(Event::Started);
                    }
                    entry.mailbox.put(Event::Clause { chars });
                }
                Heard::Ends(chars) => entry.position = entry.position.max(chars),
            }
        });
        floor.clear(|entry| if trail.holds(entry.id) { None } else { entry.last_event(trail.cut_epoch()) });
        let heard = trail.front().or_else(|| floor.next(None));
        let lane = heard.and_then(|id| floor.entry(id)).map(|entry| entry.lane);
        if std::mem::replace(&mut state.lane, lane) != lane {
            self.lane_changed.notify_all();
        }
    }

    /// Waits until the lane that is heard is another than `known`, or the time is over; the lane it is then.
    pub fn lane(&self, known: Option<Lane>, timeout: Duration) -> Option<Lane> {
        let same = |state: &mut State| state.lane == known && !state.closing;
        let waited = self.lane_changed.wait_timeout_while(self.lock(), timeout, same);
        waited.unwrap_or_else(PoisonError::into_inner).0.lane
    }
}

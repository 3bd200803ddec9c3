//! The books of live speech: the *schedule* of who speaks, and the *ledger* of what is on its way to the ear. In: what callers,
//! generator and ear did. Out: whose turn it is, and events. Both are kept together, since each cut is an entry in both.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::event::Event;
use super::lane::{Arrival, Lanes};
use super::ledger::{Clause, Heard, Ledger};
use super::schedule::{Entry, Schedule};
use crate::pack::Voice;
use crate::ring::gate::Gate;
use crate::speak::{Lane, Script};

#[derive(Debug)]
pub(super) struct Books {
    pub schedule: Schedule,
    pub ledger: Ledger,
    /// Voices whose prefix is to be computed.
    pub warm: VecDeque<Arc<Voice>>,
    pub underruns: u64,
    /// The lane that is heard, or about to be.
    pub lane: Option<Lane>,
    /// Nothing is generated meanwhile.
    pub device_away: bool,
    pub closing: bool,
    /// Why nothing can be spoken any more.
    pub broken: Option<String>,
}

/// An utterance's turn to speak a clause.
#[derive(Debug)]
pub(super) struct Job {
    pub id: u64,
    pub lane: Lane,
    pub script: Arc<Script>,
    /// The clause to go on with, where this number is another than at the last turn.
    pub clause: usize,
    pub sent_back: u64,
    /// That clause has gone astray, after so many frames.
    pub astray: Option<(usize, u64)>,
    /// Text that has come since the last turn.
    pub text: String,
    pub finished: bool,
    pub flush: bool,
    /// Clauses before this one were heard and are not asked for again.
    pub oldest: usize,
}

/// An utterance whose known text is used up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starved {
    pub id: u64,
    pub sent_back: u64,
    /// When it will not wait any longer.
    pub until: Option<Instant>,
}

impl Books {
    pub fn new(gate: &Arc<Gate>, lanes: Lanes) -> Self {
        Self {
            schedule: Schedule::new(lanes),
            ledger: Ledger::new(gate.clone()),
            warm: VecDeque::new(),
            underruns: 0,
            lane: None,
            device_away: false,
            closing: false,
            broken: None,
        }
    }

    /// An utterance has its first text: lower lanes give way as its policy says.
    pub fn arrive(&mut self, lane: Lane) {
        let arrival = self.schedule.arrival(lane);
        let heard = self.ledger.heard_now();
        for id in self.schedule.going(|entry| entry.lane < lane) {
            let position = self.position(id).unwrap_or(0);
            let cut = match arrival {
                Arrival::Interrupt => self.send_back(id, |_| true),
                Arrival::AfterClause => self.send_back(id, |clause| !clause.is_begun()),
                Arrival::AfterUtterance if heard == Some(id) => false,
                Arrival::AfterUtterance => self.send_back(id, |clause| !clause.is_begun()),
            };
            if let Some(entry) = self.schedule.entry(id).filter(|entry| cut && entry.started) {
                entry.mailbox.put(Event::Interrupted { position });
            }
        }
    }

    /// Cuts what is meant of an utterance's clauses and sends it back to the first of them. False where there is none.
    pub fn send_back(&mut self, id: u64, meant: impl Fn(&Clause<'_>) -> bool) -> bool {
        let Some(met) = self.ledger.cut(id, meant) else { return false };
        if self.schedule.speaking == Some(id) {
            self.schedule.speaking = None;
        }
        if let Some(entry) = self.schedule.entry_mut(id) {
            entry.send_back(met);
        }
        true
    }

    /// Ends what is meant, as failed where there is a why.
    pub fn stop(&mut self, which: impl Fn(&Entry) -> bool, why: Option<&str>) {
        for id in self.schedule.going(which) {
            self.send_back(id, |_| true);
            if let Some(entry) = self.schedule.entry_mut(id) {
                entry.stopped = Some(why.map(str::to_owned));
                entry.inbox = String::new();
            }
        }
    }

    /// Characters heard of an utterance that is open.
    pub fn position(&self, id: u64) -> Option<usize> {
        Some(self.ledger.position(id).max(self.schedule.entry(id)?.position))
    }

    /// Finds out which clauses were heard whole that were cut meanwhile. True while some are not known.
    pub fn settle(&mut self) -> bool {
        let Self { schedule, ledger, .. } = self;
        let ids: Vec<u64> = schedule.going(|entry| !entry.unsettled.is_empty());
        let mut unsettled = false;
        for id in ids {
            let Some(entry) = schedule.entry_mut(id) else { continue };
            entry.settle(|ticket| ledger.settled(ticket));
            unsettled |= !entry.unsettled.is_empty();
        }
        unsettled
    }

    /// The job of the utterance that has the floor, unless it is starved and nothing has come for it.
    pub fn job(&mut self, starved: Option<Starved>) -> Option<Job> {
        let Self { schedule, ledger, device_away: false, .. } = self else { return None };
        let id = schedule.next()?;
        let entry = schedule.entry_mut(id)?;
        let news = !entry.inbox.is_empty() || entry.finished || entry.flush;
        if !news && starved.is_some_and(|starved| (starved.id, starved.sent_back) == (id, entry.sent_back)) {
            return None;
        }
        entry.unread += entry.inbox.len();
        let job = Job {
            id,
            lane: entry.lane,
            script: entry.script.clone(),
            clause: entry.clause,
            sent_back: entry.sent_back,
            astray: entry.astray.take(),
            text: std::mem::take(&mut entry.inbox),
            finished: entry.finished,
            flush: std::mem::take(&mut entry.flush),
            oldest: ledger.oldest_clause(id).unwrap_or(entry.clause).min(entry.clause),
        };
        schedule.speaking = Some(id);
        Some(job)
    }

    /// Events for what has been heard. True where another lane has the ear.
    pub fn report(&mut self, abandoned: bool) -> bool {
        let Self { schedule, ledger, .. } = self;
        let mut tell = |id: u64, heard: Heard| {
            let Some(entry) = schedule.entry_mut(id) else { return };
            match heard {
                Heard::Begins(chars) => {
                    if !std::mem::replace(&mut entry.started, true) {
                        entry.mailbox.put(Event::Started);
                    }
                    entry.mailbox.put(Event::Clause { chars });
                }
                Heard::Mark(name) => entry.mailbox.put(Event::Mark { name }),
                Heard::Ends(chars) => entry.position = entry.position.max(chars),
            }
        };
        match abandoned {
            true => ledger.abandon(&mut tell),
            false => ledger.hear(&mut tell),
        }
        schedule.clear(|entry| if ledger.holds(entry.id) { None } else { entry.last_event() });
        let heard = ledger.front().or_else(|| schedule.next());
        let lane = heard.and_then(|id| schedule.entry(id)).map(|entry| entry.lane);
        std::mem::replace(&mut self.lane, lane) != lane
    }
}

//! Who speaks. In: the utterances that are open, and the policy of their lanes. Out: whose turn it is.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{Event, Mailbox};
use super::lane::{Arrival, Lanes};
use super::ledger::Met;
use crate::speak::{Lane, Script};

/// An utterance that is open.
#[derive(Debug)]
pub(super) struct Entry {
    pub id: u64,
    pub lane: Lane,
    pub script: Arc<Script>,
    pub mailbox: Arc<Mailbox>,
    /// Text that the generator has not taken yet.
    pub inbox: String,
    /// Bytes of text that the generator has taken and not read yet.
    pub unread: usize,
    pub has_text: bool,
    pub finished: bool,
    pub flush: bool,
    /// The next clause to generate, and how often it was not the one after the last.
    pub clause: usize,
    pub sent_back: u64,
    /// Clauses that were cut while they were heard, with their tickets: which were heard whole decides what is next.
    pub unsettled: VecDeque<(usize, u64)>,
    /// A clause of which the codec says that it went astray, and after how many frames.
    pub astray: Option<(usize, u64)>,
    /// Everything has been generated; what its budget left unsaid.
    pub complete: bool,
    pub unsaid: Option<String>,
    /// It is to end here, and what else than a cancel it was.
    pub stopped: Option<Option<String>>,
    pub started: bool,
    /// Characters of the clauses that were heard.
    pub position: usize,
}

impl Entry {
    fn new(id: u64, lane: Lane, script: Script) -> Self {
        Self {
            id,
            lane,
            script: Arc::new(script),
            mailbox: Arc::default(),
            inbox: String::new(),
            unread: 0,
            has_text: false,
            finished: false,
            flush: false,
            clause: 0,
            sent_back: 0,
            unsettled: VecDeque::new(),
            astray: None,
            complete: false,
            unsaid: None,
            stopped: None,
            started: false,
            position: 0,
        }
    }

    pub fn is_going(&self) -> bool {
        self.stopped.is_none()
    }

    /// There is something to generate, now or later.
    fn wants_the_floor(&self) -> bool {
        self.has_text && self.is_going() && !self.complete && self.unsettled.is_empty()
    }

    /// The next clause is this one, whatever was generated, once those that were cut while they were heard are settled.
    pub fn send_back(&mut self, Met { next, begun }: Met) {
        (self.clause, self.complete) = (next, false);
        self.sent_back += 1;
        self.unsettled.extend(begun);
    }

    /// Asks `whole` how clauses that were cut while they were heard have ended: the first that was not heard whole is
    /// spoken again.
    pub fn settle(&mut self, whole: impl Fn(u64) -> Option<bool>) {
        while let Some(&(clause, ticket)) = self.unsettled.front() {
            match whole(ticket) {
                None => return,
                Some(true) => drop(self.unsettled.pop_front()),
                Some(false) => {
                    self.clause = self.clause.min(clause);
                    self.unsettled.clear();
                }
            }
        }
    }

    /// How it has ended, once nothing of it is to be heard.
    pub fn last_event(&self) -> Option<Event> {
        let position = self.position;
        match &self.stopped {
            Some(None) => Some(Event::Cancelled { position }),
            Some(Some(why)) => Some(Event::Failed { position, message: why.clone() }),
            None if !self.complete => None,
            None => Some(match &self.unsaid {
                None => Event::Finished,
                Some(message) => Event::OutOfBudget { position, message: message.clone() },
            }),
        }
    }
}

/// The utterances that are open, in the order in which they came.
#[derive(Debug)]
pub(super) struct Schedule {
    lanes: Lanes,
    entries: Vec<Entry>,
    last_id: u64,
    /// The utterance that has the floor: it is being generated.
    pub speaking: Option<u64>,
}

impl Schedule {
    pub fn new(lanes: Lanes) -> Self {
        Self { lanes, entries: Vec::new(), last_id: 0, speaking: None }
    }

    /// Opens an utterance: its number, and where its events go.
    pub fn open(&mut self, lane: Lane, script: Script) -> (u64, Arc<Mailbox>) {
        self.last_id += 1;
        let entry = Entry::new(self.last_id, lane, script);
        let mailbox = entry.mailbox.clone();
        self.entries.push(entry);
        (self.last_id, mailbox)
    }

    /// Takes back an utterance that was opened and has nothing to say.
    pub fn withdraw(&mut self, id: u64) {
        self.entries.retain(|entry| entry.id != id);
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn entry(&self, id: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub fn entry_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    /// Utterances that have not been stopped and are as `which` says.
    pub fn going(&self, which: impl Fn(&Entry) -> bool) -> Vec<u64> {
        self.entries.iter().filter(|entry| entry.is_going() && which(entry)).map(|entry| entry.id).collect()
    }

    /// Whose turn it is, between two clauses: the highest lane's, the earliest first; but one that speaks is left to
    /// its end where the policy says so.
    pub fn next(&self) -> Option<u64> {
        let open = || self.entries.iter().filter(|entry| entry.wants_the_floor());
        let first = open().min_by_key(|entry| (std::cmp::Reverse(entry.lane), entry.id))?;
        let Some(speaking) = open().find(|entry| Some(entry.id) == self.speaking) else { return Some(first.id) };
        let gives_way = first.lane > speaking.lane && self.lanes.arrival(first.lane) != Arrival::AfterUtterance;
        Some(if gives_way { first.id } else { speaking.id })
    }

    /// What an utterance on this lane does to lower ones.
    pub fn arrival(&self, lane: Lane) -> Arrival {
        self.lanes.arrival(lane)
    }

    /// Takes out the utterances that have ended, for which `gone` says how.
    pub fn clear(&mut self, gone: impl Fn(&Entry) -> Option<Event>) {
        self.entries.retain(|entry| {
            let Some(event) = gone(entry) else { return true };
            entry.mailbox.close(event, entry.position);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Solver;
    use crate::pack::Voice;
    use crate::speak::{Guards, Request};
    use crate::text::clause::Policy;

    fn script() -> Script {
        Script {
            voice: Arc::new(Voice { name: "a".to_owned(), rows: Vec::new() }),
            request: Request { solver: Solver::euler(1, 1.0), seed: 0 },
            guards: Guards::default(),
            clause_frames: 1,
            max_frames: 1,
            policy: Policy::default(),
            speller: Arc::new(crate::text::Speller::new(&Default::default()).unwrap()),
            ssml: None,
            phrases: Default::default(),
            prosody: Default::default(),
        }
    }

    /// A schedule of utterances with text on these lanes, numbered from 1.
    fn schedule(lanes: Lanes, of: &[Lane]) -> Schedule {
        let mut schedule = Schedule::new(lanes);
        for &lane in of {
            let (id, _) = schedule.open(lane, script());
            schedule.entry_mut(id).unwrap().has_text = true;
        }
        schedule
    }

    #[test]
    fn the_highest_lane_goes_first_and_then_the_earliest() {
        let mut schedule = schedule(Lanes::default(), &[Lane::Chatter, Lane::Answer, Lane::Alert, Lane::Answer]);
        let mut order = Vec::new();
        while let Some(id) = schedule.next() {
            order.push(id);
            schedule.entry_mut(id).unwrap().complete = true;
        }
        assert_eq!(order, [3, 2, 4, 1]);
    }

    #[test]
    fn one_that_speaks_gives_way_to_a_higher_lane_unless_that_waits_for_its_end() {
        for (arrival, next) in [(Arrival::Interrupt, 2), (Arrival::AfterClause, 2), (Arrival::AfterUtterance, 1)] {
            let mut schedule = schedule(Lanes { answer: arrival, ..Lanes::default() }, &[Lane::Chatter, Lane::Answer]);
            schedule.speaking = Some(1);
            assert_eq!(schedule.next(), Some(next), "{arrival:?}");
        }
    }

    #[test]
    fn nothing_speaks_whose_next_clause_is_not_known() {
        let mut schedule = schedule(Lanes::default(), &[Lane::Answer]);
        schedule.entry_mut(1).unwrap().unsettled.push_back((0, 7));
        assert_eq!(schedule.next(), None);
    }
}

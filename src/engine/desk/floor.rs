//! Who speaks. In: the utterances that are open, and the policy of their lanes. Out: whose turn it is.

use std::sync::Arc;

use super::Script;
use crate::engine::lane::{Arrival, Lane, Lanes};
use crate::engine::utterance::{Event, Mailbox};

/// An utterance that is open.
#[derive(Debug)]
pub(super) struct Entry {
    pub id: u64,
    pub lane: Lane,
    pub script: Arc<Script>,
    pub mailbox: Arc<Mailbox>,
    /// Text that the generator has not taken yet.
    pub inbox: String,
    pub has_text: bool,
    pub finished: bool,
    pub flush: bool,
    /// The next clause to generate.
    pub clause: usize,
    /// Everything has been generated.
    pub complete: bool,
    /// The epoch that its cancel began, and what else than a cancel it was.
    pub stopped: Option<(u64, Option<String>)>,
    pub started: bool,
    /// Characters of the clauses that were heard.
    pub position: usize,
}

impl Entry {
    pub fn new(id: u64, lane: Lane, script: Script) -> Self {
        Self {
            id,
            lane,
            script: Arc::new(script),
            mailbox: Arc::default(),
            inbox: String::new(),
            has_text: false,
            finished: false,
            flush: false,
            clause: 0,
            complete: false,
            stopped: None,
            started: false,
            position: 0,
        }
    }

    /// There is something to generate, now or later.
    fn wants_the_floor(&self) -> bool {
        self.has_text && self.stopped.is_none() && !self.complete
    }

    /// How it has ended, once nothing of it is to be heard and cuts up to `cut_epoch` have reached the device.
    pub fn last_event(&self, cut_epoch: u64) -> Option<Event> {
        let position = self.position;
        match &self.stopped {
            Some((epoch, _)) if *epoch > cut_epoch => None,
            Some((_, None)) => Some(Event::Cancelled { position }),
            Some((_, Some(why))) => Some(Event::Failed { position, message: why.clone() }),
            None => self.complete.then_some(Event::Finished),
        }
    }
}

/// The utterances that are open, in the order in which they came.
#[derive(Debug)]
pub(super) struct Floor {
    lanes: Lanes,
    entries: Vec<Entry>,
    last_id: u64,
    /// The utterance that has the floor: it is being generated.
    pub speaking: Option<u64>,
}

impl Floor {
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

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    pub fn entry(&self, id: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub fn entry_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    /// Utterances that have not been stopped and are as `which` says.
    pub fn going(&self, which: impl Fn(&Entry) -> bool) -> Vec<u64> {
        self.entries.iter().filter(|entry| entry.stopped.is_none() && which(entry)).map(|entry| entry.id).collect()
    }

    /// Whose turn it is: the highest lane's, the earliest first; but one that speaks is left to its end, or to its
    /// clause's, where the policy says so. `within`: this one is in the midst of a clause.
    pub fn next(&self, within: Option<u64>) -> Option<u64> {
        let open = || self.entries.iter().filter(|entry| entry.wants_the_floor());
        let first = open().min_by_key(|entry| (std::cmp::Reverse(entry.lane), entry.id))?;
        let Some(speaking) = open().find(|entry| Some(entry.id) == self.speaking) else { return Some(first.id) };
        let gives_way = first.lane > speaking.lane
            && match self.lanes.arrival(first.lane) {
                Arrival::Interrupt => true,
                Arrival::AfterClause => within != Some(speaking.id),
                Arrival::AfterUtterance => false,
            };
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
            entry.mailbox.put(event);
            false
        });
    }
}

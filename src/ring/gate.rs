//! Which samples may be heard. In: samples of one clause after another. Out: runs of samples that are wanted, or cut
//! and to be dropped.
//!
//! Samples are counted from the beginning of the path (their *index*), dropped ones too, so that a [`Mark`] can say
//! from which index on they are of another clause; it enters its ring before the samples that it announces. Whether
//! they are wanted says the clause's ticket ([`super::tickets`]). The *limit* is the index at which the reader stops
//! for now: a writer that is not sure to keep up holds back a clause until enough of it is there, and speech that is
//! complete ends at its limit, so that silence there is no underrun.
//!
//! What was heard is counted in samples *played*, without the dropped ones, so that it is exact whatever was cut.
//!
//! This file is compiled a second time in `tests/loom_ring.rs`, with the atomics of a model checker.

use super::sync::{Arc, AtomicU64, Ordering};
use super::tickets::Tickets;

/// From this index on, samples belong to this ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub index: u64,
    pub ticket: u64,
    /// Silence before the clause, for a sink that has to wake up first: not yet of it.
    pub lead: bool,
}

/// A producer's end of a ring.
pub trait Push<T> {
    fn vacant(&self) -> usize;
    /// Takes as many as there is room for, and says how many.
    fn push(&mut self, items: &[T]) -> usize;
}

/// A consumer's end of a ring.
pub trait Pop<T> {
    fn occupied(&self) -> usize;
    fn first(&self) -> Option<T>;
    fn pop(&mut self, out: &mut [T]) -> usize;
    fn skip(&mut self, count: usize) -> usize;
}

/// What both ends and those who cut share.
#[derive(Debug)]
pub struct Gate {
    tickets: Tickets,
    limit: AtomicU64,
    taken: AtomicU64,
    dry_at: AtomicU64,
    heard: AtomicU64,
}

impl Gate {
    /// For so many clauses at a time.
    pub fn new(slots: usize) -> Self {
        Self {
            tickets: Tickets::new(slots),
            limit: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            dry_at: AtomicU64::new(u64::MAX),
            heard: AtomicU64::new(0),
        }
    }

    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// Index past the last sample that has left the path, heard or dropped.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// Samples of speech that the ear has had: played, less what waits in the device. One word, so it never goes back.
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }
}

/// The end that samples enter.
#[derive(Debug)]
pub struct Writer<S, M> {
    samples: S,
    marks: M,
    gate: Arc<Gate>,
    /// The clause of the next sample, and where it began.
    ticket: u64,
    first: u64,
    pushed: u64,
}

impl<S: Push<f32>, M: Push<Mark>> Writer<S, M> {
    pub fn new(samples: S, marks: M, gate: Arc<Gate>) -> Self {
        Self { samples, marks, gate, ticket: 0, first: 0, pushed: 0 }
    }

    /// The clause of the next sample; 0 before the first.
    pub fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Index of the next sample.
    pub fn index(&self) -> u64 {
        self.pushed
    }

    /// Samples between the two ends.
    pub fn buffered(&self) -> u64 {
        self.pushed.saturating_sub(self.gate.taken())
    }

    /// Room for samples.
    pub fn vacant(&self) -> usize {
        self.samples.vacant()
    }

    /// What follows belongs to `ticket`, or with `lead` stands before it, and is held until [`Writer::release`]. The
    /// clause before is closed. False where the reader has so many marks before it that this one must wait.
    pub fn begin(&mut self, ticket: u64, lead: bool) -> bool {
        if self.marks.vacant() == 0 {
            return false;
        }
        if ticket != self.ticket {
            self.close();
        }
        self.hold();
        (self.ticket, self.first) = (ticket, self.pushed);
        self.marks.push(&[Mark { index: self.pushed, ticket, lead }]) == 1
    }

    /// The clause has no other samples than those pushed so far.
    pub fn close(&self) {
        if self.ticket != 0 {
            self.gate.tickets.close(self.ticket, self.pushed - self.first);
        }
    }

    /// Takes as many samples as there is room for, and says how many.
    pub fn push(&mut self, samples: &[f32]) -> usize {
        let count = self.samples.push(samples);
        self.pushed += count as u64;
        count
    }

    /// The reader stops after what has been pushed so far; running out there is no underrun.
    pub fn hold(&self) {
        self.gate.limit.store(self.pushed, Ordering::Release);
    }

    /// The reader goes on.
    pub fn release(&self) {
        self.gate.limit.store(u64::MAX, Ordering::Release);
    }

    /// The reader has run out of samples right here.
    pub fn ran_dry(&self) -> bool {
        self.gate.dry_at.load(Ordering::Acquire) == self.pushed
    }
}

/// What the reader finds at its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// So many samples may be heard.
    Fresh(usize),
    /// So many samples belong to a clause that was cut.
    Cut(usize),
    /// The limit: silence is right.
    Held,
    /// Nothing there, though something should be.
    Dry,
}

/// The end that samples leave. Neither allocates nor waits.
#[derive(Debug)]
pub struct Reader<S, M> {
    samples: S,
    marks: M,
    gate: Arc<Gate>,
    /// The clause of the sample at `taken`, and whether this is still the silence before it.
    ticket: u64,
    lead: bool,
    /// Something of it was played, and the place is owed where it is cut.
    begun: bool,
    taken: u64,
    played: u64,
    heard: u64,
}

impl<S: Pop<f32>, M: Pop<Mark>> Reader<S, M> {
    pub fn new(samples: S, marks: M, gate: Arc<Gate>) -> Self {
        let (ticket, lead, begun, taken, played, heard) = (0, false, false, 0, 0, 0);
        Self { samples, marks, gate, ticket, lead, begun, taken, played, heard }
    }

    /// Something of the present clause was played.
    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// What comes next.
    ///
    /// The order of the loads matters. A mark is in its ring before the limit that goes with it is lifted and before
    /// its samples, so: due marks, limit, samples, then the next mark, at which the run ends.
    pub fn next_run(&mut self) -> Run {
        let (limit, in_clause) = loop {
            while let Some(mark) = self.marks.first().filter(|mark| mark.index <= self.taken) {
                (self.ticket, self.lead, self.begun) = (mark.ticket, mark.lead, false);
                self.marks.skip(1);
            }
            let limit = self.gate.limit.load(Ordering::Acquire);
            let occupied = self.samples.occupied() as u64;
            match self.marks.first() {
                Some(mark) if mark.index <= self.taken => {} // it has come since
                Some(mark) => break (limit, occupied.min(mark.index - self.taken)),
                None => break (limit, occupied),
            }
        };
        if self.ticket != 0 && self.gate.tickets.is_cut(self.ticket) {
            return Run::Cut(in_clause as usize);
        }
        match limit.saturating_sub(self.taken).min(in_clause) as usize {
            0 if limit <= self.taken => Run::Held,
            0 => Run::Dry,
            count => Run::Fresh(count),
        }
    }

    /// Takes samples of the run that [`Reader::next_run`] found, to be heard. None where the clause was cut meanwhile.
    pub fn pop(&mut self, out: &mut [f32]) -> usize {
        if !self.begun && !self.lead && self.ticket != 0 {
            self.begun = self.gate.tickets.begin(self.ticket, self.played);
            if !self.begun {
                return 0;
            }
        }
        let count = self.samples.pop(out);
        self.taken += count as u64;
        self.played += count as u64;
        count
    }

    /// Drops samples of the run that [`Reader::next_run`] found.
    pub fn skip(&mut self, count: usize) {
        self.taken += self.samples.skip(count) as u64;
    }

    /// Speech has fallen silent here, within a clause that was cut.
    pub fn silence(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.gate.tickets.silence(self.ticket, self.played);
        }
    }

    /// Tells the other side how far this one is, whether it ran dry here, and how many samples played are not heard yet.
    pub fn publish(&mut self, dry: bool, waiting: u64) {
        if dry {
            self.gate.dry_at.store(self.taken, Ordering::Release);
        }
        self.heard = self.heard.max(self.played.saturating_sub(waiting));
        self.gate.heard.store(self.heard, Ordering::Release);
        self.gate.taken.store(self.taken, Ordering::Release);
    }
}

//! Which samples may be heard. In: samples of one epoch after another, and the epoch that is wanted now. Out: runs of
//! samples that are fresh, or stale and to be dropped.
//!
//! Samples are counted from the beginning of the path (their *index*), dropped ones too. A [`Mark`] says from which
//! index on an epoch counts, and enters its ring before the samples that it announces. The *limit* is the index at
//! which the reader stops for now: a writer that is not sure to keep up holds back a clause until enough of it is
//! there, and an utterance that is complete ends at its limit, so that silence there is no underrun.
//!
//! This file is compiled a second time in `tests/loom_ring.rs`, with the atomics of a model checker.

use super::sync::{Arc, AtomicU64, Ordering};

/// From this index on, samples belong to this epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub index: u64,
    pub epoch: u64,
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

/// What both ends and those who cancel share.
#[derive(Debug)]
pub struct Gate {
    epoch: AtomicU64,
    keep: AtomicU64,
    limit: AtomicU64,
    taken: AtomicU64,
    dry_at: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            epoch: AtomicU64::new(0),
            keep: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            dry_at: AtomicU64::new(u64::MAX),
        }
    }
}

impl Gate {
    /// The epoch that is wanted now.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What belongs to `epoch` is not wanted any more.
    pub fn is_past(&self, epoch: u64) -> bool {
        self.epoch() > epoch
    }

    /// Makes everything stale that has been sent so far, but the samples before index `keep`, and returns the new
    /// epoch. One caller at a time.
    pub fn cut(&self, keep: u64) -> u64 {
        self.keep.store(keep, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Index past the last sample that has left the path, heard or dropped.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }
}

/// The end that samples enter.
#[derive(Debug)]
pub struct Writer<S, M> {
    samples: S,
    marks: M,
    gate: Arc<Gate>,
    epoch: u64,
    pushed: u64,
}

impl<S: Push<f32>, M: Push<Mark>> Writer<S, M> {
    pub fn new(samples: S, marks: M, gate: Arc<Gate>) -> Self {
        Self { samples, marks, gate, epoch: 0, pushed: 0 }
    }

    /// Index of the next sample.
    pub fn index(&self) -> u64 {
        self.pushed
    }

    /// Epoch of the next sample.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Samples between the two ends.
    pub fn buffered(&self) -> u64 {
        self.pushed.saturating_sub(self.gate.taken())
    }

    /// Room for samples.
    pub fn vacant(&self) -> usize {
        self.samples.vacant()
    }

    /// What follows belongs to `epoch`, and is held until [`Writer::release`]. False where the reader has so many
    /// epochs before it that this one must wait.
    pub fn begin(&mut self, epoch: u64) -> bool {
        if self.marks.vacant() == 0 {
            return false;
        }
        self.hold();
        self.epoch = epoch;
        self.marks.push(&[Mark { index: self.pushed, epoch }]) == 1
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
    /// So many samples belong to an epoch that was cut.
    Stale(usize),
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
    /// Epoch of the sample at `taken`.
    epoch: u64,
    taken: u64,
}

impl<S: Pop<f32>, M: Pop<Mark>> Reader<S, M> {
    pub fn new(samples: S, marks: M, gate: Arc<Gate>) -> Self {
        Self { samples, marks, gate, epoch: 0, taken: 0 }
    }

    /// Index of the next sample.
    pub fn index(&self) -> u64 {
        self.taken
    }

    /// Epoch of the next sample, as far as is known.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A cut was made to begin right here: what was kept has been heard, and nothing of what follows.
    pub fn is_at_cut(&self) -> bool {
        self.gate.keep.load(Ordering::Acquire) == self.taken
    }

    /// What comes next, seen from a caller who wants at least epoch `wanted`.
    ///
    /// The order of the loads matters. A mark is in its ring before the limit that goes with it is lifted and before
    /// its samples, so: due marks, limit, samples, then the next mark, at which the run ends.
    pub fn next_run(&mut self, wanted: u64) -> Run {
        while let Some(mark) = self.marks.first().filter(|mark| mark.index <= self.taken) {
            self.epoch = mark.epoch;
            self.marks.skip(1);
        }
        let limit = self.gate.limit.load(Ordering::Acquire);
        let occupied = self.samples.occupied() as u64;
        let in_epoch = match self.marks.first() {
            Some(mark) => occupied.min(mark.index - self.taken),
            None => occupied,
        };
        let until = |index: u64| index.saturating_sub(self.taken).min(in_epoch) as usize;
        if self.epoch < wanted {
            return match until(self.gate.keep.load(Ordering::Acquire)) {
                0 => Run::Stale(in_epoch as usize),
                kept => Run::Fresh(kept),
            };
        }
        match until(limit) {
            0 if limit <= self.taken => Run::Held,
            0 => Run::Dry,
            count => Run::Fresh(count),
        }
    }

    /// Takes samples of the run that [`Reader::next_run`] found.
    pub fn pop(&mut self, out: &mut [f32]) -> usize {
        let count = self.samples.pop(out);
        self.taken += count as u64;
        count
    }

    /// Drops samples of the run that [`Reader::next_run`] found.
    pub fn skip(&mut self, count: usize) {
        self.taken += self.samples.skip(count) as u64;
    }

    /// Tells the other side how far this one is, and whether it ran dry here.
    pub fn publish(&self, dry: bool) {
        if dry {
            self.gate.dry_at.store(self.taken, Ordering::Release);
        }
        self.gate.taken.store(self.taken, Ordering::Release);
    }
}

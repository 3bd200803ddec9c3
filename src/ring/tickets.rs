//! What may be heard, clause by clause. In: tickets issued by whoever plans speech, cuts by name. Out: for everybody
//! downstream, by one load, whether a clause is still wanted, and how much of it was played.
//!
//! Every clause that is begun gets a *ticket*, a number that its packets and samples carry. Its slot in a fixed table
//! holds one atomic word: the number, and three flags. `CUT`: nothing more of it is to be heard. `BEGUN`: the reader
//! plays it. `ASTRAY`: the codec has stopped decoding it. Cut and begun meet on that one word, so either the reader
//! began first and owes the place where it fell silent, or the cut came first and nothing of it is ever heard. What was
//! not cut needs no attention from anybody: it goes on, whether or not its end is known.
//!
//! This file is compiled a second time in `tests/loom_ring.rs`, with the atomics of a model checker.

use super::sync::{AtomicU64, Ordering};

/// Clauses that may be under way at a time; a power of two.
pub const SLOTS: usize = 1024;

const CUT: u64 = 1;
const BEGUN: u64 = 2;
const ASTRAY: u64 = 4;
const FLAGS: u32 = 3;
/// No value yet.
const NONE: u64 = u64::MAX;
/// Bits of a count of samples: centuries.
const COUNT_BITS: u32 = 48;

/// One clause's place. Counts are of samples that were played, skipped ones left out, and say whose they are, since a
/// late word about a clause that is over may come when its slot has another.
#[derive(Debug)]
struct Slot {
    word: AtomicU64,
    /// Where the reader began it, and where a cut silenced it.
    begins: AtomicU64,
    silenced: AtomicU64,
    /// Its samples, once the writer has them all.
    length: AtomicU64,
}

/// What became of a ticket so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Samples that had been played when its first one was.
    pub begins: Option<u64>,
    /// The same for the first sample that a cut kept from being played.
    pub silenced: Option<u64>,
    /// Its samples, once they are all known.
    pub length: Option<u64>,
}

impl Played {
    /// Samples that will have been played when nothing more of it is, once that is known.
    pub fn ends(&self) -> Option<u64> {
        let whole = self.begins.zip(self.length).map(|(begins, length)| begins + length);
        whole.into_iter().chain(self.silenced).min()
    }

    /// Its last sample was played, or will be if nothing stops it.
    pub fn is_whole(&self) -> bool {
        let whole = self.begins.zip(self.length).map(|(begins, length)| begins + length);
        whole.is_some_and(|whole| self.silenced.is_none_or(|silenced| silenced >= whole))
    }
}

/// The table.
#[derive(Debug)]
pub struct Tickets {
    slots: Box<[Slot]>,
}

impl Tickets {
    /// For `slots` clauses at a time.
    pub fn new(slots: usize) -> Self {
        let slot = || Slot {
            word: AtomicU64::new(0),
            begins: AtomicU64::new(NONE),
            silenced: AtomicU64::new(NONE),
            length: AtomicU64::new(NONE),
        };
        Self { slots: std::iter::repeat_with(slot).take(slots.max(1)).collect() }
    }

    fn slot(&self, ticket: u64) -> &Slot {
        &self.slots[ticket as usize % self.slots.len()]
    }

    /// A value with the mark of its ticket.
    fn tagged(&self, ticket: u64, count: u64) -> u64 {
        let tag = (ticket / self.slots.len() as u64) & 0x7fff;
        tag << COUNT_BITS | count & ((1 << COUNT_BITS) - 1)
    }

    fn count(&self, ticket: u64, value: &AtomicU64) -> Option<u64> {
        let value = value.load(Ordering::Acquire);
        (value != NONE && value == self.tagged(ticket, value)).then_some(value & ((1 << COUNT_BITS) - 1))
    }

    /// Begins a ticket, a number above 0, in the place of one that is over. One caller at a time.
    pub fn issue(&self, ticket: u64) {
        let slot = self.slot(ticket);
        for value in [&slot.begins, &slot.silenced, &slot.length] {
            value.store(NONE, Ordering::Relaxed);
        }
        slot.word.store(ticket << FLAGS, Ordering::Release);
    }

    /// The flags of a ticket; those of one that is over are all set.
    fn flags(&self, ticket: u64) -> u64 {
        let word = self.slot(ticket).word.load(Ordering::Acquire);
        if word >> FLAGS == ticket { word & (CUT | BEGUN | ASTRAY) } else { CUT | BEGUN | ASTRAY }
    }

    /// Nothing more of it is to be heard.
    pub fn is_cut(&self, ticket: u64) -> bool {
        self.flags(ticket) & CUT != 0
    }

    /// Frames of it are still worth making.
    pub fn is_open(&self, ticket: u64) -> bool {
        self.flags(ticket) & (CUT | ASTRAY) == 0
    }

    /// Sets a flag, and gives the flags before; `None` for a ticket that is over.
    fn set(&self, ticket: u64, flag: u64) -> Option<u64> {
        let word = &self.slot(ticket).word;
        let mut before = word.load(Ordering::Acquire);
        // At most as often as there are flags for others to set.
        while before >> FLAGS == ticket {
            match word.compare_exchange(before, before | flag, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(before & (CUT | BEGUN | ASTRAY)),
                Err(now) => before = now,
            }
        }
        None
    }

    /// Cuts a ticket. True if the reader had begun it: it will say where it fell silent. False: nothing of it was or
    /// will be heard.
    pub fn cut(&self, ticket: u64) -> bool {
        self.set(ticket, CUT).is_some_and(|before| before & BEGUN != 0)
    }

    /// The codec leaves it: its frames have gone astray.
    pub fn leave(&self, ticket: u64) {
        self.set(ticket, ASTRAY);
    }

    /// The reader begins it, when so many samples have been played. False where it was cut before.
    pub fn begin(&self, ticket: u64, played: u64) -> bool {
        let begun = self.set(ticket, BEGUN).is_some_and(|before| before & CUT == 0);
        if begun {
            self.slot(ticket).begins.store(self.tagged(ticket, played), Ordering::Release);
        }
        begun
    }

    /// The reader has fallen silent within it.
    pub fn silence(&self, ticket: u64, played: u64) {
        self.slot(ticket).silenced.store(self.tagged(ticket, played), Ordering::Release);
    }

    /// The writer has so many samples of it, and no more will come.
    pub fn close(&self, ticket: u64, length: u64) {
        self.slot(ticket).length.store(self.tagged(ticket, length), Ordering::Release);
    }

    /// What became of it.
    pub fn played(&self, ticket: u64) -> Played {
        let slot = self.slot(ticket);
        Played {
            begins: self.count(ticket, &slot.begins),
            silenced: self.count(ticket, &slot.silenced),
            length: self.count(ticket, &slot.length),
        }
    }
}

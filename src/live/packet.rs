//! What goes from the generator's thread to the codec's, and what the threads may know of each other.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crate::board::Rung;
use crate::frame::Frame;
use crate::speak::Interlude;
use crate::text::ssml::Prosody;

/// A part of a clause on its way to the codec.
#[derive(Debug)]
pub(super) struct Packet {
    pub ticket: u64,
    pub part: Part,
}

#[derive(Debug)]
pub(super) enum Part {
    /// A clause begins. It is held until `start_frames` of it are there. `fresh`: nothing of what was spoken before is
    /// to be heard in it. `prosody`: beside what the model makes of it.
    Clause {
        start_frames: usize,
        fresh: bool,
        prosody: Prosody,
    },
    Frame(Frame),
    /// Heard instead of frames.
    Interlude(Interlude),
    ClauseEnd,
    /// The utterance is complete with this clause.
    End,
}

/// What the threads share beside their rings.
#[derive(Debug)]
pub(super) struct Signs {
    opened: Instant,
    /// When what is being computed was begun, in ms since the engine was opened, plus 1; 0 for nothing.
    busy_since_ms: AtomicU64,
    /// Samples per second of the device.
    pub device_hz: AtomicU32,
    /// The device was opened, and has played nothing since.
    pub new_device: AtomicBool,
    /// The ticket of the clause being generated: what an abort asks for.
    pub ticket: AtomicU64,
    /// Everybody is to come to an end.
    pub closing: AtomicBool,
    /// The board's place on its ladder ([`Rung::index`]).
    rung: AtomicU8,
}

impl Signs {
    pub fn new(device_hz: u32) -> Self {
        Self {
            opened: Instant::now(),
            busy_since_ms: AtomicU64::new(0),
            device_hz: AtomicU32::new(device_hz),
            new_device: AtomicBool::new(true),
            ticket: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            rung: AtomicU8::new(Rung::Full.index()),
        }
    }

    fn now_ms(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64 + 1
    }

    /// A bounded piece of work begins, or with `false` is over.
    pub fn set_busy(&self, busy: bool) {
        self.busy_since_ms.store(if busy { self.now_ms() } else { 0 }, Ordering::Relaxed);
    }

    /// How long the present piece of work has taken.
    pub fn busy_ms(&self) -> u64 {
        match self.busy_since_ms.load(Ordering::Relaxed) {
            0 => 0,
            since => self.now_ms().saturating_sub(since),
        }
    }

    pub fn rung(&self) -> Rung {
        Rung::from_index(self.rung.load(Ordering::Relaxed))
    }

    pub fn set_rung(&self, rung: Rung) {
        self.rung.store(rung.index(), Ordering::Relaxed);
    }

    pub fn device_hz(&self) -> u32 {
        self.device_hz.load(Ordering::Acquire)
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

//! What a speech gives out, and what stops it. In: nothing. Out: blocks with their places, marks, how it stands.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::speaker::Ending;
#[cfg(doc)]
use super::speech::Speech;

/// Stops a speech from any thread: before its next frame, and a prompt in its midst. Clones stop the same one.
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<AtomicBool>);

impl Canceller {
    /// Stops it, also before it has begun.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody has.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// A block was written.
    Audio(Block),
    /// One of the text's own marks (SSML's `mark`) stands before this sample: exactly where it stands between sentences or
    /// beside a pause, else by the share of the sentence.
    Mark {
        /// As it is called there.
        name: String,
        /// Number of the sample in the speech; it may have been given out already.
        sample: u64,
    },
    /// The text so far is spoken, or waits for the end of its clause.
    NeedText {
        /// When a speaker would not wait any longer, and call [`Speech::flush`]; `None` where no text waits.
        flush_at: Option<Instant>,
    },
    /// Nothing more comes.
    End(Ending),
}

/// A block of samples.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block {
    /// Number of its first sample in the speech.
    pub sample: u64,
    /// Samples written, `f32` in -1..1 (not clamped), mono, at the model's rate: a whole block, or less at the end of a
    /// pause and at any speed but 1.
    pub samples: usize,
    /// A clause begins with its first sample.
    pub mark: Option<Mark>,
}

/// Where a clause of the text begins to be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// Number of its first sample in the speech.
    pub sample: u64,
    /// Characters (Unicode scalar values) of the text pushed.
    pub chars: Range<usize>,
    /// Bytes of the same.
    pub bytes: Range<usize>,
}

/// What has been spoken so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Blocks made, 80 ms each.
    pub frames: u64,
    /// Clauses begun.
    pub clauses: usize,
    /// Clauses that went astray, each time.
    pub astray: usize,
    /// `None` while it goes on.
    pub ending: Option<Ending>,
    /// Clauses whose first frame would have been the end (Voxtral specification section 4.3).
    pub ends_withheld: u64,
}

//! One text being spoken. In: clauses. Out: PCM blocks of one frame each, computed when they are asked for.
//!
//! The decoder's state runs on from clause to clause, so that there is no seam between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::cost::FrameTimes;
use super::frames::{FrameLoop, Next, Step};
use super::session::Session;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::pack::Voice;

/// Why speech stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All of the text was spoken.
    Finished,
    /// The frame budget was used up before the model ended.
    Budget,
    /// Somebody cancelled.
    Cancelled,
}

/// Stops a synthesis before its next frame. Clones stop the same session.
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<AtomicBool>);

impl Canceller {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn rearm(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What has been spoken so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub frames: u64,
    /// Clauses begun.
    pub clauses: usize,
    /// `None` while it goes on.
    pub ending: Option<Ending>,
    /// Clauses whose first frame would have been the end (Voxtral specification section 4.3).
    pub ends_withheld: u64,
}

/// A pull iterator of PCM blocks: one frame each, `f32` in -1..1 (not clamped), mono, at the pack's rate.
#[derive(Debug)]
pub struct Synthesis<'s> {
    session: &'s mut Session,
    clauses: Vec<String>,
    frames: FrameLoop,
    codec: Duration,
}

impl<'s> Synthesis<'s> {
    pub(super) fn new(session: &'s mut Session, clauses: Vec<String>, voice: Voice, max_frames: u64) -> Self {
        Self { session, clauses, frames: FrameLoop::new(voice, max_frames), codec: Duration::ZERO }
    }

    /// Computes the next block into `pcm`, which has the session's samples per frame. False at the end.
    ///
    /// Errors: `OutOfBudget` where a clause does not fit the context, `Backend`. After an error it has ended.
    pub fn next_block(&mut self, pcm: &mut [f32]) -> Result<bool> {
        let Some(frame) = self.next_frame()? else { return Ok(false) };
        let started = Instant::now();
        self.session.codec.decode(std::slice::from_ref(&frame), pcm, &self.session.pool);
        self.codec = started.elapsed();
        Ok(true)
    }

    /// Times of the last block's frame.
    pub fn times(&self) -> FrameTimes {
        FrameTimes { codec: self.codec, ..self.session.generator.times() }
    }

    /// How it stands.
    pub fn summary(&self) -> Summary {
        Summary {
            frames: self.frames.frames(),
            clauses: self.frames.begun(),
            ending: self.frames.ending(),
            ends_withheld: self.session.generator.ends_withheld(),
        }
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if self.session.canceller.is_cancelled() {
                self.frames.end(Ending::Cancelled);
            }
            let clauses = &self.clauses;
            let next = |i: usize| clauses.get(i).map_or(Next::NoMore, |text| Next::Clause { text, follows: false });
            match self.frames.step(&mut self.session.generator, next)? {
                Step::Frame(frame) => return Ok(Some(frame)),
                Step::Ended => return Ok(None),
                Step::Clause | Step::ClauseEnd | Step::Waiting => {}
            }
        }
    }
}

impl Iterator for Synthesis<'_> {
    type Item = std::result::Result<Vec<f32>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut pcm = vec![0.0; self.session.codec.samples_per_frame()];
        match self.next_block(&mut pcm) {
            Ok(true) => Some(Ok(pcm)),
            Ok(false) => None,
            Err(e) => Some(Err(e)),
        }
    }
}

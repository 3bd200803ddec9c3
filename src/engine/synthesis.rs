//! One text being spoken. In: clauses. Out: PCM blocks of one frame each, computed when they are asked for.
//!
//! The decoder's state runs on from clause to clause, so that there is no seam between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    voice: Voice,
    max_frames: u64,
    /// Clauses begun.
    begun: usize,
    in_clause: bool,
    frames: u64,
    ending: Option<Ending>,
}

impl<'s> Synthesis<'s> {
    pub(super) fn new(session: &'s mut Session, clauses: Vec<String>, voice: Voice, max_frames: u64) -> Self {
        Self { session, clauses, voice, max_frames, begun: 0, in_clause: false, frames: 0, ending: None }
    }

    /// Computes the next block into `pcm`, which has the session's samples per frame. False at the end.
    ///
    /// Errors: `OutOfBudget` where a clause does not fit the context, `Backend`. After an error it has ended.
    pub fn next_block(&mut self, pcm: &mut [f32]) -> Result<bool> {
        match self.next_frame() {
            Ok(Some(frame)) => {
                self.session.codec.decode(std::slice::from_ref(&frame), pcm, &self.session.pool);
                self.frames += 1;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(e) => {
                self.ending.get_or_insert(Ending::Cancelled);
                Err(e)
            }
        }
    }

    /// How it stands.
    pub fn summary(&self) -> Summary {
        Summary {
            frames: self.frames,
            clauses: self.begun,
            ending: self.ending,
            ends_withheld: self.session.generator.ends_withheld(),
        }
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        while self.ending.is_none() {
            if self.session.canceller.is_cancelled() {
                self.ending = Some(Ending::Cancelled);
            } else if self.frames >= self.max_frames {
                self.ending = Some(Ending::Budget);
            } else if self.in_clause {
                match self.session.generator.next_frame()? {
                    Some(frame) => return Ok(Some(frame)),
                    None => self.in_clause = false,
                }
            } else if let Some(clause) = self.clauses.get(self.begun) {
                self.begun += 1;
                self.session.generator.start_clause(clause, &self.voice)?;
                self.in_clause = true;
            } else {
                self.ending = Some(Ending::Finished);
            }
        }
        Ok(None)
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

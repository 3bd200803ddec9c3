//! The order of things within an utterance. In: clauses, as they come. Out: one step after another: a clause begins,
//! a frame, a clause ends, the end.
//!
//! Pulled speech and live speech go through here, so that they cannot differ.

use super::generator::{Generator, Request};
use super::synthesis::Ending;
use crate::error::Result;
use crate::flow::Solver;
use crate::frame::Frame;
use crate::pack::Voice;

/// What makes the frames of a clause; [`Generator`], but for tests.
pub(super) trait FrameSource: Send {
    /// Begins an utterance: the noise starts over.
    fn begin(&mut self, request: Request) -> Result<()>;
    /// How frames are made from now on.
    fn set_solver(&mut self, solver: Solver) -> Result<()>;
    /// Brings a voice's prefix into the cache.
    fn warm(&mut self, voice: &Voice) -> Result<()>;
    /// `follows`: the clause goes on with the sentence of the one before.
    fn start_clause(&mut self, text: &str, voice: &Voice, follows: bool) -> Result<()>;
    /// `None` at the clause's end.
    fn next_frame(&mut self) -> Result<Option<Frame>>;
}

impl FrameSource for Generator {
    fn begin(&mut self, request: Request) -> Result<()> {
        Self::begin(self, request)
    }

    fn set_solver(&mut self, solver: Solver) -> Result<()> {
        Self::set_solver(self, solver)
    }

    fn warm(&mut self, voice: &Voice) -> Result<()> {
        Self::warm(self, voice)
    }

    fn start_clause(&mut self, text: &str, voice: &Voice, follows: bool) -> Result<()> {
        Self::start_clause(self, text, voice, follows)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        Self::next_frame(self)
    }
}

/// What happened.
#[derive(Debug)]
pub(super) enum Step {
    /// A clause was begun; nothing of it has been computed but its prompt.
    Clause,
    Frame(Frame),
    ClauseEnd,
    /// There is no further clause yet.
    Waiting,
    Ended,
}

/// The next clause, where one is known.
pub(super) enum Next<'c> {
    Clause {
        text: &'c str,
        /// It goes on with the sentence of the clause before.
        follows: bool,
    },
    NotYet,
    NoMore,
}

/// Where an utterance stands.
#[derive(Debug)]
pub(super) struct FrameLoop {
    voice: Voice,
    max_frames: u64,
    begun: usize,
    in_clause: bool,
    frames: u64,
    ending: Option<Ending>,
}

impl FrameLoop {
    pub fn new(voice: Voice, max_frames: u64) -> Self {
        Self { voice, max_frames, begun: 0, in_clause: false, frames: 0, ending: None }
    }

    /// Clauses begun.
    pub fn begun(&self) -> usize {
        self.begun
    }

    pub fn frames(&self) -> u64 {
        self.frames
    }

    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Ends here; what ended before stays as it was.
    pub fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// Ends the clause here, though the model has not; `again`: it is the next one once more.
    pub fn leave_clause(&mut self, again: bool) {
        self.in_clause = false;
        self.begun -= usize::from(again && self.begun > 0);
    }

    /// Does the next thing. Errors: as [`Generator`]; the utterance has ended then.
    pub fn step<'c>(&mut self, source: &mut dyn FrameSource, next: impl FnOnce(usize) -> Next<'c>) -> Result<Step> {
        let step = self.advance(source, next);
        if step.is_err() {
            self.end(Ending::Cancelled);
        }
        step
    }

    fn advance<'c>(&mut self, source: &mut dyn FrameSource, next: impl FnOnce(usize) -> Next<'c>) -> Result<Step> {
        if self.ending.is_some() {
            return Ok(Step::Ended);
        }
        if self.frames >= self.max_frames {
            self.ending = Some(Ending::Budget);
            return Ok(Step::Ended);
        }
        if self.in_clause {
            return Ok(match source.next_frame()? {
                Some(frame) => {
                    self.frames += 1;
                    Step::Frame(frame)
                }
                None => {
                    self.in_clause = false;
                    Step::ClauseEnd
                }
            });
        }
        match next(self.begun) {
            Next::Clause { text, follows } => {
                let follows = follows && self.begun > 0;
                self.begun += 1;
                source.start_clause(text, &self.voice, follows)?;
                self.in_clause = true;
                Ok(Step::Clause)
            }
            Next::NotYet => Ok(Step::Waiting),
            Next::NoMore => {
                self.ending = Some(Ending::Finished);
                Ok(Step::Ended)
            }
        }
    }
}

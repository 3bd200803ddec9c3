//! The one way of speaking. In: text in pieces. Out: one step after another: a clause is known, a piece of its prompt was
//! computed, a frame, the clause's end, the end.
//!
//! Files, streams and live speech all drive this machine, so they cannot differ. It owns what an utterance is between
//! frames: its text, which clause is next, whether that goes on with the sentence before, the watch over clauses that
//! go astray and their second try, and the budget. Whoever drives it owns the clock, the threads and the samples.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::guard::{Guard, Trip};
use super::interlude::Interlude;
use super::options::Script;
use super::position::ClauseText;
use super::reading::{Known, Reading};
use super::source::{FrameSource, Request};
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Solver;
use crate::frame::Frame;

/// What is added to the seed of a clause that is spoken again.
const RETRY_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Characters of unsaid text that an error quotes.
const QUOTED_CHARS: usize = 40;

/// What happened.
#[derive(Debug)]
pub(crate) enum Step {
    /// This clause is next; nothing of it has been computed. The next step begins it.
    Clause {
        number: usize,
        text: Arc<ClauseText>,
        expected_frames: usize,
    },
    /// A piece of its prompt was computed.
    Working,
    Frame(Frame),
    /// The clause is this; its end follows.
    Interlude(Interlude),
    ClauseEnd(Why),
    /// There is no further clause yet.
    NeedText,
    /// After `Budget` something was left unsaid: [`Speaker::unsaid`].
    Ended(Ending),
}

/// Why a clause is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Spoken,
    /// It is spoken once more, or was left there.
    Astray {
        trip: Trip,
        retried: bool,
    },
}

/// Where the clause in hand stands.
#[derive(Debug)]
enum Phase {
    Between,
    Known(Arc<ClauseText>),
    Prompt,
    Frames,
    /// The interlude in hand has been given out.
    Interlude,
}

/// Where a clause was begun.
#[derive(Clone, Copy, Debug)]
struct Begun {
    clause: usize,
    noise: u64,
    frames: u64,
}

/// Why speech stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All of the text was spoken.
    Finished,
    /// The caller's frame budget was used up before the text was.
    Budget,
    /// Somebody cancelled.
    Cancelled,
}

#[derive(Debug)]
pub(crate) struct Speaker {
    script: Script,
    reading: Reading,
    phase: Phase,
    /// The clause in hand, or the next one.
    at: usize,
    /// The next clause stands where the source left off: same sentence, if it is one.
    continues: bool,
    /// The request in force; another seed after a clause that went astray.
    request: Request,
    /// The noise number of the next frame.
    noise: u64,
    /// Clauses that were begun and may be again.
    begun: Vec<Begun>,
    guard: Guard,
    /// The clause that was spoken again already.
    retried: Option<usize>,
    frames: u64,
    clauses: usize,
    ending: Option<Ending>,
}

impl Speaker {
    pub fn new(script: Script) -> Self {
        Self {
            reading: Reading::new(&script.speller, script.policy, script.markup()),
            phase: Phase::Between,
            at: 0,
            continues: false,
            request: script.request,
            noise: 0,
            begun: Vec::new(),
            guard: Guard::new(script.guards, 0, script.clause_frames),
            retried: None,
            frames: 0,
            clauses: 0,
            ending: None,
            script,
        }
    }

    /// Adds text. Errors: `Ended` after [`Speaker::finish`], `Busy` where too much waits.
    pub fn push(&mut self, text: &str) -> Result<()> {
        self.reading.push(text)
    }

    /// The text is complete.
    pub fn finish(&mut self) {
        self.reading.finish();
    }

    /// Speaks what is there without the end of its clause.
    pub fn flush(&mut self) {
        self.reading.flush();
    }

    /// When text that waits is to be flushed, or looked at again; see [`Reading::late_at`].
    pub fn late_at(&self, now: Instant, ahead: Option<Duration>) -> Option<Instant> {
        self.reading.late_at(now, ahead)
    }

    /// The next clause is this one, spoken as if nothing had been before it. Frames of it that were made count no more.
    pub fn restart_at(&mut self, clause: usize) {
        self.frames = self.begun(clause).map_or(self.frames, |begun| begun.frames);
        self.begin_anew_at(clause);
    }

    fn begin_anew_at(&mut self, clause: usize) {
        (self.phase, self.at, self.continues) = (Phase::Between, clause, false);
        self.ending = self.ending.filter(|&ending| ending == Ending::Cancelled);
    }

    fn begun(&self, clause: usize) -> Option<Begun> {
        self.begun.iter().rfind(|begun| begun.clause == clause).copied()
    }

    /// Clauses before this one are not asked for again.
    pub fn forget(&mut self, oldest: usize) {
        self.reading.forget(oldest);
        self.begun.retain(|begun| begun.clause >= oldest);
    }

    /// From the next clause on frames are made like this.
    pub fn set_solver(&mut self, solver: Solver) {
        self.request.solver = solver;
    }

    /// How the caller asked for frames to be made.
    pub fn asked(&self) -> Solver {
        self.script.request.solver
    }

    /// The samples of a clause say that it went astray after so many frames of it, however far generation is.
    pub fn fell_silent(&mut self, clause: usize, frames: u64) -> Why {
        if let Some(begun) = self.begun(clause) {
            (self.noise, self.frames) = (begun.noise + frames, begun.frames + frames);
        }
        self.at = clause;
        self.go_astray(Trip::Silence)
    }

    /// Ends here; what ended before stays as it was.
    pub fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Clauses begun so far.
    pub fn clauses(&self) -> usize {
        self.clauses
    }

    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Whether any clause is known or still to come.
    pub fn has_nothing_to_say(&mut self) -> bool {
        matches!(self.reading.clause(self.at), Known::NoMore)
    }

    /// The error of a speech that its budget cut.
    pub fn unsaid(&self) -> Error {
        let next = if matches!(self.phase, Phase::Between) { self.at } else { self.at + 1 };
        let (start, rest) = self.reading.rest(next);
        let within = if next > self.at { "within a sentence, " } else { "" };
        let quoted: String = rest.chars().take(QUOTED_CHARS).collect();
        let more = if quoted.len() < rest.len() { "…" } else { "" };
        let left = match rest.is_empty() {
            true => "nothing behind it was left unsaid".to_owned(),
            false => format!("from character {start} on it was left unsaid: \"{quoted}{more}\""),
        };
        let most = self.script.max_frames;
        let message = format!("the budget of {most} frames was used up {within}{left}: raise it or shorten the text");
        Error::new(ErrorKind::OutOfBudget, message)
    }

    /// Bytes of text that have not been read yet.
    pub fn waiting_bytes(&self) -> usize {
        self.reading.waiting_bytes()
    }

    /// Does the next thing. Errors: as [`FrameSource`]; but for `Cancelled`, the utterance has ended then.
    pub fn step(&mut self, source: &mut dyn FrameSource) -> Result<Step> {
        let step = self.advance(source);
        // What was aborted may be begun again.
        if step.as_ref().is_err_and(|e| e.kind() != ErrorKind::Cancelled) {
            self.end(Ending::Cancelled);
        }
        step
    }

    fn advance(&mut self, source: &mut dyn FrameSource) -> Result<Step> {
        if let Some(ending) = self.ending {
            return Ok(Step::Ended(ending));
        }
        match std::mem::replace(&mut self.phase, Phase::Between) {
            Phase::Between => self.next_clause(),
            Phase::Known(text) => match text.interlude.clone() {
                Some(interlude) => {
                    self.phase = Phase::Interlude;
                    self.continues = true;
                    Ok(Step::Interlude(interlude))
                }
                None => {
                    self.begin_clause(&text, source)?;
                    self.phase = Phase::Prompt;
                    self.feed(source)
                }
            },
            Phase::Interlude => {
                self.at += 1;
                Ok(Step::ClauseEnd(Why::Spoken))
            }
            Phase::Prompt => self.feed(source),
            Phase::Frames => self.frame(source),
        }
    }

    fn next_clause(&mut self) -> Result<Step> {
        Ok(match self.reading.clause(self.at) {
            Known::NotYet => Step::NeedText,
            Known::Broken => {
                let unknown = || Error::new(ErrorKind::BadText, "the SSML is broken off");
                return Err(self.reading.fault().unwrap_or_else(unknown));
            }
            Known::NoMore => {
                self.ending = Some(Ending::Finished);
                Step::Ended(Ending::Finished)
            }
            Known::Clause(_) if self.frames >= self.script.max_frames => self.over_budget(),
            Known::Clause(text) => {
                let expected = text.spoken_chars() as f32 * self.script.guards.frames_per_char;
                self.phase = Phase::Known(text.clone());
                Step::Clause { number: self.at, text, expected_frames: expected.ceil() as usize }
            }
        })
    }

    fn begin_clause(&mut self, text: &ClauseText, source: &mut dyn FrameSource) -> Result<()> {
        self.guard = Guard::new(self.script.guards, text.spoken_chars(), self.script.clause_frames);
        self.begun.retain(|begun| begun.clause < self.at);
        self.begun.push(Begun { clause: self.at, noise: self.noise, frames: self.frames });
        self.clauses += 1;
        source.begin(self.request, self.noise)?;
        let continues = std::mem::replace(&mut self.continues, true);
        source.start_clause(&text.spoken.text, &self.script.voice, text.follows && continues)
    }

    fn feed(&mut self, source: &mut dyn FrameSource) -> Result<Step> {
        self.phase = if source.feed()? { Phase::Prompt } else { Phase::Frames };
        Ok(Step::Working)
    }

    fn frame(&mut self, source: &mut dyn FrameSource) -> Result<Step> {
        let Some(frame) = source.next_frame()? else {
            self.at += 1;
            return Ok(Step::ClauseEnd(Why::Spoken));
        };
        if self.frames >= self.script.max_frames {
            // The phase stays in the clause: something of it is unsaid.
            self.phase = Phase::Frames;
            return Ok(self.over_budget());
        }
        (self.frames, self.noise) = (self.frames + 1, self.noise + 1);
        match self.guard.check(&frame) {
            Some(trip) => Ok(Step::ClauseEnd(self.go_astray(trip))),
            None => {
                self.phase = Phase::Frames;
                Ok(Step::Frame(frame))
            }
        }
    }

    /// The clause in hand went astray: it is spoken once more with another seed, or left. What comes next begins from
    /// nothing, since its beginning is no good.
    fn go_astray(&mut self, trip: Trip) -> Why {
        let retried = self.retried.replace(self.at) != Some(self.at);
        if retried {
            self.request.seed = self.script.request.seed.wrapping_add(RETRY_SEED);
            self.noise = 0;
        } else {
            self.at += 1;
        }
        self.begin_anew_at(self.at);
        Why::Astray { trip, retried }
    }

    fn over_budget(&mut self) -> Step {
        self.ending = Some(Ending::Budget);
        Step::Ended(Ending::Budget)
    }
}

//! One utterance's text on its way to the model. In: text as it comes. Out: its clauses, in order, and from any clause
//! on again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::Script;
use super::frames::{FrameLoop, FrameSource, Next, Step};
use super::guard::{Guard, Guards};
use super::position::ClauseText;
use crate::error::Result;
use crate::text::Speller;
use crate::text::clause::{ClauseEnd, Clauses, Policy};

/// Text that has waited so long for its clause to end is spoken without, where nothing is heard meanwhile: at the
/// beginning, and later.
const FIRST_LATE: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_millis(500);
/// Where something is, text may wait longer: until so long before silence comes, but not longer than this in all.
const LEAD: Duration = Duration::from_millis(200);
const LATEST: Duration = Duration::from_millis(1500);
/// How soon it is looked again where it is not known yet when silence comes.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Course {
    splitter: Clauses,
    /// Some text has come.
    begun: bool,
    finished: bool,
    /// The last clause ended within a sentence.
    in_sentence: bool,
    /// Clauses that may still be spoken, from number `forgotten` on.
    clauses: VecDeque<Arc<ClauseText>>,
    forgotten: usize,
    /// The clause that `frames` began with.
    start: usize,
    frames: FrameLoop,
    script: Arc<Script>,
    /// When the oldest text that is in no clause came.
    waiting_since: Option<Instant>,
    /// The clause that was spoken again already.
    retried: Option<usize>,
    /// The span of the clause being spoken.
    pub span: u64,
    /// The next clause begins speech anew.
    pub fresh: bool,
    guards: Guards,
    pub guard: Guard,
}

impl Course {
    pub fn new(speller: &Speller, script: &Arc<Script>, guards: Guards) -> Self {
        let policy = if script.sentences { Policy::sentences() } else { Policy::default() };
        Self {
            splitter: speller.splitter(policy),
            begun: false,
            finished: false,
            in_sentence: false,
            clauses: VecDeque::new(),
            forgotten: 0,
            start: 0,
            frames: FrameLoop::new(script.voice.clone(), script.max_frames),
            script: script.clone(),
            waiting_since: None,
            retried: None,
            span: 0,
            fresh: true,
            guards,
            guard: Guard::new(guards, 0),
        }
    }

    /// Speech goes on at this clause, anew.
    pub fn restart(&mut self, clause: usize) {
        let left = self.script.max_frames.saturating_sub(self.frames.frames()).max(1);
        self.frames = FrameLoop::new(self.script.voice.clone(), left);
        self.start = clause;
        self.fresh = true;
    }

    /// Clauses before this one are not asked for again.
    pub fn forget(&mut self, oldest: usize) {
        while self.forgotten < oldest && self.clauses.pop_front().is_some() {
            self.forgotten += 1;
        }
    }

    /// Text that is complete when it comes is not waited for: it is spoken by whole sentences, as from a file.
    pub fn take_in(&mut self, text: &str, finished: bool, flush: bool, speller: &Speller) {
        if finished && !self.begun {
            self.splitter = speller.splitter(Policy::sentences());
        }
        self.begun |= !text.is_empty();
        if !text.is_empty() {
            self.splitter.push(text);
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        if finished && !std::mem::replace(&mut self.finished, true) {
            self.splitter.finish();
        }
        if flush {
            self.splitter.flush_pending();
        }
        self.collect(speller);
    }

    /// Speaks what is there without the end of its clause.
    pub fn flush(&mut self, speller: &Speller) {
        self.splitter.flush_pending();
        self.waiting_since = None;
        self.collect(speller);
    }

    fn collect(&mut self, speller: &Speller) {
        let mut found = false;
        for clause in &mut self.splitter {
            found = true;
            let spoken = speller.spell(&clause);
            if !spoken.text.trim().is_empty() {
                let open = matches!(clause.kind, ClauseEnd::Phrase | ClauseEnd::Forced);
                let follows = std::mem::replace(&mut self.in_sentence, open);
                self.clauses.push_back(Arc::new(ClauseText { spoken, chars: clause.start..clause.end, follows }));
            }
        }
        if found {
            self.waiting_since = self.splitter.is_waiting().then(Instant::now);
        }
    }

    /// When waiting text is to be flushed, or to be looked at again. `ahead`: the speech that is still to be heard, if
    /// its end is known.
    pub fn late_at(&self, now: Instant, ahead: Option<Duration>) -> Option<Instant> {
        let since = self.waiting_since?;
        let least = if self.clauses.is_empty() && self.forgotten == 0 { FIRST_LATE } else { LATE };
        let silence = ahead.map_or(now + LOOK, |ahead| now + ahead.saturating_sub(LEAD));
        Some(silence.clamp(since + least, since + LATEST))
    }

    /// The next step. `announce` hears of a clause (its number, text and frames) before it is begun, and gives its span
    /// or refuses.
    pub fn step(
        &mut self,
        source: &mut dyn FrameSource,
        announce: impl Fn(usize, &Arc<ClauseText>, usize) -> Option<u64>,
    ) -> Result<Step> {
        let Self { clauses, forgotten, start, finished, frames, span, guards, .. } = self;
        frames.step(source, |begun| {
            let clause = *start + begun;
            let Some(text) = clauses.get(clause.wrapping_sub(*forgotten)) else {
                return if *finished { Next::NoMore } else { Next::NotYet };
            };
            let Some(number) = announce(clause, text, expected_frames(text, guards)) else { return Next::NotYet };
            *span = number;
            Next::Clause { text: &text.spoken.text, follows: text.follows }
        })
    }

    /// A clause has begun: watches it, and says how many frames it will take at the usual pace.
    pub fn watch_clause(&mut self) -> Option<usize> {
        let clause = (self.start + self.frames.begun()).checked_sub(1)?;
        let text = self.clauses.get(clause.checked_sub(self.forgotten)?)?;
        self.guard = Guard::new(self.guards, text.spoken.text.len());
        Some(expected_frames(text, &self.guards))
    }

    /// The clause went astray. True if it is to be spoken again.
    pub fn leave_clause(&mut self) -> bool {
        let clause = self.start + self.frames.begun();
        let again = self.retried.replace(clause) != Some(clause);
        self.frames.leave_clause(again);
        again
    }
}

fn expected_frames(text: &ClauseText, guards: &Guards) -> usize {
    (text.spoken.text.len() as f32 * guards.frames_per_char).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Solver;
    use crate::pack::Voice;

    #[test]
    fn text_waits_for_its_clause_as_long_as_something_else_is_heard_but_not_for_ever() {
        let speller = Speller::new(&Default::default()).unwrap();
        let voice = Voice { name: "a".to_owned(), rows: Vec::new() };
        let request = super::super::generator::Request { solver: Solver::euler(1, 1.0), seed: 0 };
        let script = Arc::new(Script { voice, request, max_frames: 1, sentences: false });
        let mut course = Course::new(&speller, &script, Guards::default());
        let now = Instant::now();
        assert_eq!(course.late_at(now, Some(Duration::ZERO)), None, "nothing waits");
        course.take_in("and so ", false, false, &speller);
        course.waiting_since = Some(now);
        let ms = |ms: u64| Some(Duration::from_millis(ms));
        let late = |later: u64, ahead: Option<Duration>| {
            let at = course.late_at(now + Duration::from_millis(later), ahead);
            at.map(|at| (at - now).as_millis())
        };
        assert_eq!(late(0, ms(0)), Some(250), "nothing is heard");
        assert_eq!(late(0, ms(900)), Some(700), "700 ms later, 200 ms are left to begin with it");
        assert_eq!(late(0, ms(9000)), Some(1500), "not for ever");
        assert_eq!(late(400, ms(0)), Some(400), "silence has come");
        assert_eq!(late(400, None), Some(420), "the end is not known yet");
        course.take_in("so it was. And ", false, false, &speller);
        course.waiting_since = Some(now);
        let at = course.late_at(now, ms(0)).unwrap();
        assert_eq!((at - now).as_millis(), 500, "what follows a clause may take longer");
    }
}

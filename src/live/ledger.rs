//! What is on its way to the ear, and what was heard. In: clauses as they are begun, cuts by name. Out: what became of
//! each, in characters of its text.
//!
//! A line per clause, in the order in which they were begun, which is the order of their samples. What was played of it
//! stands in its ticket, written by codec and callback; here it is only read, against one number, the samples heard.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::ring::gate::Gate;
use crate::ring::tickets::{Played, SLOTS};
use crate::speak::ClauseText;

#[derive(Debug)]
pub(super) struct Ledger {
    gate: Arc<Gate>,
    lines: VecDeque<Line>,
    last_ticket: u64,
}

/// A clause that is under way.
#[derive(Debug)]
struct Line {
    ticket: u64,
    utterance: u64,
    clause: usize,
    text: Arc<ClauseText>,
    /// Samples that the text may need.
    expected: u64,
    /// The listener was told of it.
    announced: bool,
    cut: bool,
    /// Marks of its text that the listener was told of.
    marks_told: usize,
}

/// What has come of a clause of an utterance.
#[derive(Debug)]
pub(super) enum Heard {
    /// Its first sample was heard; it has these characters.
    Begins(Range<usize>),
    /// One of the caller's marks was reached.
    Mark(String),
    /// Nothing more of it will be heard; so many characters of the utterance were.
    Ends(usize),
}

/// What a cut has met of an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    /// The clause to go on with, where those in `begun` were heard whole.
    pub next: usize,
    /// Clauses of which something was heard already, with their tickets: each may turn out to have been whole.
    pub begun: VecDeque<(usize, u64)>,
}

impl Ledger {
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate, lines: VecDeque::new(), last_ticket: 0 }
    }

    /// A clause is going to be generated, of about `expected` samples: its ticket. `None` where too many are under way.
    pub fn begin(&mut self, utterance: u64, clause: usize, text: &Arc<ClauseText>, expected: u64) -> Option<u64> {
        let ticket = self.last_ticket + 1;
        if self.lines.front().is_some_and(|oldest| oldest.ticket + SLOTS as u64 <= ticket) {
            return None;
        }
        self.last_ticket = ticket;
        self.gate.tickets().issue(ticket);
        let (announced, cut, text, marks_told) = (false, false, text.clone(), 0);
        self.lines.push_back(Line { ticket, utterance, clause, text, expected, announced, cut, marks_told });
        Some(ticket)
    }

    fn played(&self, ticket: u64) -> Played {
        self.gate.tickets().played(ticket)
    }

    /// Cuts the clauses of an utterance that are meant, unless they have been heard to their end. What it has met.
    pub fn cut(&mut self, utterance: u64, meant: impl Fn(&Clause<'_>) -> bool) -> Option<Met> {
        let Self { gate, lines, .. } = self;
        let (mut first, mut begun) = (None, VecDeque::new());
        lines.retain_mut(|line| {
            let played = gate.tickets().played(line.ticket);
            let ended = played.ends().is_some_and(|ends| ends <= gate.heard());
            let clause = Clause { line, played };
            if line.utterance != utterance || line.cut || ended || !meant(&clause) {
                return true;
            }
            line.cut = true;
            if gate.tickets().cut(line.ticket) {
                begun.push_back((line.clause, line.ticket));
                return true;
            }
            first.get_or_insert(line.clause);
            false // nothing of it was or will be heard
        });
        let next = first.or_else(|| begun.back().map(|&(clause, _)| clause + 1))?;
        Some(Met { next, begun })
    }

    /// How a clause has ended that was begun when it was cut: `Some(true)` if it was heard whole. `None`: not known yet.
    pub fn settled(&self, ticket: u64) -> Option<bool> {
        let Some(line) = self.lines.iter().find(|line| line.ticket == ticket) else { return Some(false) };
        let played = self.played(line.ticket);
        let over = played.silenced.is_some() || played.ends().is_some_and(|ends| ends <= self.gate.heard());
        over.then(|| played.is_whole())
    }

    /// The utterance that is heard now, or next.
    pub fn front(&self) -> Option<u64> {
        self.lines.front().map(|line| line.utterance)
    }

    /// The utterance of which something is heard right now.
    pub fn heard_now(&self) -> Option<u64> {
        self.front().filter(|_| self.lines.front().is_some_and(|line| self.played(line.ticket).begins.is_some()))
    }

    pub fn holds(&self, utterance: u64) -> bool {
        self.lines.iter().any(|line| line.utterance == utterance)
    }

    /// The utterance and the number of a clause that is under way.
    pub fn clause(&self, ticket: u64) -> Option<(u64, usize)> {
        self.lines.iter().find(|line| line.ticket == ticket).map(|line| (line.utterance, line.clause))
    }

    /// The earliest clause of an utterance that is still to be heard.
    pub fn oldest_clause(&self, utterance: u64) -> Option<usize> {
        self.lines.iter().filter(|line| line.utterance == utterance).map(|line| line.clause).min()
    }

    /// Samples that are still to be heard of clauses that are complete, if all are. Behind one that is held, nothing is
    /// heard yet.
    pub fn ahead(&self) -> Option<u64> {
        let heard = self.gate.heard();
        self.lines.iter().filter(|line| !line.cut).try_fold(0, |sum, line| {
            let played = self.played(line.ticket);
            let before = played.begins.map_or(0, |begins| heard.saturating_sub(begins));
            Some(sum + played.length?.saturating_sub(before))
        })
    }

    /// Characters of an utterance that have been heard, as far as its clauses are in here.
    pub fn position(&self, utterance: u64) -> usize {
        let heard = self.gate.heard();
        let lines = self.lines.iter().filter(|line| line.utterance == utterance);
        lines.filter_map(|line| line.position(self.played(line.ticket), heard)).max().unwrap_or(0)
    }

    /// Notes what has been heard since the last call: `tell` hears what that means. Lines that are over go.
    pub fn hear(&mut self, mut tell: impl FnMut(u64, Heard)) {
        let Self { gate, lines, .. } = self;
        let heard = gate.heard();
        lines.retain_mut(|line| {
            let played = gate.tickets().played(line.ticket);
            if !line.announced && played.begins.is_some_and(|begins| begins < heard) {
                line.announced = true;
                if line.text.interlude.is_none() {
                    tell(line.utterance, Heard::Begins(line.text.chars.clone()));
                }
            }
            let over = played.ends().is_some_and(|ends| ends <= heard);
            while let Some(name) = line.next_mark(played, heard, over) {
                line.marks_told += 1;
                tell(line.utterance, Heard::Mark(name));
            }
            if over {
                tell(line.utterance, Heard::Ends(line.position(played, heard).unwrap_or(line.text.chars.start)));
            }
            !over
        });
    }

    /// Nobody plays any more: what was heard is all that ever will be.
    pub fn abandon(&mut self, mut tell: impl FnMut(u64, Heard)) {
        self.hear(&mut tell);
        let heard = self.gate.heard();
        for line in std::mem::take(&mut self.lines) {
            self.gate.tickets().cut(line.ticket);
            if let Some(position) = line.position(self.played(line.ticket), heard) {
                tell(line.utterance, Heard::Ends(position));
            }
        }
    }
}

/// A clause, for whoever decides what to cut.
pub(super) struct Clause<'l> {
    line: &'l Line,
    played: Played,
}

impl Clause<'_> {
    pub fn number(&self) -> usize {
        self.line.clause
    }

    /// Something of it was played.
    pub fn is_begun(&self) -> bool {
        self.played.begins.is_some()
    }
}

impl Line {
    /// The next mark that has been reached.
    fn next_mark(&self, played: Played, heard: u64, over: bool) -> Option<String> {
        let (byte, name) = self.text.marks.get(self.marks_told)?;
        let reached = played.begins.is_some_and(|begins| {
            begins < heard && begins + self.text.mark_at(*byte, played.length, self.expected) <= heard
        });
        (reached || over).then(|| name.clone())
    }

    /// Characters that have been spoken with so many samples heard. `None` where nothing of it was.
    fn position(&self, played: Played, heard: u64) -> Option<usize> {
        let begins = played.begins.filter(|&begins| begins < heard)?;
        let until = played.ends().map_or(heard, |ends| ends.min(heard));
        Some(self.text.position(until - begins, played.length, self.expected))
    }
}

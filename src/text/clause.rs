//! Text comes in, in pieces of any size; clauses go out, each as soon as its end is certain.
//!
//! Speech should start before a language model has finished its sentence, and should then pause where a reader
//! would. The first clause is therefore cut early, at a natural place; later ones are whole sentences, which a
//! model reads best. Whether a stop ends a sentence is told by what follows it, so the splitter looks a few
//! characters ahead, and never further: what it does with a text does not depend on how the text was cut up.
//!
//! The ranges of the clauses follow each other without a gap. White space belongs to the clause that it precedes.

mod boundary;

use std::collections::VecDeque;
use std::sync::Arc;

use super::normalise::ClauseWords;
use super::veil::Veil;
use boundary::{Break, Supply, View, is_mark};

/// A piece of text to be spoken in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The text of the range, white space included; thoughts, tool calls and the addresses of links are blotted out.
    pub text: String,
    /// Offset of the first character in the whole text pushed.
    pub start: usize,
    /// Offset past the last character.
    pub end: usize,
    pub kind: ClauseEnd,
}

/// Why a clause ends where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClauseEnd {
    /// A sentence or line ended.
    Sentence,
    /// Within a sentence, where a reader may pause.
    Phrase,
    /// Within a phrase, since the clause grew too long or the text too late.
    Forced,
    /// The text ended, without the end of a sentence or with a sentence too short to stand alone.
    Final,
}

/// When the first clause may be cut short so that speech starts early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstFragment {
    /// From this many words on, at any mark, or before a conjunction or preposition.
    pub min_words: usize,
    /// From this many words on, after any word that does not belong to the next.
    pub max_words: usize,
}

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `None` for text that is not being waited for: whole sentences from the start.
    pub first: Option<FirstFragment>,
    /// A sentence of fewer words is joined with the next: "Yes." alone sounds clipped.
    pub min_words: usize,
    /// A longer sentence is cut at its last mark: 200 characters are some 13 s of speech, well within what the models
    /// were trained on.
    pub max_chars: usize,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { first: Some(FirstFragment { min_words: 4, max_words: 12 }), min_words: 3, max_chars: 200 }
    }
}

impl Policy {
    /// Whole sentences from the start.
    pub fn sentences() -> Policy {
        Policy { first: None, ..Policy::default() }
    }
}

/// A tag or label is at most this long.
const MARKUP_CHARS: usize = 160;
/// A word of more figures, each of which is spoken as a word, is cut.
const MOST_FIGURES: usize = 60;

/// The last places seen in the clause so far.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    words: usize,
    in_word: bool,
    /// Figures in the word so far.
    figures: usize,
    mark: Option<(usize, ClauseEnd)>,
    soft: Option<usize>,
    word: Option<usize>,
}

/// The splitter. As an iterator it yields the clauses that are certain; `None` means none yet.
#[derive(Debug)]
pub struct Clauses {
    lexicon: Arc<ClauseWords>,
    policy: Policy,
    /// What has not been given out, from character `start` of the text.
    text: VecDeque<char>,
    /// Blots out what is not to be heard.
    veil: Veil,
    start: usize,
    /// The next character of `text` to be judged.
    next: usize,
    seen: Seen,
    supply: Supply,
    ready: VecDeque<Clause>,
}

impl Iterator for Clauses {
    type Item = Clause;

    fn next(&mut self) -> Option<Clause> {
        self.ready.pop_front()
    }
}

impl Clauses {
    pub fn new(lexicon: Arc<ClauseWords>, policy: Policy) -> Clauses {
        Clauses {
            lexicon,
            policy,
            text: VecDeque::new(),
            veil: Veil::new(),
            start: 0,
            next: 0,
            seen: Seen::default(),
            supply: Supply::Open,
            ready: VecDeque::new(),
        }
    }

    /// The clauses of a whole text.
    pub fn split_all(lexicon: Arc<ClauseWords>, policy: Policy, text: &str) -> Vec<Clause> {
        let mut clauses = Clauses::new(lexicon, policy);
        clauses.push(text);
        clauses.finish();
        clauses.collect()
    }

    /// Adds text. After [`finish`](Self::finish) it is ignored.
    pub fn push(&mut self, text: &str) {
        if self.supply == Supply::Open {
            self.veil.push(text, &mut self.text);
            self.advance();
        }
    }

    /// The text is complete; what is left of it becomes clauses. White space at its end is a clause of its own.
    pub fn finish(&mut self) {
        self.close(ClauseEnd::Final);
    }

    fn close(&mut self, kind: ClauseEnd) {
        if self.supply == Supply::Closed {
            return;
        }
        self.veil.finish(&mut self.text);
        self.supply = Supply::Closed;
        self.advance();
        self.emit(self.text.len(), kind);
    }

    /// What has arrived is complete; what comes next begins a sentence, or goes on with one if this ends a phrase.
    pub fn cut(&mut self, kind: ClauseEnd) {
        if self.supply == Supply::Closed {
            return;
        }
        self.close(kind);
        self.supply = Supply::Open;
        self.veil = Veil::new();
    }

    /// From here on the text is in another language.
    pub fn set_words(&mut self, words: Arc<ClauseWords>) {
        self.lexicon = words;
    }

    /// Gives out what has arrived, up to a word that can end a phrase: for a feeder that is late. A word, number or
    /// abbreviation that may not be complete is kept back.
    pub fn flush_pending(&mut self) {
        if self.supply == Supply::Closed {
            return;
        }
        let token = self.text.iter().rposition(|c| c.is_whitespace()).map_or(0, |i| i + 1);
        let token = self.unclosed().map_or(token, |open| open.min(token));
        let mut ends = self.text.iter().rev();
        let marked = ends.next().is_some_and(|&c| is_mark(c)) && ends.next().is_some_and(|c| c.is_alphabetic());
        let kept = match marked && self.unclosed().is_none() && self.view().may_break(self.text.len()) {
            true => VecDeque::new(),
            false => self.text.split_off(token),
        };
        // What is left is judged as if the text ended here.
        self.restart();
        self.supply = Supply::Late;
        self.advance();
        self.supply = Supply::Open;
        let trimmed = self.text.iter().rposition(|c| !c.is_whitespace()).map_or(0, |i| i + 1);
        match self.view().may_break(trimmed) && !self.view().may_go_on(trimmed) {
            true => self.emit(trimmed, ClauseEnd::Forced),
            false => self.emit(self.seen.word.unwrap_or(0), ClauseEnd::Forced),
        }
        self.text.extend(kept);
        self.advance();
    }

    /// Where a tag or the label of a link begins that has not ended.
    fn unclosed(&self) -> Option<usize> {
        let from = self.text.len().saturating_sub(MARKUP_CHARS);
        let open = from + self.text.range(from..).rposition(|&c| matches!(c, '<' | '>' | '[' | ']'))?;
        let tag = |c: &char| c.is_alphabetic() || *c == '/';
        match self.text.get(open)? {
            '[' => Some(open),
            '<' => self.text.get(open + 1).is_none_or(tag).then_some(open),
            _ => None,
        }
    }

    /// Some text is in no clause yet.
    pub fn is_waiting(&self) -> bool {
        !self.text.is_empty() || self.veil.is_waiting()
    }

    /// Offset of the first character that is in no clause yet.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The text that is in no clause yet.
    pub fn waiting(&self) -> String {
        self.text.iter().collect()
    }

    fn view(&self) -> View<'_> {
        View { text: &self.text, next: self.next, supply: self.supply, words: self.seen.words, lexicon: &self.lexicon }
    }

    /// Judges every character that has enough behind it.
    fn advance(&mut self) {
        while let Some(c) = self.text.get(self.next) {
            let Ok(found) = self.view().judge() else { return };
            let in_word = !c.is_whitespace();
            self.seen.words += usize::from(in_word && !self.seen.in_word);
            self.seen.in_word = in_word;
            self.seen.figures = match (in_word, c.is_numeric()) {
                (false, _) => 0,
                (true, figure) => self.seen.figures + usize::from(figure),
            };
            self.next += 1;
            if let Some((cut, kind)) = self.decide(found) {
                self.emit(cut, kind);
            }
        }
    }

    /// Whether the clause so far ends at the break found, or, grown too long, at an earlier one.
    fn decide(&mut self, found: Break) -> Option<(usize, ClauseEnd)> {
        let words = self.seen.words;
        let max_chars = self.policy.max_chars.max(1);
        let first = self.policy.first.filter(|_| self.start == 0);
        let min_words = first.map_or(self.policy.min_words, |first| first.min_words);
        let early = first.is_some() && words >= min_words;
        let late = first.is_some_and(|first| words >= first.max_words);
        let far = |cut: usize| cut >= max_chars / 4;
        match found {
            _ if words == 0 => {}
            Break::Sentence(cut) if words >= min_words => return Some((cut, ClauseEnd::Sentence)),
            Break::Sentence(cut) => self.seen.mark = Some((cut, ClauseEnd::Sentence)),
            Break::Phrase(cut) | Break::Soft(cut) if early => return Some((cut, ClauseEnd::Phrase)),
            Break::Word(cut) if late => return Some((cut, ClauseEnd::Forced)),
            Break::Phrase(cut) if far(cut) => self.seen.mark = Some((cut, ClauseEnd::Phrase)),
            Break::Soft(cut) if far(cut) => self.seen.soft = Some(cut),
            Break::Soft(cut) | Break::Word(cut) => self.seen.word = Some(cut),
            Break::Phrase(_) | Break::None => {}
        }
        if self.seen.figures >= MOST_FIGURES {
            return Some((self.next, ClauseEnd::Forced));
        }
        if self.next <= max_chars {
            return None;
        }
        let seen = self.seen;
        let last_resort = (self.next > max_chars.saturating_mul(2)).then_some(self.next);
        seen.mark
            .or(seen.soft.map(|cut| (cut, ClauseEnd::Phrase)))
            .or(seen.word.or(last_resort).map(|cut| (cut, ClauseEnd::Forced)))
    }

    fn emit(&mut self, cut: usize, kind: ClauseEnd) {
        let text: String = self.text.drain(..cut.min(self.text.len())).collect();
        if !text.is_empty() {
            let start = self.start;
            self.start += text.chars().count();
            self.ready.push_back(Clause { text, start, end: self.start, kind });
        }
        self.restart();
    }

    fn restart(&mut self) {
        self.next = 0;
        self.seen = Seen::default();
    }
}

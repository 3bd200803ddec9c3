//! What has been heard. In: the indices of the samples of each clause. Out: characters of the text.
//!
//! A clause's bounds are exact. Within it the place is read off the share of its samples that have been heard, through
//! the map from the spoken text to the written one; while it is still being generated, its length is an estimate.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::device::callback::Cut;
use crate::text::normalise::Spoken;

/// Clauses on their way to the ear, in the order of their samples. A cut takes off its end, hearing its beginning.
#[derive(Debug, Default)]
pub(super) struct Trail {
    spans: VecDeque<Span>,
    last_number: u64,
    /// Up to this epoch, cuts have reached the device.
    cut_epoch: u64,
}

/// A clause of the trail.
#[derive(Debug)]
pub(super) struct Span {
    /// Tells spans apart; a clause that is spoken again has two.
    number: u64,
    utterance: u64,
    clause: usize,
    epoch: u64,
    text: Arc<ClauseText>,
    /// Index of the first sample; `None` before the codec has met it.
    first: Option<u64>,
    /// Index past the last sample, once it is known.
    end: Option<u64>,
    /// Index of the first sample that a cancel has silenced.
    cut: Option<u64>,
    /// Samples that the text may need.
    expected: u64,
    /// The listener was told of it.
    announced: bool,
}

/// What has come of a clause of an utterance.
#[derive(Debug)]
pub(super) enum Heard {
    /// Its first sample was heard; it has these characters.
    Begins(Range<usize>),
    /// Nothing more of it will be heard; so many characters of the utterance were.
    Ends(usize),
}

/// A clause as it is spoken and where it was written.
#[derive(Debug)]
pub(super) struct ClauseText {
    pub spoken: Spoken,
    /// Characters of the text pushed.
    pub chars: Range<usize>,
    /// It goes on with the sentence of the clause before.
    pub follows: bool,
}

impl Trail {
    /// A clause is going to be generated, of about `expected` samples. The number of its span.
    pub fn begin(&mut self, utterance: u64, clause: usize, epoch: u64, text: &Arc<ClauseText>, expected: u64) -> u64 {
        self.last_number += 1;
        let number = self.last_number;
        let (first, end, cut, announced) = (None, None, None, false);
        let text = text.clone();
        self.spans.push_back(Span { number, utterance, clause, epoch, text, first, end, cut, expected, announced });
        number
    }

    /// The first sample of a span has this index.
    pub fn starts(&mut self, number: u64, first: u64) {
        if let Some(span) = self.span(number) {
            span.first = Some(first);
        }
    }

    /// The last sample of a span is before this index.
    pub fn ends(&mut self, number: u64, end: u64) {
        if let Some(span) = self.span(number) {
            span.first.get_or_insert(end);
            span.end = Some(end);
        }
    }

    fn span(&mut self, number: u64) -> Option<&mut Span> {
        self.spans.iter_mut().find(|span| span.number == number)
    }

    /// The utterance that is heard now, or next.
    pub fn front(&self) -> Option<u64> {
        self.spans.front().map(|span| span.utterance)
    }

    pub fn holds(&self, utterance: u64) -> bool {
        self.spans.iter().any(|span| span.utterance == utterance)
    }

    /// Up to this epoch, cuts have reached the device.
    pub fn cut_epoch(&self) -> u64 {
        self.cut_epoch
    }

    /// The earliest clause of an utterance that is still to be heard.
    pub fn oldest_clause(&self, utterance: u64, epoch: u64) -> Option<usize> {
        let spans = self.spans.iter().filter(|span| span.utterance == utterance && span.epoch == epoch);
        spans.map(|span| span.clause).min()
    }

    /// The clause of an utterance that has not been heard to its end when the sample before `heard` has.
    pub fn unheard_clause(&self, utterance: u64, epoch: u64, heard: u64) -> Option<usize> {
        let spans = self.spans.iter().filter(|span| span.utterance == utterance && span.epoch == epoch);
        spans.filter(|span| span.end.is_none_or(|end| end > heard)).map(|span| span.clause).min()
    }

    /// Index of the first sample of the first of these utterances, or where it will be. `Err`: none of them is on the
    /// trail, which ends at this index.
    pub fn edge(&self, epoch: u64, meant: &[u64]) -> Result<u64, u64> {
        let mut edge = 0;
        for span in self.spans.iter().filter(|span| span.epoch == epoch) {
            if meant.contains(&span.utterance) {
                return Ok(span.first.unwrap_or(edge));
            }
            edge = span.end.unwrap_or(0);
        }
        Err(edge)
    }

    /// Samples from index `taken` to the end of all that is on the trail, if that is known.
    pub fn ahead(&self, taken: u64) -> Option<u64> {
        self.spans.back().map_or(Some(0), |span| Some(span.end?.saturating_sub(taken)))
    }

    /// Where the clause ends whose samples leave at index `taken`, if that is known.
    pub fn clause_end(&self, epoch: u64, taken: u64) -> Option<u64> {
        let begun = |span: &&Span| span.epoch == epoch && span.first.is_some_and(|first| first <= taken);
        self.spans.iter().rfind(begun).and_then(|span| span.end)
    }

    /// Where an utterance ends, if that is known.
    pub fn utterance_end(&self, epoch: u64, utterance: u64) -> Option<u64> {
        let of_it = |span: &&Span| span.epoch == epoch && span.utterance == utterance;
        self.spans.iter().rfind(of_it).and_then(|span| span.end)
    }

    /// A cut began epoch `new`; the spans of `old` that end up to index `keep` are heard in it.
    pub fn keep(&mut self, keep: u64, old: u64, new: u64) {
        let kept = |span: &&mut Span| span.epoch == old && span.end.is_some_and(|end| end <= keep);
        self.spans.iter_mut().filter(kept).for_each(|span| span.epoch = new);
    }

    /// A cut has reached the device.
    pub fn apply(&mut self, cut: Cut) {
        self.cut_epoch = self.cut_epoch.max(cut.epoch);
        self.spans.retain_mut(|span| span.epoch >= cut.epoch || span.cut(cut.index));
    }

    /// Characters of an utterance that have been heard with the samples before index `heard`, as far as its clauses are
    /// on the trail.
    pub fn position(&self, utterance: u64, heard: u64) -> usize {
        let begun = |span: &&Span| span.utterance == utterance && span.first.is_some_and(|first| first < heard);
        self.spans.iter().filter(begun).map(|span| span.chars_at(heard)).max().unwrap_or(0)
    }

    /// The samples before index `heard` have been heard: `tell` hears what that means.
    pub fn hear(&mut self, heard: u64, mut tell: impl FnMut(u64, Heard)) {
        self.spans.retain_mut(|span| {
            if !span.announced && span.first.is_some_and(|first| first < heard) {
                span.announced = true;
                tell(span.utterance, Heard::Begins(span.text.chars.clone()));
            }
            let over = span.heard_end().is_some_and(|end| end <= heard);
            if over {
                tell(span.utterance, Heard::Ends(span.chars_at(heard)));
            }
            !over
        });
    }
}

impl Span {
    /// Characters that have been spoken when the sample before `index` has been heard.
    fn chars_at(&self, index: u64) -> usize {
        let index = self.cut.map_or(index, |cut| cut.min(index));
        let chars = &self.text.chars;
        let Some(first) = self.first.filter(|&first| first < index) else { return chars.start };
        if self.end.is_some_and(|end| end <= index) {
            return chars.end;
        }
        let length = self.end.map_or(self.expected, |end| end - first).max(1);
        let share = ((index - first) as f64 / length as f64).min(1.0);
        let Spoken { text, source } = &self.text.spoken;
        let byte = (share * text.len() as f64) as usize;
        let at = source.get(byte).map_or(0, |&at| at as usize);
        (chars.start + at).min(chars.end.saturating_sub(1).max(chars.start))
    }

    /// Nothing from the sample at `index` on will be heard. False where nothing is left.
    fn cut(&mut self, index: u64) -> bool {
        self.cut = Some(self.cut.map_or(index, |cut| cut.min(index)));
        self.first.is_some_and(|first| first < index)
    }

    /// Index past the last sample that will be heard, once it is known.
    fn heard_end(&self) -> Option<u64> {
        self.end.into_iter().chain(self.cut).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(end: Option<u64>) -> Span {
        let text = Arc::new(ClauseText { spoken: Spoken::verbatim("abcdefghij"), chars: 20..30, follows: false });
        let (number, utterance, clause, epoch) = (1, 1, 0, 0);
        Span {
            number,
            utterance,
            clause,
            epoch,
            text,
            first: Some(1000),
            end,
            cut: None,
            expected: 200,
            announced: false,
        }
    }

    #[test]
    fn a_clause_counts_from_its_first_sample_to_its_last() {
        let span = span(Some(1100));
        assert_eq!([0, 1000, 1050, 1099, 1100, 9999].map(|i| span.chars_at(i)), [20, 20, 25, 29, 30, 30]);
    }

    #[test]
    fn a_clause_without_an_end_is_never_complete() {
        let span = span(None);
        assert_eq!([1100, 1200, 9999].map(|i| span.chars_at(i)), [25, 29, 29]);
    }

    #[test]
    fn a_cut_fixes_the_place() {
        let mut cut = span(Some(1100));
        assert!(cut.cut(1030));
        assert_eq!([1015, 1030, 5000].map(|i| cut.chars_at(i)), [21, 23, 23]);
        assert_eq!(cut.heard_end(), Some(1030));
        assert!(!span(Some(1100)).cut(1000), "nothing of it was heard");
    }
}

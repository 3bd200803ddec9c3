//! What has been heard. In: the indices of the samples of each clause. Out: characters of the text.
//!
//! A clause's bounds are exact. Within it the place is read off the share of its samples that have been heard, through
//! the map from the spoken text to the written one; while it is still being generated, its length is an estimate.

use std::ops::Range;
use std::sync::Arc;

use crate::text::normalise::Spoken;

/// Samples of a clause on their way to the ear.
#[derive(Debug)]
pub(super) struct Span {
    /// Tells spans apart; a clause that is spoken again has two.
    pub number: u64,
    pub utterance: u64,
    pub clause: usize,
    pub epoch: u64,
    pub text: Arc<ClauseText>,
    /// Index of the first sample; `None` before the codec has met it.
    pub first: Option<u64>,
    /// Index past the last sample, once it is known.
    pub end: Option<u64>,
    /// Index of the first sample that a cancel has silenced.
    pub cut: Option<u64>,
    /// Samples that the text may need.
    pub expected: u64,
    /// The listener was told of it.
    pub announced: bool,
}

/// A clause as it is spoken and where it was written.
#[derive(Debug)]
pub(super) struct ClauseText {
    pub spoken: Spoken,
    /// Characters of the text pushed.
    pub chars: Range<usize>,
}

impl Span {
    /// Characters that have been spoken when the sample before `index` has been heard.
    pub fn chars_at(&self, index: u64) -> usize {
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
    pub fn cut(&mut self, index: u64) -> bool {
        self.cut = Some(self.cut.map_or(index, |cut| cut.min(index)));
        self.first.is_some_and(|first| first < index)
    }

    /// Index past the last sample that will be heard, once it is known.
    pub fn heard_end(&self) -> Option<u64> {
        self.end.into_iter().chain(self.cut).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(end: Option<u64>) -> Span {
        let text = Arc::new(ClauseText { spoken: Spoken::verbatim("abcdefghij"), chars: 20..30 });
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

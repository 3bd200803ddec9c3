//! Where in the text a sample is. In: a clause as it is spoken, samples of it that were heard. Out: a character.
//!
//! A clause's bounds are exact. Within it the place is read off the share of its samples that have been heard, through
//! the map from the spoken text to the written one; while it is still being generated, its length is an estimate.

use std::ops::Range;

use crate::text::normalise::Spoken;

/// A clause as it is spoken and where it was written.
#[derive(Debug)]
pub(crate) struct ClauseText {
    pub spoken: Spoken,
    /// Characters and bytes of the text pushed.
    pub chars: Range<usize>,
    pub bytes: Range<usize>,
    /// It goes on with the sentence of the clause before.
    pub follows: bool,
}

impl ClauseText {
    /// Characters of the spoken text, by which its frames are estimated.
    pub fn spoken_chars(&self) -> usize {
        self.spoken.text.chars().count()
    }

    /// Characters of the whole text that have been spoken when `heard` samples of this clause have. `length`: all its
    /// samples, where they are known; else about `expected`, and the clause is not complete whatever was heard.
    pub fn position(&self, heard: u64, length: Option<u64>, expected: u64) -> usize {
        let Range { start, end } = self.chars;
        if heard == 0 {
            return start;
        }
        if length.is_some_and(|length| length <= heard) {
            return end;
        }
        let share = (heard as f64 / length.unwrap_or(expected).max(1) as f64).min(1.0);
        let byte = (share * self.spoken.text.len() as f64) as usize;
        let at = self.spoken.source.get(byte).map_or(0, |&at| at as usize);
        (start + at).min(end.saturating_sub(1).max(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause() -> ClauseText {
        ClauseText { spoken: Spoken::verbatim("abcdefghij"), chars: 20..30, bytes: 20..30, follows: false }
    }

    #[test]
    fn a_clause_counts_from_its_first_sample_to_its_last() {
        let position = |heard| clause().position(heard, Some(100), 200);
        assert_eq!([0, 50, 99, 100, 9999].map(position), [20, 25, 29, 30, 30]);
    }

    #[test]
    fn what_is_expected_of_a_clause_is_counted_in_characters_in_every_script() {
        let spoken = |text: &str| ClauseText { spoken: Spoken::verbatim(text), ..clause() }.spoken_chars();
        assert_eq!([spoken("abcdef"), spoken("नमस्ते"), spoken("مرحبا!")], [6, 6, 6]);
    }

    #[test]
    fn a_clause_without_an_end_is_never_complete() {
        let position = |heard| clause().position(heard, None, 200);
        assert_eq!([100, 200, 9999].map(position), [25, 29, 29]);
    }
}

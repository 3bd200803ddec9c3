//! Where in the text a sample is. In: a clause as it is spoken, samples of it that were heard. Out: a character; of a
//! clause that is complete, when each of its words is heard.
//!
//! A clause's bounds are exact. Within it the place is read off the share of its samples that have been heard, through
//! the map from the spoken text to the written one; while it is still being generated, its length is an estimate.

use std::ops::Range;

use super::interlude::Interlude;
use crate::text::normalise::Spoken;
use crate::text::ssml::{Place, Prosody};

/// A word of the text, and when it is heard.
///
/// Words are what stands between blanks. The first word of a clause begins with its first sample and the last one ends
/// with its last: this is exact. In between it is an estimate, by the pace at which this clause was spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Word {
    /// As it was pushed, with its punctuation. Of SSML what is read: an alias is the word, and its place where its element
    /// begins.
    pub text: String,
    /// Characters (Unicode scalar values) of the text pushed.
    pub chars: Range<usize>,
    /// Bytes of the same.
    pub bytes: Range<usize>,
    /// Numbers of its samples in the speech.
    pub samples: Range<u64>,
}

/// A clause as it is spoken and where it was written; or what is heard between words.
#[derive(Debug)]
pub(crate) struct ClauseText {
    pub spoken: Spoken,
    /// The same as it was pushed, without a document's markup.
    pub written: String,
    /// Where each of its characters stands in a document with markup; empty where they follow each other.
    pub places: Vec<Place>,
    /// Characters and bytes of the text pushed.
    pub chars: Range<usize>,
    pub bytes: Range<usize>,
    /// It goes on with the sentence of the clause before.
    pub follows: bool,
    /// What is heard in place of words.
    pub interlude: Option<Interlude>,
    /// How it is said, beside how the whole speech is.
    pub prosody: Prosody,
    /// The caller's marks, by the byte of the spoken text before which they stand.
    pub marks: Vec<(usize, String)>,
}

impl ClauseText {
    /// Characters of the spoken text, by which its frames are estimated.
    pub fn spoken_chars(&self) -> usize {
        self.spoken.text.chars().count()
    }

    /// Samples of this clause that are heard before one of its marks: exact at both of its ends, else by the share of the
    /// text. `length`: all its samples, where they are known; else about `expected`.
    pub fn mark_at(&self, byte: usize, length: Option<u64>, expected: u64) -> u64 {
        let before = self.spoken.text.get(..byte).unwrap_or(&self.spoken.text).chars().count();
        let share = before as f64 / self.spoken_chars().max(1) as f64;
        (share.min(1.0) * length.unwrap_or(expected) as f64).round() as u64
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
        let char = (share * self.spoken_chars() as f64) as usize;
        let byte = self.spoken.text.char_indices().nth(char).map_or(self.spoken.text.len(), |(byte, _)| byte);
        let at = self.spoken.source.get(byte).map_or(0, |&at| at as usize);
        let place = self.places.get(at).map_or(start + at, |place| place.chars);
        place.min(end.saturating_sub(1).max(start))
    }

    /// The byte of the whole text at which one of the clause's characters begins.
    pub fn byte_of(&self, char: usize) -> usize {
        if !self.places.is_empty() {
            let place = self.places.iter().find(|place| place.chars >= char);
            return place.map_or(self.bytes.end, |place| place.bytes);
        }
        let within = char.saturating_sub(self.chars.start);
        let byte = self.written.char_indices().nth(within).map_or(self.written.len(), |(byte, _)| byte);
        self.bytes.start + byte
    }

    /// Where a piece of `written` stands in the whole text: its characters and bytes.
    fn place(&self, chars: Range<usize>, bytes: Range<usize>) -> (Range<usize>, Range<usize>) {
        let known = |char: usize| self.places.get(char);
        match (known(chars.start), known(chars.end.saturating_sub(1))) {
            (Some(first), Some(last)) => (first.chars..last.chars + 1, first.bytes..last.bytes + 1),
            _ => (
                self.chars.start + chars.start..self.chars.start + chars.end,
                self.bytes.start + bytes.start..self.bytes.start + bytes.end,
            ),
        }
    }

    /// Its words, where its samples are `samples` of the speech. Those of which nothing is spoken are left out.
    pub fn words(&self, samples: Range<u64>) -> Vec<Word> {
        // By characters, not bytes: a phone's has three.
        let chars_before: Vec<u32> = self.spoken.text.char_indices().zip(0..).fold(
            Vec::with_capacity(self.spoken.text.len()),
            |mut before, ((byte, c), char)| {
                before.resize(byte + c.len_utf8(), char);
                before
            },
        );
        let length = self.spoken_chars().max(1);
        let map = self.spoken.source.get(..self.spoken.text.len()).unwrap_or_default();
        let byte_spoken = |char: usize| map.partition_point(|&at| (at as usize) < char);
        let sample_at = |byte: usize| {
            let char = chars_before.get(byte).map_or(length as f64, |&char| f64::from(char));
            let share = char / length as f64;
            samples.start + (share * (samples.end - samples.start) as f64) as u64
        };
        let mut words: Vec<Word> = Vec::new();
        for (chars, bytes) in pieces(&self.written) {
            let spoken = byte_spoken(chars.start)..byte_spoken(chars.end);
            if spoken.is_empty() {
                continue;
            }
            let text = self.written.get(bytes.clone()).unwrap_or_default().to_owned();
            let (chars, bytes) = self.place(chars, bytes);
            words.push(Word { text, chars, bytes, samples: sample_at(spoken.start)..sample_at(spoken.end) });
        }
        if let Some(first) = words.first_mut() {
            first.samples.start = samples.start;
        }
        if let Some(last) = words.last_mut() {
            last.samples.end = samples.end;
        }
        words
    }
}

/// Characters and bytes of what stands between blanks.
fn pieces(text: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let mut pieces = Vec::new();
    let mut begun: Option<(usize, usize)> = None;
    let end = (text.len(), ' ');
    for (char, (byte, c)) in text.char_indices().chain([end]).enumerate() {
        match begun {
            None if !c.is_whitespace() => begun = Some((char, byte)),
            Some((first_char, first_byte)) if c.is_whitespace() => {
                pieces.push((first_char..char, first_byte..byte));
                begun = None;
            }
            _ => {}
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause() -> ClauseText {
        written("abcdefghij", 20)
    }

    fn written(text: &str, start: usize) -> ClauseText {
        let (chars, bytes) = (start..start + text.chars().count(), start..start + text.len());
        ClauseText {
            spoken: Spoken::verbatim(text),
            written: text.to_owned(),
            places: Vec::new(),
            chars,
            bytes,
            follows: false,
            interlude: None,
            prosody: Prosody::default(),
            marks: Vec::new(),
        }
    }

    #[test]
    fn a_clause_counts_from_its_first_sample_to_its_last() {
        let position = |heard| clause().position(heard, Some(100), 200);
        assert_eq!([0, 50, 99, 100, 9999].map(position), [20, 25, 29, 30, 30]);
    }

    #[test]
    fn a_mark_is_exact_at_both_ends_of_its_clause() {
        let at = |byte| clause().mark_at(byte, Some(1001), 7);
        assert_eq!([0, 5, 10].map(at), [0, 501, 1001]);
        assert_eq!(clause().mark_at(5, None, 8), 4, "while it is being generated by what is expected");
    }

    #[test]
    fn what_is_expected_of_a_clause_is_counted_in_characters_in_every_script() {
        let spoken = |text: &str| ClauseText { spoken: Spoken::verbatim(text), ..clause() }.spoken_chars();
        assert_eq!([spoken("abcdef"), spoken("नमस्ते"), spoken("مرحبا!")], [6, 6, 6]);
    }

    #[test]
    fn a_word_in_phones_has_its_share_of_the_time() {
        let (said, written_as) = ("ab \u{e001}\u{e002}\u{e003} cd", "ab xyz cd");
        let source: Vec<u32> = [0, 1, 2].into_iter().chain([3; 9]).chain([6, 7, 8, 9]).collect();
        let spoken = Spoken { text: said.to_owned(), source };
        let (phones, letters) = (ClauseText { spoken, ..written(written_as, 0) }, written(written_as, 0));
        let times = |clause: &ClauseText| clause.words(0..900).into_iter().map(|word| word.samples).collect::<Vec<_>>();
        assert_eq!(times(&phones), times(&letters));
        assert_eq!(phones.mark_at(13, Some(900), 0), letters.mark_at(7, Some(900), 0));
        assert_eq!([0, 300, 700].map(|heard| phones.position(heard, Some(900), 0)), [0, 3, 7]);
    }

    #[test]
    fn a_clause_without_an_end_is_never_complete() {
        let position = |heard| clause().position(heard, None, 200);
        assert_eq!([100, 200, 9999].map(position), [25, 29, 29]);
    }

    #[test]
    fn words_are_pieces_of_the_text_and_fill_their_clause_in_order() {
        let words = written(" Über  300 m,\nthen left. ", 7).words(1000..2000);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["Über", "300", "m,", "then", "left."]);
        assert_eq!((words[1].chars.clone(), words[1].bytes.clone()), (14..17, 15..18));
        assert_eq!((words[0].samples.start, words[4].samples.end), (1000, 2000), "the clause's own bounds");
        assert!(words.windows(2).all(|pair| pair[0].samples.end <= pair[1].samples.start), "{words:?}");
        assert!(words.iter().all(|word| word.samples.start < word.samples.end), "{words:?}");
    }

    #[test]
    fn a_number_takes_the_time_of_its_words_and_what_is_not_spoken_takes_none() {
        let text = "Go 300 m 😀 now.";
        let spoken = crate::text::normalise::Normaliser::english().unwrap().speak(text);
        let clause = ClauseText { spoken, ..written(text, 0) };
        let words = clause.words(0..10_000);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["Go", "300", "m", "now."], "{}", clause.spoken.text);
        let length = |i: usize| words[i].samples.end - words[i].samples.start;
        assert!(length(1) > 3 * length(0), "{words:?}");
    }

    #[test]
    fn a_character_knows_its_byte() {
        let clause = written("Öä x", 10);
        assert_eq!([10, 11, 12, 13, 14, 99].map(|char| clause.byte_of(char)), [10, 12, 14, 15, 16, 16]);
    }
}

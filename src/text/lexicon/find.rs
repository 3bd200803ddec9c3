//! Finding a lexicon's words in a text. In: characters, and a place among them. Out: the longest entry that is written there.

use std::collections::HashMap;
use std::ops::Range;

use super::{Entry, Lexicon, MOST_CHARS};
use crate::text::normalise::Spoken;

/// Entries that begin with the same word.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// How long they are, the longest first.
    lengths: Vec<usize>,
    /// By what they are written as, in small letters.
    entries: HashMap<String, Vec<Entry>>,
}

impl Start {
    pub fn add(&mut self, folded: String, entry: Entry) {
        let length = folded.chars().count();
        if let Err(at) = self.lengths.binary_search_by(|known| length.cmp(known)) {
            self.lengths.insert(at, length);
        }
        self.entries.entry(folded).or_default().push(entry);
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().flatten()
    }

    pub fn find(&self, text: &[char], at: usize) -> Option<(&Entry, usize)> {
        self.lengths.iter().find_map(|&length| {
            let written = text.get(at..at + length)?;
            let within = |i: usize| text.get(i).is_some_and(|c| c.is_alphanumeric());
            if within(at + length) && within(at + length - 1) {
                return None; // in the midst of a word
            }
            let folded: String = written.iter().copied().map(fold).collect();
            let entries = self.entries.get(&folded)?;
            let exact = entries.iter().find(|entry| entry.written.chars().eq(written.iter().copied()));
            let small = || entries.iter().find(|entry| !entry.written.contains(char::is_uppercase));
            Some((exact.or_else(small)?, length))
        })
    }
}

/// One form for all cases and blanks.
pub(super) fn fold(c: char) -> char {
    match c {
        '’' => '\'',
        _ if c.is_whitespace() => ' ',
        _ => c.to_lowercase().next().unwrap_or(c),
    }
}

/// The word that begins at a character, or the sign there, in small letters. `None` within a word, and for a blank.
pub(super) fn token(text: &[char], at: usize) -> Option<String> {
    let first = *text.get(at)?;
    if first.is_whitespace() {
        return None;
    }
    if !first.is_alphanumeric() {
        return Some(first.to_string());
    }
    if at.checked_sub(1).and_then(|i| text.get(i)).is_some_and(|c| c.is_alphanumeric()) {
        return None;
    }
    let word = text.iter().skip(at).take(MOST_CHARS + 1).take_while(|c| c.is_alphanumeric());
    Some(word.copied().map(fold).collect())
}

impl Lexicon {
    /// The words of a text that a lexicon has: characters, entry and the lexicon's name. The first of several lexicons that
    /// has a word decides.
    pub(in crate::text) fn all<'l>(lexicons: &[&'l Lexicon], text: &str) -> Vec<(Range<usize>, &'l Entry, &'l str)> {
        if lexicons.is_empty() {
            return Vec::new();
        }
        let chars: Vec<char> = text.chars().collect();
        let mut all = Vec::new();
        let mut at = 0;
        while at < chars.len() {
            let found = lexicons.iter().find_map(|lexicon| {
                let (entry, length) = lexicon.find(&chars, at)?;
                Some((at..at + length, entry, lexicon.0.name.as_str()))
            });
            at = found.as_ref().map_or(at + 1, |(range, ..)| range.end);
            all.extend(found);
        }
        all
    }

    /// The text with the aliases of what was `found` in it ([`Lexicon::all`]) in place of its words, each letter with the
    /// character that it came from. `None` where nothing is replaced.
    pub(in crate::text) fn respell(found: &[(Range<usize>, &Entry, &str)], text: &str) -> Option<Spoken> {
        let mut aliases =
            found.iter().filter_map(|(range, entry, _)| Some((range, entry.alias.as_deref()?))).peekable();
        aliases.peek()?;
        let mut respelled = Spoken { text: String::with_capacity(text.len()), source: Vec::new() };
        let mut passed = 0;
        for (at, c) in text.chars().enumerate() {
            if at < passed {
                continue;
            }
            match aliases.next_if(|(range, _)| range.start == at) {
                Some((range, alias)) => {
                    respelled.text.push_str(alias);
                    passed = range.end;
                }
                None => respelled.text.push(c),
            }
            respelled.source.resize(respelled.text.len(), u32::try_from(at).unwrap_or(u32::MAX));
        }
        respelled.source.push(u32::try_from(text.chars().count()).unwrap_or(u32::MAX));
        Some(respelled)
    }
}

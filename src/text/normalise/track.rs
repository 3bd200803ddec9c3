//! Text in the making: a string in which every byte knows the character of the source that it stands for.

use std::ops::Range;
use std::sync::LazyLock;

use unicode_normalization::char::is_combining_mark;

use super::Spoken;

/// Of the scripts that languages with rules are written in, looked up once: every character of a text is asked for several
/// times, and the search in Unicode's table was 40 % of an Arabic reading.
static FIRST_LETTERS: LazyLock<Vec<bool>> =
    LazyLock::new(|| (0..FIRST).filter_map(char::from_u32).map(search).collect());
const FIRST: u32 = 0x1000;

/// Letters, and the marks that belong to them.
pub(super) fn is_letter(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphabetic(),
        false => FIRST_LETTERS.get(c as usize).copied().unwrap_or_else(|| search(c)),
    }
}

fn search(c: char) -> bool {
    c.is_alphabetic() || is_combining_mark(c)
}

#[derive(Debug, Default)]
pub(super) struct Track {
    text: String,
    at: Vec<u32>,
}

impl Track {
    /// Empty, with room for this many bytes.
    pub fn with_capacity(bytes: usize) -> Track {
        Track { text: String::with_capacity(bytes), at: Vec::with_capacity(bytes) }
    }

    /// The source itself.
    pub fn of(source: &str) -> Track {
        let mut track = Track::with_capacity(source.len());
        for (at, c) in source.chars().enumerate() {
            track.push(c, u32::try_from(at).unwrap_or(u32::MAX));
        }
        track
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The source offset of a byte; past the end, that of the last one.
    pub fn at(&self, byte: usize) -> u32 {
        self.at.get(byte).or(self.at.last()).copied().unwrap_or(0)
    }

    /// Appends a character; an offset before the last one is raised to it, so that the map never decreases.
    pub fn push(&mut self, c: char, at: u32) {
        let at = at.max(self.at.last().copied().unwrap_or(0));
        self.text.push(c);
        // One push is most of all: a resize of every character costs as much as the rest of a reading.
        self.at.push(at);
        if !c.is_ascii() {
            self.at.resize(self.text.len(), at);
        }
    }

    pub fn push_str(&mut self, text: &str, at: u32) {
        let at = at.max(self.at.last().copied().unwrap_or(0));
        self.text.push_str(text);
        self.at.resize(self.text.len(), at);
    }

    /// Appends a byte range of another track with its offsets. A range off character boundaries appends nothing.
    pub fn copy(&mut self, from: &Track, range: Range<usize>) {
        let (Some(text), Some(at)) = (from.text.get(range.clone()), from.at.get(range)) else { return };
        let last = self.at.last().copied().unwrap_or(0);
        self.text.push_str(text);
        self.at.extend(at.iter().map(|&at| at.max(last)));
    }

    /// The text with every one of this character left out.
    pub fn without(self, left_out: char) -> Track {
        if !self.text.contains(left_out) {
            return self;
        }
        let mut rest = Track::default();
        for (i, c) in self.text.char_indices().filter(|&(_, c)| c != left_out) {
            rest.push(c, self.at(i));
        }
        rest
    }

    /// Takes the last character back.
    pub fn pop(&mut self) {
        self.text.pop();
        self.at.truncate(self.text.len());
    }

    pub fn last(&self) -> Option<char> {
        self.text.chars().next_back()
    }

    pub fn into_spoken(mut self, source: &str) -> Spoken {
        let length = source.chars().count();
        self.at.push(u32::try_from(length).unwrap_or(u32::MAX));
        Spoken { text: self.text, source: self.at }
    }
}

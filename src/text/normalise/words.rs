//! A word as written comes in; the word, its letters or what it abbreviates goes out.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use serde::Deserialize;

use super::rules::ClauseWords;
use super::track::is_letter;
use super::verbs::spell;

/// Initials with their stops are read this far at once: all of a long row would be looked at from each of its letters.
const INITIALISM_BYTES: usize = 64;

/// Word lists of a language. Keys of abbreviations are written without their last stop.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Words {
    /// Whole words with a reading of their own: "OK".
    exact: HashMap<String, String>,
    /// Words in capitals that are read as words: "NASA".
    spoken: HashSet<String>,
    /// Common words of up to three letters, which stay words in capitals: "THE".
    short: HashSet<String>,
    /// Words that begin a sentence and are no names.
    starters: HashSet<String>,
    /// With or without a stop, followed by a name: "Mr".
    titles: HashMap<String, String>,
    /// Two readings, the first before a name, the other elsewhere: "St".
    names: HashMap<String, [String; 2]>,
    /// What may follow the second of these: "N", "Suite".
    name_ends: HashSet<String>,
    /// Words after which the first of them stands alone: "the Dr.".
    articles: HashSet<String>,
    /// With a stop, after a name or before a figure: "Hwy".
    streets: HashMap<String, String>,
    /// In capitals, words that are more often letters: "US".
    alone: HashSet<String>,
    /// Consonants with which words begin and end.
    onsets: HashSet<String>,
    codas: HashSet<String>,
    /// With a stop, before a figure: "No".
    numbered: HashMap<String, String>,
    /// With or without a stop, before a figure: "Sat".
    figured: HashMap<String, String>,
    /// With a stop: "approx".
    dotted: HashMap<String, String>,
    #[serde(skip)]
    small: OnceLock<HashSet<String>>,
}

/// How the start of a text is read: `len` bytes of it as `words`, or as they stand.
pub(super) struct Reading {
    pub len: usize,
    pub words: Option<String>,
    /// A stop is consumed, and ends the sentence all the same.
    pub stop: bool,
}

impl Reading {
    fn as_is(len: usize) -> Reading {
        Reading { len, words: None, stop: false }
    }
}

impl Words {
    /// Reads the word at the start of `text`, which begins with a letter; `before` is the word said last, `preceding`
    /// what is written before.
    pub fn read(&self, text: &str, before: &str, preceding: &str) -> Reading {
        if let Some(reading) = self.initialism(text) {
            return reading;
        }
        let len = word_len(text);
        let (word, rest) = text.split_at(len);
        // Most of any text.
        if !rest.starts_with('.') && !word.bytes().any(|b| b.is_ascii_uppercase()) && !self.small().contains(word) {
            return Reading::as_is(len);
        }
        self.abbreviation(word, rest, before, preceding)
            .or_else(|| initial(word, rest, self))
            .or_else(|| self.whole(word, rest, preceding))
            .unwrap_or(Reading::as_is(len))
    }

    /// The words that have a reading without a stop, as they are listed and in small letters.
    fn small(&self) -> &HashSet<String> {
        self.small.get_or_init(|| {
            let readings = self.titles.keys().chain(self.streets.keys()).chain(self.figured.keys());
            let readings = readings.chain(self.exact.keys()).chain(self.names.keys());
            readings.flat_map(|word| [word.clone(), word.to_lowercase()]).collect()
        })
    }

    /// "e.g.", "U.S.A."
    fn initialism(&self, text: &str) -> Option<Reading> {
        let letter = |i: usize| text.as_bytes().get(i).is_some_and(u8::is_ascii_alphabetic);
        let dot = |i: usize| text.as_bytes().get(i) == Some(&b'.');
        let mut end = 1;
        while end < INITIALISM_BYTES && dot(end) && letter(end + 1) {
            end += 2;
        }
        let bare = !text.as_bytes().get(end).is_some_and(u8::is_ascii_alphanumeric);
        if end < 3 || !bare {
            return None;
        }
        let key = &text[..end];
        // "D.w.z." begins a sentence.
        let begins = || {
            let small = key.bytes().skip(1).all(|b| !b.is_ascii_uppercase());
            small.then(|| self.dotted.get(&key.to_ascii_lowercase())).flatten().map(|words| capitalised(words))
        };
        let words = self.dotted.get(key).cloned().or_else(begins).unwrap_or_else(|| spell(key));
        let stopped = dot(end);
        let len = end + usize::from(stopped);
        Some(Reading { len, words: Some(words), stop: stopped && self.ends_sentence(&text[len..]) })
    }

    fn abbreviation(&self, word: &str, rest: &str, before: &str, preceding: &str) -> Option<Reading> {
        let after_dot = rest.strip_prefix('.');
        let after = after_dot.unwrap_or(rest);
        let dotted = after_dot.is_some();
        let len = word.len() + usize::from(dotted);
        let reading = |words: &str, stop: bool| Some(Reading { len, words: Some(words.to_owned()), stop });
        let next = next_word(after);
        if let Some(words) = self.titles.get(word) {
            return reading(words, false);
        }
        let capital = |w: &str| w.starts_with(|c: char| c.is_uppercase());
        let figure = next.starts_with(|c: char| c.is_ascii_digit());
        let numbered = is_after_ordinal(preceding);
        let named = numbered || capital(before) && before.len() > 1;
        if let Some(words) = self.streets.get(word)
            && (dotted || named || figure)
        {
            return reading(words, dotted && self.ends_sentence(after));
        }
        if let Some([title, other]) = self.names.get(&capitalised(word)) {
            if capital(word) && self.articles.contains(&before.to_ascii_lowercase()) {
                return reading(&title.to_ascii_lowercase(), false);
            }
            let street = self.name_ends.contains(next) && named;
            if capital(word) && !street && !numbered && capital(next) && !self.starters.contains(next) {
                return reading(title, false);
            }
            if numbered || street || capital(word) && (dotted || named) {
                return reading(other, dotted && self.ends_sentence(after));
            }
            return None;
        }
        if figure && let Some(words) = self.figured.get(word) {
            return reading(words, false);
        }
        if !dotted {
            return None;
        }
        let roman = next.len() > 1 && next.bytes().all(|b| b"IVXLC".contains(&b));
        if (figure || roman)
            && let Some(words) = self.numbered.get(word)
        {
            return reading(words, false);
        }
        let stop = self.ends_sentence(after);
        if let Some(words) = self.dotted.get(word) {
            return reading(words, stop);
        }
        let words = self.dotted.get(&word.to_lowercase())?;
        match capital(word) && word.len() > 1 && word.chars().skip(1).all(char::is_lowercase) {
            true => reading(&capitalised(words), stop),
            false => None,
        }
    }

    fn whole(&self, word: &str, rest: &str, preceding: &str) -> Option<Reading> {
        let words = match self.exact.get(word) {
            Some(words) => words.clone(),
            None => self.capitals(word, is_shouted(word, rest, preceding))?,
        };
        Some(Reading { len: word.len(), words: Some(words), stop: false })
    }

    /// Spells a word in capitals that is not read as a word; `None` for any other. `shouted`: its neighbours are in
    /// capitals too.
    pub fn capitals(&self, word: &str, shouted: bool) -> Option<String> {
        let stem = word.strip_suffix("'s").or(word.strip_suffix('s')).unwrap_or(word);
        if stem.len() < 2 || !stem.bytes().all(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let vowel = stem.contains(['A', 'E', 'I', 'O', 'U', 'Y']);
        let is_word = self.spoken.contains(stem)
            || stem.len() <= 3
                && self.short.contains(&stem.to_ascii_lowercase())
                && (shouted || !self.alone.contains(stem))
            || stem.len() > 3 && vowel && (shouted || self.pronounceable(stem));
        if is_word {
            return None;
        }
        let ending = if stem.len() < word.len() { "'s" } else { "" };
        Some(format!("{}{ending}", spell(stem)))
    }

    /// Whether a word in capitals begins and ends like a word.
    fn pronounceable(&self, word: &str) -> bool {
        let vowel = |c: char| "AEIOUY".contains(c);
        let onset = word.find(vowel).map_or(word, |i| &word[..i]);
        let coda = word.rfind(vowel).map_or(word, |i| &word[i + 1..]);
        let in_list = |list: &HashSet<String>, part: &str| part.len() < 2 || list.contains(part);
        in_list(&self.onsets, onset) && in_list(&self.codas, coda)
    }

    /// Whether the stop of an abbreviation, with `after` behind it, ends the sentence too.
    pub fn ends_sentence(&self, after: &str) -> bool {
        let next = next_word(after);
        next.is_empty() && !after.trim_start().starts_with([',', ';', ':', '?', '!', '.'])
            || self.starters.contains(next)
    }

    /// What is read one way before a name and another way after one, in small letters.
    pub fn two_sided(&self) -> impl Iterator<Item = String> {
        self.names.keys().map(|word| word.to_lowercase())
    }

    pub fn clause_words(&self) -> ClauseWords {
        ClauseWords {
            titles: self.titles.keys().cloned().collect(),
            numbered: self.numbered.keys().chain(self.figured.keys()).cloned().collect(),
            abbreviations: self.dotted.keys().chain(self.names.keys()).chain(self.streets.keys()).cloned().collect(),
            starters: self.starters.clone(),
            ..ClauseWords::default()
        }
    }
}

/// "J. Smith": a single capital with a stop, before a name or another initial.
fn initial(word: &str, rest: &str, words: &Words) -> Option<Reading> {
    let after = rest.strip_prefix('.')?;
    let next = next_word(after);
    let name = next.starts_with(|c: char| c.is_uppercase()) && !words.starters.contains(next);
    let single = word.len() == 1 && word != "I" && word.starts_with(|c: char| c.is_uppercase());
    (single && name).then(|| Reading { len: word.len() + 1, words: Some(word.to_owned()), stop: false })
}

/// Whether a figure with the end of an ordinal and a blank come last: "1st ".
fn is_after_ordinal(preceding: &str) -> bool {
    let [.., figure, a, b, b' '] = preceding.as_bytes() else { return false };
    let end = [a.to_ascii_lowercase(), b.to_ascii_lowercase()];
    figure.is_ascii_digit() && [b"st", b"nd", b"rd", b"th"].contains(&&end)
}

/// Whether the word before or after a word in capitals is in capitals too.
fn is_shouted(word: &str, rest: &str, preceding: &str) -> bool {
    let loud = |w: &str| w.len() > 1 && w != word && w.bytes().all(|b| b.is_ascii_uppercase());
    let before = preceding.trim_end_matches(' ');
    let last = before.rsplit(|c: char| !is_letter(c)).next().unwrap_or_default();
    loud(next_word(rest)) || loud(last)
}

/// Letters with apostrophes inside.
fn word_len(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let inside = c == '\'' && i > 0 && chars.peek().is_some_and(|&(_, next)| is_letter(next));
        if !is_letter(c) && !inside {
            return i;
        }
    }
    text.len()
}

/// The word or figure that comes next, if no mark comes before it.
fn next_word(text: &str) -> &str {
    let word = |c: char| is_letter(c) || c.is_ascii_digit();
    let text = text.trim_start_matches(|c: char| !word(c) && !",;:.?!".contains(c));
    let end = text.find(|c: char| !word(c) && c != '\'').unwrap_or(text.len());
    &text[..end]
}

fn capitalised(words: &str) -> String {
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().to_string() + chars.as_str(),
        None => String::new(),
    }
}

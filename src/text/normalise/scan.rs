//! Clean text comes in; words go out, with the marks between them as they stood.
//!
//! At each word or sign the rules are tried in the order of the file; the first that matches, and whose verbs have
//! a reading, is said. What no rule matches is a word, a sign with a name, or dropped.

use super::rules::{Rule, Rules};
use super::track::{Track, is_letter};

/// A rule sees this much text. It bounds the work per word; addresses longer than this are read in two parts.
const WINDOW_BYTES: usize = 128;
/// How far back a rule looks.
const PRECEDING_BYTES: usize = 64;

/// From a source character on, what was read by the rule in this line, or by none.
pub(super) type Origins = Vec<(u32, Option<usize>)>;

pub(super) fn scan(text: &Track, rules: &Rules, origins: &mut Origins) -> Track {
    let mut scanner = Scanner { source: text, text: text.text(), rules, out: Track::default(), origins };
    let mut i = 0;
    while let Some(c) = scanner.text[i..].chars().next() {
        let rule = scanner.rule(i, c);
        scanner.origins.push((text.at(i), rule.map(|(_, line)| line)));
        i += match rule {
            Some((len, _)) => len,
            None if is_letter(c) && !rules.symbols.contains_key(&c) && (c.is_ascii() || rules.keeps(c)) => {
                scanner.word(i)
            }
            None => scanner.sign(i, c),
        };
    }
    scanner.out
}

struct Scanner<'a> {
    source: &'a Track,
    text: &'a str,
    rules: &'a Rules,
    out: Track,
    origins: &'a mut Origins,
}

impl Scanner<'_> {
    /// Appends words, apart from the word before.
    fn say(&mut self, words: &str, at: u32) {
        if self.out.last().is_some_and(|c| is_letter(c) || c.is_ascii_digit()) {
            self.out.push(' ', at);
        }
        self.out.push_str(words, at);
    }

    /// The word said last, if no mark came after it.
    fn last_word(&self) -> &str {
        let said = preceding(self.out.text()).trim_end_matches(' ');
        let start = said.char_indices().rev().find(|&(_, c)| !is_letter(c) && c != '\'' && c != '-');
        &said[start.map_or(0, |(i, c)| i + c.len_utf8())..]
    }

    /// Tries the rules at byte `i`; the length read, and the rule's line.
    fn rule(&mut self, i: usize, c: char) -> Option<(usize, usize)> {
        let before = self.text[..i].chars().next_back().unwrap_or(' ');
        if is_letter(c) && !c.is_uppercase() && is_plain_word(&self.text[i..]) {
            return None;
        }
        if matches!(c, ' ' | ',' | '?' | '!')
            || matches!(c, '.' | '-' | '\'') && (is_letter(before) || before.is_ascii_digit())
        {
            return None;
        }
        let window = window(&self.text[i..]);
        let rules = self.rules;
        let mut last = None;
        rules.candidates(window).into_iter().find_map(|at| {
            let rule = &rules.rules[at];
            // What stands before costs less than the groups of a match that it forbids.
            let follows = self.follows(rule, &mut last) && rule.comes_after(preceding(&self.text[..i]));
            Some((follows.then(|| self.apply(rule, window, i))??, rule.line))
        })
    }

    /// Whether the word said last is one that the rule wants; `last`: that word, also in small letters, once known.
    fn follows(&self, rule: &Rule, last: &mut Option<(String, String)>) -> bool {
        let Some(words) = &rule.after else {
            return true;
        };
        let (word, small) = last.get_or_insert_with(|| {
            let word = self.last_word();
            (word.to_owned(), word.to_ascii_lowercase())
        });
        words.contains(word) || words.contains(small)
    }

    fn apply(&mut self, rule: &Rule, window: &str, i: usize) -> Option<usize> {
        let found = rule.captures(window)?;
        let len = found.get(0).map_or(0, |whole| whole.len());
        // Letters beyond ASCII are no boundary to a pattern's `{end}`.
        let inside = |c: char| is_letter(c) && !c.is_ascii();
        let cut =
            window[len..].starts_with(inside) && window[..len].ends_with(|c: char| c.is_ascii_digit() || is_letter(c));
        if len == 0 || cut || !rule.goes_on(&window[len..]) {
            return None;
        }
        let said = rule.say.say(&found, |verb, name, part| self.rules.read(verb, name, part, &found))?;
        let mut first = true;
        for piece in said {
            let at = self.source.at(piece.at.map_or(i, |at| i + at));
            let mut words = piece.words.as_str();
            if first {
                // A word that the rule begins with is not said twice: "the 5 May", "version v2".
                if piece.at.is_none()
                    && let Some((word, rest)) = words.split_once(' ')
                    && word.eq_ignore_ascii_case(self.last_word())
                {
                    words = rest;
                }
                self.say(words, at);
                first = false;
            } else {
                self.out.push_str(words, at);
            }
        }
        let mut end = i + len;
        if rule.stop {
            end += self.stop(end);
        }
        if rule.range
            && let Some(len) = range_len(&self.text[end..])
        {
            let to = self.rules.range.as_str();
            self.say(to, self.source.at(end));
            end += len;
        }
        Some(end - i)
    }

    /// The stop of an abbreviation at byte `i` is passed over where the sentence goes on; the length read.
    fn stop(&mut self, i: usize) -> usize {
        let Some(after) = self.text[i..].strip_prefix('.') else {
            return 0;
        };
        let next = after.trim_start().chars().next();
        let goes_on = next.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ",;:".contains(c));
        let inner = self.text[..i].ends_with(|c: char| c.is_ascii_alphabetic()) && {
            let stem = self.text[..i].trim_end_matches(|c: char| c.is_ascii_alphabetic());
            stem.ends_with('.')
        };
        usize::from(after.starts_with(' ') && goes_on || inner && !self.rules.words.ends_sentence(after))
    }

    fn word(&mut self, i: usize) -> usize {
        let rest = &self.text[i..];
        let reading = self.rules.words.read(rest, self.last_word(), preceding(&self.text[..i]));
        let at = self.source.at(i);
        match reading.words {
            Some(words) => self.say(&words, at),
            None => {
                self.say("", at);
                self.out.copy(self.source, i..i + reading.len);
            }
        }
        if reading.stop {
            self.out.push('.', self.source.at(i + reading.len - 1));
        }
        reading.len
    }

    /// A sign by itself: a mark is kept, a sign with a name is said, the rest parts words.
    fn sign(&mut self, i: usize, c: char) -> usize {
        let at = self.source.at(i);
        let rest = &self.text[i + c.len_utf8()..];
        let before = self.text[..i].chars().next_back().unwrap_or(' ');
        let after = rest.chars().next().unwrap_or(' ');
        let next = rest.trim_start().chars().next().unwrap_or(' ');
        let rules = self.rules;
        if " .,?!;:-'".contains(c) {
            self.out.push(c, at);
        } else if c.is_ascii_digit() {
            let len = self.text[i..].find(|c: char| !c.is_ascii_digit());
            let len = len.unwrap_or(self.text.len() - i);
            self.say(&rules.number.cardinal(&self.text[i..i + len]), at);
            return len;
        } else if "()[]{}|".contains(c) {
            self.out.push_str(", ", at);
        } else if c == '/' && before == ' ' && after == ' ' && next.is_ascii_alphabetic() {
            self.name(&rules.either, at);
        } else if c == '/' && before.is_ascii_alphabetic() && after.is_ascii_alphabetic() {
            match before.is_ascii_uppercase() && after.is_ascii_uppercase() {
                true => self.out.push(' ', at),
                false => self.name(&rules.either, at),
            }
        } else if let Some(name) = rules.symbols_before_figures.get(&c)
            && (next.is_ascii_digit() || "-.$€£¥".contains(next))
        {
            self.name(name, at);
        } else if let Some(name) = rules.symbols.get(&c) {
            self.name(name, at);
        } else {
            self.out.push(' ', at);
        }
        c.len_utf8()
    }

    fn name(&mut self, name: &str, at: u32) {
        self.say(name, at);
        self.out.push(' ', at);
    }
}

/// Small letters up to a blank or a mark before one, with no figure or sign after them: most of any text, and never the
/// start of a rule.
fn is_plain_word(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| is_letter(c) && !c.is_uppercase() || c == '\'');
    let rest = rest.strip_prefix(['.', ',', ';', ':', '?', '!']).unwrap_or(rest);
    match rest.strip_prefix(' ') {
        Some(after) => !after.starts_with(|c: char| c.is_ascii_digit() || "+=".contains(c)),
        None => rest.is_empty(),
    }
}

/// The end of the text before a rule, as much as a rule may look at.
fn preceding(text: &str) -> &str {
    let mut start = text.len().saturating_sub(PRECEDING_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The start of `text`, cut at a blank.
fn window(text: &str) -> &str {
    if text.len() <= WINDOW_BYTES {
        return text;
    }
    let mut end = WINDOW_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = &text[..end];
    cut.rfind(' ').map_or(cut, |blank| &cut[..blank])
}

/// The length of a hyphen that joins the figure before to one after it.
fn range_len(text: &str) -> Option<usize> {
    let spaced = text.strip_prefix(' ');
    let after = spaced.unwrap_or(text).strip_prefix('-')?;
    let after = match spaced {
        Some(_) => after.strip_prefix(' ')?,
        None => after,
    };
    after.starts_with(|c: char| c.is_ascii_digit() || "$€£¥".contains(c)).then_some(text.len() - after.len())
}

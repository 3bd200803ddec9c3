//! Text around a character comes in; whether the text may be cut there goes out.
//!
//! Which of the places is used is the business of the policy; this file only knows how English and its kin are written.

use std::collections::VecDeque;

use super::ClauseWords;

/// How many characters past the one being judged are looked at.
const LOOKAHEAD_CHARS: usize = 32;
/// How many characters back the word before a stop is sought.
const LOOKBACK_CHARS: usize = 32;
/// The label of a link is at most this long.
const LABEL_CHARS: usize = 160;

/// A place where the text may be cut, as a number of characters from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    Sentence(usize),
    Phrase(usize),
    /// Before a conjunction or preposition.
    Soft(usize),
    Word(usize),
    None,
}

/// The character needed has not arrived.
pub(super) struct Wait;

/// What follows the text that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    /// More may come, and is waited for.
    Open,
    /// More may come, and is not waited for.
    Late,
    /// Nothing.
    Closed,
}

/// A text of which character `next` is to be judged.
pub(super) struct View<'a> {
    pub text: &'a VecDeque<char>,
    pub next: usize,
    pub supply: Supply,
    /// The words begun before `next`.
    pub words: usize,
    pub lexicon: &'a ClauseWords,
}

impl View<'_> {
    /// The character at `i` as seen from `next`: `None` at the end of the text or past the lookahead.
    fn at(&self, i: usize) -> Result<Option<char>, Wait> {
        match self.text.get(i) {
            _ if i > self.next + LOOKAHEAD_CHARS => Ok(None),
            Some(&c) => Ok(Some(c)),
            None if self.supply != Supply::Open => Ok(None),
            None => Err(Wait),
        }
    }

    /// What a cut at or after `next` would be.
    pub fn judge(&self) -> Result<Break, Wait> {
        let i = self.next;
        let Some(&c) = self.text.get(i) else { return Err(Wait) };
        match c {
            '\n' => self.judge_line(i),
            _ if c.is_whitespace() => self.judge_word(i),
            _ if is_mark(c) => self.judge_mark(i, c),
            '-' | '–' | '—' => {
                let spaced = i > 0 && self.text.get(i - 1).is_some_and(|c| c.is_whitespace());
                let open = self.at(i + 1)?.is_none_or(char::is_whitespace);
                Ok(match c == '—' || spaced && open {
                    true => Break::Phrase(i + 1),
                    false => Break::None,
                })
            }
            _ => Ok(Break::None),
        }
    }

    fn judge_line(&self, i: usize) -> Result<Break, Wait> {
        let (next, lines) = self.after_blanks(i + 1)?;
        Ok(match next {
            Some(c) if lines == 0 && c.is_lowercase() => self.judge_word(i)?,
            _ => Break::Sentence(i),
        })
    }

    fn judge_word(&self, i: usize) -> Result<Break, Wait> {
        let word = self.word_at(i + 1)?;
        let open = word.is_empty() && self.supply == Supply::Late && self.may_go_on(i);
        if i == 0 || open || !self.may_break(i) || self.belongs_together(&self.token_before(i), &word) {
            return Ok(Break::None);
        }
        Ok(match self.lexicon.openers.contains(&word) {
            true => Break::Soft(i),
            false => Break::Word(i),
        })
    }

    fn judge_mark(&self, i: usize, c: char) -> Result<Break, Wait> {
        if self.at(i + 1)?.is_some_and(is_mark) {
            return Ok(Break::None); // The last of a run is judged.
        }
        let mut cut = i + 1;
        while self.at(cut)?.is_some_and(is_closer) {
            cut += 1;
        }
        if self.is_in_label(i) {
            return Ok(Break::None); // A link is read in one go.
        }
        let quoted = cut > i + 1;
        let blank = self.at(cut)?.is_none_or(char::is_whitespace);
        if !blank && !is_wide(c) {
            return Ok(Break::None);
        }
        if !is_sentence_mark(c) {
            return Ok(Break::Phrase(cut));
        }
        let trailing = c == '…' || c == '.' && i > 0 && self.text.get(i - 1) == Some(&'.');
        if (trailing || quoted) && self.after_blanks(cut)?.0.is_some_and(char::is_lowercase) {
            return Ok(match trailing {
                true => Break::Phrase(cut),
                false => Break::None,
            });
        }
        Ok(match c != '.' || trailing || self.stop_ends_sentence(i, cut)? {
            true => Break::Sentence(cut),
            false => Break::None,
        })
    }

    /// Whether the stop at `i` ends a sentence; `cut` is past the quotes and brackets that it closes.
    fn stop_ends_sentence(&self, i: usize, cut: usize) -> Result<bool, Wait> {
        let lexicon = self.lexicon;
        let word = self.token_before(i);
        if word.chars().all(char::is_numeric)
            && (self.words <= 1 || self.begins_line(i.saturating_sub(word.chars().count())))
        {
            return Ok(false); // The number of a list item.
        }
        if lexicon.titles.contains(&word) {
            return Ok(false);
        }
        if lexicon.numbered.contains(&word) {
            return Ok(!self.after_blanks(cut)?.0.is_some_and(char::is_numeric));
        }
        let initial = word.chars().count() == 1 && word != "I" && word.chars().all(char::is_uppercase);
        let known = lexicon.abbreviations.contains(&word) || lexicon.abbreviations.contains(&word.to_lowercase());
        if !initial && !known && !word.contains('.') {
            return Ok(true);
        }
        let (next, lines) = self.after_blanks(cut)?;
        let over = next.is_none() && self.supply != Supply::Late;
        Ok(over || lines > 0 || lexicon.starters.contains(&self.word_at(cut)?))
    }

    /// Whether nothing but blanks stands between a line break and `i`.
    fn begins_line(&self, i: usize) -> bool {
        let before = self.text.range(..i.min(self.text.len())).rev().take(LOOKBACK_CHARS);
        before.copied().find(|c| !matches!(c, ' ' | '\t')) == Some('\n')
    }

    /// Whether `i` is within the label of a link, or what may become one.
    fn is_in_label(&self, i: usize) -> bool {
        let before = self.text.range(..i.min(self.text.len())).rev().take(LABEL_CHARS);
        before.copied().find(|c| matches!(c, '[' | ']' | '\n')) == Some('[')
    }

    /// Whether a phrase may end at `cut`, by the word before it.
    pub fn may_break(&self, cut: usize) -> bool {
        let word = self.token_before(cut);
        let stem = word.trim_end_matches('.');
        let small = stem.to_lowercase();
        let lexicon = self.lexicon;
        let tied = lexicon.ties.contains(&small) || lexicon.openers.contains(&small);
        let known = lexicon.titles.contains(stem)
            || lexicon.numbered.contains(stem)
            || lexicon.abbreviations.contains(stem)
            || lexicon.abbreviations.contains(&small);
        let titled = lexicon.titles.contains(stem) && stem.chars().count() > 1;
        let short = titled || stem.len() < word.len() && (known || stem.contains('.') || stem.chars().count() == 1);
        !word.is_empty() && !tied && !short && !word.ends_with(char::is_numeric)
    }

    /// Whether two words are parts of one name or number.
    fn belongs_together(&self, before: &str, word: &str) -> bool {
        let capital = |w: &str| w.starts_with(char::is_uppercase);
        let numeral = word.chars().all(|c| "IVX".contains(c));
        let number = |w: &str| self.lexicon.number_words.contains(&w.to_lowercase());
        word.starts_with(char::is_numeric)
            || !word.is_empty() && numeral && word != "I"
            || capital(word) && (capital(before) || word.chars().count() == 1 && word != "I")
            || number(word) && (number(before) || self.lexicon.is_cue(before))
    }

    /// Whether what comes late may belong to the word before `cut`: a name, a number, what a number is said of.
    pub fn may_go_on(&self, cut: usize) -> bool {
        let word = self.token_before(cut);
        let stem = word.trim_end_matches('.');
        let begins =
            self.text.range(..cut.min(self.text.len())).skip_while(|c| c.is_whitespace()).any(|c| c.is_whitespace());
        begins && word.starts_with(char::is_uppercase)
            || self.lexicon.number_words.contains(&word.to_lowercase())
            || self.lexicon.is_cue(stem)
    }

    /// The characters before `end` up to white space, without opening quotes and brackets.
    fn token_before(&self, end: usize) -> String {
        let end = end.min(self.text.len());
        let from = end.saturating_sub(LOOKBACK_CHARS);
        let blank = self.text.range(from..end).rposition(|c| c.is_whitespace());
        let start = blank.map_or(from, |i| from + i + 1);
        let token: String = self.text.range(start..end).collect();
        token.trim_start_matches(|c: char| !c.is_alphanumeric()).to_owned()
    }

    /// The next character that is not white space, and the line breaks before it.
    fn after_blanks(&self, mut i: usize) -> Result<(Option<char>, usize), Wait> {
        let mut lines = 0;
        while let Some(c) = self.at(i)? {
            if !c.is_whitespace() {
                return Ok((Some(c), lines));
            }
            lines += usize::from(c == '\n');
            i += 1;
        }
        Ok((None, lines))
    }

    /// The word that follows from `i` on, after white space.
    fn word_at(&self, mut i: usize) -> Result<String, Wait> {
        while self.at(i)?.is_some_and(char::is_whitespace) {
            i += 1;
        }
        let mut word = String::new();
        while let Some(c) = self.at(i)?.filter(|c| c.is_alphanumeric() || *c == '\'') {
            word.push(c);
            i += 1;
        }
        Ok(word)
    }
}

fn is_sentence_mark(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？')
}

pub(super) fn is_mark(c: char) -> bool {
    is_sentence_mark(c) || matches!(c, ',' | ';' | ':' | '、' | '，' | '；' | '：')
}

/// Marks of scripts that put no blank after them.
fn is_wide(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '、' | '，' | '；' | '：')
}

/// What may stand between a stop and the blank after it.
fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | '»' | ')' | ']' | '}' | '*' | '_' | '`')
}

//! Unicode comes in; a small alphabet that the rules know goes out.
//!
//! Quotes, dashes and blanks are made one of a kind, accents are folded, invisible characters vanish, and what no
//! rule reads (emoji, other scripts) becomes a blank, so that words on both sides stay apart. A line break becomes
//! the end of a sentence, unless the line ends in a mark or the next goes on with a small letter.

use std::iter::Peekable;
use std::str::CharIndices;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{compose, is_combining_mark};

use super::rules::Rules;
use super::track::Track;

pub(super) fn clean(source: &Track, rules: &Rules) -> Track {
    let mut cleaner = Cleaner { rules, out: Track::default(), quoted: false };
    let mut chars = source.text().char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let at = source.at(i);
        match c {
            _ if c.is_whitespace() => cleaner.blanks(c, at, &mut chars),
            _ if is_hyphen(c) => cleaner.hyphens(at, &mut chars),
            _ => cleaner.character(c, at),
        }
    }
    cleaner.out
}

struct Cleaner<'a> {
    rules: &'a Rules,
    out: Track,
    /// Inside straight double quotes.
    quoted: bool,
}

impl Cleaner<'_> {
    fn blank(&mut self, at: u32) {
        if self.out.last().is_some_and(|c| c != ' ') {
            self.out.push(' ', at);
        }
    }

    fn blanks(&mut self, first: char, at: u32, chars: &mut Peekable<CharIndices>) {
        let mut breaks = usize::from(first == '\n');
        while let Some((_, c)) = chars.next_if(|(_, c)| c.is_whitespace()) {
            breaks += usize::from(c == '\n');
        }
        let next = chars.peek().map_or(' ', |&(_, c)| c);
        let narrow = matches!(first, '\u{2009}' | '\u{202f}');
        if narrow && next.is_ascii_digit() && self.out.last().is_some_and(|c| c.is_ascii_digit()) {
            return; // A narrow blank inside a number groups its figures.
        }
        let ended = self.out.text().trim_end().ends_with(['.', '?', '!', ',', ';', ':']);
        if !ended && (breaks > 1 || breaks == 1 && !next.is_lowercase()) && self.out.last().is_some() {
            self.out.push('.', at);
        }
        self.blank(at);
    }

    /// One hyphen is a hyphen, more are a dash.
    fn hyphens(&mut self, at: u32, chars: &mut Peekable<CharIndices>) {
        let mut count = 1;
        while chars.next_if(|&(_, c)| is_hyphen(c)).is_some() {
            count += 1;
        }
        match count {
            1 => self.out.push('-', at),
            _ => self.dash(at),
        }
    }

    fn dash(&mut self, at: u32) {
        self.blank(at);
        self.out.push_str("- ", at);
    }

    fn character(&mut self, c: char, at: u32) {
        match c {
            _ if self.rules.means.contains_key(&c) => {
                let meaning = &self.rules.means[&c];
                self.out.push_str(meaning, at);
            }
            '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '＂' => self.quote(at),
            '\'' | '‘' | '’' | '‛' | 'ʼ' | '´' | '＇' | '′' => self.out.push('\'', at),
            '″' => self.out.push('″', at),
            '—' | '―' | '⸺' | '⸻' => self.dash(at),
            '™' | '®' | '©' => self.blank(at),
            ' '..='~' => self.out.push(c, at),
            _ if self.rules.keeps(c) => self.out.push(c, at),
            _ if is_combining_mark(c) => self.accent(c),
            _ if is_invisible(c) => {}
            _ if self.rules.read.contains(&c) => self.out.push(c, at),
            _ => self.fold(c, at),
        }
    }

    /// A straight double quote after a figure means inches, where no quotation is open.
    fn quote(&mut self, at: u32) {
        if !self.quoted && self.out.last().is_some_and(|c| c.is_ascii_digit()) {
            self.out.push('″', at);
            return;
        }
        self.quoted = !self.quoted;
        self.blank(at);
    }

    /// An accent after its letter makes another letter, where the language has that one.
    fn accent(&mut self, accent: char) {
        let Some(last) = self.out.last() else { return };
        if let Some(letter) = compose(last, accent).filter(|&c| self.rules.keeps(c)) {
            let at = self.out.at(self.out.text().len());
            self.out.pop();
            self.out.push(letter, at);
        }
    }

    fn fold(&mut self, c: char, at: u32) {
        if let Some(digit) = digit(c) {
            self.out.push(digit, at);
            return;
        }
        if let Some(letters) = plain_letters(c) {
            self.out.push_str(letters, at);
            return;
        }
        if let Some(exponent) = superscript(c) {
            if self.out.last().is_some_and(|c| c.is_ascii_digit()) {
                self.out.push('^', at);
                self.out.push(exponent, at);
            }
            return;
        }
        // "5½" is five and a half.
        let parts: Vec<char> = c.nfkd().collect();
        if parts.contains(&'⁄') && self.out.last().is_some_and(|c| c.is_ascii_digit()) {
            self.out.push(' ', at);
        }
        for part in parts {
            match part {
                '⁄' => self.out.push('/', at),
                '\u{2010}' | '\u{2212}' => self.out.push('-', at),
                '"' => self.blank(at),
                '!'..='~' => self.out.push(part, at),
                _ if is_combining_mark(part) => {}
                _ if self.rules.read.contains(&part) => self.out.push(part, at),
                _ => self.blank(at),
            }
        }
    }
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '‐' | '‑' | '‒' | '–' | '−' | '﹣' | '－')
}

/// Format and control characters, variation selectors, tags: they change how text looks, not how it sounds.
fn is_invisible(c: char) -> bool {
    is_combining_mark(c)
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Figures of other scripts.
fn digit(c: char) -> Option<char> {
    let zero =
        ['\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}'].into_iter().find(|&zero| (zero..).take(10).any(|d| d == c))?;
    char::from_digit(u32::from(c) - u32::from(zero), 10)
}

/// Latin letters that do not decompose.
fn plain_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'ẞ' => "SS",
        'æ' => "ae",
        'Æ' => "Ae",
        'œ' => "oe",
        'Œ' => "Oe",
        'ø' => "o",
        'Ø' => "O",
        'ł' => "l",
        'Ł' => "L",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'þ' => "th",
        'Þ' => "Th",
        'ı' => "i",
        'ħ' => "h",
        'Ħ' => "H",
        'ŋ' => "ng",
        'Ŋ' => "Ng",
        _ => return None,
    })
}

fn superscript(c: char) -> Option<char> {
    Some(match c {
        '⁰' => '0',
        '¹' => '1',
        '²' => '2',
        '³' => '3',
        '⁴' => '4',
        '⁵' => '5',
        '⁶' => '6',
        '⁷' => '7',
        '⁸' => '8',
        '⁹' => '9',
        _ => return None,
    })
}

//! A formula in LaTeX comes in; signs and single letters that the rules can read go out.
//!
//! Simple formulas only: fractions, roots, powers, indices, Greek letters, the usual signs. A command that is not known
//! is said by its name.

use std::ops::Range;

use super::Track;

/// Commands and what is written for them.
const COMMANDS: &[(&str, &str)] = &[
    ("times", "×"),
    ("cdot", "×"),
    ("div", "÷"),
    ("pm", "±"),
    ("le", "≤"),
    ("leq", "≤"),
    ("ge", "≥"),
    ("geq", "≥"),
    ("ne", "≠"),
    ("neq", "≠"),
    ("approx", "≈"),
    ("infty", "∞"),
    ("to", "→"),
    ("rightarrow", "→"),
    ("sqrt", "√"),
    ("circ", "°"),
    ("degree", "°"),
    ("percent", "%"),
];
/// Commands that only change the look.
const LOOKS: &[&str] = &[
    "left",
    "right",
    "text",
    "mathrm",
    "mathbf",
    "mathit",
    "displaystyle",
    "quad",
    "qquad",
    "big",
    "Big",
    "boxed",
    "operatorname",
    "limits",
    "label",
    "begin",
    "end",
];

/// A longer formula is no simple one, and is left as it stands.
const FORMULA_BYTES: usize = 400;

/// Appends the formula in `range` of the source.
pub(super) fn spell(source: &Track, range: Range<usize>, plain: &mut Track) {
    let text = source.text().get(range.clone()).unwrap_or_default();
    if text.len() > FORMULA_BYTES {
        plain.copy(source, range);
        return;
    }
    let mut words = Words { source, start: range.start, plain };
    words.part(text, 0);
}

struct Words<'a> {
    source: &'a Track,
    /// Of the formula in the source.
    start: usize,
    plain: &'a mut Track,
}

impl Words<'_> {
    fn say(&mut self, words: &str, at: usize) {
        self.plain.push(' ', self.source.at(self.start + at));
        self.plain.push_str(words, self.source.at(self.start + at));
    }

    /// A part of the formula that begins at byte `base` of it.
    fn part(&mut self, text: &str, base: usize) {
        let mut i = 0;
        while let Some(c) = text[i..].chars().next() {
            let at = base + i;
            match c {
                '\\' => i += self.command(&text[i + 1..], at + 1) + 1,
                '{' | '}' | '$' | '&' | '~' => i += 1,
                '_' => {
                    self.plain.push(' ', self.source.at(self.start + at));
                    i += 1;
                }
                '^' => {
                    self.plain.push('^', self.source.at(self.start + at));
                    let (inside, len) = argument(&text[i + 1..]);
                    self.plain.push_str(inside, self.source.at(self.start + at + 1));
                    i += 1 + len;
                }
                _ if c.is_alphabetic() => {
                    self.say(c.to_ascii_uppercase().encode_utf8(&mut [0; 4]), at);
                    i += c.len_utf8();
                }
                '=' | '+' | '<' | '>' => {
                    self.say(c.encode_utf8(&mut [0; 4]), at);
                    self.plain.push(' ', self.source.at(self.start + at));
                    i += 1;
                }
                _ => {
                    let last = self.plain.last();
                    if c.is_ascii_digit() && last.is_some_and(|last| last.is_alphabetic()) {
                        self.plain.push(' ', self.source.at(self.start + at));
                    }
                    self.plain.push(c, self.source.at(self.start + at));
                    i += c.len_utf8();
                }
            }
        }
    }

    /// The command whose name begins `text`; the bytes read.
    fn command(&mut self, text: &str, at: usize) -> usize {
        let len = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        let name = &text[..len];
        if len == 0 {
            self.plain.push(' ', self.source.at(self.start + at));
            return text.chars().next().map_or(0, char::len_utf8);
        }
        if matches!(name, "frac" | "dfrac" | "tfrac") {
            let (above, first) = argument(&text[len..]);
            let (below, second) = argument(&text[len + first..]);
            self.part(above, at + len + 1);
            self.say("over", at);
            self.plain.push(' ', self.source.at(self.start + at));
            self.part(below, at + len + first + 1);
            return len + first + second;
        }
        if LOOKS.contains(&name) {
            self.plain.push(' ', self.source.at(self.start + at));
            if matches!(name, "text" | "mathrm" | "operatorname") {
                let (inside, read) = argument(&text[len..]);
                self.say(inside, at + len + 1);
                return len + read;
            }
            return len;
        }
        let sign = COMMANDS.iter().find(|(command, _)| *command == name).map_or(name, |(_, sign)| sign);
        self.say(sign, at);
        self.plain.push(' ', self.source.at(self.start + at));
        len
    }
}

/// The braces at the start of a text, without them, or its first character; and the bytes that it takes.
fn argument(text: &str) -> (&str, usize) {
    let Some(inner) = text.strip_prefix('{') else {
        let len = text.chars().next().map_or(0, char::len_utf8);
        return (&text[..len], len);
    };
    let mut depth = 1;
    for (i, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&inner[..i], i + 2);
        }
    }
    (inner, text.len())
}

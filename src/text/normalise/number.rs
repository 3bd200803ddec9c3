//! Digits come in; the words of a number go out.
//!
//! The words are data; the grammar (tens before ones, "and" after hundreds, years in pairs) is that of English.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::numbers::Numbers;

/// The words that numbers are made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NumberWords {
    /// 0 to 19.
    ones: [String; 20],
    /// 20, 30 … 90.
    tens: [String; 8],
    hundred: String,
    /// 1000, 1000², …
    scales: Vec<String>,
    and: String,
    /// Said between a whole and its part: "five and a half".
    joint: String,
    point: String,
    minus: String,
    over: String,
    /// The zero of "fourteen oh five".
    oh: String,
    /// Ordinals that are not the cardinal with "th".
    ordinals: HashMap<String, String>,
    half: [String; 2],
    quarter: [String; 2],
    article: String,
}

impl NumberWords {
    /// The word after hundreds with a blank, if there is one.
    fn and_then(&self, words: &str) -> String {
        match self.and.is_empty() {
            true => words.to_owned(),
            false => format!("{} {words}", self.and),
        }
    }

    fn below_thousand(&self, n: usize) -> String {
        let (hundreds, rest) = (n / 100, n % 100);
        match (hundreds, rest) {
            (0, _) => self.below_hundred(rest),
            (_, 0) => format!("{} {}", self.ones[hundreds], self.hundred),
            _ => format!("{} {} {}", self.ones[hundreds], self.hundred, self.and_then(&self.below_hundred(rest))),
        }
    }

    fn below_hundred(&self, n: usize) -> String {
        match (n / 10, n % 10) {
            (0 | 1, _) => self.ones[n].clone(),
            (ten, 0) => self.tens[ten - 2].clone(),
            (ten, one) => format!("{}-{}", self.tens[ten - 2], self.ones[one]),
        }
    }
}

impl Numbers for NumberWords {
    fn point(&self) -> &str {
        &self.point
    }

    fn minus(&self) -> &str {
        &self.minus
    }

    /// Every word that a cardinal is made of, but the joining ones.
    fn words(&self) -> HashSet<String> {
        let words = self.ones.iter().chain(&self.tens).chain(&self.scales);
        words.chain([&self.hundred, &self.point, &self.oh]).cloned().collect()
    }

    fn joint(&self) -> &str {
        &self.joint
    }

    /// Another word after hundreds; none at all if empty.
    fn set_and(&mut self, and: Option<String>) {
        if let Some(and) = and {
            self.and = and;
        }
    }

    /// `1,234` as a cardinal; anything but ASCII digits is skipped. Beyond the largest scale, digit by digit.
    fn cardinal(&self, figures: &str) -> String {
        let mut digits = values(figures);
        let zeros = digits.iter().take_while(|&&d| d == 0).count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return self.ones[0].clone();
        }
        let groups: Vec<usize> = digits.rchunks(3).map(|group| group.iter().fold(0, |n, d| n * 10 + d)).collect();
        if groups.len() > self.scales.len() + 1 {
            return self.digits(figures);
        }
        let mut words = Vec::new();
        for (scale, &group) in groups.iter().enumerate().rev() {
            if group == 0 {
                continue;
            }
            match scale == 0 && group < 100 && !words.is_empty() {
                true => words.push(self.and_then(&self.below_hundred(group))),
                false => words.push(self.below_thousand(group)),
            }
            if let Some(name) = scale.checked_sub(1).and_then(|i| self.scales.get(i)) {
                words.push(name.clone());
            }
        }
        words.join(" ")
    }

    /// A number as written, with sign, groups and decimals: `-1,234.50`.
    fn number(&self, figures: &str) -> String {
        let (sign, figures) = match figures.strip_prefix('-') {
            Some(rest) => (format!("{} ", self.minus), rest),
            None => (String::new(), figures),
        };
        let figures = decimal_point(figures);
        match figures.split_once('.') {
            Some((whole, decimals)) => {
                format!("{sign}{} {} {}", self.cardinal(whole), self.point, self.digits(decimals))
            }
            None => format!("{sign}{}", self.cardinal(&figures)),
        }
    }

    fn ordinal(&self, figures: &str) -> String {
        let cardinal = self.cardinal(figures);
        let cut = cardinal.rfind([' ', '-']).map_or(0, |i| i + 1);
        let (head, last) = cardinal.split_at(cut);
        let last = match (self.ordinals.get(last), last.strip_suffix('y')) {
            (Some(ordinal), _) => ordinal.clone(),
            (None, Some(stem)) => format!("{stem}ieth"),
            (None, None) => format!("{last}th"),
        };
        format!("{head}{last}")
    }

    /// Figure by figure; a break in the figures is a pause.
    fn digits(&self, figures: &str) -> String {
        figures
            .split(|c: char| !c.is_ascii_digit())
            .filter(|group| !group.is_empty())
            .map(|group| {
                let words: Vec<&str> = values(group).iter().map(|&d| self.ones[d].as_str()).collect();
                words.join(" ")
            })
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A year: 1999 in pairs, 2005 as a cardinal.
    fn year(&self, figures: &str) -> String {
        let digits = values(figures);
        let &[a, b, c, d] = digits.as_slice() else {
            return self.cardinal(figures);
        };
        if a == 0 || b == 0 && c == 0 {
            return self.cardinal(figures);
        }
        let century = self.below_hundred(a * 10 + b);
        let rest = match c * 10 + d {
            0 => self.hundred.clone(),
            n @ 1..10 => format!("{} {}", self.oh, self.ones[n]),
            n => self.below_hundred(n),
        };
        format!("{century} {rest}")
    }

    /// `1990` as "nineteen nineties".
    fn decade(&self, figures: &str) -> String {
        plural(&self.year(figures))
    }

    /// Minutes of a time: `05` as "oh five".
    fn minutes(&self, figures: &str) -> String {
        match values(figures).as_slice() {
            [0, one] => format!("{} {}", self.oh, self.ones[*one]),
            _ => self.cardinal(figures),
        }
    }

    /// A room, a road, a model: up to two figures as a number, more of them one by one.
    fn label(&self, figures: &str) -> String {
        match figures.len() {
            0..=2 if !figures.starts_with('0') => self.cardinal(figures),
            _ => self.digits(figures),
        }
    }

    /// A house, a road, an aeroplane: `123` as "one twenty-three", `2750` as "twenty-seven fifty".
    fn pairs(&self, figures: &str) -> String {
        let pair = |a: usize, b: usize| match a * 10 + b {
            0 => self.hundred.clone(),
            n @ 1..10 => format!("{} {}", self.oh, self.ones[n]),
            n => self.below_hundred(n),
        };
        match values(figures).as_slice() {
            [0, ..] => self.digits(figures),
            [_, 0, 0, _] | [_, 0, 0] | [_] | [_, _] => self.cardinal(figures),
            &[a, b, c] => format!("{} {}", self.ones[a], pair(b, c)),
            &[a, b, c, d] => format!("{} {}", self.below_hundred(a * 10 + b), pair(c, d)),
            _ => self.digits(figures),
        }
    }

    /// `0745` as "oh seven forty-five".
    fn clock(&self, figures: &str) -> String {
        let &[a, b, c, d] = values(figures).as_slice() else { return self.digits(figures) };
        let hours = match a {
            0 => format!("{} {}", self.oh, self.ones[b]),
            _ => self.below_hundred(a * 10 + b),
        };
        match (c, d) {
            (0, 0) => format!("{hours} {}", self.hundred),
            (0, _) => format!("{hours} {} {}", self.oh, self.ones[d]),
            _ => format!("{hours} {}", self.below_hundred(c * 10 + d)),
        }
    }

    /// `3/4` as "three quarters". `mixed` is the fraction after a whole number: "a half", not "one half".
    fn fraction(&self, above: &str, below: &str, mixed: bool) -> String {
        let value = |figures: &str| figures.parse::<u32>().ok();
        let (Some(a), Some(b)) = (value(above), value(below)) else {
            return format!("{} {} {}", self.digits(above), self.over, self.digits(below));
        };
        if a == 0 || a >= b || b > 100 {
            return format!("{} {} {}", self.cardinal(above), self.over, self.cardinal(below));
        }
        let many = usize::from(a != 1);
        let part = match b {
            2 => self.half[many].clone(),
            4 => self.quarter[many].clone(),
            _ => {
                // A hundredth, not a one hundredth.
                let ordinal = self.ordinal(below);
                let one = format!("{} ", self.ones[1]);
                let ordinal = ordinal.strip_prefix(&one).unwrap_or(&ordinal);
                match many {
                    0 => ordinal.to_owned(),
                    _ => plural(ordinal),
                }
            }
        };
        match (a, mixed) {
            (1, true) => format!("{} {part}", self.article),
            _ => format!("{} {part}", self.cardinal(above)),
        }
    }

    fn parts(&self, figures: &str) -> (String, Option<String>) {
        let figures = decimal_point(figures.trim_start_matches('-'));
        let digits = |part: &str| part.chars().filter(char::is_ascii_digit).collect();
        match figures.split_once('.') {
            Some((whole, decimals)) => (digits(whole), Some(digits(decimals))),
            None => (digits(&figures), None),
        }
    }
}

fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{word}s"),
    }
}

fn values(figures: &str) -> Vec<usize> {
    figures.bytes().filter(u8::is_ascii_digit).map(|b| usize::from(b - b'0')).collect()
}

/// A comma that parts no group of three is a decimal one.
fn decimal_point(figures: &str) -> std::borrow::Cow<'_, str> {
    match figures.split_once(',') {
        Some((whole, decimals)) if decimals.len() < 3 => format!("{whole}.{decimals}").into(),
        _ => figures.into(),
    }
}

/// The value of a Roman numeral in its usual spelling, up to 399.
pub(super) fn roman(numeral: &str) -> Option<u32> {
    const PARTS: [(u32, &str); 9] =
        [(100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")];
    let mut rest = numeral;
    let mut value = 0;
    for (worth, sign) in PARTS {
        let mut times = 0;
        while let Some(shorter) = rest.strip_prefix(sign) {
            rest = shorter;
            value += worth;
            times += 1;
        }
        if times > 3 || times > 1 && !matches!(worth, 1 | 10 | 100) {
            return None;
        }
    }
    (rest.is_empty() && value > 0).then_some(value)
}

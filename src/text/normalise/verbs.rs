//! A part of a match comes in; words go out. The verbs are what a template can name.

use regex::Captures;

use super::number::roman;
use super::rules::{Currency, Rules};

macro_rules! verbs {
    ($($verb:ident $name:literal $doc:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Verb { $(#[doc = $doc] $verb,)* }

        impl Verb {
            pub fn named(name: &str) -> Option<Verb> {
                match name { $($name => Some(Verb::$verb),)* _ => None }
            }
        }
    };
}

verbs! {
    Cardinal "cardinal" "`1,200`: one thousand two hundred",
    Number "number" "`-1.5`: minus one point five",
    Ordinal "ordinal" "`23`: twenty-third",
    Year "year" "`1999`: nineteen ninety-nine",
    Decade "decade" "`1990`: nineteen nineties",
    Digits "digits" "`555-12`: five five five, one two",
    Minutes "minutes" "`05`: oh five",
    Label "label" "`12`: twelve; `204`: two zero four",
    Fraction "fraction" "`1/2`: one half",
    Mixed "mixed" "`1/2` after a whole number: a half",
    Dotted "dotted" "`2.0.1`: two point zero point one",
    Octets "octets" "`10.0.0.1`: one zero dot zero dot zero dot one",
    Month "month" "`11` or `Nov`: November",
    Weekday "weekday" "`Mon`: Monday",
    Unit "unit" "`km`: kilometre or kilometres, by the group `n`",
    Each "each" "`km`: kilometre",
    Money "money" "an amount, with the groups `c` (currency) and `k` (magnitude)",
    Spell "spell" "`pm`: P M",
    Word "word" "a word by itself",
    Runs "runs" "`B12`: B twelve",
    Camel "camel" "`BestDay`: Best Day",
    Address "address" "`a.com`: a dot com",
    Roman "roman" "`IV`: four",
    Regnal "regnal" "`IV`: fourth",
}

impl Rules {
    /// Reads one part of a match; `None` where the verb cannot.
    pub fn read(&self, verb: Verb, part: &str, found: &Captures) -> Option<String> {
        let number = &self.number;
        let count = found.name("n").map_or("", |n| n.as_str());
        Some(match verb {
            Verb::Cardinal => number.cardinal(part),
            Verb::Number => number.number(part),
            Verb::Ordinal => number.ordinal(part),
            Verb::Year => number.year(part),
            Verb::Decade => number.decade(part),
            Verb::Digits => number.digits(part),
            Verb::Minutes => number.minutes(part),
            Verb::Label => number.label(part),
            Verb::Fraction | Verb::Mixed => {
                let (above, below) = part.split_once('/')?;
                number.fraction(above, below, verb == Verb::Mixed)
            }
            Verb::Dotted => joined(part, number.point(), |p| number.cardinal(p)),
            Verb::Octets => joined(part, self.address.symbols.get(&'.')?, |p| number.digits(p)),
            Verb::Month => self.months.get(part)?.clone(),
            Verb::Weekday => self.weekdays.get(part)?.clone(),
            Verb::Unit => plural(self.units.get(part)?, count).to_owned(),
            Verb::Each => self.units.get(part)?[0].clone(),
            Verb::Money => {
                let currency = self.currencies.get(found.name("c")?.as_str())?;
                self.money(part, currency, found.name("k").map(|k| k.as_str()))?
            }
            Verb::Spell => spell(part),
            Verb::Word => self.word(part),
            Verb::Runs => self.runs(part),
            Verb::Camel => self.camel(part),
            Verb::Address => self.address(part),
            Verb::Roman => number.cardinal(&roman(part)?.to_string()),
            Verb::Regnal => number.ordinal(&roman(part)?.to_string()),
        })
    }

    fn money(&self, amount: &str, currency: &Currency, magnitude: Option<&str>) -> Option<String> {
        let number = &self.number;
        let [_, many] = &currency.unit;
        if let Some(magnitude) = magnitude {
            let magnitude = self.magnitudes.get(magnitude)?;
            return Some(format!("{} {magnitude} {many}", number.number(amount)));
        }
        let unit = |count: &str| format!("{} {}", number.number(count), plural(&currency.unit, count));
        let (Some(cent), Some((whole, cents))) = (&currency.cent, amount.split_once('.')) else {
            return Some(unit(amount));
        };
        if cents.len() != 2 {
            return Some(unit(amount));
        }
        let small = format!("{} {}", number.cardinal(cents), plural(cent, cents.trim_start_matches('0')));
        let none = |figures: &str| figures.trim_start_matches('0').is_empty();
        Some(match (none(whole), none(cents)) {
            (_, true) => unit(whole),
            (true, false) => small,
            (false, false) => format!("{} {} {small}", unit(whole), number.and()),
        })
    }

    /// Letters read as a word or spelled, by the rules for words.
    fn word(&self, letters: &str) -> String {
        match letters.len() {
            1 => letters.to_ascii_uppercase(),
            _ => self.words.capitals(letters).unwrap_or_else(|| letters.to_owned()),
        }
    }

    /// Letters and figures in turn; all else parts them.
    fn runs(&self, part: &str) -> String {
        let mut words = Vec::new();
        for piece in runs(part) {
            if piece.starts_with(|c: char| c.is_ascii_digit()) {
                words.push(self.number.label(piece));
            } else if piece.starts_with(|c: char| c.is_ascii_alphabetic()) {
                words.push(self.word(piece));
            }
        }
        words.join(" ")
    }

    fn camel(&self, part: &str) -> String {
        let mut spaced = String::new();
        let mut small = false;
        for c in part.chars() {
            if c.is_ascii_uppercase() && small {
                spaced.push(' ');
            }
            small = c.is_ascii_lowercase();
            spaced.push(c);
        }
        self.runs(&spaced)
    }

    fn address(&self, part: &str) -> String {
        let mut words = Vec::new();
        for piece in runs(part.trim_end_matches('/')) {
            let first = piece.chars().next().unwrap_or(' ');
            if first.is_ascii_digit() {
                words.push(self.number.label(piece));
            } else if self.address.spelled.contains(&piece.to_ascii_lowercase()) {
                words.push(spell(piece));
            } else if first.is_ascii_alphabetic() {
                words.push(self.word(piece));
            } else {
                words.extend(piece.chars().filter_map(|c| self.address.symbols.get(&c).cloned()));
            }
        }
        words.join(" ")
    }
}

fn joined(part: &str, between: &str, read: impl Fn(&str) -> String) -> String {
    let words: Vec<String> = part.split('.').map(read).collect();
    words.join(&format!(" {between} "))
}

fn plural<'a>(forms: &'a [String; 2], count: &str) -> &'a str {
    &forms[usize::from(count.trim_start_matches('-') != "1")]
}

pub(super) fn spell(letters: &str) -> String {
    let letters: Vec<String> =
        letters.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase().to_string()).collect();
    letters.join(" ")
}

/// Splits into runs of letters, of figures and of neither.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let kind = |c: char| (c.is_ascii_alphabetic(), c.is_ascii_digit());
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = kind(rest.chars().next()?);
        let end = rest.find(|c| kind(c) != first).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

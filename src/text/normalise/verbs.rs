//! A part of a match comes in; words go out. The verbs are what a template can name.

use std::collections::HashMap;

use regex::Captures;

use super::number::{decimal_point, roman};
use super::rules::Rules;

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
    Pairs "pairs" "`2750`: twenty-seven fifty",
    Clock "clock" "`0745`: oh seven forty-five",
    Look "look" "words of the table that is named: `{c|look:compass}`",
    Count "count" "a number with the unit that is named: `{h|count:hr}`",
    Units "units" "`km`: kilometres",
    Term "term" "a number, or a letter by its name",
    Plain "plain" "the part as it stands",
    Serial "serial" "letters and figures in parts: `B-12/7`",
    Slashes "slashes" "`1/2/3`: one slash two slash three",
    Fraction "fraction" "`1/2`: one half",
    Mixed "mixed" "`1/2` after a whole number: a half",
    Dotted "dotted" "`2.0.1`: two point zero point one",
    Octets "octets" "`10.0.0.1`: one zero dot zero dot zero dot one",
    Month "month" "`11` or `Nov`: November",
    Weekday "weekday" "`Mon`: Monday",
    Unit "unit" "`km`: kilometre or kilometres, by the group `n`",
    Each "each" "`km`: kilometre",
    Money "money" "`$3.50`, `5 EUR`, `€2 million`; an amount alone has its currency in the group `c`",
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
    pub fn read(&self, verb: Verb, name: &str, part: &str, found: &Captures) -> Option<String> {
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
            Verb::Pairs => number.pairs(part),
            Verb::Clock => number.clock(part),
            Verb::Look => look(self.tables.get(name)?, part)?.clone(),
            Verb::Count => format!("{} {}", number.number(part), plural(self.units.get(name)?, part)),
            Verb::Units => unit(&self.units, part)?[1].clone(),
            Verb::Term if part.ends_with(|c: char| c.is_ascii_alphabetic()) => spell(part),
            Verb::Term => number.number(part),
            Verb::Plain => part.to_owned(),
            Verb::Serial => self.serial(part)?,
            Verb::Slashes => {
                let parts: Vec<String> = part.split('/').map(|p| number.year(p)).collect();
                parts.join(&format!(" {} ", self.address.symbols.get(&'/')?))
            }
            Verb::Dotted => joined(part, number.point(), |p| number.cardinal(p)),
            Verb::Octets => joined(part, self.address.symbols.get(&'.')?, |p| number.digits(p)),
            Verb::Month => look(&self.months, part)?.clone(),
            Verb::Weekday => self.weekdays.get(part)?.clone(),
            Verb::Unit => plural(unit(&self.units, part)?, count).to_owned(),
            Verb::Each => unit(&self.units, part)?[0].clone(),
            Verb::Money => {
                let amount = if name == "comma" { part.replace(',', ".") } else { part.to_owned() };
                self.money(&amount, found.name("c").map(|c| c.as_str()))?
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

    /// An amount with sign, currency before or after it, and magnitude: `-$1.5 million`.
    fn money(&self, amount: &str, currency: Option<&str>) -> Option<String> {
        let number = &self.number;
        let figure = |c: char| c.is_ascii_digit() || c == '.';
        let start = amount.find(figure)?;
        let end = amount.rfind(|c: char| c.is_ascii_digit())? + 1;
        let (before, figures, after) = (amount.get(..start)?, amount.get(start..end)?, amount.get(end..)?);
        let minus = if before.contains('-') { format!("{} ", number.minus()) } else { String::new() };
        let before = before.replace(['-', ' '], "");
        let after = after.trim();
        let mut currency = currency.or((!before.is_empty()).then_some(before.as_str()));
        let mut magnitude = self.magnitudes.get(after);
        if currency.is_none() {
            let key = self.currencies.keys().filter(|key| after.ends_with(key.as_str())).max_by_key(|key| key.len())?;
            magnitude = self.magnitudes.get(after.strip_suffix(key.as_str())?.trim());
            currency = Some(key);
        }
        let currency = self.currencies.get(currency?)?;
        let [_, many] = &currency.unit;
        if let Some(magnitude) = magnitude {
            return Some(format!("{minus}{} {magnitude} {many}", number.number(figures)));
        }
        let unit = |count: &str| format!("{minus}{} {}", number.number(count), plural(&currency.unit, count));
        let figures = decimal_point(figures);
        let (Some(cent), Some((whole, cents))) = (&currency.cent, figures.split_once('.')) else {
            return Some(unit(&figures));
        };
        let cents = match cents.len() {
            1 => format!("{cents}0"),
            _ => cents.to_owned(),
        };
        let none = |figures: &str| figures.trim_start_matches('0').is_empty();
        let (cents, rest) = cents.split_at(2);
        if !none(rest) {
            return Some(unit(&figures));
        }
        let small = format!("{} {}", number.cardinal(cents), plural(cent, cents.trim_start_matches('0')));
        Some(match (none(whole), none(cents)) {
            (_, true) => unit(if whole.is_empty() { "0" } else { whole }),
            (true, false) => format!("{minus}{small}"),
            (false, false) => format!("{} {} {small}", unit(whole), number.joint()),
        })
    }

    /// Parts with letters and with figures: a slash is said, a hyphen is none.
    fn serial(&self, part: &str) -> Option<String> {
        let has = |kind: fn(&char) -> bool| part.chars().any(|c| kind(&c));
        if !has(char::is_ascii_digit) || !has(char::is_ascii_alphabetic) {
            return None;
        }
        let slash = format!(" {} ", self.address.symbols.get(&'/')?);
        let parts: Vec<String> = part.split('/').map(|part| self.runs(part)).collect();
        Some(parts.join(&slash))
    }

    /// Letters read as a word or spelled, by the rules for words.
    fn word(&self, letters: &str) -> String {
        match letters.len() {
            1 => letters.to_ascii_uppercase(),
            _ => self.words.capitals(letters, false).unwrap_or_else(|| letters.to_owned()),
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

/// By the key as written, else in any case of letters.
fn look<'a, T>(table: &'a HashMap<String, T>, key: &str) -> Option<&'a T> {
    let same = |entry: &(&'a String, &'a T)| entry.0.eq_ignore_ascii_case(key);
    table.get(key).or_else(|| Some(table.iter().find(same)?.1))
}

/// As [`look`], where keys that differ in case alone are told apart: small letters are meant.
fn unit<'a>(units: &'a HashMap<String, [String; 2]>, key: &str) -> Option<&'a [String; 2]> {
    units.get(key).or_else(|| units.get(&key.to_ascii_lowercase())).or_else(|| look(units, key))
}

fn plural<'a>(forms: &'a [String; 2], count: &str) -> &'a str {
    &forms[usize::from(count.trim_start_matches(['-', '0']) != "1")]
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

//! A part of a match comes in; words go out. The verbs are what a template can name.

use std::collections::HashMap;

use regex::Captures;

use super::number::roman;
use super::numbers::Numbers;
use super::rules::Rules;
use super::track::is_letter;

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
    Quantity "quantity" "`-1.5 km`: a number and its unit, in the unit's gender",
    Counted "counted" "a number before a thing of the gender that is named: `{h|counted:f}`",
    Set "set" "a number by the rule set that is named: `{n|set:ordinal-feminine}`",
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
        let number = self.number.as_ref();
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
            Verb::Count => {
                let forms = self.units.get(name)?;
                format!(
                    "{} {}",
                    number.counted(part, forms.get(2).map_or("", String::as_str)),
                    plural(number, forms, part)
                )
            }
            Verb::Units => unit(&self.units, part)?.get(1)?.clone(),
            Verb::Quantity => self.quantity(part)?,
            Verb::Counted => number.counted(part, name),
            Verb::Set => number.by_set(name, part)?,
            Verb::Term if part.ends_with(|c: char| c.is_ascii_alphabetic()) => self.spell(part),
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
            Verb::Unit => plural(number, unit(&self.units, part)?, count).to_owned(),
            Verb::Each => unit(&self.units, part)?.first()?.clone(),
            Verb::Money => {
                let amount = if name == "comma" { part.replace(',', ".") } else { part.to_owned() };
                self.money(&amount, found.name("c").map(|c| c.as_str()))?
            }
            Verb::Spell => self.spell(part),
            Verb::Word => self.word(part),
            Verb::Runs => self.runs(part),
            Verb::Camel => self.camel(part),
            Verb::Address => self.address(part),
            Verb::Roman => number.cardinal(&roman(part)?.to_string()),
            Verb::Regnal => number.ordinal(&roman(part)?.to_string()),
        })
    }

    /// A number, a word for a magnitude if there is one, a unit: `-1.5 million km`.
    fn quantity(&self, part: &str) -> Option<String> {
        let number = self.number.as_ref();
        let end = part.rfind(|c: char| c.is_ascii_digit() || "½¼¾".contains(c))?;
        let end = end + part.get(end..)?.chars().next()?.len_utf8();
        // The figure of "m2" belongs to the unit.
        let end = part.find(|c: char| c.is_alphabetic() || "%°′″".contains(c)).map_or(end, |unit| unit.min(end));
        let (figures, rest) = (part.get(..end)?.trim(), part.get(end..)?.trim());
        let (magnitude, rest) = match rest.split_once(' ') {
            Some((word, unit)) if self.magnitudes.contains_key(word) => (self.magnitudes.get(word), unit),
            _ => (None, rest),
        };
        let forms = unit(&self.units, rest)?;
        let gender = forms.get(2).map_or("", String::as_str);
        Some(match magnitude {
            Some(magnitude) => format!("{} {magnitude} {}", number.number(figures), forms.get(1)?),
            None => format!("{} {}", number.counted(figures, gender), plural(number, forms, figures)),
        })
    }

    /// An amount with sign, currency before or after it, and magnitude: `-$1.5 million`.
    fn money(&self, amount: &str, currency: Option<&str>) -> Option<String> {
        let number = self.number.as_ref();
        let figure = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
        let end = amount.rfind(|c: char| c.is_ascii_digit())? + 1;
        let mut signs = amount.get(..end)?.char_indices().rev();
        let sign = signs.find(|&(_, c)| !figure(c) && c != ' ');
        let start = sign.map_or(0, |(i, c)| i + c.len_utf8());
        let start = start + amount.get(start..)?.find(figure)?;
        let (before, figures, after) = (amount.get(..start)?, amount.get(start..end)?, amount.get(end..)?);
        let minus = if before.contains('-') { format!("{} ", number.minus()) } else { String::new() };
        let before = before.replace(['-', ' '], "");
        let after = after.trim();
        let mut currency = currency.or((!before.is_empty()).then_some(before.as_str()));
        let mut magnitude = look(&self.magnitudes, after);
        if currency.is_none() {
            let small = after.to_lowercase();
            let last = small.chars().next_back()?;
            // Most end otherwise, which is seen without an allocation.
            let ends = |key: &str| {
                key.chars().next_back().is_some_and(|c| c.to_lowercase().any(|c| c == last))
                    && small.ends_with(&key.to_lowercase())
            };
            let key = self.currencies.keys().filter(|key| ends(key)).max_by_key(|key| key.len())?;
            let rest = after.get(..after.len().checked_sub(key.len())?)?;
            magnitude = look(&self.magnitudes, rest.trim());
            currency = Some(key);
        }
        let currency = look(&self.currencies, currency?)?;
        let gender = currency.unit.get(2).map_or("", String::as_str);
        if let Some(magnitude) = magnitude {
            let many = currency.unit.get(1)?;
            return Some(format!("{minus}{} {magnitude} {many}", number.number(figures)));
        }
        let unit =
            |count: &str| format!("{minus}{} {}", number.counted(count, gender), plural(number, &currency.unit, count));
        let (whole, cents) = number.parts(figures);
        let (Some(cent), Some(cents)) = (&currency.cent, cents) else {
            return Some(unit(figures));
        };
        let none = |figures: &str| figures.trim_start_matches('0').is_empty();
        let cents = if cents.len() == 1 { format!("{cents}0") } else { cents };
        let (cents, rest) = cents.split_at(cents.len().min(2));
        if !none(rest) {
            return Some(unit(figures));
        }
        let gender = cent.get(2).map_or("", String::as_str);
        let few = cents.trim_start_matches('0');
        let small =
            format!("{} {}", number.counted(if few.is_empty() { "0" } else { few }, gender), plural(number, cent, few));
        Some(match (none(&whole), none(cents)) {
            (_, true) => unit(if whole.is_empty() { "0" } else { &whole }),
            (true, false) => format!("{minus}{small}"),
            (false, false) if number.joint().is_empty() => format!("{} {small}", unit(&whole)),
            (false, false) if number.joint().ends_with('-') => {
                format!("{} {}{small}", unit(&whole), number.joint().trim_end_matches('-'))
            }
            (false, false) => format!("{} {} {small}", unit(&whole), number.joint()),
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

    /// Letter by letter, each by its name where the language names it.
    pub fn spell(&self, letters: &str) -> String {
        let name = |c: char| self.letter_names.get(&c.to_ascii_lowercase()).cloned();
        let letters = letters.chars().filter(|c| c.is_alphabetic());
        let spelled = letters.map(|c| name(c).unwrap_or_else(|| c.to_uppercase().collect()));
        spelled.collect::<Vec<_>>().join(" ")
    }

    /// Letters read as a word or spelled, by the rules for words.
    fn word(&self, letters: &str) -> String {
        match letters.len() {
            1 => self.spell(letters),
            _ => self.words.capitals(letters, false).unwrap_or_else(|| letters.to_owned()),
        }
    }

    /// Letters and figures in turn; all else parts them.
    fn runs(&self, part: &str) -> String {
        let mut words = Vec::new();
        for piece in runs(part) {
            if piece.starts_with(|c: char| c.is_ascii_digit()) {
                words.push(self.number.label(piece));
            } else if piece.starts_with(char::is_alphabetic) {
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
            if first.is_ascii_digit() && self.letter_names.is_empty() {
                words.push(self.number.label(piece));
            } else if first.is_ascii_digit() {
                words.push(self.number.digits(piece));
            } else if self.address.spelled.contains(&piece.to_ascii_lowercase()) {
                words.push(self.spell(piece));
            } else if let Some(word) = self.address.words.get(&piece.to_ascii_lowercase()) {
                words.push(word.clone());
            } else if first.is_ascii_alphabetic() && !self.letter_names.is_empty() {
                words.push(self.spell(piece));
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
fn unit<'a>(units: &'a HashMap<String, Vec<String>>, key: &str) -> Option<&'a Vec<String>> {
    units.get(key).or_else(|| units.get(&key.to_ascii_lowercase())).or_else(|| look(units, key))
}

/// The form of a thing that goes with a count.
fn plural<'a>(number: &dyn Numbers, forms: &'a [String], count: &str) -> &'a str {
    forms.get(number.form(count)).or(forms.first()).map_or("", String::as_str)
}

pub(super) fn spell(letters: &str) -> String {
    let letters: Vec<String> =
        letters.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase().to_string()).collect();
    letters.join(" ")
}

/// Splits into runs of letters, of figures and of neither.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let kind = |c: char| (is_letter(c), c.is_ascii_digit());
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = kind(rest.chars().next()?);
        let end = rest.find(|c| kind(c) != first).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

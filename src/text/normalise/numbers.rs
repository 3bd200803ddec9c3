//! Figures come in; words go out, by the rules of a language.
//!
//! [`Numbers`] is what the verbs ask for. English has its own grammar (`number`), every other language CLDR's rules for
//! spelling out (`spellout`) with the few words around them from its rules file.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use serde::Deserialize;

use super::spellout::Spellout;

pub(super) trait Numbers: Debug + Send + Sync {
    /// Whole figures; anything but ASCII digits is skipped. Beyond the words of the language, figure by figure.
    fn cardinal(&self, figures: &str) -> String;
    /// A number as written, with sign, groups and decimals.
    fn number(&self, figures: &str) -> String;
    fn ordinal(&self, figures: &str) -> String;
    /// Figure by figure; a break in the figures is a pause.
    fn digits(&self, figures: &str) -> String;
    fn fraction(&self, above: &str, below: &str, mixed: bool) -> String;
    /// Whole figures and decimals of a number as written, without groups.
    fn parts(&self, figures: &str) -> (String, Option<String>);
    /// Before a decimal, between a whole and its part, before a negative number.
    fn point(&self) -> &str;
    fn joint(&self) -> &str;
    fn minus(&self) -> &str;
    /// Every word that a cardinal is made of.
    fn words(&self) -> HashSet<String>;

    /// Another word after hundreds, in a region.
    fn set_and(&mut self, _and: Option<String>) {}

    /// A number before a thing of this gender (`m`, `f`, `n`).
    fn counted(&self, figures: &str, _gender: &str) -> String {
        self.number(figures)
    }

    /// By the rule set that is named, where the language has such sets.
    fn by_set(&self, _set: &str, _figures: &str) -> Option<String> {
        None
    }

    fn year(&self, figures: &str) -> String {
        self.cardinal(figures)
    }

    fn decade(&self, figures: &str) -> String {
        self.year(figures)
    }

    fn minutes(&self, figures: &str) -> String {
        self.cardinal(figures)
    }

    /// A house or a road, in pairs of figures where people say so.
    fn pairs(&self, figures: &str) -> String {
        self.label(figures)
    }

    /// Four figures of a clock.
    fn clock(&self, figures: &str) -> String {
        self.digits(figures)
    }

    /// A room, a road, a model: up to two figures as a number, more of them one by one.
    fn label(&self, figures: &str) -> String {
        match figures.len() {
            0..=2 if !figures.starts_with('0') => self.cardinal(figures),
            _ => self.digits(figures),
        }
    }

    /// Which form of a thing goes with this count: 0 for one, 1 for many, 2 for a third form where there is one.
    fn form(&self, count: &str) -> usize {
        usize::from(count.trim_start_matches(['-', '0']) != "1")
    }
}

/// How decimals are said.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decimals {
    #[default]
    Digits,
    /// As a number, behind the zeros that lead.
    Number,
}

/// What the form of a thing goes by.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Plural {
    #[default]
    One,
    /// Below two: French, Portuguese.
    Two,
    /// Three to ten, by the last two figures; else as for one.
    Arabic,
    /// Always the first form.
    Never,
}

/// The words around a language's spell-out rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NumberFile {
    /// Rule sets, without `spellout-`.
    cardinal: String,
    ordinal: String,
    #[serde(default)]
    year: Option<String>,
    /// The word for a hundred, where years from 1100 to 1999 are said in hundreds.
    #[serde(default)]
    year_hundred: Option<String>,
    /// By the gender of what is counted.
    #[serde(default)]
    counted: HashMap<String, String>,
    /// The marks of groups and decimals.
    group: String,
    decimal: char,
    #[serde(default)]
    decimals: Decimals,
    #[serde(default)]
    plural: Plural,
    point: String,
    joint: String,
    minus: String,
    over: String,
    /// Denominators with words of their own, for one and many.
    denominators: HashMap<String, [String; 2]>,
    /// The others: the rule set, and what ends its words for one and many.
    #[serde(default)]
    denominator_set: Option<String>,
    #[serde(default)]
    denominator_end: [String; 2],
    /// Words of other numbers, to tell where a number goes on.
    #[serde(default)]
    words: Vec<String>,
}

/// A language with spell-out rules.
#[derive(Debug)]
pub(super) struct Spelled {
    file: NumberFile,
    rules: Spellout,
}

impl Spelled {
    /// Errors: a rule set that the language lacks, or the line of the rules that cannot be read.
    pub fn new(file: NumberFile, rules: &str) -> Result<Spelled, String> {
        let rules = Spellout::parse(rules).map_err(|(line, message)| format!("line {line} of the {message}"))?;
        let sets = [&file.cardinal, &file.ordinal].into_iter().chain(&file.year).chain(&file.denominator_set);
        for set in sets.chain(file.counted.values()) {
            if !rules.has(&full(set)) {
                return Err(format!("there is no rule set `{set}`"));
            }
        }
        Ok(Spelled { file, rules })
    }

    fn spell(&self, set: &str, figures: &str) -> String {
        let digits: String = figures.chars().filter(char::is_ascii_digit).collect();
        let spelled = digits.parse().ok().and_then(|number| self.rules.spell(&full(set), number));
        spelled.unwrap_or_else(|| self.digits(&digits))
    }

    /// A whole number by a rule set, with sign and decimals.
    fn signed(&self, set: &str, figures: &str) -> String {
        let (sign, figures) = match figures.strip_prefix('-') {
            Some(rest) => (format!("{} ", self.file.minus), rest),
            None => (String::new(), figures),
        };
        match self.parts(figures) {
            (whole, None) => format!("{sign}{}", self.spell(set, &whole)),
            (whole, Some(decimals)) => {
                let whole = self.spell(&self.file.cardinal, if whole.is_empty() { "0" } else { &whole });
                format!("{sign}{whole} {} {}", self.file.point, self.decimals(&decimals))
            }
        }
    }

    fn decimals(&self, figures: &str) -> String {
        let zeros = figures.len() - figures.trim_start_matches('0').len();
        match self.file.decimals {
            Decimals::Number if zeros < figures.len() && figures.len() <= 3 + zeros => {
                let zero = self.spell(&self.file.cardinal, "0");
                let mut words = vec![zero; zeros];
                words.push(self.spell(&self.file.cardinal, figures));
                words.join(" ")
            }
            _ => self.digits(figures),
        }
    }
}

fn full(set: &str) -> String {
    format!("spellout-{set}")
}

impl Numbers for Spelled {
    fn cardinal(&self, figures: &str) -> String {
        self.spell(&self.file.cardinal, figures)
    }

    fn number(&self, figures: &str) -> String {
        self.signed(&self.file.cardinal, figures)
    }

    fn counted(&self, figures: &str, gender: &str) -> String {
        self.signed(self.file.counted.get(gender).unwrap_or(&self.file.cardinal), figures)
    }

    fn by_set(&self, set: &str, figures: &str) -> Option<String> {
        self.rules.has(&full(set)).then(|| self.signed(set, figures))
    }

    fn ordinal(&self, figures: &str) -> String {
        self.spell(&self.file.ordinal, figures)
    }

    fn year(&self, figures: &str) -> String {
        if let (Some(hundred), Ok(year @ 1100..2000)) = (&self.file.year_hundred, figures.parse::<u32>()) {
            let century = self.cardinal(&(year / 100).to_string());
            return match year % 100 {
                0 => format!("{century} {hundred}"),
                rest => format!("{century} {hundred} {}", self.cardinal(&rest.to_string())),
            };
        }
        self.spell(self.file.year.as_ref().unwrap_or(&self.file.cardinal), figures)
    }

    fn digits(&self, figures: &str) -> String {
        let groups = figures.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty());
        let word = |c: char| self.rules.spell(&full(&self.file.cardinal), u128::from(c.to_digit(10)?));
        groups.map(|group| group.chars().filter_map(word).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
    }

    fn fraction(&self, above: &str, below: &str, mixed: bool) -> String {
        let file = &self.file;
        let below: String = below.chars().filter(char::is_ascii_digit).collect();
        let below = below.as_str();
        let many = usize::from(above.trim_start_matches('0') != "1");
        let over = || format!("{} {} {}", self.cardinal(above), file.over, self.cardinal(below));
        if let Some([whole, _]) = file.denominators.get(&format!("{above}/{below}")) {
            return whole.clone();
        }
        if let Some(forms) = file.denominators.get(below) {
            let count = self.counted(above, "m");
            // A form that begins with `=` says the whole fraction: "ein halb", "medio".
            return match forms[many].strip_prefix('=') {
                Some(whole) if many == 0 => whole.to_owned(),
                _ => format!("{count} {}", forms[many].trim_start_matches('=')),
            };
        }
        let Some(set) = file.denominator_set.as_ref().filter(|_| below.len() <= 2 && below.len() >= above.len().min(2))
        else {
            return over();
        };
        let _ = mixed;
        match below.trim_start_matches('0') {
            "" | "1" => over(),
            below => {
                let (part, end) = (self.spell(set, below), &file.denominator_end[many]);
                // "treinta" and "avo" share a letter.
                let part = if part.ends_with('a') && end.starts_with('a') { &part[..part.len() - 1] } else { &part };
                format!("{} {part}{end}", self.counted(above, "m"))
            }
        }
    }

    fn parts(&self, figures: &str) -> (String, Option<String>) {
        let digits = |part: &str| part.chars().filter(char::is_ascii_digit).collect::<String>();
        let figures = figures.trim_start_matches('-');
        if let Some((whole, decimals)) = figures.rsplit_once(self.file.decimal) {
            return (digits(whole), Some(digits(decimals)));
        }
        // The other mark parts decimals where it parts no group of three.
        let groups = |c: char| self.file.group.contains(c) || c == ' ';
        match figures.rsplit_once(['.', ',']) {
            Some((whole, tail))
                if tail.len() != 3
                    || !whole.contains(groups) && whole.len() > 3
                    || !groups(figures.as_bytes()[whole.len()].into()) =>
            {
                (digits(whole), Some(digits(tail)))
            }
            _ => (digits(figures), None),
        }
    }

    fn point(&self) -> &str {
        &self.file.point
    }

    fn joint(&self) -> &str {
        &self.file.joint
    }

    fn minus(&self) -> &str {
        &self.file.minus
    }

    fn words(&self) -> HashSet<String> {
        let mut words: HashSet<String> = self.file.words.iter().cloned().collect();
        words.extend((0..100).filter_map(|n| self.rules.spell(&full(&self.file.cardinal), n)));
        words
    }

    fn form(&self, count: &str) -> usize {
        let (whole, decimals) = self.parts(count);
        let whole = whole.trim_start_matches('0');
        match self.file.plural {
            Plural::One => usize::from(decimals.is_some() || whole != "1"),
            Plural::Two => usize::from(!matches!(whole, "" | "1")),
            Plural::Never => 0,
            Plural::Arabic => {
                let last: usize = whole[whole.len().saturating_sub(2)..].parse().unwrap_or(0);
                usize::from((3..=10).contains(&last))
            }
        }
    }
}

//! A rules file comes in; compiled patterns, word lists and tables go out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use regex::{Captures, Regex};
use serde::Deserialize;
use toml::Spanned;

use super::number::NumberWords;
use super::template::Template;
use super::words::Words;

/// Patterns may refer to patterns, this deep.
const PATTERN_DEPTH: usize = 6;

/// A fault in a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError {
    /// Line in the file, from 1; 0 where the fault has no line.
    pub line: usize,
    pub message: String,
}

impl RulesError {
    pub(super) fn new(line: usize, message: impl Into<String>) -> RulesError {
        // A regex error draws the pattern over several lines; its last line says what is wrong.
        let message: String = message.into();
        let message = match message.rsplit_once('\n') {
            Some((_, last)) => last.trim().to_owned(),
            None => message,
        };
        RulesError { line, message }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "text rules, line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for RulesError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    number: NumberWords,
    words: Words,
    /// Said between two figures that a hyphen joins.
    range: String,
    /// Said for a slash between two words.
    either: String,
    months: Vec<Vec<String>>,
    weekdays: Vec<Vec<String>>,
    units: HashMap<String, [String; 2]>,
    currencies: HashMap<String, Currency>,
    magnitudes: HashMap<String, String>,
    symbols: HashMap<char, String>,
    symbols_before_figures: HashMap<char, String>,
    address: Address,
    clause_openers: HashSet<String>,
    clause_ties: HashSet<String>,
    lists: BTreeMap<String, Vec<String>>,
    patterns: BTreeMap<String, String>,
    rules: Vec<RuleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    pattern: Spanned<String>,
    say: String,
    after: Option<String>,
    #[serde(default)]
    range: bool,
    #[serde(default)]
    stop: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Currency {
    pub unit: [String; 2],
    pub cent: Option<[String; 2]>,
}

/// How web and mail addresses are read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    pub symbols: HashMap<char, String>,
    pub spelled: HashSet<String>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pattern: Regex,
    pub say: Template,
    /// The word before must be one of these; a small-letter entry matches any case.
    pub after: Option<Vec<String>>,
    /// A hyphen between this and another figure means "to".
    pub range: bool,
    /// The match may end in an abbreviation, whose stop is not the end of a sentence.
    pub stop: bool,
}

impl Rule {
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.pattern.captures(text)
    }
}

/// Words by which the clause splitter knows where a sentence does not end, and where it may be cut.
#[derive(Debug, Clone, Default)]
pub struct ClauseWords {
    /// Abbreviations after which a sentence never ends: "Mr".
    pub(crate) titles: HashSet<String>,
    /// Those that go with a figure: "No".
    pub(crate) numbered: HashSet<String>,
    /// Those that may end a sentence: "etc", "St".
    pub(crate) abbreviations: HashSet<String>,
    /// Words that begin a sentence, capitalised.
    pub(crate) starters: HashSet<String>,
    /// Conjunctions and prepositions before which a phrase may end.
    pub(crate) openers: HashSet<String>,
    /// Words that belong to the next one: "the".
    pub(crate) ties: HashSet<String>,
}

#[derive(Debug)]
pub(super) struct Rules {
    pub number: NumberWords,
    pub words: Words,
    pub range: String,
    pub either: String,
    pub months: HashMap<String, String>,
    pub weekdays: HashMap<String, String>,
    pub units: HashMap<String, [String; 2]>,
    pub currencies: HashMap<String, Currency>,
    pub magnitudes: HashMap<String, String>,
    pub symbols: HashMap<char, String>,
    pub symbols_before_figures: HashMap<char, String>,
    pub address: Address,
    pub clause: Arc<ClauseWords>,
    /// Characters beyond ASCII that some rule reads.
    pub read: HashSet<char>,
    /// In the order in which they are tried.
    pub rules: Vec<Rule>,
}

impl Rules {
    pub fn parse(source: &str) -> Result<Rules, RulesError> {
        let line = |byte: usize| 1 + source.bytes().take(byte).filter(|&b| b == b'\n').count();
        let file: File = toml::from_str(source).map_err(|e| {
            let at = e.span().map_or(0, |span| line(span.start));
            RulesError::new(at, e.message())
        })?;
        let months = names(&file.months, true);
        let weekdays = names(&file.weekdays, false);
        let mut patterns = file.patterns;
        for (name, list) in &file.lists {
            patterns.insert(name.clone(), any_of(list));
        }
        patterns.insert("unit".into(), any_of(file.units.keys()));
        patterns.insert("currency".into(), any_of(file.currencies.keys()));
        patterns.insert("magnitude".into(), any_of(file.magnitudes.keys()));
        patterns.insert("month".into(), any_of(file.months.iter().flatten()));
        patterns.insert("weekday".into(), any_of(file.weekdays.iter().flatten()));

        let mut rules = Vec::new();
        for entry in &file.rules {
            let fault = |message: String| RulesError::new(line(entry.pattern.span().start), message);
            let pattern = expand(entry.pattern.get_ref(), &patterns, PATTERN_DEPTH).map_err(fault)?;
            let pattern = format!(r"\A(?:{pattern})");
            let regex = Regex::new(&pattern).map_err(|e| fault(e.to_string()))?;
            let groups: Vec<&str> = regex.capture_names().flatten().collect();
            let after = match &entry.after {
                Some(name) => match file.lists.get(name) {
                    Some(list) => Some(list.clone()),
                    None => return Err(fault(format!("there is no list `{name}`"))),
                },
                None => None,
            };
            rules.push(Rule {
                say: Template::parse(&entry.say, &groups).map_err(fault)?,
                pattern: regex,
                after,
                range: entry.range,
                stop: entry.stop,
            });
        }
        let read = file
            .units
            .keys()
            .chain(file.currencies.keys())
            .flat_map(|key| key.chars())
            .chain(file.symbols.keys().copied())
            .chain(file.symbols_before_figures.keys().copied())
            .filter(|c| !c.is_ascii())
            .collect();
        Ok(Rules {
            clause: Arc::new(file.words.clause_words(file.clause_openers, file.clause_ties)),
            number: file.number,
            words: file.words,
            range: file.range,
            either: file.either,
            months,
            weekdays,
            units: file.units,
            currencies: file.currencies,
            magnitudes: file.magnitudes,
            symbols: file.symbols,
            symbols_before_figures: file.symbols_before_figures,
            address: file.address,
            read,
            rules,
        })
    }
}

/// Every spelling, and for months the number with and without a leading zero, to the full name.
fn names(table: &[Vec<String>], numbered: bool) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for (i, spellings) in table.iter().enumerate() {
        let Some(full) = spellings.first() else { continue };
        for spelling in spellings {
            names.insert(spelling.clone(), full.clone());
        }
        if numbered {
            names.insert((i + 1).to_string(), full.clone());
            names.insert(format!("{:02}", i + 1), full.clone());
        }
    }
    names
}

/// A pattern for any of the words, the longest first, each ending where a word ends.
fn any_of<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let mut words: Vec<&String> = words.into_iter().collect();
    words.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    let alternatives: Vec<String> = words
        .into_iter()
        .map(|word| {
            let end = match word.ends_with(|c: char| c.is_ascii_alphanumeric()) {
                true => r"(?-u:\b)",
                false => "",
            };
            format!("{}{end}", regex::escape(word))
        })
        .collect();
    format!("(?:{})", alternatives.join("|"))
}

/// Puts named patterns in place of `{name}`; a repetition such as `{2,3}` is left alone.
fn expand(pattern: &str, patterns: &BTreeMap<String, String>, depth: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let (head, tail) = rest.split_at(open);
        out.push_str(head);
        let close = tail.find('}').ok_or("`{` without `}`")?;
        let (name, after) = (&tail[1..close], &tail[close + 1..]);
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            out.push_str(&tail[..=close]);
        } else {
            let inner = patterns.get(name).ok_or_else(|| format!("there is no pattern `{name}`"))?;
            let depth = depth.checked_sub(1).ok_or("patterns refer to each other")?;
            out.push_str(&expand(inner, patterns, depth)?);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

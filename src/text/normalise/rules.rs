//! A rules file comes in; compiled patterns, word lists and tables go out.

mod file;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use regex::Captures;

use super::numbers::Numbers;
use super::pattern::{Pattern, Patterns, groups};
use super::template::Template;
use super::words::Words;
use crate::text::heteronyms::{self, Heteronyms};
use file::{Address, Currency, File, RuleEntry, line_of};

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

#[derive(Debug)]
pub(super) struct Rule {
    /// In the rules file.
    pub line: usize,
    pattern: Pattern,
    pub say: Template,
    /// The word before must be one of these; a small-letter entry matches any case.
    pub after: Option<HashSet<String>>,
    /// Must match the end of the text before, the start of the text after, mustn't match that.
    before: Option<Pattern>,
    then: Option<Pattern>,
    unless: Option<Pattern>,
    /// A hyphen between this and another figure means "to".
    pub range: bool,
    /// The match may end in an abbreviation, whose stop is not the end of a sentence.
    pub stop: bool,
}

impl Rule {
    /// Whether its patterns are within the bounds of the `regex` crate, which finds their groups.
    #[cfg(test)]
    pub fn compiles(&self) -> bool {
        let around = [&self.before, &self.then, &self.unless];
        self.pattern.compiles() && around.iter().all(|pattern| pattern.as_ref().is_none_or(Pattern::compiles))
    }

    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.pattern.captures(text)
    }

    /// Whether what stands before a match allows it.
    pub fn comes_after(&self, before: &str) -> bool {
        self.before.as_ref().is_none_or(|p| p.is_match(before))
    }

    /// Whether what stands behind a match allows it. A match never ends within a word or number.
    pub fn goes_on(&self, after: &str) -> bool {
        self.then.as_ref().is_none_or(|p| p.is_match(after)) && self.unless.as_ref().is_none_or(|p| !p.is_match(after))
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
    /// Words of numbers.
    pub(crate) number_words: HashSet<String>,
    /// Words that a number is said of, in small letters: "pin", "gate".
    pub(crate) cues: HashSet<String>,
}

impl ClauseWords {
    pub(crate) fn is_cue(&self, word: &str) -> bool {
        self.cues.contains(&word.to_lowercase())
    }
}

#[derive(Debug)]
pub(super) struct Rules {
    pub number: Box<dyn Numbers>,
    letters: Vec<(char, char)>,
    pub letter_names: HashMap<char, String>,
    pub means: HashMap<char, String>,
    pub words: Words,
    pub range: String,
    pub either: String,
    pub months: HashMap<String, String>,
    pub weekdays: HashMap<String, String>,
    /// The form for one, for many, and the gender.
    pub units: HashMap<String, Vec<String>>,
    pub currencies: HashMap<String, Currency>,
    pub magnitudes: HashMap<String, String>,
    pub symbols: HashMap<char, String>,
    pub symbols_before_figures: HashMap<char, String>,
    /// Names of signs that are said one by one.
    pub signs: HashMap<char, String>,
    pub address: Address,
    ordinal_stop: bool,
    pub tables: BTreeMap<String, HashMap<String, String>>,
    pub clause: Arc<ClauseWords>,
    pub heteronyms: Heteronyms,
    /// Characters beyond ASCII that some rule reads.
    pub read: HashSet<char>,
    /// In the order in which they are tried.
    pub rules: Vec<Rule>,
    /// The patterns of all rules at once: few of them begin like a given text.
    set: Patterns,
}

impl Rules {
    /// The rules that match the start of a text, in their order.
    pub fn candidates(&self, text: &str) -> Vec<usize> {
        self.set.matching(text)
    }

    /// Whether the language writes this letter or mark, small or capital.
    pub fn keeps(&self, c: char) -> bool {
        let within = |c: char| self.letters.iter().any(|&(first, last)| (first..=last).contains(&c));
        within(c) || c.to_lowercase().next().is_some_and(within)
    }

    /// Whether a figure with a stop may be an ordinal.
    pub fn has_ordinal_stop(&self) -> bool {
        self.ordinal_stop
    }

    /// Whether a figure with a stop before this word is an ordinal: "3. Mai".
    pub fn is_month(&self, word: &str) -> bool {
        self.ordinal_stop && self.months.keys().any(|month| month.to_lowercase() == word.to_lowercase())
    }

    /// What the clause splitter needs of a file, without compiling its patterns.
    pub fn clause_words(source: &str, spellout: &str) -> Result<ClauseWords, RulesError> {
        let mut file = File::parse(source)?;
        let number = file.numbers(spellout)?;
        Ok(file.clause_words(number.as_ref()))
    }

    /// `region` as in `en-US`; one that the file does not name is read as the language itself.
    /// `spellout`: the language's rules for numbers, where it isn't English.
    pub fn parse(source: &str, spellout: &str, region: Option<&str>) -> Result<Rules, RulesError> {
        let line = |byte: usize| line_of(source, byte);
        let mut file = File::parse(source)?;
        let mut number = file.numbers(spellout)?;
        let clause = Arc::new(file.clause_words(number.as_ref()));
        if let Some(other) = region.and_then(|region| file.regions.remove(region)) {
            number.set_and(other.and);
            for forms in file.units.values_mut().flatten() {
                for (from, to) in &other.spelling {
                    *forms = forms.replace(from, to);
                }
            }
        }
        let months = names(&file.months, true);
        let weekdays = names(&file.weekdays, false);
        let mut patterns = file.patterns;
        for (name, list) in &file.lists {
            patterns.insert(name.clone(), any_of(list));
        }
        for (name, table) in &file.tables {
            patterns.insert(name.clone(), any_of(table.keys()));
        }
        patterns.insert("unit".into(), any_case(file.units.keys()));
        patterns.insert("currency".into(), any_of(file.currencies.keys()));
        patterns.insert("magnitude".into(), any_of(file.magnitudes.keys()));
        patterns.insert("month".into(), format!("(?i-u:{})", any_of(file.months.iter().flatten())));
        patterns.insert("weekday".into(), any_of(file.weekdays.iter().flatten()));

        let (mut rules, mut parsed) = (Vec::new(), Vec::new());
        let here = |entry: &&RuleEntry| entry.region.is_none() || entry.region.as_deref() == region;
        for entry in file.rules.iter().filter(here) {
            let fault = |message: String| RulesError::new(line(entry.pattern.span().start), message);
            let pattern = expand(entry.pattern.get_ref(), &patterns, PATTERN_DEPTH).map_err(fault)?;
            let pattern = format!(r"\A(?:{pattern})");
            let (pattern, hir) = Pattern::parsed(pattern).map_err(fault)?;
            let mut names = Vec::new();
            groups(&hir, &mut names);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let around = |pattern: &Option<String>, frame: fn(String) -> String| match pattern {
                Some(pattern) => {
                    let pattern = expand(pattern, &patterns, PATTERN_DEPTH).map_err(fault)?;
                    Pattern::new(frame(pattern)).map(Some).map_err(fault)
                }
                None => Ok(None),
            };
            let after = match &entry.after {
                Some(name) => match file.lists.get(name) {
                    Some(list) => Some(list.iter().cloned().collect()),
                    None => return Err(fault(format!("there is no list `{name}`"))),
                },
                None => None,
            };
            rules.push(Rule {
                line: line(entry.pattern.span().start),
                say: Template::parse(&entry.say, &names).map_err(fault)?,
                pattern,
                after,
                before: around(&entry.before, |p| format!("(?:{p})$"))?,
                then: around(&entry.then, |p| format!("^(?:{p})"))?,
                unless: around(&entry.unless, |p| format!("^(?:{p})"))?,
                range: entry.range,
                stop: entry.stop,
            });
            parsed.push(hir);
        }
        let set = Patterns::new(&parsed).map_err(|e| RulesError::new(0, e))?;
        let read = file
            .units
            .keys()
            .chain(file.currencies.keys())
            .flat_map(|key| key.chars())
            .chain(file.symbols.keys().copied())
            .chain(file.symbols_before_figures.keys().copied())
            .filter(|c| !c.is_ascii())
            .collect();
        let heteronyms = Heteronyms::new(heteronyms::Written {
            entries: file.heteronyms,
            pairs: file.noun_verbs,
            contexts: file.noun_verb_contexts,
            passed: file.heteronyms_pass,
            region: file.heteronyms_region,
            accented: file.heteronyms_accented,
            lists: Some(&file.lists),
        });
        Ok(Rules {
            heteronyms: heteronyms.map_err(|e| RulesError::new(0, e))?,
            clause,
            number,
            letters: letters(&file.letters),
            letter_names: file.letter_names,
            means: file.means,
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
            signs: file.signs,
            address: file.address,
            ordinal_stop: file.ordinal_stop,
            tables: file.tables,
            read,
            rules,
            set,
        })
    }
}

/// Single letters and ranges of them, written `a-z`.
fn letters(entries: &[String]) -> Vec<(char, char)> {
    let mut ranges = Vec::new();
    for entry in entries {
        let chars: Vec<char> = entry.chars().collect();
        match chars.as_slice() {
            &[first, '-', last] => ranges.push((first, last)),
            chars => ranges.extend(chars.iter().map(|&c| (c, c))),
        }
    }
    ranges
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
    alternatives(words.into_iter().map(|word| (word, false)))
}

/// As [`any_of`], with words of two letters or more in any case: `KM/H`.
fn any_case<'a>(words: impl Iterator<Item = &'a String>) -> String {
    alternatives(words.map(|word| (word, word.len() > 1 && word.is_ascii())))
}

/// Of words, each with whether its letters may be of any case. Words of one kind that follow each other share what surrounds
/// them: an automaton of `(?:km|kg)\b` is half that of `km\b|kg\b`.
fn alternatives<'a>(words: impl Iterator<Item = (&'a String, bool)>) -> String {
    let mut words: Vec<(&String, bool)> = words.collect();
    words.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
    let kind = |(word, any_case): &(&String, bool)| (word.ends_with(|c: char| c.is_ascii_alphanumeric()), *any_case);
    let runs = words.chunk_by(|a, b| kind(a) == kind(b)).map(|run| {
        let (ends, any_case) = kind(&run[0]);
        let of: Vec<String> = run.iter().map(|(word, _)| regex::escape(word)).collect();
        let case = if any_case { "i-u" } else { "" };
        format!("(?{case}:{}){}", of.join("|"), if ends { r"(?-u:\b)" } else { "" })
    });
    format!("(?:{})", runs.collect::<Vec<_>>().join("|"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_every_language_can_be_compiled() {
        for (language, rules, spellout) in super::super::LANGUAGES {
            for region in [None, Some("US"), Some("GB")] {
                let rules = Rules::parse(rules, spellout, region).unwrap();
                assert!(rules.rules.iter().all(Rule::compiles), "{language}");
            }
        }
    }
}

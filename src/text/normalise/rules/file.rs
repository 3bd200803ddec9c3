//! A rules file as it is written. In: TOML. Out: its tables and lists, and what can be had of them without compiling a
//! pattern.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use toml::Spanned;

use super::super::number::NumberWords;
use super::super::numbers::{NumberFile, Numbers, Spelled};
use super::super::words::Words;
use super::{ClauseWords, RulesError};
use crate::text::heteronyms;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// English, or the words around a language's spell-out rules.
    pub(super) number: Option<NumberWords>,
    pub(super) spellout: Option<NumberFile>,
    /// Letters of the language beside `a` to `z`, and ranges of them; others are folded.
    #[serde(default)]
    pub(super) letters: Vec<String>,
    /// Names of letters, where the language's own script has none for them.
    #[serde(default)]
    pub(super) letter_names: HashMap<char, String>,
    /// Characters that mean another one.
    #[serde(default)]
    pub(super) means: HashMap<char, String>,
    #[serde(default)]
    pub(super) words: Words,
    /// Said between two figures that a hyphen joins.
    pub(super) range: String,
    /// Said for a slash between two words.
    pub(super) either: String,
    pub(super) months: Vec<Vec<String>>,
    #[serde(default)]
    pub(super) weekdays: Vec<Vec<String>>,
    pub(super) units: HashMap<String, Vec<String>>,
    pub(super) currencies: HashMap<String, Currency>,
    #[serde(default)]
    pub(super) magnitudes: HashMap<String, String>,
    pub(super) symbols: HashMap<char, String>,
    #[serde(default)]
    pub(super) symbols_before_figures: HashMap<char, String>,
    /// Names of signs that are said one by one.
    #[serde(default)]
    pub(super) signs: HashMap<char, String>,
    pub(super) address: Address,
    /// A figure with a stop is an ordinal: "3. Mai".
    #[serde(default)]
    pub(super) ordinal_stop: bool,
    #[serde(default)]
    pub(super) regions: BTreeMap<String, Region>,
    /// Words for words, each a pattern and for the verb `look`.
    #[serde(default)]
    pub(super) tables: BTreeMap<String, HashMap<String, String>>,
    #[serde(default)]
    pub(super) heteronyms: Vec<heteronyms::Entry>,
    /// Words that do not count as neighbours of a heteronym.
    #[serde(default)]
    pub(super) heteronyms_pass: Vec<String>,
    /// The region whose accent their phones are of, and the parts that no other has.
    pub(super) heteronyms_region: Option<String>,
    #[serde(default)]
    pub(super) heteronyms_accented: Vec<String>,
    #[serde(default)]
    pub(super) noun_verbs: Vec<heteronyms::Pair>,
    #[serde(default)]
    pub(super) noun_verb_contexts: Vec<heteronyms::Entry>,
    pub(super) clause_openers: HashSet<String>,
    pub(super) clause_ties: HashSet<String>,
    /// Lists of words that a number is said of.
    #[serde(default)]
    pub(super) clause_cues: Vec<String>,
    #[serde(default)]
    pub(super) lists: BTreeMap<String, Vec<String>>,
    pub(super) patterns: BTreeMap<String, String>,
    pub(super) rules: Vec<RuleEntry>,
}

pub(super) fn line_of(source: &str, byte: usize) -> usize {
    1 + source.bytes().take(byte).filter(|&b| b == b'\n').count()
}

impl File {
    pub(super) fn parse(source: &str) -> Result<File, RulesError> {
        toml::from_str(source).map_err(|e| {
            let at = e.span().map_or(0, |span| line_of(source, span.start));
            RulesError::new(at, e.message())
        })
    }

    pub(super) fn numbers(&mut self, spellout: &str) -> Result<Box<dyn Numbers>, RulesError> {
        match (self.number.take(), self.spellout.take()) {
            (Some(words), _) => Ok(Box::new(words)),
            (None, Some(words)) => match Spelled::new(words, spellout) {
                Ok(spelled) => Ok(Box::new(spelled)),
                Err(e) => Err(RulesError::new(0, e)),
            },
            (None, None) => Err(RulesError::new(0, "there is neither `number` nor `spellout`")),
        }
    }

    pub(super) fn clause_words(&self, number: &dyn Numbers) -> ClauseWords {
        let cues = self.clause_cues.iter().filter_map(|name| self.lists.get(name)).flatten();
        ClauseWords {
            openers: self.clause_openers.clone(),
            ties: self.clause_ties.clone(),
            number_words: number.words(),
            cues: cues.map(|word| word.to_lowercase()).chain(self.words.two_sided()).collect(),
            ..self.words.clause_words()
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    pub(super) pattern: Spanned<String>,
    pub(super) say: String,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) then: Option<String>,
    pub(super) unless: Option<String>,
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) range: bool,
    #[serde(default)]
    pub(super) stop: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::text::normalise) struct Currency {
    /// The form for one, for many, and the gender.
    pub unit: Vec<String>,
    pub cent: Option<Vec<String>>,
}

/// What a region says otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Region {
    /// Said after hundreds, in place of the language's word.
    pub(super) and: Option<String>,
    /// Endings and parts of unit names that are spelled otherwise.
    #[serde(default)]
    pub(super) spelling: BTreeMap<String, String>,
}

/// How web and mail addresses are read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::text::normalise) struct Address {
    pub symbols: HashMap<char, String>,
    pub spelled: HashSet<String>,
    /// Parts with a reading of their own: "gmail".
    #[serde(default)]
    pub words: HashMap<String, String>,
}

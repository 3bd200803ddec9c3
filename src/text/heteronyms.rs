//! Words that are spelled alike and sound otherwise: "read", "lead", "tear". In: a text as it is said, and what a
//! language's file says of such words and their neighbours. Out: which of them sound how.
//!
//! Where no rule fits, the letters stay and the model decides. A model that reads phones gets those of the rule, another
//! one a word that sounds alike ("red"), where the language has one.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::normalise::Spoken;
use super::phones::Phones;

/// A rule as it is written. Of several for a word the first that fits decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    word: String,
    /// Words before and after it, in small letters; `@NAME` stands for a list. `None`: any.
    after: Option<Vec<String>>,
    before: Option<Vec<String>>,
    /// Words that must not stand there.
    #[serde(default)]
    not_after: Vec<String>,
    #[serde(default)]
    not_before: Vec<String>,
    /// In IPA; without any, as for the model's own reading.
    #[serde(default)]
    phones: String,
    /// A word that sounds so.
    say: Option<String>,
}

#[derive(Debug)]
struct Rule {
    after: Option<HashSet<String>>,
    before: Option<HashSet<String>>,
    not_after: HashSet<String>,
    not_before: HashSet<String>,
    sound: Sound,
}

/// How a word sounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    pub phones: Option<Phones>,
    /// A word that sounds alike.
    pub say: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Heteronyms {
    rules: HashMap<String, Vec<Rule>>,
    /// Words that are passed over between a word and its neighbour: "not", "already".
    passed: HashSet<String>,
}

impl Heteronyms {
    /// `passed`: words that do not count as neighbours. Errors: what is wrong, with the word.
    pub fn new(
        entries: Vec<Entry>,
        passed: Vec<String>,
        lists: &BTreeMap<String, Vec<String>>,
    ) -> Result<Heteronyms, String> {
        let mut rules: HashMap<String, Vec<Rule>> = HashMap::new();
        for entry in entries {
            let word = entry.word;
            let set = |words: Vec<String>| -> Result<HashSet<String>, String> {
                let mut set = HashSet::new();
                for item in words {
                    match item.strip_prefix('@') {
                        None => drop(set.insert(item)),
                        Some(name) => match lists.get(name) {
                            Some(list) => set.extend(list.iter().cloned()),
                            None => return Err(format!("heteronym `{word}`: there is no list `{name}`")),
                        },
                    }
                }
                Ok(set)
            };
            let phones = match entry.phones.as_str() {
                "" => None,
                phones => Some(Phones::from_ipa(phones).map_err(|e| format!("heteronym `{word}`: {e}"))?),
            };
            let rule = Rule {
                after: entry.after.map(set).transpose()?,
                before: entry.before.map(set).transpose()?,
                not_after: set(entry.not_after)?,
                not_before: set(entry.not_before)?,
                sound: Sound { phones, say: entry.say },
            };
            rules.entry(word).or_default().push(rule);
        }
        Ok(Heteronyms { rules, passed: passed.into_iter().collect() })
    }

    /// The words of a text that a rule knows: byte ranges and sounds.
    pub fn find(&self, text: &str) -> Vec<(std::ops::Range<usize>, &Sound)> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let words: Vec<(usize, &str)> = words(text);
        let small = |i: usize| words.get(i).map(|(_, word)| word.to_lowercase());
        let neighbour = |mut i: usize, step: fn(usize) -> Option<usize>| loop {
            let Some(next) = step(i).filter(|&next| next < words.len()) else { return String::new() };
            // A mark between them parts two words.
            let (a, b) = (i.min(next), i.max(next));
            let between = words.get(a).zip(words.get(b));
            let gap = between.and_then(|((at, word), (end, _))| text.get(at + word.len()..*end)).unwrap_or_default();
            if gap.contains(['.', ',', '!', '?', ';', ':']) {
                return String::new();
            }
            let word = small(next).unwrap_or_default();
            if !self.passed.contains(&word) {
                return word;
            }
            i = next;
        };
        let mut found = Vec::new();
        for (i, &(at, word)) in words.iter().enumerate() {
            let Some(rules) = self.rules.get(&word.to_lowercase()) else { continue };
            let before = neighbour(i, |i| i.checked_sub(1));
            let after = neighbour(i, |i| i.checked_add(1));
            let fits = |rule: &&Rule| {
                rule.after.as_ref().is_none_or(|words| words.contains(&before))
                    && rule.before.as_ref().is_none_or(|words| words.contains(&after))
                    && !rule.not_after.contains(&before)
                    && !rule.not_before.contains(&after)
            };
            found.extend(rules.iter().find(fits).map(|rule| (at..at + word.len(), &rule.sound)));
        }
        found
    }

    /// The text with words in place of those that sound otherwise; each keeps its place in the source.
    pub fn respell(&self, spoken: Spoken) -> Spoken {
        let found = self.find(&spoken.text);
        if found.iter().all(|(_, sound)| sound.say.is_none()) {
            return spoken;
        }
        let mut respelled = Spoken { text: String::with_capacity(spoken.text.len()), source: Vec::new() };
        let mut copied = 0;
        for (range, sound) in found {
            let Some(say) = &sound.say else { continue };
            respelled.text.push_str(&spoken.text[copied..range.start]);
            respelled.source.extend_from_slice(&spoken.source[copied..range.start]);
            let at = spoken.source[range.start];
            match spoken.text[range.clone()].starts_with(char::is_uppercase) {
                true => {
                    let mut letters = say.chars();
                    respelled.text.extend(letters.next().into_iter().flat_map(char::to_uppercase));
                    respelled.text.push_str(letters.as_str());
                }
                false => respelled.text.push_str(say),
            }
            respelled.source.resize(respelled.text.len(), at);
            copied = range.end;
        }
        respelled.text.push_str(&spoken.text[copied..]);
        respelled.source.extend_from_slice(&spoken.source[copied..]);
        respelled
    }
}

/// Each word of letters and apostrophes, and where it begins.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_alphabetic() || c == '\'' || c == '-';
        match (start, inside) {
            (None, true) => start = Some(i),
            (Some(from), false) => {
                words.push((from, &text[from..i]));
                start = None;
            }
            _ => {}
        }
    }
    words
}

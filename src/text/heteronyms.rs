//! Words that are spelled alike and sound otherwise: "read", "lead", "record". In: a text as it is said, and what a
//! language's file says of such words and their neighbours. Out: which of them sound how.
//!
//! Some have rules of their own; of others, which are a noun in one way and a verb in another, a few rules say for all which
//! they are. Where no rule fits, the letters stay and the model decides. A model that reads phones gets those of the rule,
//! another one a word that sounds alike ("red"), where the language has one.

mod neighbours;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::Deserialize;

use super::normalise::Spoken;
use super::phones::Phones;
use neighbours::{Lists, Neighbours};

/// How far away a word of `near` may be.
const NEAR_WORDS: usize = 12;

/// A rule as it is written, for a word or for all nouns and verbs. Of several the first that fits decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(default)]
    word: String,
    /// Of nouns and verbs: which it is here.
    #[serde(rename = "as")]
    class: Option<Class>,
    /// Words before and after it, and any of those around: `neighbours.rs` says how they are written. `None`: any.
    after: Option<Vec<String>>,
    before: Option<Vec<String>>,
    near: Option<Vec<String>>,
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

/// A word that is a noun or adjective with one sound and a verb with another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    word: String,
    noun: String,
    verb: String,
    /// What it is where nothing says so.
    #[serde(default, rename = "else")]
    otherwise: Class,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Class {
    #[default]
    Noun,
    Verb,
}

/// All that a language's file has of this.
#[derive(Debug, Default)]
pub(super) struct Written<'a> {
    pub entries: Vec<Entry>,
    pub pairs: Vec<Pair>,
    /// Where those are one or the other.
    pub contexts: Vec<Entry>,
    pub passed: Vec<String>,
    /// The region whose accent the phones are of, and the parts that no other has.
    pub region: Option<String>,
    pub accented: Vec<String>,
    pub lists: Option<&'a BTreeMap<String, Vec<String>>>,
}

#[derive(Debug)]
struct Place {
    after: Option<Neighbours>,
    before: Option<Neighbours>,
    near: Option<Neighbours>,
    not_after: Neighbours,
    not_before: Neighbours,
}

impl Place {
    fn new(entry: &Entry, lists: &Lists) -> Result<Self, String> {
        let some = |words: &Option<Vec<String>>| words.as_ref().map(|words| Neighbours::new(words, lists)).transpose();
        Ok(Self {
            after: some(&entry.after)?,
            before: some(&entry.before)?,
            near: some(&entry.near)?,
            not_after: Neighbours::new(&entry.not_after, lists)?,
            not_before: Neighbours::new(&entry.not_before, lists)?,
        })
    }

    fn fits(&self, before: &Word<'_>, after: &Word<'_>, near: &[Word<'_>]) -> bool {
        self.after.as_ref().is_none_or(|words| words.contain(before))
            && self.before.as_ref().is_none_or(|words| words.contain(after))
            && !self.not_after.contain(before)
            && !self.not_before.contain(after)
            && self.near.as_ref().is_none_or(|words| near.iter().any(|word| words.contain(word)))
    }
}

/// How a word sounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    pub phones: Option<Phones>,
    /// A word that sounds alike.
    pub say: Option<String>,
    /// Whose accent the phones are of; `None`: of every.
    pub region: Option<String>,
}

#[derive(Debug)]
enum Rules {
    Own(Vec<(Place, Sound)>),
    Pair { noun: Sound, verb: Sound, otherwise: Class },
}

#[derive(Debug, Default)]
pub(super) struct Heteronyms {
    rules: HashMap<String, Rules>,
    contexts: Vec<(Place, Class)>,
    /// Words that are passed over between a word and its neighbour: "not", "already".
    passed: Neighbours,
}

impl Heteronyms {
    /// Errors: what is wrong, with the word.
    pub fn new(written: Written<'_>) -> Result<Heteronyms, String> {
        let lists = Lists::new(written.lists);
        let sound = |word: &str, phones: &str, say: Option<String>| -> Result<Sound, String> {
            let accented = written.accented.iter().any(|part| phones.contains(part.as_str()));
            let region = written.region.clone().filter(|_| accented);
            let phones = match phones {
                "" => None,
                phones => Some(Phones::from_ipa(phones).map_err(|e| format!("heteronym `{word}`: {e}"))?),
            };
            Ok(Sound { phones, say, region })
        };
        let mut rules: HashMap<String, Rules> = HashMap::new();
        for mut entry in written.entries {
            let word = std::mem::take(&mut entry.word);
            let place = Place::new(&entry, &lists).map_err(|e| format!("heteronym `{word}`: {e}"))?;
            let sound = sound(&word, &entry.phones, entry.say)?;
            if let Rules::Own(all) = rules.entry(word).or_insert_with(|| Rules::Own(Vec::new())) {
                all.push((place, sound));
            }
        }
        for Pair { word, noun, verb, otherwise } in written.pairs {
            let (noun, verb) = (sound(&word, &noun, None)?, sound(&word, &verb, None)?);
            if rules.contains_key(&word) {
                return Err(format!("heteronym `{word}` has rules already"));
            }
            rules.insert(word, Rules::Pair { noun, verb, otherwise });
        }
        let context = |entry: &Entry| {
            let class = entry.class.ok_or("a rule of nouns and verbs needs `as`")?;
            Ok((Place::new(entry, &lists)?, class))
        };
        let contexts = written.contexts.iter().map(context).collect::<Result<_, String>>()?;
        Ok(Heteronyms { rules, contexts, passed: Neighbours::new(&written.passed, &lists)? })
    }

    /// The words of a text that a rule knows: byte ranges and sounds.
    pub fn find(&self, text: &str) -> Vec<(Range<usize>, &Sound)> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let words = words(text);
        let mut found = Vec::new();
        for (i, word) in words.iter().enumerate() {
            let Some(rules) = self.rules.get(word.small.as_ref()) else { continue };
            let before = self.neighbour(text, &words, i, |i| i.checked_sub(1));
            let after = self.neighbour(text, &words, i, |i| i.checked_add(1));
            let near = &words[i.saturating_sub(NEAR_WORDS)..words.len().min(i + NEAR_WORDS + 1)];
            let sound = match rules {
                Rules::Own(all) => {
                    all.iter().find(|(place, _)| place.fits(before, after, near)).map(|(_, sound)| sound)
                }
                Rules::Pair { noun, verb, otherwise } => {
                    let known = self.contexts.iter().find(|(place, _)| place.fits(before, after, near));
                    match known.map_or(*otherwise, |(_, class)| *class) {
                        Class::Noun => Some(noun),
                        Class::Verb => Some(verb),
                    }
                }
            };
            found.extend(sound.map(|sound| (word.at..word.end(), sound)));
        }
        found
    }

    /// The next word before or after one; none where a mark parts them.
    fn neighbour<'w, 't>(
        &self,
        text: &str,
        words: &'w [Word<'t>],
        mut i: usize,
        step: fn(usize) -> Option<usize>,
    ) -> &'w Word<'t> {
        while let Some(next) = step(i).filter(|&next| next < words.len()) {
            let gap = text.get(words[i.min(next)].end()..words[i.max(next)].at).unwrap_or_default();
            if gap.contains(['.', ',', '!', '?', ';', ':']) {
                return Word::NONE;
            }
            if !self.passed.contain(&words[next]) {
                return &words[next];
            }
            i = next;
        }
        Word::NONE
    }

    /// The text with words in place of those that sound otherwise, but for some; each keeps its place in the source.
    pub fn respell(&self, spoken: Spoken, but: impl Fn(&Sound) -> bool) -> Spoken {
        let mut found = self.find(&spoken.text);
        found.retain(|(_, sound)| sound.say.is_some() && !but(sound));
        if found.is_empty() {
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

/// A word of letters and apostrophes.
#[derive(Debug)]
struct Word<'t> {
    at: usize,
    written: &'t str,
    small: Cow<'t, str>,
}

impl Word<'_> {
    const NONE: &'static Word<'static> = &Word { at: 0, written: "", small: Cow::Borrowed("") };

    fn end(&self) -> usize {
        self.at + self.written.len()
    }
}

/// A hyphen parts words: "a two-minute walk".
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_alphabetic() || c == '\'';
        match (start, inside) {
            (None, true) => start = Some(i),
            (Some(at), false) => {
                let written = &text[at..i];
                let small = match written.chars().any(char::is_uppercase) {
                    true => Cow::Owned(written.to_lowercase()),
                    false => Cow::Borrowed(written),
                };
                words.push(Word { at, written, small });
                start = None;
            }
            _ => {}
        }
    }
    words
}

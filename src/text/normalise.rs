//! Text as people write it comes in; text as people say it goes out, with a map back to the
//! character that each output byte stands for.
//!
//! A speech model learns to read words, and reads "£3.50 at 14:05" badly. The reading is therefore done here, by
//! rules that can be read and tested, and the model sees plain words. The map exists so that a spoken position can
//! be reported in the text that the caller wrote.
//!
//! ```text
//! source ─► veil (thoughts, tool calls) ─► markup (HTML, Markdown) ─► clean (fold, unify, drop) ─► scan (rules) ─► finish (spaces, stops)
//! ```
//!
//! What a rule matches and says is data (`rules/en.toml`); how a number is read is code (`number`).

mod clean;
mod finish;
mod markup;
mod number;
mod numbers;
mod pattern;
mod rules;
mod say_as;
mod scan;
mod spellout;
mod template;
mod track;
mod verbs;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

pub use rules::{ClauseWords, RulesError};

use finish::Ending;
use markup::Markup;
use rules::Rules;
use scan::Origins;
use track::Track;

use super::heteronyms::Sound;
use super::veil::{BLOT, Veil};

const ENGLISH: &str = include_str!("rules/en.toml");
/// Tag, rules, CLDR's rules for numbers. Nothing of them is read before it is asked for.
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("en", ENGLISH, ""),
    ("de", include_str!("rules/de.toml"), include_str!("rules/spellout/de.txt")),
    ("es", include_str!("rules/es.toml"), include_str!("rules/spellout/es.txt")),
    ("fr", include_str!("rules/fr.toml"), include_str!("rules/spellout/fr.txt")),
    ("it", include_str!("rules/it.toml"), include_str!("rules/spellout/it.txt")),
    ("nl", include_str!("rules/nl.toml"), include_str!("rules/spellout/nl.txt")),
    ("pt", include_str!("rules/pt.toml"), include_str!("rules/spellout/pt.txt")),
    ("ar", include_str!("rules/ar.toml"), include_str!("rules/spellout/ar.txt")),
    ("hi", include_str!("rules/hi.toml"), include_str!("rules/spellout/hi.txt")),
    ("sv", include_str!("rules/sv.toml"), include_str!("rules/spellout/sv.txt")),
];
/// Rules that were compiled in this process, by tag: it takes some tens of milliseconds, so it is done once, and for no
/// language that nobody asks for.
static COMPILED: Mutex<BTreeMap<String, Normaliser>> = Mutex::new(BTreeMap::new());

/// A text settles after one pass, an odd one after two or three.
const SETTLING_PASSES: usize = 4;

/// Text ready to be spoken, and where each byte of it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// What the model reads. From [`Normaliser::speak`]: ASCII letters, `' . , ? ! ; : -` and space only.
    pub text: String,
    /// Per byte of `text` the character offset in the source that it speaks; one entry longer than `text`, the last
    /// one being the length of the source in characters. Never decreases.
    pub source: Vec<u32>,
}

/// A word of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// With the marks that follow it.
    pub said: String,
    /// The characters of the source that it was read from.
    pub start: usize,
    pub end: usize,
    /// The line of the rules file whose rule read it; `None` for a word by itself.
    pub rule: Option<usize>,
}

impl Spoken {
    /// The text as it is, for models that read raw text.
    pub fn verbatim(text: &str) -> Spoken {
        Track::of(text).without(BLOT).into_spoken(text)
    }

    /// The same reading with its map led through `source`, from whose text it was read.
    pub(super) fn seen_through(mut self, source: &Spoken) -> Spoken {
        let starts: Vec<usize> = source.text.char_indices().map(|(i, _)| i).chain([source.text.len()]).collect();
        for at in &mut self.source {
            let byte = usize::try_from(*at).ok().and_then(|i| starts.get(i).copied());
            *at = byte.and_then(|byte| source.source.get(byte)).copied().unwrap_or(*at);
        }
        self
    }
}

/// What is built in of a language.
struct BuiltIn<'t> {
    language: &'static str,
    /// Where its rules know it.
    region: Option<&'t str>,
    rules: &'static str,
    spellout: &'static str,
}

impl<'t> BuiltIn<'t> {
    fn find(tag: &'t str) -> Result<Self, RulesError> {
        let (language, region) = tag.split_once('-').map_or((tag, None), |(language, region)| (language, Some(region)));
        let Some(&(language, rules, spellout)) = LANGUAGES.iter().find(|(known, ..)| *known == language) else {
            let known = Normaliser::languages().join(", ");
            let message = format!("there are no rules for the language {language}: use one of {known}");
            return Err(RulesError::new(0, message));
        };
        let region = region.filter(|region| rules.contains(&format!("[regions.{region}]")));
        Ok(Self { language, region, rules, spellout })
    }
}

/// Reads numbers, dates, prices, abbreviations and the like as words.
#[derive(Debug, Clone)]
pub struct Normaliser {
    rules: Arc<Rules>,
    markup: Markup,
}

impl Normaliser {
    /// The rules for English that are built in.
    pub fn english() -> Result<Normaliser, RulesError> {
        Normaliser::for_language("en")
    }

    /// The built-in rules of a language, a BCP 47 tag such as `en` or `en-US`. Errors: [`RulesError`] for a language
    /// without any.
    pub fn for_language(tag: &str) -> Result<Normaliser, RulesError> {
        let BuiltIn { language, region, rules, spellout } = BuiltIn::find(tag)?;
        let key = region.map_or(language.to_owned(), |region| format!("{language}-{region}"));
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(normaliser) = compiled.get(&key) {
            return Ok(normaliser.clone());
        }
        let normaliser = Normaliser::compile(rules, spellout, region)?;
        compiled.insert(key, normaliser.clone());
        Ok(normaliser)
    }

    /// What the clause splitter needs to know of a language; compiles nothing. Errors: as
    /// [`for_language`](Self::for_language).
    pub fn clause_words_of(tag: &str) -> Result<Arc<ClauseWords>, RulesError> {
        let BuiltIn { rules, spellout, .. } = BuiltIn::find(tag)?;
        Rules::clause_words(rules, spellout).map(Arc::new)
    }

    /// Tags of the languages whose rules have been compiled in this process.
    pub fn compiled() -> Vec<String> {
        COMPILED.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Languages with built-in rules.
    pub fn languages() -> Vec<&'static str> {
        LANGUAGES.iter().map(|(tag, ..)| *tag).collect()
    }

    /// Rules in the format of `rules/en.toml`.
    ///
    /// # Errors
    /// [`RulesError`] with the line: not TOML, an unknown key, a pattern that does not compile, or a template that
    /// names an unknown verb or group.
    pub fn from_rules(toml: &str) -> Result<Normaliser, RulesError> {
        Normaliser::compile(toml, "", None)
    }

    /// Rules in that format with a language's rules for numbers, in the format of `rules/spellout`. Errors: as
    /// [`from_rules`](Self::from_rules).
    pub fn from_files(toml: &str, spellout: &str) -> Result<Normaliser, RulesError> {
        Normaliser::compile(toml, spellout, None)
    }

    fn compile(toml: &str, spellout: &str, region: Option<&str>) -> Result<Normaliser, RulesError> {
        Ok(Normaliser { rules: Arc::new(Rules::parse(toml, spellout, region)?), markup: Markup::new()? })
    }

    /// Reads a whole text. The result ends with `.`, `?` or `!`, or is empty when nothing can be spoken.
    ///
    /// Any input is accepted; what has no reading is dropped. Reading the result again changes nothing.
    pub fn speak(&self, text: &str) -> Spoken {
        self.read(text, Ending::Closed)
    }

    /// Reads a part of a sentence that goes on, as [`speak`](Self::speak) but adding no stop at its end.
    pub fn speak_open(&self, text: &str) -> Spoken {
        self.read(text, Ending::Open)
    }

    /// Reads a whole text and tells of each word what it was read from, and by which rule.
    pub fn explain(&self, text: &str) -> Vec<Word> {
        let mut origins = Origins::new();
        let spoken = self.read_from(text, Ending::Closed, &mut origins);
        let at = |byte: usize| spoken.source.get(byte).copied().unwrap_or(0) as usize;
        let mut words = Vec::new();
        let mut start = 0;
        for word in spoken.text.split(' ') {
            let end = start + word.len();
            let first = at(start);
            let known = origins.partition_point(|&(from, _)| from as usize <= first);
            let rule = known.checked_sub(1).and_then(|i| origins.get(i)?.1);
            words.push(Word { said: word.to_owned(), start: first, end: at(end).max(first), rule });
            start = end + 1;
        }
        words.retain(|word| !word.said.is_empty());
        words
    }

    /// A reading with words in place of those that sound otherwise than they are spelled here: "red" for "read"; but for some
    /// sounds.
    pub fn respell(&self, spoken: Spoken, but: impl Fn(&Sound) -> bool) -> Spoken {
        self.rules.heteronyms.respell(spoken, but)
    }

    /// Words of a reading whose sound goes by their neighbours: byte ranges and sounds.
    pub fn heteronyms(&self, text: &str) -> Vec<(Range<usize>, &Sound)> {
        self.rules.heteronyms.find(text)
    }

    /// What the clause splitter needs to know of this language.
    pub fn clause_words(&self) -> Arc<ClauseWords> {
        Arc::clone(&self.rules.clause)
    }

    /// Reads the text, and what comes of it, until nothing changes: a stop that is added or a sign that is dropped may
    /// leave an abbreviation behind.
    fn read(&self, text: &str, ending: Ending) -> Spoken {
        self.read_from(text, ending, &mut Origins::new())
    }

    fn read_from(&self, text: &str, ending: Ending, origins: &mut Origins) -> Spoken {
        let mut spoken = self.pass(&Veil::over(text), ending, origins);
        for _ in 0..SETTLING_PASSES {
            let again = self.pass(&spoken.text, ending, &mut Origins::new());
            if again.text == spoken.text {
                break;
            }
            spoken = again.seen_through(&spoken);
        }
        spoken
    }

    fn pass(&self, text: &str, ending: Ending, origins: &mut Origins) -> Spoken {
        let plain = self.markup.strip(&Track::of(text), &|word, alone| {
            self.rules.is_month(word) || alone && self.rules.has_ordinal_stop()
        });
        let clean = clean::clean(&plain, &self.rules);
        let words = scan::scan(&clean, &self.rules, origins);
        finish::finish(&words, ending, &self.rules).into_spoken(text)
    }
}

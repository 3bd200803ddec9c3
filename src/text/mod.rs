//! Text on its way to the model. In: what is to be said. Out: clauses in the words and letters that the model reads
//! (`veil`, [`clause`], [`normalise`]), with words said as the caller (`lexicon`) or their neighbours (`heteronyms`) ask.

pub mod clause;
mod explain;
mod heteronyms;
pub mod lexicon;
pub mod normalise;
pub mod phones;
pub(crate) mod ssml;
mod unspoken;
mod veil;

use std::sync::Arc;

use syrinx_quant::manifest::{LetterCase, Normalise, Text};

use crate::error::{Error, ErrorKind, Result};
use clause::{Clause, ClauseEnd, Clauses, Policy};
pub use explain::Said;
pub use heteronyms::Sound;
pub use lexicon::Lexicon;
use normalise::{ClauseWords, Normaliser, RulesError, Spoken};
pub use ssml::Ssml;
pub use unspoken::nothing_to_say;

/// Spells text as a pack's model wants it.
#[derive(Debug, Clone)]
pub struct Speller {
    language: String,
    /// `None` for a model that reads text as people write it.
    normaliser: Option<Normaliser>,
    clause_words: Arc<ClauseWords>,
    letter_case: LetterCase,
    /// The first that has a word decides.
    lexicons: Vec<Lexicon>,
}

impl Speller {
    /// As the pack says. Errors: `Unsupported`, for a language without rules.
    pub fn new(text: &Text) -> Result<Self> {
        Self::for_language(text, None)
    }

    /// In a language other than the pack's: a BCP 47 tag such as `de` or `en-US`. A model that reads text as people write
    /// it keeps doing so; its clauses are cut by that language's words. Errors: `Unsupported`, for a language without
    /// rules.
    pub fn for_language(text: &Text, language: Option<&str>) -> Result<Self> {
        let own = match &text.normalise {
            Normalise::None => None,
            Normalise::Language(tag) => Some(tag.as_str()),
        };
        let tag = language.or(own).unwrap_or("en");
        let normaliser = own.map(|_| Normaliser::for_language(tag)).transpose().map_err(unsupported)?;
        let clause_words = match &normaliser {
            Some(normaliser) => normaliser.clause_words(),
            None => Normaliser::clause_words_of(tag).map_err(unsupported)?,
        };
        let (language, letter_case) = (tag.to_owned(), text.letter_case);
        Ok(Self { language, normaliser, clause_words, letter_case, lexicons: Vec::new() })
    }

    /// The same for another language, and with its words read by rules or as they are written. Errors: `Unsupported`, for
    /// a language without rules.
    pub fn reading(&self, language: Option<&str>, by_rules: Option<bool>) -> Result<Self> {
        let tag = language.unwrap_or(&self.language);
        let normalise = match by_rules.unwrap_or(self.normaliser.is_some()) {
            true => Normalise::Language(tag.to_owned()),
            false => Normalise::None,
        };
        let text = Text { normalise, letter_case: self.letter_case };
        Ok(Self { lexicons: self.lexicons.clone(), ..Self::for_language(&text, Some(tag))? })
    }

    /// The same with the words of a lexicon, which is asked before those that are there. Errors: `Unsupported`, with the
    /// line, for words that are given in phones alone: no pack reads phones yet.
    pub fn with_lexicon(self, lexicon: &Lexicon) -> Result<Self> {
        lexicon.check_without_phones()?;
        Ok(self.with_phones(lexicon))
    }

    /// As [`with_lexicon`](Self::with_lexicon), for whoever only looks: words in phones are left as they are written.
    pub fn with_phones(mut self, lexicon: &Lexicon) -> Self {
        self.lexicons.insert(0, lexicon.clone());
        self
    }

    /// A BCP 47 tag.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Those for the language.
    fn lexicons(&self) -> impl Iterator<Item = &Lexicon> {
        self.lexicons.iter().filter(|lexicon| lexicon.is_for(&self.language))
    }

    /// One clause as the model reads it, with the source character of every byte.
    pub fn spell(&self, clause: &Clause) -> Spoken {
        let lexicons: Vec<&Lexicon> = self.lexicons().collect();
        let respelled = Lexicon::respell(&Lexicon::all(&lexicons, &clause.text), &clause.text);
        let text = respelled.as_ref().map_or(clause.text.as_str(), |respelled| &respelled.text);
        let mut spoken = match (&self.normaliser, clause.kind) {
            (None, _) => Spoken::verbatim(text),
            // The sentence goes on in the next clause: a full stop would be heard.
            (Some(normaliser), ClauseEnd::Phrase | ClauseEnd::Forced) => normaliser.speak_open(text),
            (Some(normaliser), ClauseEnd::Sentence | ClauseEnd::Final) => normaliser.speak(text),
        };
        if let Some(normaliser) = &self.normaliser {
            spoken = normaliser.respell(spoken);
        }
        if let Some(respelled) = &respelled {
            spoken = spoken.seen_through(respelled);
        }
        if self.letter_case == LetterCase::Lower {
            // Only ASCII, which keeps every byte in its place.
            spoken.text.make_ascii_lowercase();
        }
        spoken
    }

    /// What a splitter needs to know of the language.
    pub fn clause_words(&self) -> Arc<ClauseWords> {
        self.clause_words.clone()
    }

    /// Splits text that comes in pieces.
    pub fn splitter(&self, policy: Policy) -> Clauses {
        Clauses::new(self.clause_words.clone(), policy)
    }

    /// Splits a whole text and spells its clauses; those in which nothing can be spoken are left out.
    pub fn clauses(&self, text: &str) -> Vec<String> {
        let clauses = Clauses::split_all(self.clause_words.clone(), Policy::sentences(), text).into_iter();
        let spoken = clauses.map(|clause| self.spell(&clause).text);
        spoken.filter(|text| !text.trim().is_empty()).collect()
    }
}

fn unsupported(e: RulesError) -> Error {
    Error::new(ErrorKind::Unsupported, e.message.clone()).with_source(e)
}

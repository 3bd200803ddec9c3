//! Text on its way to the model. In: what is to be said. Out: clauses in the words and letters that the model reads
//! (`veil`, [`clause`], [`normalise`]).

pub mod clause;
pub mod normalise;
mod unspoken;
mod veil;

use std::sync::Arc;

use syrinx_quant::manifest::{LetterCase, Normalise, Text};

use crate::error::{Error, ErrorKind, Result};
use clause::{Clause, ClauseEnd, Clauses, Policy};
use normalise::{ClauseWords, Normaliser, RulesError, Spoken};
pub use unspoken::nothing_to_say;

/// Spells text as a pack's model wants it.
#[derive(Debug)]
pub struct Speller {
    /// `None` for a model that reads text as people write it.
    normaliser: Option<Normaliser>,
    clause_words: Arc<ClauseWords>,
    letter_case: LetterCase,
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
        let unsupported = |e: RulesError| Error::new(ErrorKind::Unsupported, e.message.clone()).with_source(e);
        let tag = language.or(own).unwrap_or("en");
        let normaliser = own.map(|_| Normaliser::for_language(tag)).transpose().map_err(unsupported)?;
        let clause_words = match &normaliser {
            Some(normaliser) => normaliser.clause_words(),
            None => Normaliser::clause_words_of(tag).map_err(unsupported)?,
        };
        Ok(Self { normaliser, clause_words, letter_case: text.letter_case })
    }

    /// One clause as the model reads it, with the source character of every byte.
    pub fn spell(&self, clause: &Clause) -> Spoken {
        let mut spoken = match (&self.normaliser, clause.kind) {
            (None, _) => Spoken::verbatim(&clause.text),
            // The sentence goes on in the next clause: a full stop would be heard.
            (Some(normaliser), ClauseEnd::Phrase | ClauseEnd::Forced) => normaliser.speak_open(&clause.text),
            (Some(normaliser), ClauseEnd::Sentence | ClauseEnd::Final) => normaliser.speak(&clause.text),
        };
        if self.letter_case == LetterCase::Lower {
            // Only ASCII, which keeps every byte in its place.
            spoken.text.make_ascii_lowercase();
        }
        spoken
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

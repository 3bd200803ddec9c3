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
use normalise::{ClauseWords, Normaliser, Spoken};
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
    /// Errors: `BadOption`, never with the rules that are built in.
    pub fn new(text: &Text) -> Result<Self> {
        let english =
            Normaliser::english().map_err(|e| Error::new(ErrorKind::BadOption, e.to_string()).with_source(e))?;
        Ok(Self {
            clause_words: english.clause_words(),
            normaliser: match text.normalise {
                Normalise::None => None,
                Normalise::En => Some(english),
            },
            letter_case: text.letter_case,
        })
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
            // Only ASCII, which keeps every byte in its place; the normaliser leaves nothing else.
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

//! Text on its way to the model. In: what is to be said. Out: clauses in the words and letters that the model reads
//! (`veil`, [`clause`], [`normalise`]), with words said as the caller (`lexicon`) or their neighbours (`heteronyms`) ask.

pub mod clause;
mod explain;
mod heteronyms;
pub mod lexicon;
pub mod normalise;
pub mod phones;
mod pronunciation;
pub(crate) mod ssml;
mod unspoken;
pub mod veil;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use syrinx_quant::manifest::{LetterCase, Normalise, Text};

use crate::error::{Error, ErrorKind, Result};
use clause::{Clause, ClauseEnd, Clauses, Policy};
pub use explain::Said;
pub use heteronyms::Sound;
pub use lexicon::Lexicon;
use normalise::{ClauseWords, Normaliser, RulesError, Spoken};
use phones::Phones;
pub use pronunciation::Pronunciation;
use pronunciation::Words;
pub use ssml::Ssml;
pub use unspoken::nothing_to_say;

/// A language without its region, in small letters: of `en-US` it is `en`.
fn primary(tag: &str) -> String {
    tag.split('-').next().unwrap_or_default().to_ascii_lowercase()
}

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
    /// Of a pack that reads phones.
    pronunciation: Option<Arc<Pronunciation>>,
    /// The language of the pack's own words, and the voice that says them.
    own_language: String,
    voice: Option<String>,
}

impl Speller {
    /// As the pack says. Errors: `Unsupported`, for a language without rules.
    pub fn new(text: &Text) -> Result<Self> {
        Self::for_language(text, None)
    }

    /// Of the pack in this folder, with its phones and words. Errors: `Unsupported`; `BadPack`.
    pub fn of_pack(folder: &Path, text: &Text) -> Result<Self> {
        let pronunciation = Pronunciation::open(folder, text)?.map(Arc::new);
        Ok(Self { pronunciation, ..Self::new(text)? })
    }

    /// Whether the pack reads phones.
    pub fn reads_phones(&self) -> bool {
        self.pronunciation.is_some()
    }

    /// Errors: what of a word's phones the pack cannot say.
    pub(crate) fn check_phones(&self, phones: &Phones) -> std::result::Result<(), String> {
        let Some(pronunciation) = &self.pronunciation else {
            return Err("phoneme: this pack reads letters, not phones: use <sub alias=\"…\">".to_owned());
        };
        let lacks =
            |phone| format!("phoneme: this pack has no phone `{phone}`: write another, or use <sub alias=\"…\">");
        pronunciation.read(phones).map(drop).map_err(lacks)
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
        Ok(Self {
            language: tag.to_owned(),
            normaliser,
            clause_words,
            letter_case: text.letter_case,
            lexicons: Vec::new(),
            pronunciation: None,
            own_language: own.unwrap_or("en").to_owned(),
            voice: None,
        })
    }

    /// The same for another language, and with its words read by rules or as they are written. Errors: `Unsupported`, for
    /// a language without rules.
    pub fn reading(&self, language: Option<&str>, by_rules: Option<bool>) -> Result<Self> {
        let tag = language.unwrap_or(&self.language);
        let normalise = match by_rules.unwrap_or(self.normaliser.is_some()) {
            true => Normalise::Language(tag.to_owned()),
            false => Normalise::None,
        };
        let text = Text { normalise, letter_case: self.letter_case, ..Text::default() };
        let Self { lexicons, pronunciation, own_language, voice, .. } = self.clone();
        Ok(Self { lexicons, pronunciation, own_language, voice, ..Self::for_language(&text, Some(tag))? })
    }

    /// The same for a pack that reads phones.
    pub fn with_pronunciation(self, pronunciation: Arc<Pronunciation>) -> Self {
        Self { pronunciation: Some(pronunciation), ..self }
    }

    /// The same with the pack's own words as a voice says them.
    pub fn for_voice(self, voice: &str) -> Self {
        Self { voice: Some(voice.to_owned()), ..self }
    }

    /// The same with the words of a lexicon, which is asked before those that are there. Errors: `Unsupported`, with the
    /// line, for words in phones that the pack does not have; if it reads none, for those that are given in phones alone.
    pub fn with_lexicon(self, lexicon: &Lexicon) -> Result<Self> {
        match &self.pronunciation {
            Some(pronunciation) => pronunciation.check(lexicon)?,
            None => lexicon.check_without_phones()?,
        }
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
        self.spell_with(clause, &[])
    }

    /// The same where the phones of some of its characters are known.
    pub(crate) fn spell_with(&self, clause: &Clause, known: &[(Range<usize>, Phones)]) -> Spoken {
        let lexicons: Vec<&Lexicon> = self.lexicons().collect();
        let mut found = Lexicon::all(&lexicons, &clause.text);
        let mut sounds: Vec<(Range<usize>, &Phones)> =
            known.iter().map(|(chars, phones)| (chars.clone(), phones)).collect();
        if self.pronunciation.is_some() {
            let apart =
                |chars: &Range<usize>| known.iter().all(|(at, _)| at.end <= chars.start || chars.end <= at.start);
            found.retain(|(chars, ..)| apart(chars));
            sounds.extend(found.iter().filter_map(|(chars, entry, _)| Some((chars.clone(), entry.phones.as_ref()?))));
            found.retain(|(_, entry, _)| entry.phones.is_none());
        }
        let respelled = Lexicon::respell(&found, &clause.text);
        let text = respelled.as_ref().map_or(clause.text.as_str(), |respelled| &respelled.text);
        let mut spoken = match (&self.normaliser, clause.kind) {
            (None, _) => Spoken::verbatim(text),
            // The sentence goes on in the next clause: a full stop would be heard.
            (Some(normaliser), ClauseEnd::Phrase | ClauseEnd::Forced) => normaliser.speak_open(text),
            (Some(normaliser), ClauseEnd::Sentence | ClauseEnd::Final) => normaliser.speak(text),
        };
        if let Some(normaliser) = &self.normaliser {
            spoken = normaliser.respell(spoken, |sound| self.says_phones_of(sound));
        }
        let heteronyms = self.heteronyms(&spoken.text);
        if let Some(respelled) = &respelled {
            spoken = spoken.seen_through(respelled);
        }
        if self.letter_case == LetterCase::Lower {
            // Only ASCII, which keeps every byte in its place.
            spoken.text.make_ascii_lowercase();
        }
        match &self.pronunciation {
            Some(pronunciation) => pronunciation.put(spoken, &sounds, &heteronyms, self.own_words()),
            None => spoken,
        }
    }

    /// Words of a reading whose phones go by their neighbours.
    fn heteronyms(&self, said: &str) -> Vec<(Range<usize>, &Phones)> {
        let Some(normaliser) = self.normaliser.as_ref().filter(|_| self.reads_phones()) else { return Vec::new() };
        let known = normaliser.heteronyms(said).into_iter().filter(|(_, sound)| self.says_phones_of(sound));
        known.filter_map(|(bytes, sound)| Some((bytes, sound.phones.as_ref()?))).collect()
    }

    /// Phones of an accent go in where the language names its region: the voice may have another.
    fn says_phones_of(&self, sound: &Sound) -> bool {
        let here = |region: &String| self.language.split('-').nth(1) == Some(region);
        let readable = |phones| self.pronunciation.as_ref().is_some_and(|of_pack| of_pack.read(phones).is_ok());
        sound.region.as_ref().is_none_or(here) && sound.phones.as_ref().is_some_and(readable)
    }

    /// The phones that the pack's lexicon has for the words of a reading; empty if it lacks one of them.
    fn phones_of_words(&self, said: &str) -> String {
        let Some(words) = self.own_words() else { return String::new() };
        let phones: Option<Vec<String>> = pronunciation::pieces(said)
            .into_iter()
            .map(|(_, word)| words.phones(word).map(|phones| phones.as_str().to_owned()))
            .collect();
        phones.unwrap_or_default().join(" ")
    }

    /// The pack's words, where the text is in its language.
    fn own_words(&self) -> Option<&Words> {
        let own = primary(&self.language) == primary(&self.own_language);
        self.pronunciation.as_ref().filter(|_| own)?.words(self.voice.as_deref())
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

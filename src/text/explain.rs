//! How a text is read, for people. In: the text. Out: word by word what the model gets, what it was read from, and by what;
//! so that a wrong reading can be reported, and mended.

use std::ops::Range;

use super::lexicon::Lexicon;
use super::phones::Phones;
use super::ssml::{Document, Item, Place, Ssml};
use super::{Speller, unsupported};
use crate::error::Result;

/// A word, pause or mark of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Said {
    /// As the model gets it, with the marks that follow; empty for a pause or a mark.
    pub said: String,
    /// Characters of the text that it was read from.
    pub chars: Range<usize>,
    /// What read it: a line of the language's rules (`en.toml:81`) or of a lexicon (`names.tsv:3`), `heteronym`, `ssml`,
    /// `pause 400 ms`, `audio NAME`, `mark NAME`; empty for a word by itself.
    pub by: String,
    /// How it sounds, where a lexicon or a heteronym's rule says so, in IPA.
    pub phones: String,
}

impl Speller {
    /// Reads a whole text and tells of each word what it was read from, and by what; `phrases` are the names of those that
    /// are prepared. Errors: of SSML, as it is spoken.
    pub fn explain<'a>(
        &self,
        text: &str,
        ssml: Option<Ssml>,
        phrases: impl IntoIterator<Item = &'a String>,
    ) -> Result<Vec<Said>> {
        let Some(mode) = ssml else { return self.explain_text(text, None, &[]) };
        let mut document =
            Document::new(mode, std::sync::Arc::new(self.clone()), phrases.into_iter().cloned().collect());
        let mut items = Vec::new();
        document.push(text, &mut items)?;
        document.finish(&mut items)?;
        let mut all = Vec::new();
        let mut speller = self.clone();
        let (mut part, mut places, mut known) = (String::new(), Vec::new(), Vec::new());
        for item in items.into_iter().chain([Item::Cut]) {
            let item = match item {
                Item::Text(text, of) => {
                    part.push_str(&text);
                    places.extend(of);
                    continue;
                }
                Item::Phones(text, of, phones) => {
                    known.push((places.len()..places.len() + of.len(), phones));
                    part.push_str(&text);
                    places.extend(of);
                    continue;
                }
                item => item,
            };
            let end = places.last().map_or(0, |place: &Place| place.chars + 1);
            if !matches!(item, Item::Mark(_)) {
                let mut said = speller.explain_text(&part, Some(&places), &known)?;
                if matches!(item, Item::Phrase)
                    && !part.trim_end().ends_with(['.', '?', '!'])
                    && let Some(last) = said.last_mut()
                {
                    last.said.pop();
                }
                all.extend(said);
                known.clear();
                part.clear();
                places.clear();
            }
            let by = match item {
                Item::Break { ms } => format!("pause {ms} ms"),
                Item::Audio(name) => format!("audio {name}"),
                Item::Mark(name) => format!("mark {name}"),
                Item::Language(other) => {
                    speller = Speller::clone(&other);
                    continue;
                }
                Item::Cut | Item::Phrase | Item::Prosody(_) | Item::Text(..) | Item::Phones(..) => continue,
            };
            all.push(Said { said: String::new(), chars: end..end, by, phones: String::new() });
        }
        Ok(all)
    }

    fn explain_text(
        &self,
        text: &str,
        places: Option<&[Place]>,
        known: &[(Range<usize>, Phones)],
    ) -> Result<Vec<Said>> {
        let lexicons: Vec<&Lexicon> = self.lexicons().collect();
        let found = Lexicon::all(&lexicons, text);
        let mut aliases = found.clone();
        if self.reads_phones() {
            aliases.retain(|(_, entry, _)| entry.phones.is_none());
        }
        let respelled = Lexicon::respell(&aliases, text);
        let text = respelled.as_ref().map_or(text, |respelled| &respelled.text);
        let normaliser = super::Normaliser::for_language(self.language()).map_err(unsupported)?;
        let words = normaliser.explain(text);
        let sentence: Vec<&str> = words.iter().map(|word| word.said.as_str()).collect();
        let sentence = sentence.join(" ");
        let heteronyms = normaliser.heteronyms(&sentence);
        let file = self.language().split('-').next().unwrap_or_default();
        let starts: Vec<usize> = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
        let written = |char: usize| match &respelled {
            None => char,
            Some(respelled) => {
                let byte = starts.get(char).copied().unwrap_or(text.len());
                respelled.source.get(byte).map_or(char, |&at| at as usize)
            }
        };
        let mut all = Vec::new();
        let mut byte = 0;
        for word in &words {
            let (start, end) = (written(word.start), written(word.end));
            let mut by = word.rule.map_or_else(String::new, |line| format!("{file}.toml:{line}"));
            let (mut said, mut phones) = (word.said.clone(), String::new());
            let bytes = byte..byte + word.said.len();
            byte = bytes.end + 1;
            if let Some((range, sound)) = heteronyms.iter().find(|(range, _)| bytes.contains(&range.start)) {
                phones = sound.phones.as_ref().map_or("", |phones| phones.as_str()).to_owned();
                if let Some(say) = &sound.say {
                    by = "heteronym".to_owned();
                    said.replace_range(range.start - bytes.start..range.end - bytes.start, say);
                }
            }
            if let Some((_, entry, name)) = found.iter().find(|(range, ..)| range.contains(&start)) {
                by = format!("{name}:{}", entry.line);
                phones = entry.phones.as_ref().map_or("", |phones| phones.as_str()).to_owned();
            }
            if let Some((_, of)) = known.iter().find(|(range, _)| range.contains(&start)) {
                phones = of.as_str().to_owned();
            }
            if phones.is_empty() {
                phones = self.phones_of_words(&said);
            }
            let chars = match places {
                None => start..end.max(start),
                Some(places) => {
                    let at = |char: usize| places.get(char).or(places.last()).map_or(0, |place| place.chars);
                    if start + 1 < end && at(start) == at(end - 1) {
                        by = "ssml".to_owned();
                    }
                    at(start)..at(end.saturating_sub(1).max(start)) + 1
                }
            };
            all.push(Said { said, chars, by, phones });
        }
        Ok(all)
    }
}

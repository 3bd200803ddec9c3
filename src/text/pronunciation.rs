//! Words in phones, for a pack that reads them. In: a reading in letters, and what is known of its words. Out: the same with
//! characters of the pack's alphabet for their phones; each keeps its place in the source.
//!
//! A word is said as the caller asks (SSML, then lexicons), else as the pack's lexicon has it, else by its letters. The pack
//! has stress before a vowel, where people write it before the syllable: it is moved there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use syrinx_quant::Map;
use syrinx_quant::manifest::Text;
use unicode_normalization::UnicodeNormalization;

use super::lexicon::Lexicon;
use super::lexicon::compact::Compact;
use super::normalise::Spoken;
use super::phones::Phones;
use crate::error::{Error, ErrorKind, Result};

/// Words of a pack.
pub(super) type Words = Compact<Map>;

const STRESS: [char; 2] = ['ˈ', 'ˌ'];
/// Breaks between syllables and words, which no pack hears.
const BREAKS: &str = ".|‖‿ ";
const VOWELS: &str = "aeiouyæøœɐɑɒɔəɚɛɜɝɘɞɤɨɪɯɵɶʉʊʌʏᵻᵿ";

/// How a pack reads phones, and the words whose phones it has.
#[derive(Debug, Default)]
pub struct Pronunciation {
    /// Phones in IPA and what is read for them, the longest first.
    alphabet: Vec<(String, String)>,
    /// With the voices that say them so; all, where none is named.
    words: Vec<(Vec<String>, Words)>,
}

impl Pronunciation {
    /// Of a pack in a folder; `None` if it reads letters alone. Errors: `BadPack`, for a damaged lexicon.
    pub fn open(folder: &Path, text: &Text) -> Result<Option<Self>> {
        if text.phones.is_empty() {
            return Ok(None);
        }
        let mut pronunciation = Self::new(&text.phones);
        for lexicon in &text.lexicons {
            let path = folder.join(&lexicon.file);
            let words = Compact::open(Map::open(&path)?)
                .map_err(|e| Error::new(e.kind(), format!("{}: {}", path.display(), e.message())))?;
            pronunciation.words.push((lexicon.voices.clone(), words));
        }
        Ok(Some(pronunciation))
    }

    fn new(phones: &BTreeMap<String, String>) -> Self {
        let mut alphabet: Vec<(String, String)> =
            phones.iter().map(|(ipa, read)| (ipa.nfc().collect(), read.clone())).collect();
        alphabet.sort_by_key(|(ipa, _)| std::cmp::Reverse(ipa.len()));
        Self { alphabet, words: Vec::new() }
    }

    /// As a voice says them; `None`: the first voice.
    pub(super) fn words(&self, voice: Option<&str>) -> Option<&Words> {
        let says = |voices: &[String]| voices.is_empty() || voice.is_none_or(|voice| voices.iter().any(|v| v == voice));
        self.words.iter().find(|(voices, _)| says(voices)).map(|(_, words)| words)
    }

    /// What the pack reads for phones. Errors: the first that it does not have.
    pub fn read(&self, phones: &Phones) -> std::result::Result<String, String> {
        let (mut rest, mut read, mut stress) = (phones.as_str(), String::new(), "");
        while let Some(c) = rest.chars().next() {
            if BREAKS.contains(c) {
                rest = rest.trim_start_matches(c);
                continue;
            }
            let known = self.alphabet.iter().find_map(|(ipa, read)| Some((read, rest.strip_prefix(ipa.as_str())?)));
            let (character, after) = known.ok_or_else(|| c.to_string())?;
            match STRESS.contains(&c) {
                true => stress = character,
                false => {
                    if VOWELS.contains(c) {
                        read.push_str(std::mem::take(&mut stress));
                    }
                    read.push_str(character);
                }
            }
            rest = after;
        }
        Ok(read)
    }

    /// Errors: `Unsupported`, with the line and the phone that the pack does not have.
    pub(super) fn check(&self, lexicon: &Lexicon) -> Result<()> {
        for (phones, line) in lexicon.all_phones() {
            self.read(phones).map_err(|phone| {
                let message = format!("lexicon {}, line {line}: this pack has no phone `{phone}`", lexicon.name());
                Error::new(ErrorKind::Unsupported, format!("{message}: write another, or an alias"))
            })?;
        }
        Ok(())
    }

    /// A reading with phones for letters: of the source's characters in `sounds`, then of its own bytes in `heteronyms`, and
    /// elsewhere of the pack's `words`.
    pub(super) fn put(
        &self,
        spoken: Spoken,
        sounds: &[(Range<usize>, &Phones)],
        heteronyms: &[(Range<usize>, &Phones)],
        words: Option<&Words>,
    ) -> Spoken {
        let mut parts: Vec<(Range<usize>, String)> = Vec::new();
        let map = spoken.source.get(..spoken.text.len()).unwrap_or_default();
        for (chars, phones) in sounds {
            let byte = |char: usize| map.partition_point(|&at| (at as usize) < char);
            let said = spoken.text.get(byte(chars.start)..byte(chars.end)).unwrap_or_default();
            let start = byte(chars.start) + (said.len() - said.trim_start_matches(is_mark).len());
            let length = said.trim_matches(is_mark).len();
            if let (Ok(read), true) = (self.read(phones), length > 0) {
                parts.push((start..start + length, read));
            }
        }
        parts.sort_by_key(|(bytes, _)| bytes.start);
        let free_of = |parts: &[(Range<usize>, String)], bytes: &Range<usize>| {
            let next = parts.partition_point(|(part, _)| part.end <= bytes.start);
            parts.get(next).is_none_or(|(part, _)| part.start >= bytes.end)
        };
        let known = heteronyms.iter().filter(|(bytes, _)| free_of(&parts, bytes));
        let known: Vec<_> =
            known.filter_map(|(bytes, phones)| Some((bytes.clone(), self.read(phones).ok()?))).collect();
        parts.extend(known);
        parts.sort_by_key(|(bytes, _)| bytes.start);
        let free = |bytes: &Range<usize>| free_of(&parts, bytes);
        let of_pack = |(bytes, word): (Range<usize>, &str)| {
            let phones = words?.phones(word)?;
            free(&bytes).then(|| Some((bytes, self.read(&phones).ok()?)))?
        };
        let mut all: Vec<(Range<usize>, String)> = pieces(&spoken.text).into_iter().filter_map(of_pack).collect();
        // What the caller writes is no phone, whatever character it is.
        let foreign = |(byte, c): (usize, char)| {
            let bytes = byte..byte + c.len_utf8();
            (!c.is_ascii() && is_private(c) && free(&bytes)).then(|| (bytes, " ".to_owned()))
        };
        all.extend(spoken.text.char_indices().filter_map(foreign));
        all.extend(parts);
        all.sort_by_key(|(bytes, _)| bytes.start);
        replaced(&spoken, &all)
    }
}

/// The text with other text in place of some bytes, which follow each other.
fn replaced(spoken: &Spoken, parts: &[(Range<usize>, String)]) -> Spoken {
    let mut made = Spoken { text: String::with_capacity(spoken.text.len() * 2), source: Vec::new() };
    let mut copied = 0;
    for (bytes, read) in parts.iter().filter(|(bytes, _)| !bytes.is_empty()) {
        if bytes.start < copied {
            continue;
        }
        made.text.push_str(&spoken.text[copied..bytes.start]);
        made.source.extend_from_slice(&spoken.source[copied..bytes.start]);
        made.text.push_str(read);
        made.source.resize(made.text.len(), spoken.source[bytes.start]);
        copied = bytes.end;
    }
    made.text.push_str(&spoken.text[copied..]);
    made.source.extend_from_slice(&spoken.source[copied..]);
    made
}

fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}')
}

/// What belongs to no word.
fn is_mark(c: char) -> bool {
    !c.is_alphanumeric()
}

/// Words of letters and apostrophes within, and their bytes.
pub(super) fn pieces(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut pieces = Vec::new();
    let mut begun = None;
    for (byte, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match begun {
            None if c.is_alphanumeric() => begun = Some(byte),
            Some(start) if !c.is_alphanumeric() && c != '\'' => {
                let word = text[start..byte].trim_end_matches('\'');
                pieces.push((start..start + word.len(), word));
                begun = None;
            }
            _ => {}
        }
    }
    pieces
}

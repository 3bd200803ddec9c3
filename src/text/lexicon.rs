//! How words are said that rules and models get wrong. In: a file of the caller's, W3C's Pronunciation Lexicon (PLS 1.0)
//! or two columns. Out: for a text, the same with such words replaced, and where each letter came from.
//!
//! ```text
//! # two columns, a tab between; phones in /…/ (IPA) or […] (X-SAMPA), anything else is read in the word's place
//! Nguyen    win
//! Qt        /kjuːt/
//! ```
//!
//! A word in small letters is found in any case, one with capitals only as it is written. The longest of several words
//! goes first, and of the same word the first line.

pub mod compact;
mod find;
mod pls;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::phones::Phones;
use super::primary;
use crate::error::{Error, ErrorKind, Result};
use find::{Start, fold, token};

/// Words that are found are at most this long, so that finding them is linear in the text.
const MOST_CHARS: usize = 100;
/// A lexicon file is at most this long.
const MOST_BYTES: u64 = 64 << 20;

/// Pronunciations of words. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Lexicon(Arc<Words>);

#[derive(Debug, Default)]
struct Words {
    name: String,
    identity: String,
    language: Option<String>,
    /// By the first word, or sign, of what is written.
    starts: HashMap<String, Start>,
    count: usize,
    /// The first word that has phones and no alias.
    phones_only: Option<(String, usize)>,
}

/// How one word is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub written: String,
    /// Read in its place.
    pub alias: Option<String>,
    pub phones: Option<Phones>,
    /// In the file, from 1.
    pub line: usize,
}

impl Lexicon {
    /// Reads a file. Errors: `Io`; `BadOption` with the line.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io = |e| Error::io("read", path, e);
        let mut bytes = Vec::new();
        std::fs::File::open(path).map_err(io)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        let name = path.display().to_string();
        if bytes.len() as u64 > MOST_BYTES {
            return Err(fault(&name, 1, "more than 64 MiB: split it"));
        }
        let text = String::from_utf8(bytes).map_err(|e| {
            let before = e.as_bytes().get(..e.utf8_error().valid_up_to()).unwrap_or_default();
            fault(&name, line_of(before, before.len()), "not UTF-8: convert it")
        })?;
        Self::parse(&text, &name)
    }

    /// Reads the text of a file; `name` stands in errors. Errors: `BadOption` with the line.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let identity = Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let mut words = Words { name: name.to_owned(), identity, ..Words::default() };
        let entries = match text.trim_start().starts_with('<') {
            true => pls::read(text, &mut words.language),
            false => columns(text),
        };
        for entry in entries.map_err(|(line, what)| fault(name, line, &what))? {
            words.add(entry).map_err(|(line, what)| fault(name, line, &what))?;
        }
        Ok(Self(Arc::new(words)))
    }

    /// The same for the same text.
    pub fn identity(&self) -> &str {
        &self.0.identity
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.0.count
    }

    /// There is no word in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is meant for a language (a BCP 47 tag): one without `xml:lang` is for all.
    pub fn is_for(&self, language: &str) -> bool {
        self.0.language.as_deref().is_none_or(|own| primary(own) == primary(language))
    }

    /// Refuses a lexicon whose words a model without phones could not say. Errors: `Unsupported` with the line.
    pub fn check_without_phones(&self) -> Result<()> {
        let Some((word, line)) = &self.0.phones_only else { return Ok(()) };
        let message = format!(
            "lexicon {}, line {line}: \"{word}\" is given in phones, which this pack does not read: add an alias",
            self.0.name
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// The phones of a word.
    pub fn phones(&self, word: &str) -> Option<&Phones> {
        let chars: Vec<char> = word.chars().collect();
        self.find(&chars, 0).filter(|(_, length)| *length == chars.len())?.0.phones.as_ref()
    }

    /// Where it was read from.
    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    /// The phones of all words that have some, and their lines.
    pub(super) fn all_phones(&self) -> impl Iterator<Item = (&Phones, usize)> {
        self.entries().filter_map(|entry| Some((entry.phones.as_ref()?, entry.line)))
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.starts.values().flat_map(Start::entries)
    }

    /// The entry for what begins at a character, and how many it has.
    pub(super) fn find(&self, text: &[char], at: usize) -> Option<(&Entry, usize)> {
        self.0.starts.get(&token(text, at)?)?.find(text, at)
    }
}

impl Words {
    fn add(&mut self, entry: Entry) -> std::result::Result<(), (usize, String)> {
        let chars: Vec<char> = entry.written.chars().collect();
        if chars.len() > MOST_CHARS {
            return Err((entry.line, format!("a word of more than {MOST_CHARS} characters")));
        }
        if entry.alias.is_none() && entry.phones.is_some() && self.phones_only.is_none() {
            self.phones_only = Some((entry.written.clone(), entry.line));
        }
        let start = token(&chars, 0).ok_or((entry.line, "no word".to_owned()))?;
        self.count += 1;
        self.starts.entry(start).or_default().add(chars.iter().copied().map(fold).collect(), entry);
        Ok(())
    }
}

/// Lines of a word, a tab, and how it is said.
fn columns(text: &str) -> std::result::Result<Vec<Entry>, (usize, String)> {
    let mut entries = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        if content.trim().is_empty() || content.starts_with('#') {
            continue;
        }
        let fault = |what: &str| (line, what.to_owned());
        let (written, said) = content.split_once('\t').ok_or_else(|| fault("no tab between word and reading"))?;
        let (written, said) = (written.trim(), said.trim());
        if written.is_empty() || said.is_empty() || said.contains('\t') {
            return Err(fault("give a word, a tab and its reading"));
        }
        let within = |open, close| said.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
        let phones = within('/', '/').map(Phones::from_ipa).or(within('[', ']').map(Phones::from_x_sampa));
        let phones = phones.transpose().map_err(|what| (line, what))?;
        let alias = phones.is_none().then(|| said.to_owned());
        entries.push(Entry { written: written.to_owned(), alias, phones, line });
    }
    Ok(entries)
}

fn line_of(text: &[u8], byte: usize) -> usize {
    1 + text.iter().take(byte).filter(|&&b| b == b'\n').count()
}

fn fault(name: &str, line: usize, what: &str) -> Error {
    Error::new(ErrorKind::BadOption, format!("lexicon {name}, line {line}: {what}"))
}

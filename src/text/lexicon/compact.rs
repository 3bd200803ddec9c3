//! A lexicon of a whole language, for a pack. In: words and their phones. Out: a file that is searched where it lies: nothing
//! of it is read before a word is asked for, and then one block.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `SYRLEX1`, 0 |
//! | 4 × 3 | numbers of words, blocks and phones, little-endian, as all numbers here |
//! | per phone | length, and IPA in UTF-8 |
//! | 4 per block | where it begins in the file |
//! | blocks | [`BLOCK`] words in the order of their bytes: how many bytes are those of the word before, how many are not, these; the number of phones, one byte each |

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Deref;
use std::path::Path;

use super::super::phones::Phones;
use super::Lexicon;
use crate::error::{Error, ErrorKind, Result};
use crate::write::Beside;

const MAGIC: &[u8; 8] = b"SYRLEX1\0";
/// Words of a block: more make the file smaller and the search longer.
const BLOCK: usize = 32;
/// Most kinds of phones: a byte each.
const MOST_PHONES: usize = 256;
const HEAD_BYTES: usize = 20;

/// A lexicon in compact form, in memory or in a map of its file.
#[derive(Debug)]
pub struct Compact<B> {
    bytes: B,
    words: usize,
    blocks: usize,
    /// Where the blocks' table begins.
    table: usize,
    phones: Vec<String>,
}

/// The compact form of those words of a lexicon that have phones, in small letters. Errors: `BadOption` for more kinds of
/// phones than the form has room for, or none.
pub fn compact(lexicon: &Lexicon) -> Result<Vec<u8>> {
    let mut words = BTreeMap::new();
    let mut phones: Vec<String> = Vec::new();
    for entry in lexicon.entries() {
        let Some(of) = &entry.phones else { continue };
        let mut codes = Vec::new();
        for phone in split(of.as_str()) {
            let code = phones.iter().position(|known| *known == phone).unwrap_or_else(|| {
                phones.push(phone);
                phones.len() - 1
            });
            codes.push(u8::try_from(code).map_err(|_| bad("there are more than 256 kinds of phones"))?);
        }
        if codes.len() > 255 || entry.written.len() > 255 {
            return Err(bad(format!("line {}: a word of more than 255 bytes or phones", entry.line)));
        }
        words.entry(entry.written.to_lowercase()).or_insert(codes);
    }
    if words.is_empty() {
        return Err(bad("there is no word with phones"));
    }
    let mut file = MAGIC.to_vec();
    let blocks = words.len().div_ceil(BLOCK);
    for number in [words.len(), blocks, phones.len()] {
        file.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }
    for phone in &phones {
        file.push(phone.len() as u8);
        file.extend(phone.as_bytes());
    }
    let table = file.len();
    file.resize(table + 4 * blocks, 0);
    let mut before = String::new();
    for (i, (word, codes)) in words.iter().enumerate() {
        if i % BLOCK == 0 {
            let at = u32::try_from(file.len()).map_err(|_| bad("more than 4 GiB"))?.to_le_bytes();
            file[table + i / BLOCK * 4..][..4].copy_from_slice(&at);
            before.clear();
        }
        let shared = word.bytes().zip(before.bytes()).take_while(|(a, b)| a == b).count();
        file.extend([shared as u8, (word.len() - shared) as u8]);
        file.extend(&word.as_bytes()[shared..]);
        file.push(codes.len() as u8);
        file.extend(codes);
        before.clone_from(word);
    }
    Ok(file)
}

/// Writes the compact form of a lexicon: a file that is there whole or not at all. Gives what is in it. Errors: as
/// [`compact`]; `Io`.
pub fn write(lexicon: &Lexicon, path: &Path) -> Result<Compact<Vec<u8>>> {
    let file = compact(lexicon)?;
    let write = || {
        let (beside, mut partial) = Beside::create(path)?;
        partial.write_all(&file)?;
        beside.publish()
    };
    write().map_err(|e| Error::io("write", path, e))?;
    Compact::open(file)
}

fn bad(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadOption, what)
}

/// One phone is a letter with what is written behind it but for stress, which stands by itself.
fn split(phones: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for c in phones.chars() {
        let behind = unicode_normalization::char::is_combining_mark(c) || "ʰʲʷˠˤˡⁿʼ˞ːˑ".contains(c);
        match all.last_mut().filter(|_| behind) {
            Some(last) => last.push(c),
            None => all.push(c.to_string()),
        }
    }
    all
}

impl<B: Deref<Target = [u8]>> Compact<B> {
    /// Errors: `BadPack` for what is no such file, or is cut off.
    pub fn open(bytes: B) -> Result<Self> {
        let damaged = || Error::new(ErrorKind::BadPack, "the lexicon is damaged: get a good copy of the pack");
        let file: &[u8] = &bytes;
        if file.get(..8) != Some(MAGIC) {
            return Err(damaged());
        }
        let number = |at: usize| number(file, at).ok_or_else(damaged);
        let (words, blocks, kinds) = (number(8)?, number(12)?, number(16)?);
        let mut table = HEAD_BYTES;
        let mut phones = Vec::new();
        for _ in 0..kinds.min(MOST_PHONES) {
            let length = usize::from(*file.get(table).ok_or_else(damaged)?);
            let phone = file.get(table + 1..table + 1 + length).and_then(|phone| std::str::from_utf8(phone).ok());
            phones.push(phone.ok_or_else(damaged)?.to_owned());
            table += 1 + length;
        }
        let fits = blocks.checked_mul(4).and_then(|size| size.checked_add(table)).is_some_and(|end| end <= file.len());
        match fits && words.div_ceil(BLOCK) == blocks && kinds <= MOST_PHONES {
            true => Ok(Self { words, blocks, table, phones, bytes }),
            false => Err(damaged()),
        }
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words
    }

    /// There is no word in it.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// How a word, in any case, sounds.
    pub fn phones(&self, word: &str) -> Option<Phones> {
        let word = word.to_lowercase();
        // The last block that does not begin behind the word.
        let (mut low, mut high) = (0, self.blocks);
        while low < high {
            let middle = low + (high - low) / 2;
            let (_, rest, _) = entry(&self.bytes, self.block(middle)?)?;
            if rest <= word.as_bytes() { low = middle + 1 } else { high = middle }
        }
        let mut at = self.block(low.checked_sub(1)?)?;
        let mut known = Vec::new();
        for _ in 0..BLOCK {
            let file = &self.bytes;
            let (shared, rest, codes) = entry(file, at)?;
            known.truncate(shared);
            known.extend_from_slice(rest);
            let length = usize::from(*file.get(codes)?);
            if known == word.as_bytes() {
                let codes = file.get(codes + 1..codes + 1 + length)?;
                let phones: Option<String> =
                    codes.iter().map(|&code| self.phones.get(usize::from(code)).map(String::as_str)).collect();
                return Phones::from_ipa(&phones?).ok();
            }
            if known.as_slice() > word.as_bytes() {
                return None;
            }
            at = codes + 1 + length;
        }
        None
    }

    fn block(&self, number_of: usize) -> Option<usize> {
        number(&self.bytes, self.table + 4 * number_of)
    }
}

fn number(file: &[u8], at: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

/// Bytes shared with the word before, the others, and where the number of phones stands.
fn entry(file: &[u8], at: usize) -> Option<(usize, &[u8], usize)> {
    let shared = usize::from(*file.get(at)?);
    let length = usize::from(*file.get(at + 1)?);
    Some((shared, file.get(at + 2..at + 2 + length)?, at + 2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many() -> (String, Vec<u8>) {
        let text: String = (0..1000).map(|i| format!("word{i}s\t/wɜːd{}/\n", "ˈəl".repeat(i % 4))).collect();
        let file = compact(&Lexicon::parse(&text, "many").unwrap()).unwrap();
        (text, file)
    }

    #[test]
    fn every_word_is_found_and_no_other() {
        let (text, file) = many();
        let compact = Compact::open(file.as_slice()).unwrap();
        assert_eq!(compact.len(), 1000);
        for line in text.lines() {
            let (word, phones) = line.split_once('\t').unwrap();
            assert_eq!(compact.phones(word), Phones::from_ipa(phones).ok(), "{word}");
            assert!(compact.phones(&word.to_uppercase()).is_some());
            assert!(compact.phones(&format!("{word}x")).is_none() && compact.phones(&word[1..]).is_none());
        }
        assert!(compact.phones("").is_none() && compact.phones("a").is_none() && compact.phones("zz").is_none());
        assert!(file.len() * 3 < text.len() * 2, "{} bytes of {}", file.len(), text.len());
    }

    #[test]
    fn a_damaged_file_is_refused_or_lacks_words_and_never_more() {
        let (text, file) = many();
        for length in 0..file.len().min(400) {
            let _ = Compact::open(&file[..length]).map(|cut| cut.phones("word5s"));
        }
        for at in 0..file.len() {
            let mut other = file.clone();
            other[at] ^= 0xff;
            let Ok(damaged) = Compact::open(other) else { continue };
            text.lines().step_by(97).for_each(|line| drop(damaged.phones(line.split('\t').next().unwrap())));
        }
        assert_eq!(Compact::open(&file[..30]).unwrap_err().kind(), ErrorKind::BadPack);
    }

    #[test]
    fn a_lexicon_without_phones_has_no_compact_form() {
        let aliases = Lexicon::parse("a\tb\n", "mine").unwrap();
        assert_eq!(compact(&aliases).unwrap_err().kind(), ErrorKind::BadOption);
    }
}

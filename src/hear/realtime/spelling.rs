//! What tokens spell. In: `tokenizer.json`. Out: the bytes of a token. A letter may be spread over two tokens, so what is put
//! together are bytes, not texts.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// The bytes of all tokens.
#[derive(Debug)]
pub struct Spelling {
    /// Ids below this spell nothing.
    first: usize,
    tokens: Vec<Box<[u8]>>,
}

#[derive(Deserialize)]
struct File {
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, usize>,
}

impl Spelling {
    /// Errors: `BadPack`.
    pub fn open(path: &Path, first: usize) -> Result<Self> {
        let bad = |what: &str| {
            let message = format!("{}: {what}: import the pack again", path.display());
            Error::new(ErrorKind::BadPack, message)
        };
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let File { model: Model { vocab } } =
            serde_json::from_slice(&bytes).map_err(|e| bad(&format!("no tokenizer ({e})")))?;
        let byte_of: HashMap<char, u8> = (0..=u8::MAX).map(|byte| (letter(byte), byte)).collect();
        let mut tokens = vec![Box::default(); vocab.len()];
        for (spelled, id) in vocab {
            let spelled: Option<Box<[u8]>> = spelled.chars().map(|c| byte_of.get(&c).copied()).collect();
            let place = id.checked_sub(first).and_then(|rank| tokens.get_mut(rank));
            let (Some(spelled), Some(place)) = (spelled, place) else {
                return Err(bad(&format!("token {id} is damaged")));
            };
            *place = spelled;
        }
        Ok(Self { first, tokens })
    }

    /// Nothing for a token that is special, or not there.
    pub fn bytes(&self, id: u32) -> &[u8] {
        let rank = (id as usize).checked_sub(self.first);
        rank.and_then(|rank| self.tokens.get(rank)).map_or(&[], |bytes| bytes)
    }
}

/// The letter that stands for a byte in a byte-level vocabulary (`bytes_to_unicode` of GPT-2): printable Latin-1 for itself,
/// the others from U+0100 on in their order.
fn letter(byte: u8) -> char {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&other| !printable(other)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_spell_the_bytes_that_their_letters_stand_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, r#"{"model": {"vocab": {"Ġthe": 10, "Ã": 11, "©": 12}}}"#).unwrap();
        let spelling = Spelling::open(&path, 10).unwrap();
        assert_eq!(spelling.bytes(10), b" the");
        assert_eq!([spelling.bytes(11), spelling.bytes(12)].concat(), "é".as_bytes());
        assert_eq!((spelling.bytes(3), spelling.bytes(13)), (&b""[..], &b""[..]));
    }

    #[test]
    fn a_vocabulary_that_is_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        for text in ["", "{}", r#"{"model": {"vocab": {"a": 9}}}"#, r#"{"model": {"vocab": {"a b": 10}}}"#] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Spelling::open(&path, 10).unwrap_err().kind(), ErrorKind::BadPack, "{text}");
        }
    }
}

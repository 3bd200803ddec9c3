//! Bias towards phrases that are expected: names, a customer's words. In: phrases, and the tokens as they are answered. Out:
//! tokens that would continue a phrase, which get a bonus before the likeliest is chosen.
//!
//! Phrases are a tree of tokens. A branch can be taken only while a word is open, from `[WORD]` to the silence or the
//! `[WORD]` behind it: a phrase cannot make words of silence. The weights know nothing of it.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::error::{Error, ErrorKind, Result};

/// The tree.
#[derive(Debug)]
pub struct Phrases {
    nodes: Vec<Node>,
    bonus: f32,
}

/// Tokens so far.
#[derive(Debug, Default)]
struct Node {
    /// Within the word.
    next: Vec<(u32, usize)>,
    /// Where the word may be at its end, and the phrase is not: the beginning of the next word.
    after: Option<usize>,
}

/// How far the phrases have been said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Within the open word.
    open: Vec<usize>,
    /// Words that may come next.
    waiting: Vec<usize>,
    in_word: bool,
}

/// The beginning of every phrase.
const ROOT: usize = 0;

impl Phrases {
    /// Of phrases of words, which `tokenizer.json` spells. Errors: `BadPack` for a damaged tokenizer; `BadOption` for a bonus
    /// that is no number, or a phrase without a word.
    pub fn open<S: AsRef<str>>(path: &Path, phrases: &[S], bonus: f32) -> Result<Self> {
        if !bonus.is_finite() {
            return Err(Error::new(ErrorKind::BadOption, format!("a bonus of {bonus} for phrases: choose a number")));
        }
        let bad = |e: tokenizers::Error| {
            Error::new(ErrorKind::BadPack, format!("{}: {e}: import the pack again", path.display()))
        };
        let tokenizer = Tokenizer::from_file(path).map_err(bad)?;
        let mut tree = Self { nodes: vec![Node::default()], bonus };
        for phrase in phrases {
            let phrase = phrase.as_ref();
            if phrase.split_whitespace().next().is_none() {
                return Err(Error::new(ErrorKind::BadOption, format!("\"{phrase}\" is no phrase: it has no word")));
            }
            let spell =
                |word: &str| -> Result<Vec<u32>> { Ok(tokenizer.encode(word, false).map_err(bad)?.get_ids().to_vec()) };
            let mut ends = Vec::new();
            for (i, word) in phrase.split_whitespace().enumerate() {
                let spaced: Vec<u32> = spell(&format!(" {word}"))?;
                ends = if i == 0 {
                    // The first word of a text has no space before it.
                    vec![tree.add(ROOT, &spaced), tree.add(ROOT, &spell(word)?)]
                } else {
                    let add = |end| {
                        let begin = tree.after(end);
                        tree.add(begin, &spaced)
                    };
                    ends.into_iter().map(add).collect()
                };
            }
        }
        Ok(tree)
    }

    fn add(&mut self, from: usize, tokens: &[u32]) -> usize {
        tokens.iter().fold(from, |at, &token| {
            if let Some(&(_, next)) = self.nodes[at].next.iter().find(|(known, _)| *known == token) {
                return next;
            }
            self.nodes.push(Node::default());
            let next = self.nodes.len() - 1;
            self.nodes[at].next.push((token, next));
            next
        })
    }

    fn after(&mut self, end: usize) -> usize {
        if let Some(after) = self.nodes[end].after {
            return after;
        }
        self.nodes.push(Node::default());
        let after = self.nodes.len() - 1;
        self.nodes[end].after = Some(after);
        after
    }

    /// The likeliest token where those that continue a phrase have the bonus; `best` is the likeliest without.
    pub fn choose(&self, said: &Said, logits: &[f32], best: u32) -> u32 {
        let of = |token: u32| logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        let continues = said.open.iter().flat_map(|&at| &self.nodes[at].next).map(|&(token, _)| token);
        // The likeliest may continue a phrase itself.
        let mut choice = (best, of(best));
        for token in continues {
            let value = of(token) + self.bonus;
            if value > choice.1 {
                choice = (token, value);
            }
        }
        choice.0
    }

    /// Takes note of an answer.
    pub fn follow(&self, said: &mut Said, id: u32, pad: u32, word: u32) {
        if id == pad || id == word {
            if said.in_word {
                said.waiting = said.open.iter().filter_map(|&at| self.nodes[at].after).collect();
            }
            said.open.clear();
            said.in_word = id == word;
            if said.in_word {
                said.open = std::mem::take(&mut said.waiting);
                said.open.push(ROOT);
            }
            return;
        }
        let step = |&at: &usize| self.nodes[at].next.iter().find(|(token, _)| *token == id).map(|&(_, next)| next);
        said.open = said.open.iter().filter_map(step).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAD: u32 = 32;
    const WORD: u32 = 33;

    /// Bytes are tokens: of `a` that is 100.
    fn phrases(phrases: &[&str], bonus: f32) -> Result<Phrases> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let letters = ('a'..='z').enumerate().map(|(i, c)| format!("\"{c}\": {}", 100 + i));
        let vocab = letters.chain(["\"Ġ\": 99".to_owned()]).collect::<Vec<_>>().join(", ");
        let level = r#"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}"#;
        let model = format!(r#"{{"type": "BPE", "vocab": {{{vocab}}}, "merges": []}}"#);
        std::fs::write(&path, format!(r#"{{"version": "1.0", "pre_tokenizer": {level}, "model": {model}}}"#)).unwrap();
        Phrases::open(&path, phrases, bonus)
    }

    fn letter(c: char) -> u32 {
        100 + c as u32 - 'a' as u32
    }

    /// What is chosen next where `liked` is the likeliest, by 2.
    fn next(phrases: &Phrases, said: &Said, liked: u32) -> u32 {
        let mut logits = vec![0.0; 200];
        logits[liked as usize] = 2.0;
        phrases.choose(said, &logits, liked)
    }

    #[test]
    fn an_open_word_is_drawn_along_a_phrase_and_silence_is_not() {
        let tree = phrases(&["go"], 3.0).unwrap();
        let mut said = Said::default();
        assert_eq!(next(&tree, &said, PAD), PAD);
        tree.follow(&mut said, PAD, PAD, WORD);
        assert_eq!(next(&tree, &said, PAD), PAD);
        tree.follow(&mut said, WORD, PAD, WORD);
        assert_eq!(next(&tree, &said, letter('z')), 99, "a space begins the word");
        tree.follow(&mut said, 99, PAD, WORD);
        assert_eq!(next(&tree, &said, letter('z')), letter('g'));
        tree.follow(&mut said, letter('g'), PAD, WORD);
        assert_eq!(next(&tree, &said, letter('z')), letter('o'));
        tree.follow(&mut said, letter('o'), PAD, WORD);
        assert_eq!(next(&tree, &said, letter('z')), letter('z'), "the phrase is at its end");
        tree.follow(&mut said, PAD, PAD, WORD);
        assert_eq!(next(&tree, &said, letter('z')), letter('z'));
    }

    #[test]
    fn a_phrase_goes_on_with_the_next_word() {
        let tree = phrases(&["a b"], 3.0).unwrap();
        let mut said = Said::default();
        for id in [WORD, 99, letter('a'), PAD, PAD, WORD, 99] {
            tree.follow(&mut said, id, PAD, WORD);
        }
        let mut logits = vec![0.0; 200];
        logits[letter('z') as usize] = 2.0;
        logits[letter('b') as usize] = 0.5;
        assert_eq!(tree.choose(&said, &logits, letter('z')), letter('b'));
        // Another word between them, and it does not.
        let mut said = Said::default();
        for id in [WORD, 99, letter('a'), PAD, WORD, 99, letter('x'), PAD, WORD, 99] {
            tree.follow(&mut said, id, PAD, WORD);
        }
        logits[letter('a') as usize] = -9.0;
        assert_eq!(tree.choose(&said, &logits, letter('z')), letter('z'));
    }

    #[test]
    fn a_bonus_that_is_too_small_changes_nothing() {
        let tree = phrases(&["go"], 1.0).unwrap();
        let mut said = Said::default();
        tree.follow(&mut said, WORD, PAD, WORD);
        assert_eq!(next(&tree, &said, letter('z')), letter('z'));
    }

    #[test]
    fn what_is_no_phrase_is_refused() {
        assert_eq!(phrases(&["go", " "], 1.0).unwrap_err().kind(), ErrorKind::BadOption);
        assert_eq!(phrases(&["go"], f32::NAN).unwrap_err().kind(), ErrorKind::BadOption);
    }
}

//! Words that may stand beside another. In: a list as it is written in a language's file. Out: whether a word is of it.
//!
//! | written | what |
//! |---|---|
//! | `word` | this word, in any case; the empty one is the edge of a clause |
//! | `@name` | the words of that list |
//! | `*ing` | words with this ending, and something before it |
//! | `^` | words with a capital letter |
//! | `!word`, `!*ing` | not these, whatever else holds |

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Word;

type Words = Arc<HashSet<String>>;

/// The lists of a file, which many rules share.
#[derive(Debug, Default)]
pub(super) struct Lists(HashMap<String, Words>);

impl Lists {
    pub fn new(written: Option<&BTreeMap<String, Vec<String>>>) -> Self {
        let set = |words: &Vec<String>| Arc::new(words.iter().cloned().collect());
        Self(written.into_iter().flatten().map(|(name, words)| (name.clone(), set(words))).collect())
    }
}

#[derive(Debug, Default)]
pub(super) struct Neighbours {
    words: HashSet<String>,
    lists: Vec<Words>,
    endings: Vec<String>,
    capital: bool,
    no_words: HashSet<String>,
    no_endings: Vec<String>,
}

impl Neighbours {
    /// Errors: a list that is not there.
    pub fn new(written: &[String], lists: &Lists) -> Result<Self, String> {
        let mut all = Self::default();
        for item in written {
            if let Some(ending) = item.strip_prefix("!*") {
                all.no_endings.push(ending.to_owned());
            } else if let Some(word) = item.strip_prefix('!') {
                all.no_words.insert(word.to_owned());
            } else if let Some(ending) = item.strip_prefix('*') {
                all.endings.push(ending.to_owned());
            } else if let Some(name) = item.strip_prefix('@') {
                all.lists.push(lists.0.get(name).ok_or_else(|| format!("there is no list `{name}`"))?.clone());
            } else if item == "^" {
                all.capital = true;
            } else {
                all.words.insert(item.clone());
            }
        }
        Ok(all)
    }

    pub fn contain(&self, word: &Word<'_>) -> bool {
        let small = word.small.as_ref();
        let ends =
            |endings: &[String]| endings.iter().any(|end| small.len() > end.len() && small.ends_with(end.as_str()));
        if self.no_words.contains(small) || ends(&self.no_endings) {
            return false;
        }
        self.words.contains(small)
            || self.lists.iter().any(|list| list.contains(small))
            || ends(&self.endings)
            || self.capital && word.written.starts_with(char::is_uppercase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_words_endings_capitals_and_other_lists_but_for_what_it_excludes() {
        let lists = BTreeMap::from([("will".to_owned(), vec!["will".to_owned(), "can".to_owned()])]);
        let lists = Lists::new(Some(&lists));
        let written = ["to", "@will", "*ly", "^", "!family", "!*fly", "!i"].map(str::to_owned);
        let words = Neighbours::new(&written, &lists).unwrap();
        let held =
            |words: &Neighbours, word: &str| super::super::words(word).first().is_some_and(|word| words.contain(word));
        for word in ["to", "To", "can", "quickly", "Anna"] {
            assert!(held(&words, word), "{word}");
        }
        for word in ["ly", "family", "Family", "butterfly", "go", "I"] {
            assert!(!held(&words, word), "{word}");
        }
        assert!(!words.contain(Word::NONE));
        assert!(Neighbours::new(&["@no".to_owned()], &lists).unwrap_err().contains("`no`"));
        assert!(Neighbours::new(&[String::new()], &lists).unwrap().contain(Word::NONE));
    }
}

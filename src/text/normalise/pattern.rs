//! Patterns of a rules file. In: their texts. Out: which of them match the start of a text, by one automaton of all; and the
//! groups of one, which is compiled when first asked for: of hundreds a text needs few, and a program that starts waits
//! for none.

use std::sync::{Mutex, OnceLock, PoisonError};

use regex::{Captures, Regex};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind, PatternSet};
use regex_syntax::hir::{Hir, HirKind};

/// Of the automaton's states that texts have met so far.
const CACHE_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// Errors: what is wrong with the pattern, with the text of it.
    pub fn new(text: String) -> Result<Self, String> {
        Self::parsed(text).map(|(pattern, _)| pattern)
    }

    /// With what was parsed, for [`Patterns::new`]: parsing is most of the time that a rules file takes.
    pub fn parsed(text: String) -> Result<(Self, Hir), String> {
        let hir = regex_syntax::parse(&text).map_err(|e| e.to_string())?;
        Ok((Self { text, compiled: OnceLock::new() }, hir))
    }

    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.compiled()?.captures(text)
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    #[cfg(test)]
    pub fn compiles(&self) -> bool {
        self.compiled().is_some()
    }

    /// `None` only for a pattern beyond the crate's bound of size, which matches nothing: the rules' test compiles all.
    fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref()
    }
}

/// Adds the names of a pattern's groups.
pub(super) fn groups(hir: &Hir, names: &mut Vec<String>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            names.extend(capture.name.as_deref().map(str::to_owned));
            groups(&capture.sub, names);
        }
        HirKind::Repetition(repetition) => groups(&repetition.sub, names),
        HirKind::Concat(all) | HirKind::Alternation(all) => all.iter().for_each(|one| groups(one, names)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
    }
}

/// All patterns of a file at once. A set of the `regex` crate takes three times the memory: it searches backwards and finds
/// groups too.
#[derive(Debug)]
pub(super) struct Patterns {
    automaton: DFA,
    /// With the room for what is found.
    cache: Mutex<(Cache, PatternSet)>,
}

impl Patterns {
    /// Errors: what is wrong with a pattern, or with their sum.
    pub fn new(all: &[Hir]) -> Result<Self, String> {
        let automaton = thompson::Compiler::new()
            .configure(thompson::Config::new().which_captures(WhichCaptures::None).shrink(false))
            .build_many_from_hir(all)
            .map_err(|e| e.to_string())?;
        let automaton = DFA::builder()
            .configure(
                DFA::config().match_kind(MatchKind::All).skip_cache_capacity_check(true).cache_capacity(CACHE_BYTES),
            )
            .build_from_nfa(automaton)
            .map_err(|e| e.to_string())?;
        let cache = (automaton.create_cache(), PatternSet::new(automaton.pattern_len()));
        Ok(Self { cache: Mutex::new(cache), automaton })
    }

    /// The patterns that match the start of a text, in their order; all of them where the automaton does not know (a word's
    /// end beyond ASCII).
    pub fn matching(&self, text: &str) -> Vec<usize> {
        let mut locked = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (cache, found) = &mut *locked;
        found.clear();
        let input = Input::new(text).anchored(Anchored::Yes);
        match self.automaton.try_which_overlapping_matches(cache, &input, found) {
            Ok(()) => found.iter().take(found.len()).map(|id| id.as_usize()).collect(),
            Err(_) => (0..self.automaton.pattern_len()).collect(),
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_finds_what_each_pattern_finds_by_itself() {
        let all = ["a+", "ab", r"(?i-u:AB)(?-u:\b)", "b", "(?<n>[0-9]+) ?(?:km|m)"].map(|p| format!(r"\A(?:{p})"));
        let (all, parsed): (Vec<_>, Vec<_>) = all.map(|text| Pattern::parsed(text).unwrap()).into_iter().unzip();
        let set = Patterns::new(&parsed).unwrap();
        for text in ["", "a", "ab", "abc", "aB!", "b", "12 km", "12", "\u{e9}ab"] {
            let one_by_one: Vec<usize> = (0..all.len()).filter(|&i| all[i].is_match(text)).collect();
            assert_eq!(set.matching(text), one_by_one, "{text}");
        }
    }

    #[test]
    fn a_pattern_says_what_is_wrong_with_it_and_how_its_groups_are_called() {
        assert!(Pattern::new("(".into()).unwrap_err().contains("unclosed group"));
        let (_, parsed) = Pattern::parsed("(?<a>x(?<b>y)?)|(?<c>z)*".into()).unwrap();
        let mut names = Vec::new();
        groups(&parsed, &mut names);
        assert_eq!(names, ["a", "b", "c"]);
    }
}

//! Which token comes next. In: logits, what was said so far. Out: a token and how probable it was.
//!
//! The rules for times are openai/whisper's (`ApplyTimestampRules` in `decoding.py`): they come in pairs, never go back, the
//! first is within a second, and a time is taken where all times together are more probable than any word.

use syrinx_quant::shape::Whisper as Shape;
use tokenizers::Tokenizer;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::ops;

/// Ids that mean something to the runtime.
#[derive(Clone, Debug)]
pub struct Specials {
    pub start: u32,
    pub end: u32,
    pub transcribe: u32,
    pub no_times: u32,
    pub no_speech: u32,
    /// Of every language its tag and id.
    pub languages: Vec<(String, u32)>,
    suppressed: Vec<usize>,
    suppressed_first: Vec<usize>,
}

/// Steps of a time, in milliseconds.
pub const TIME_MS: u32 = 20;
/// The first time is within so many steps.
const FIRST_TIMES: u32 = 50;
/// Languages have tags of no more letters.
const TAG_LETTERS: std::ops::RangeInclusive<usize> = 2..=3;

impl Specials {
    /// Errors: `BadPack` for a tokenizer of another model.
    pub fn find(tokenizer: &Tokenizer, shape: &Shape) -> Result<Self> {
        let find = |names: &[&str]| -> Result<u32> {
            let id = names.iter().find_map(|name| tokenizer.token_to_id(name));
            id.filter(|id| (*id as usize) < shape.vocab_size).ok_or_else(|| {
                let message = format!("the tokenizer has no {}: import the pack again", names[0]);
                Error::new(ErrorKind::BadPack, message)
            })
        };
        let start = find(&["<|startoftranscript|>"])?;
        let transcribe = find(&["<|transcribe|>"])?;
        let language = |id: u32| {
            let token = tokenizer.id_to_token(id)?;
            let tag = token.strip_prefix("<|")?.strip_suffix("|>")?;
            TAG_LETTERS.contains(&tag.len()).then(|| (tag.to_owned(), id))
        };
        Ok(Self {
            start,
            end: find(&["<|endoftext|>"])?,
            transcribe,
            no_times: find(&["<|notimestamps|>"])?,
            no_speech: find(&["<|nospeech|>", "<|nocaptions|>"])?,
            languages: (start + 1..transcribe).filter_map(language).collect(),
            suppressed: shape.suppressed.clone(),
            suppressed_first: shape.suppressed_first.clone(),
        })
    }

    /// The id of time zero; later ones follow.
    pub fn first_time(&self) -> u32 {
        self.no_times + 1
    }

    pub fn is_time(&self, id: u32) -> bool {
        id > self.no_times
    }

    /// Makes impossible what may not come next, after `said` of this text.
    pub fn forbid(&self, logits: &mut [f32], said: &[u32], times: bool) {
        forbid(logits, self.suppressed.iter().copied());
        if said.is_empty() {
            forbid(logits, self.suppressed_first.iter().copied());
        }
        forbid(logits, [self.no_times as usize, self.no_speech as usize]);
        let first = self.first_time() as usize;
        if !times {
            return forbid(logits, first..logits.len());
        }
        let is_time = |back: usize| said.len().checked_sub(back).is_some_and(|at| self.is_time(said[at]));
        if is_time(1) {
            // After a pair, or the one at the beginning, there are words; after a single one its other half, or the end.
            match is_time(2) || said.len() == 1 {
                true => forbid(logits, first..logits.len()),
                false => forbid(logits, 0..self.end as usize),
            }
        }
        if let Some(&last) = said.iter().rev().find(|id| self.is_time(**id)) {
            // A text that begins where the one before it ended may repeat its time; one that ends lasts.
            let least = last + u32::from(!is_time(1) || is_time(2));
            forbid(logits, first..(least as usize).min(logits.len()));
        }
        if said.is_empty() {
            forbid(logits, 0..first);
            let most = first + FIRST_TIMES as usize + 1;
            forbid(logits, most.min(logits.len())..logits.len());
        }
        let (words, all_times) = logits.split_at_mut(first);
        let largest = |values: &[f32]| values.iter().fold(f32::NEG_INFINITY, |m, &v| m.max(v));
        let (word, time) = (largest(words), largest(all_times));
        let sum: f32 = all_times.iter().map(|v| (v - time).exp()).sum();
        if time.is_finite() && time + sum.ln() > word {
            words.fill(f32::NEG_INFINITY);
        }
    }
}

fn forbid(logits: &mut [f32], ids: impl IntoIterator<Item = usize>) {
    for id in ids {
        if let Some(logit) = logits.get_mut(id) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// The most probable of these.
pub fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, &v)| if v > best.1 { (i, v) } else { best }).0
}

/// Chance, for temperatures above zero: the same seed chooses the same (xorshift, Marsaglia 2003).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 0 to 1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// Chooses, and says how probable the choice was: the logarithm without a temperature. `probabilities` is scratch.
pub fn choose(logits: &[f32], temperature: f32, chance: &mut Chance, probabilities: &mut Vec<f32>) -> (u32, f32) {
    probabilities.clear();
    probabilities.extend_from_slice(logits);
    ops::softmax(probabilities);
    let best = largest(logits);
    if temperature <= 0.0 {
        return (best as u32, probabilities[best].ln());
    }
    let weights: Vec<f32> = logits.iter().map(|v| ((v - logits[best]) / temperature).exp()).collect();
    let mut left = chance.next() * weights.iter().sum::<f32>();
    let chosen = weights.iter().position(|w| {
        left -= w;
        left < 0.0 && *w > 0.0
    });
    let chosen = chosen.unwrap_or(best);
    (chosen as u32, probabilities[chosen].ln())
}

/// Copies of a pattern in a row that nobody says.
const COPIES: usize = 4;
/// Tokens that a repetition has at least, so that "no no no no" is none.
const LEAST_REPEATED: usize = 12;
/// Tokens of the longest pattern that is looked for.
const LONGEST_PATTERN: usize = 40;

/// Where the end of a text repeats itself, how many tokens are too many: all copies of the pattern but one.
pub fn repeated(said: &[u32]) -> Option<usize> {
    (1..=LONGEST_PATTERN.min(said.len() / 2)).find_map(|period| {
        let same = (period..said.len()).rev().take_while(|&i| said[i] == said[i - period]).count();
        (same + period >= (COPIES * period).max(LEAST_REPEATED)).then_some(same)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u32 = 10;
    const NO_TIMES: u32 = 14;
    const FIRST: u32 = 15;

    fn specials() -> Specials {
        Specials {
            start: 11,
            end: END,
            transcribe: 12,
            no_times: NO_TIMES,
            no_speech: 13,
            languages: Vec::new(),
            suppressed: vec![3, 11, 12, 9_999],
            suppressed_first: vec![4, END as usize],
        }
    }

    /// What may follow, of 80 ids that are all as probable, words a little more.
    fn allowed(said: &[u32], times: bool) -> Vec<u32> {
        let mut logits = vec![0.0; 80];
        logits[..=END as usize].fill(9.0);
        specials().forbid(&mut logits, said, times);
        (0..80).filter(|id| logits[*id as usize].is_finite()).collect()
    }

    #[test]
    fn what_is_suppressed_never_comes_and_what_is_suppressed_first_comes_later() {
        assert_eq!(allowed(&[], false), [0, 1, 2, 5, 6, 7, 8, 9]);
        assert_eq!(allowed(&[1], false), [0, 1, 2, 4, 5, 6, 7, 8, 9, END]);
    }

    #[test]
    fn times_come_in_pairs_and_never_go_back() {
        let words = [0, 1, 2, 4, 5, 6, 7, 8, 9, END];
        assert_eq!(allowed(&[], true), (FIRST..=FIRST + FIRST_TIMES).collect::<Vec<_>>());
        assert_eq!(allowed(&[FIRST], true), words, "words follow the first time");
        let after_words = allowed(&[FIRST, 1], true);
        assert!(after_words.contains(&1) && !after_words.contains(&FIRST) && after_words.contains(&(FIRST + 1)));
        let after_end: Vec<u32> = std::iter::once(END).chain(FIRST + 5..80).collect();
        assert_eq!(allowed(&[FIRST, 1, FIRST + 5], true), after_end, "its other half, or the end");
        assert_eq!(allowed(&[FIRST, 1, FIRST + 5, FIRST + 5], true), words);
    }

    #[test]
    fn a_time_is_taken_where_all_together_are_more_probable_than_a_word() {
        let mut logits = vec![0.0; 80];
        logits[1] = 1.0;
        specials().forbid(&mut logits, &[FIRST, 1], true);
        assert!(logits[1].is_infinite() && logits[FIRST as usize + 1] == 0.0);
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed_and_follows_the_weights() {
        let logits = [0.0, 2.0, f32::NEG_INFINITY];
        let draw = |seed: u64| {
            let (mut chance, mut scratch) = (Chance::new(seed), Vec::new());
            (0..2000).map(|_| choose(&logits, 1.0, &mut chance, &mut scratch).0).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        let ones = draw(7).iter().filter(|id| **id == 1).count();
        assert!((1680..1840).contains(&ones), "{ones} of 2000, expected 1762");
        assert!(!draw(3).contains(&2));
        let (id, log) = choose(&logits, 0.0, &mut Chance::new(0), &mut Vec::new());
        assert!(id == 1 && (log + 0.1269).abs() < 1e-3, "{id} {log}");
    }

    #[test]
    fn a_text_that_goes_round_in_circles_is_found_and_a_refrain_is_not() {
        assert_eq!(repeated(&[]), None);
        assert_eq!(repeated(&[1, 2, 3, 1, 2, 3, 1, 2, 3]), None);
        assert_eq!(repeated(&[[9].as_slice(), &[1, 2, 3].repeat(4)].concat()), Some(9));
        assert_eq!(repeated(&[7; 11]), None);
        assert_eq!(repeated(&[7; 12]), Some(11));
        assert_eq!(repeated(&[[7; 12].as_slice(), &[8]].concat()), None);
    }
}

//! From tokens to text. In: the tokens of a stream. Out: the text so far and, at each pause, a text that stays.
//!
//! `[WORD]` begins a word, whose tokens follow one by one; silence ends it. A word's time is that of its `[WORD]`, which
//! comes the delay after its end: ± 80 ms. Where it began is not told; it is estimated by its length.

use super::realtime::{Spelling, Token};
use super::{Heard, HeardWord};

/// Of a letter at the usual pace: what a word's beginning is estimated by.
const LETTER_MS: u64 = 70;
/// A text that goes on without a pause is ended before the next word.
const LONGEST_MS: u64 = 30_000;

/// The ids that are not text.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    pub eos: u32,
    pub pad: u32,
    pub word: u32,
}

/// What is open, and what has been closed and not been fetched.
#[derive(Debug)]
pub struct Transcript {
    ids: Ids,
    token_ms: f64,
    /// Tokens of silence that end a text.
    pause: usize,
    /// Where the stream began, in milliseconds from the listener's first sample.
    origin_ms: u64,
    words: Vec<Spelled>,
    /// The last word still grows.
    in_word: bool,
    silent: usize,
    changed: bool,
    closed: Vec<Heard>,
}

/// A word as bytes: a letter may come in two tokens.
#[derive(Clone, Debug)]
struct Spelled {
    bytes: Vec<u8>,
    end_ms: u64,
}

impl Transcript {
    pub fn new(ids: Ids, token_ms: f64, pause_ms: u32) -> Self {
        Self {
            ids,
            token_ms,
            pause: ((f64::from(pause_ms) / token_ms).round() as usize).max(1),
            origin_ms: 0,
            words: Vec::new(),
            in_word: false,
            silent: 0,
            changed: false,
            closed: Vec::new(),
        }
    }

    /// The tokens that follow are of a stream that began at this time.
    pub fn begin(&mut self, origin_ms: u64) {
        self.origin_ms = origin_ms;
        self.in_word = false;
        self.silent = 0;
    }

    /// Takes the next token.
    pub fn push(&mut self, token: Token, spelling: &Spelling) {
        let end_ms = self.origin_ms + (token.at.max(0) as f64 * self.token_ms).round() as u64;
        match token.id {
            id if id == self.ids.eos => self.close(),
            id if id == self.ids.pad => {
                self.in_word = false;
                self.silent += 1;
                if self.silent >= self.pause {
                    self.close();
                }
            }
            id if id == self.ids.word => {
                self.silent = 0;
                let begun = self.words.first().map_or(end_ms, |word| word.end_ms);
                if end_ms - begun.min(end_ms) >= LONGEST_MS {
                    self.close();
                }
                self.words.push(Spelled { bytes: Vec::new(), end_ms });
                self.in_word = true;
            }
            id => {
                let bytes = spelling.bytes(id);
                if bytes.is_empty() {
                    return;
                }
                self.silent = 0;
                if !self.in_word {
                    self.words.push(Spelled { bytes: Vec::new(), end_ms });
                    self.in_word = true;
                }
                if let Some(word) = self.words.last_mut() {
                    word.bytes.extend_from_slice(bytes);
                    self.changed = true;
                }
            }
        }
    }

    /// Ends the text: what is open stays as it is.
    pub fn close(&mut self) {
        let heard = self.heard(true);
        if !heard.text.is_empty() {
            self.closed.push(heard);
        }
        self.drop_open();
    }

    /// Forgets what is open.
    pub fn drop_open(&mut self) {
        self.words.clear();
        self.in_word = false;
        self.silent = 0;
        self.changed = false;
    }

    /// The texts that were ended since, and what is open if it has changed.
    pub fn take(&mut self) -> Vec<Heard> {
        let mut all = std::mem::take(&mut self.closed);
        if std::mem::take(&mut self.changed) {
            let open = self.heard(false);
            if !open.text.is_empty() {
                all.push(open);
            }
        }
        all
    }

    fn heard(&self, is_final: bool) -> Heard {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.bytes.iter().copied()).collect();
        let mut words: Vec<HeardWord> = Vec::new();
        for Spelled { bytes, end_ms } in &self.words {
            let text = text(bytes, is_final);
            if text.is_empty() {
                continue;
            }
            let before = words.last().map_or(0, |word| word.end_ms);
            let estimate = end_ms.saturating_sub(LETTER_MS * text.chars().count() as u64);
            words.push(HeardWord { start_ms: estimate.max(before).min(*end_ms), end_ms: *end_ms, text });
        }
        let start_ms = words.first().map_or(0, |word| word.start_ms);
        let end_ms = words.last().map_or(0, |word| word.end_ms);
        Heard { text: text(&bytes, is_final), words, start_ms, end_ms, is_final, language: None }
    }
}

/// Without a letter of which only a part has come yet.
fn text(bytes: &[u8], is_final: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = if is_final { &text } else { text.trim_end_matches(char::REPLACEMENT_CHARACTER) };
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: Ids = Ids { eos: 2, pad: 32, word: 33 };

    fn spelling() -> Spelling {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let vocab = r#"{"Ġhello": 1000, "Ġwor": 1001, "ld": 1002, "Ã": 1003, "©": 1004}"#;
        std::fs::write(&path, format!(r#"{{"model": {{"vocab": {vocab}}}}}"#)).unwrap();
        Spelling::open(&path, 1000).unwrap()
    }

    /// The answers of tokens 1, 2, …
    fn heard(ids: &[u32], pause_ms: u32) -> Vec<Heard> {
        let mut transcript = Transcript::new(IDS, 80.0, pause_ms);
        let spelling = spelling();
        for (at, &id) in ids.iter().enumerate() {
            transcript.push(Token { id, at: at as i64 + 1 }, &spelling);
        }
        transcript.take()
    }

    #[test]
    fn words_end_where_their_marks_stand() {
        let all = heard(&[32, 33, 1000, 32, 32, 33, 1001, 1002, 32, 32, 32], 240);
        let [only] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((only.text.as_str(), only.is_final), ("hello world", true));
        let ends: Vec<(&str, u64)> = only.words.iter().map(|word| (word.text.as_str(), word.end_ms)).collect();
        assert_eq!(ends, [("hello", 160), ("world", 480)]);
        assert!(only.words[1].start_ms >= 160 && only.words[1].start_ms < 480, "{only:?}");
    }

    #[test]
    fn a_pause_ends_a_text_and_a_shorter_one_does_not() {
        let texts = |ids: &[u32]| heard(ids, 240).into_iter().map(|h| (h.text, h.is_final)).collect::<Vec<_>>();
        assert_eq!(texts(&[33, 1000, 32, 32]), [("hello".into(), false)]);
        assert_eq!(texts(&[33, 1000, 32, 32, 32]), [("hello".into(), true)]);
        assert_eq!(texts(&[33, 1000, 32, 32, 32, 33, 1001]), [("hello".into(), true), ("wor".into(), false)]);
        assert_eq!(texts(&[33, 1000, 2]), [("hello".into(), true)]);
        assert_eq!(texts(&[32; 40]), []);
        assert_eq!(texts(&[33, 33, 32, 32, 32, 32]), []);
    }

    #[test]
    fn half_a_letter_is_not_shown_before_its_other_half() {
        let texts = |ids: &[u32]| heard(ids, 240).pop().map(|h| h.text);
        assert_eq!(texts(&[33, 1000, 1003]), Some("hello".into()));
        assert_eq!(texts(&[33, 1000, 1003, 1004]), Some("helloé".into()));
    }

    #[test]
    fn speech_without_a_pause_is_ended_between_two_words() {
        let all = heard(&[33, 1000].repeat(1000), 800);
        assert!(all.len() > 4 && all[0].is_final, "{}", all.len());
        assert!(all.iter().all(|h| h.end_ms - h.start_ms <= LONGEST_MS + 1000));
        assert_eq!(all.iter().map(|h| h.words.len()).sum::<usize>(), 1000);
    }
}

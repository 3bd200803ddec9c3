//! A sentence that is spoken in several clauses. In: its clauses, and the frames that came of them. Out: the text and
//! the frames that stand before the next frame.
//!
//! Speech starts before a sentence is complete, so its first words are a clause of their own. If the rest began from
//! nothing, its tone would, too: the voice would start over in the midst of a sentence. The model goes on where it is
//! shown what was said and how, so the rest is asked for as the end of the whole sentence.

use crate::frame::Frame;

/// A longer text is begun anew: the models were trained on utterances of about this length.
const MAX_BYTES: usize = 240;
/// What so much text takes at a slow pace. There is room for it from the beginning on, as nothing may be allocated
/// between two frames.
const MAX_FRAMES: usize = 512;

#[derive(Debug)]
pub(super) struct Sentence {
    text: String,
    frames: Vec<Frame>,
    /// Bytes and frames before the clause being spoken.
    before: (usize, usize),
    /// The clause was spoken to its end.
    ended: bool,
}

impl Sentence {
    pub fn new() -> Self {
        let (text, frames) = (String::with_capacity(MAX_BYTES), Vec::with_capacity(MAX_FRAMES));
        Self { text, frames, before: (0, 0), ended: true }
    }

    /// The text up to the end of the clause.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// A clause begins, with the sentence of the one before or with another. A clause that was not spoken to its end
    /// went astray, and is left out.
    pub fn begin(&mut self, clause: &str, follows: bool) {
        if !std::mem::replace(&mut self.ended, false) {
            self.text.truncate(self.before.0);
            self.frames.truncate(self.before.1);
        }
        if !follows || self.text.len() + clause.len() > MAX_BYTES {
            self.text.clear();
            self.frames.clear();
        }
        self.before = (self.text.len(), self.frames.len());
        let joined = self.text.ends_with(char::is_whitespace) || clause.starts_with(char::is_whitespace);
        if !self.text.is_empty() && !joined {
            self.text.push(' ');
        }
        self.text.push_str(clause);
    }

    /// A frame of the clause. More than [`MAX_FRAMES`] are too many to go on with, and not kept.
    pub fn add(&mut self, frame: &Frame) {
        if self.frames.len() < MAX_FRAMES {
            self.frames.push(frame.clone());
        }
    }

    /// The clause was spoken to its end.
    pub fn end(&mut self) {
        self.ended = self.frames.len() < MAX_FRAMES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speak(sentence: &mut Sentence, codes: &[u16]) {
        codes.iter().for_each(|&code| sentence.add(&Frame::from_codes(&[code]).unwrap()));
    }

    fn codes(sentence: &Sentence) -> Vec<u16> {
        sentence.frames().iter().map(Frame::semantic).collect()
    }

    #[test]
    fn the_rest_of_a_sentence_comes_after_its_beginning() {
        let mut sentence = Sentence::new();
        sentence.begin("Turn left,", false);
        speak(&mut sentence, &[5, 6]);
        sentence.end();
        sentence.begin("then right.", true);
        assert_eq!((sentence.text(), codes(&sentence)), ("Turn left, then right.", vec![5, 6]));
        speak(&mut sentence, &[7]);
        sentence.end();
        sentence.begin("And stop.", false);
        assert_eq!((sentence.text(), codes(&sentence)), ("And stop.", vec![]));
    }

    #[test]
    fn what_went_astray_is_not_gone_on_with() {
        let mut sentence = Sentence::new();
        sentence.begin("Turn left,", false);
        speak(&mut sentence, &[5, 6]);
        sentence.end();
        for _ in 0..2 {
            sentence.begin("then right.", true);
            assert_eq!((sentence.text(), codes(&sentence)), ("Turn left, then right.", vec![5, 6]));
            speak(&mut sentence, &[9, 9, 9]);
        }
    }

    #[test]
    fn a_long_sentence_is_begun_anew() {
        let mut sentence = Sentence::new();
        let long = "word ".repeat(MAX_BYTES / 10 + 1);
        for _ in 0..2 {
            sentence.begin(&long, true);
            assert_eq!(sentence.text(), long);
            assert!(sentence.frames().is_empty());
            speak(&mut sentence, &[5]);
            sentence.end();
        }
    }

    #[test]
    fn a_clause_with_more_frames_than_there_is_room_for_is_not_gone_on_with() {
        let mut sentence = Sentence::new();
        sentence.begin("Turn left,", false);
        speak(&mut sentence, &[5; MAX_FRAMES + 1]);
        sentence.end();
        sentence.begin("then right.", true);
        assert_eq!((sentence.text(), codes(&sentence)), ("then right.", vec![]));
    }
}

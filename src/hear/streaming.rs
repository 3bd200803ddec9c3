//! A listener that answers while somebody speaks: Voxtral Realtime. In: samples. Out: texts as they come, and as they stay.

use std::sync::Arc;

use super::realtime::{Recogniser, Stream, Token};
use super::transcript::{Ids, Transcript};
use super::{Heard, ListenOptions};
use crate::error::{Error, ErrorKind, Result};

/// One stream of sound, and all its state.
#[derive(Debug)]
pub(super) struct Streaming {
    ears: Arc<Recogniser>,
    stream: Stream,
    transcript: Transcript,
    rate_hz: u64,
    /// Samples since it was made.
    heard: u64,
    answers: Vec<Token>,
    /// The last samples, as many as the delay is long: what the model has not answered where it ends the text.
    recent: Vec<f32>,
}

impl Streaming {
    /// Errors: `BadOption`, `BadPack`, `Backend`.
    pub fn new(ears: &Arc<Recogniser>, rate_hz: u32, options: &ListenOptions) -> Result<Self> {
        if options.language.is_some() {
            let message = "a language cannot be asked for: this pack tells by itself which is spoken: leave it out";
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        let delay = ears.delay(options.delay_ms)?;
        let recall = options.recall_ms.map(|ms| (f64::from(ms) / ears.token_ms()).ceil() as usize);
        let text = &ears.shape().text;
        let ids = Ids { eos: text.eos, pad: text.pad, word: text.word };
        let mut stream = ears.stream(delay, recall)?;
        if !options.phrases.is_empty() {
            stream.set_phrases(Some(ears.phrases(&options.phrases, options.phrase_bonus)?));
        }
        Ok(Self {
            stream,
            transcript: Transcript::new(ids, ears.token_ms(), options.pause_ms),
            rate_hz: u64::from(rate_hz),
            heard: 0,
            answers: Vec::new(),
            recent: Vec::new(),
            ears: ears.clone(),
        })
    }

    /// Errors: `Backend`, `BadPack`.
    pub fn feed(&mut self, samples: &[f32]) -> Result<Vec<Heard>> {
        let mut rest = samples;
        while !rest.is_empty() {
            let taken = self.push(rest)?;
            rest = &rest[taken..];
            if self.stream.has_ended() {
                self.hear_again()?;
            }
        }
        Ok(self.transcript.take())
    }

    /// Errors: as [`Streaming::feed`].
    pub fn flush(&mut self) -> Result<Vec<Heard>> {
        if self.stream.has_heard() {
            self.answers.clear();
            self.stream.finish(false, &mut self.answers)?;
            self.take_answers();
            self.transcript.close();
            self.restart()?;
        }
        Ok(self.transcript.take())
    }

    /// Errors: as [`Streaming::feed`].
    pub fn skip(&mut self, samples: u64) -> Result<Vec<Heard>> {
        let heard = self.flush()?;
        self.heard += samples;
        self.begin();
        Ok(heard)
    }

    /// Errors: `BadOption`; as [`Streaming::feed`].
    pub fn set_delay_ms(&mut self, delay_ms: u32) -> Result<Vec<Heard>> {
        let delay = self.ears.delay(Some(delay_ms))?;
        let heard = self.flush()?;
        self.stream.set_delay(delay)?;
        Ok(heard)
    }

    /// Errors: `Backend`.
    pub fn reset(&mut self) -> Result<()> {
        self.transcript.drop_open();
        self.restart()
    }

    fn push(&mut self, samples: &[f32]) -> Result<usize> {
        self.answers.clear();
        let taken = self.stream.push(samples, &mut self.answers)?;
        self.heard += taken as u64;
        let most = self.stream.delay() * self.ears.shape().samples_per_token();
        let from = taken.saturating_sub(most);
        let too_many = (self.recent.len() + taken - from).saturating_sub(most).min(self.recent.len());
        self.recent.drain(..too_many);
        self.recent.extend_from_slice(&samples[from..taken]);
        self.take_answers();
        Ok(taken)
    }

    fn take_answers(&mut self) {
        for &token in &self.answers {
            self.transcript.push(token, self.ears.spelling());
        }
    }

    fn restart(&mut self) -> Result<()> {
        self.stream.restart()?;
        self.recent.clear();
        self.begin();
        Ok(())
    }

    fn begin(&mut self) {
        self.transcript.begin(self.heard * 1000 / self.rate_hz);
    }

    /// The model has ended the text in the midst of sound: what it had not answered yet is heard again by a fresh stream.
    fn hear_again(&mut self) -> Result<()> {
        let recent = std::mem::take(&mut self.recent);
        self.heard -= recent.len() as u64;
        self.restart()?;
        // Shorter than what the first answer needs, so this does not end anything.
        self.push(&recent)?;
        Ok(())
    }
}

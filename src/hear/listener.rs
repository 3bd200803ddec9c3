//! Ears, and who listens with them. In: a pack; samples at 16 kHz. Out: texts as they come, and as they stay.

use std::path::Path;
use std::sync::Arc;

use syrinx_quant::Manifest;

use super::realtime::{Recogniser, Stream, Token};
use super::transcript::{Ids, Transcript};
use super::{EarsInfo, EarsOptions, Heard, ListenOptions};
use crate::error::Result;
use crate::pack::{EarsPack, OpenOptions};

/// The weights of a pack that listens, opened once, shared by whoever has a clone.
#[derive(Clone, Debug)]
pub struct Ears {
    recogniser: Arc<Recogniser>,
    info: Arc<EarsInfo>,
}

impl Ears {
    /// Opens a pack, a folder, and loads its weights.
    ///
    /// Errors: `BadPack` (absent, truncated, wrong hash, contradictory sizes), `NewerPack`, `Licence`, `Io`, `Unsupported`
    /// (a pack that speaks; a family or a type that this build does not know), `OutOfMemory`, `Backend`.
    pub fn open(folder: impl AsRef<Path>, options: EarsOptions) -> Result<Self> {
        let open = OpenOptions { verify: options.verify, commercial: options.commercial };
        let pack = EarsPack::open(folder.as_ref(), open)?;
        let recogniser = Recogniser::open(&pack, options.threads)?;
        let Manifest { name, version, family, languages, licence, .. } = pack.manifest();
        let schedule = &recogniser.shape().schedule;
        let ms = |tokens: usize| (recogniser.token_ms() * tokens as f64).round() as u32;
        let info = EarsInfo {
            name: name.clone(),
            version: version.clone(),
            family: family.clone(),
            languages: languages.clone(),
            licence: licence.spdx.clone(),
            commercial: licence.commercial,
            sample_rate_hz: pack.manifest().sample_rate_hz,
            delay_ms: ms(schedule.delay),
            longest_delay_ms: ms(schedule.longest_delay),
        };
        Ok(Self { recogniser, info: Arc::new(info) })
    }

    /// What it is.
    pub fn info(&self) -> &EarsInfo {
        &self.info
    }

    /// One stream of sound. The first of a delay computes what all of them begin with.
    ///
    /// Errors: `BadOption`, `BadPack`, `Backend`.
    pub fn listener(&self, options: ListenOptions) -> Result<Listener> {
        let ears = &self.recogniser;
        let delay = ears.delay(options.delay_ms)?;
        let recall = options.recall_ms.map(|ms| (f64::from(ms) / ears.token_ms()).ceil() as usize);
        let text = &ears.shape().text;
        let ids = Ids { eos: text.eos, pad: text.pad, word: text.word };
        Ok(Listener {
            stream: ears.stream(delay, recall)?,
            transcript: Transcript::new(ids, ears.token_ms(), options.pause_ms),
            rate_hz: u64::from(self.info.sample_rate_hz),
            heard: 0,
            answers: Vec::new(),
            recent: Vec::new(),
            ears: ears.clone(),
        })
    }
}

/// One stream of sound, and all its state.
#[derive(Debug)]
pub struct Listener {
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

impl Listener {
    /// Hears samples, mono at [`EarsInfo::sample_rate_hz`], full scale ±1, in pieces of any length, and gives what came of
    /// it: each text that was ended, then the one that is open, if it has changed.
    ///
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

    /// What was said has an end here: answers at once, without waiting for the delay, and ends the text. Sound that follows
    /// is heard afresh. Errors: as [`Listener::feed`].
    pub fn flush(&mut self) -> Result<Vec<Heard>> {
        let answers = &mut self.answers;
        answers.clear();
        self.stream.finish(false, answers)?;
        self.take_answers();
        self.transcript.close();
        self.restart()?;
        Ok(self.transcript.take())
    }

    /// Forgets what was heard and not ended. Times go on. Errors: `Backend`.
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
        self.transcript.begin(self.heard * 1000 / self.rate_hz);
        Ok(())
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

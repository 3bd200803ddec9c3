//! One speech, pulled. In: text in pieces, a buffer. Out: a block of samples whenever one is asked for, computed then.
//!
//! It owns what it works with, so it can be kept, moved to another thread and dropped in any order; its session has its
//! state back when it is dropped. The decoder's state runs on from clause to clause, so that there is no seam between
//! them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::block::{Block, Canceller, Mark, Next, Summary};
use super::core::{Core, Home, give_back};
use super::cost::FrameTimes;
use super::guard::Silence;
use super::interlude::Interlude;
use super::options::Script;
use super::position::{ClauseText, Word};
use super::reading::Reading;
use super::speaker::{Ending, Speaker, Step, Why};
use super::tempo::Tempo;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Lane, Model};
use crate::text::ssml::Prosody;

/// The clause that is heard in the block made last.
#[derive(Debug)]
struct Heard {
    number: usize,
    text: Arc<ClauseText>,
    expected: u64,
    /// Number of its first sample.
    start: u64,
    samples: u64,
    over: bool,
}

/// The marks that were given out of a clause's text: it may be spoken once more.
#[derive(Debug, Default)]
struct Told {
    clause: usize,
    marks: usize,
}

/// Speech as it is asked for. As an iterator it gives blocks; it ends where text is needed, and goes on after a push.
pub struct Speech {
    model: Model,
    home: Home,
    /// `None` only while it is dropped.
    core: Option<Box<Core>>,
    speaker: Speaker,
    canceller: Canceller,
    silence: Silence,
    lane: Lane,
    heard: Option<Heard>,
    told: Told,
    /// The next block begins the clause in `heard`.
    mark_due: bool,
    /// What is heard in place of words, and samples of it that were given out.
    interlude: Option<(Interlude, u64)>,
    /// How the whole speech is said.
    prosody: Prosody,
    tempo: Tempo,
    /// At another speed than 1: samples that are still to be given out, and what the clause's end is after them.
    ready: VecDeque<f32>,
    ends: Option<Why>,
    /// Clauses that are complete, with their samples, of whose words nobody has asked yet.
    complete: Vec<(Arc<ClauseText>, Range<u64>)>,
    samples: u64,
    astray: usize,
    ends_withheld: u64,
    /// When the first block was given out; its text was begun before.
    begun: Instant,
    playing_since: Option<Instant>,
    unsaid_told: bool,
    codec_time: Duration,
}

impl Speech {
    /// Most bytes of text that may wait to be spoken.
    pub const MAX_WAITING_BYTES: usize = Reading::MAX_WAITING_BYTES;

    pub(super) fn new(model: Model, home: Home, mut core: Box<Core>, script: Script, lane: Lane) -> Self {
        let canceller = Canceller::default();
        let cancelled = canceller.clone();
        core.generator.set_abort(Arc::new(move || cancelled.is_cancelled()));
        core.codec.reset();
        Self {
            silence: Silence::new(&script.guards),
            prosody: script.prosody,
            tempo: Tempo::new(),
            ready: VecDeque::new(),
            ends: None,
            speaker: Speaker::new(script),
            ends_withheld: core.generator.ends_withheld(),
            model,
            home,
            core: Some(core),
            canceller,
            lane,
            heard: None,
            told: Told::default(),
            mark_due: false,
            interlude: None,
            complete: Vec::new(),
            samples: 0,
            astray: 0,
            begun: Instant::now(),
            playing_since: None,
            unsaid_told: false,
            codec_time: Duration::ZERO,
        }
    }

    /// Adds text; words and sentences may be cut up anywhere.
    ///
    /// Errors: `Ended` after [`Speech::finish`], `Busy` where more than [`Speech::MAX_WAITING_BYTES`] would wait.
    pub fn push(&mut self, text: &str) -> Result<()> {
        self.speaker.push(text)
    }

    /// The text is complete.
    pub fn finish(&mut self) {
        self.speaker.finish();
    }

    /// Speaks what has been pushed so far without waiting for the end of the sentence.
    pub fn flush(&mut self) {
        self.speaker.flush();
    }

    /// Stops this speech from any thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Samples per block.
    pub fn samples_per_block(&self) -> usize {
        self.model.info().samples_per_frame
    }

    /// Characters of the text that have been spoken with the blocks given out so far.
    pub fn position(&self) -> usize {
        self.heard.as_ref().map_or(0, |heard| {
            let length = heard.over.then_some(heard.samples);
            heard.text.position(heard.samples, length, heard.expected)
        })
    }

    /// The same place in bytes of the text.
    pub fn position_bytes(&self) -> usize {
        self.heard.as_ref().map_or(0, |heard| heard.text.byte_of(self.position()))
    }

    /// The words of the clauses that have come to their end since the last call, and when they are heard. A clause is at
    /// its end when the next block, more text or the end was given out after its last block. The clause that a budget or
    /// a cancel broke off is not among them: [`Speech::position`] says how far it came.
    pub fn take_words(&mut self) -> Vec<Word> {
        self.complete.drain(..).flat_map(|(text, samples)| text.words(samples)).collect()
    }

    /// How it stands.
    pub fn summary(&self) -> Summary {
        let withheld = self.core.as_ref().map_or(self.ends_withheld, |core| core.generator.ends_withheld());
        Summary {
            frames: self.speaker.frames(),
            clauses: self.speaker.clauses(),
            astray: self.astray,
            ending: self.speaker.ending(),
            ends_withheld: withheld - self.ends_withheld,
        }
    }

    /// Times of the last block's frame.
    #[doc(hidden)]
    pub fn times(&self) -> FrameTimes {
        let times = self.core.as_ref().map_or(FrameTimes::default(), |core| core.generator.times());
        FrameTimes { codec: self.codec_time, ..times }
    }

    /// A complete text has nothing in it that can be spoken.
    pub(super) fn has_nothing_to_say(&mut self) -> bool {
        self.speaker.has_nothing_to_say()
    }

    /// Computes the next block into `pcm`, which has [`Speech::samples_per_block`] samples.
    ///
    /// Errors: `OutOfBudget` where the caller's budget left something unsaid (the message says what; every block before
    /// it is good) or a clause does not fit the context; `BadOption` for another buffer, `Backend`. After an error it
    /// has ended.
    pub fn next_into(&mut self, pcm: &mut [f32]) -> Result<Next> {
        if pcm.len() != self.samples_per_block() {
            let message = format!("a block has {} samples: give a buffer of that size", self.samples_per_block());
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        loop {
            if self.canceller.is_cancelled() {
                self.speaker.end(Ending::Cancelled);
                self.ready.clear();
            }
            if let Some(mark) = self.next_mark() {
                return Ok(mark);
            }
            if !self.ready.is_empty() {
                return Ok(Next::Audio(self.ready(pcm)));
            }
            if let Some(why) = self.ends.take() {
                self.clause_ends(why);
                continue;
            }
            if !self.canceller.is_cancelled()
                && let Some(block) = self.interlude(pcm)
            {
                return Ok(Next::Audio(block));
            }
            match self.step(pcm)? {
                Some(next) => return Ok(next),
                None => continue,
            }
        }
    }

    /// When what was given out so far has been played, if it is played as it comes.
    fn dry_at(&self) -> Instant {
        let seconds = self.samples as f64 / f64::from(self.model.info().sample_rate_hz.max(1));
        self.playing_since.map_or(self.begun, |since| since + Duration::from_secs_f64(seconds))
    }

    fn step(&mut self, pcm: &mut [f32]) -> Result<Option<Next>> {
        let dry_at = self.dry_at();
        let Some(core) = &mut self.core else { return Ok(Some(Next::End(Ending::Cancelled))) };
        let turn = self.model.turns().take(self.lane, dry_at);
        let step = match self.speaker.step(&mut core.generator) {
            Err(e) if e.kind() == ErrorKind::Cancelled && self.canceller.is_cancelled() => {
                return Ok(Some(Next::End(Ending::Cancelled)));
            }
            step => step?,
        };
        if let Step::Frame(frame) = &step {
            let started = Instant::now();
            core.codec.decode(std::slice::from_ref(frame), pcm, self.model.pool());
            self.codec_time = started.elapsed();
        }
        drop(turn);
        if matches!(step, Step::Ended(ending) if ending != Ending::Cancelled) {
            self.ready.extend(self.tempo.flush()); // of a clause that a budget has cut
            if !self.ready.is_empty() {
                return Ok(None);
            }
        }
        Ok(match step {
            Step::Working => None,
            Step::Clause { number, text, expected_frames } => {
                self.tempo.begin(text.prosody.and(self.prosody).speed, self.model.info().sample_rate_hz)?;
                let expected = self.tempo.length(expected_frames as u64 * pcm.len() as u64);
                self.mark_due = text.interlude.is_none();
                let start = self.samples;
                if self.told.clause != number {
                    self.told = Told { clause: number, marks: 0 };
                }
                self.heard = Some(Heard { number, text, expected, start, samples: 0, over: false });
                self.silence.begin();
                None
            }
            Step::Interlude(interlude) => {
                self.interlude = Some((interlude.at_rate(self.model.info().sample_rate_hz)?, 0));
                None
            }
            Step::Frame(_) => self.frame(pcm),
            Step::ClauseEnd(why) => {
                self.end_clause(why);
                None
            }
            Step::NeedText => {
                let now = Instant::now();
                let ahead = dry_at.saturating_duration_since(now);
                Some(Next::NeedText { flush_at: self.speaker.late_at(now, Some(ahead)) })
            }
            Step::Ended(Ending::Budget) if !std::mem::replace(&mut self.unsaid_told, true) => {
                return Err(self.speaker.unsaid());
            }
            Step::Ended(ending) => Some(Next::End(ending)),
        })
    }

    /// A piece of what is heard in place of words.
    fn interlude(&mut self, pcm: &mut [f32]) -> Option<Block> {
        let (interlude, given) = self.interlude.as_mut()?;
        let gain = self.heard.as_ref().map_or(1.0, |heard| heard.text.prosody.and(self.prosody).gain);
        let samples = interlude.read(*given, self.model.info().sample_rate_hz, gain, pcm);
        *given += samples as u64;
        if samples == 0 {
            self.interlude = None;
            return None;
        }
        Some(self.block(samples))
    }

    /// The next of the text's own marks that has been reached.
    fn next_mark(&mut self) -> Option<Next> {
        let heard = self.heard.as_ref()?;
        let (byte, name) = heard.text.marks.get(self.told.marks)?;
        let length = heard.over.then_some(heard.samples);
        let within = heard.text.mark_at(*byte, length, heard.expected);
        if within > heard.samples {
            return None;
        }
        self.told.marks += 1;
        Some(Next::Mark { name: name.clone(), sample: heard.start + within })
    }

    /// A frame was decoded: a block, or at another speed what becomes ready of it.
    fn frame(&mut self, pcm: &mut [f32]) -> Option<Next> {
        let mut why = None;
        if let Some(heard) = &self.heard {
            let gain = heard.text.prosody.and(self.prosody).gain;
            why = self.silence.hears(pcm).map(|frames| self.speaker.fell_silent(heard.number, frames));
            if gain != 1.0 {
                pcm.iter_mut().for_each(|sample| *sample *= gain);
            }
        }
        let block = self.tempo.is_plain().then(|| self.block(pcm.len()));
        if block.is_none() {
            self.ready.extend(self.tempo.through(pcm));
        }
        if let Some(why) = why {
            self.end_clause(why);
        }
        block.map(Next::Audio)
    }

    /// As much of what is ready as fits.
    fn ready(&mut self, pcm: &mut [f32]) -> Block {
        let samples = pcm.len().min(self.ready.len());
        pcm.iter_mut().zip(self.ready.drain(..samples)).for_each(|(sample, ready)| *sample = ready);
        self.block(samples)
    }

    fn block(&mut self, samples: usize) -> Block {
        let sample = self.samples;
        self.samples += samples as u64;
        self.playing_since.get_or_insert_with(Instant::now);
        let due = std::mem::take(&mut self.mark_due);
        let mut mark = None;
        if let Some(heard) = &mut self.heard {
            heard.samples += samples as u64;
            let text = &heard.text;
            mark = due.then(|| Mark { sample, chars: text.chars.clone(), bytes: text.bytes.clone() });
        }
        Block { sample, samples, mark }
    }

    /// Nothing more comes of a clause than what is ready or held back.
    fn end_clause(&mut self, why: Why) {
        self.ready.extend(self.tempo.flush());
        match self.ready.is_empty() {
            true => self.clause_ends(why),
            false => self.ends = Some(why),
        }
    }

    fn clause_ends(&mut self, why: Why) {
        if let Some(heard) = &mut self.heard {
            heard.over = true;
            // One that is spoken once more has its words then.
            if !matches!(why, Why::Astray { retried: true, .. }) {
                self.complete.push((heard.text.clone(), heard.start..heard.start + heard.samples));
            }
        }
        if let Why::Astray { trip, retried } = why {
            self.astray += 1;
            let what = if retried { "it is spoken once more" } else { "it is left there" };
            log::warn!("a clause went astray ({trip:?}): {what}");
        }
    }
}

impl std::fmt::Debug for Speech {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speech").field("summary", &self.summary()).finish_non_exhaustive() // not the rules of its text
    }
}

impl Drop for Speech {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            give_back(&self.home, core);
        }
    }
}

impl Iterator for Speech {
    type Item = Result<Vec<f32>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut pcm = vec![0.0; self.samples_per_block()];
        loop {
            match self.next_into(&mut pcm) {
                Ok(Next::Audio(block)) => {
                    pcm.truncate(block.samples);
                    return Some(Ok(pcm));
                }
                Ok(Next::Mark { .. }) => {}
                Ok(Next::NeedText { .. } | Next::End(_)) => return None,
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

//! A listener by turns, for a model that hears whole sounds: Whisper. In: samples. Out: a text for each turn, once it has ended.
//!
//! Voice activity says where somebody speaks; nothing else is ever given to the model, which invents words where nobody does.
//! Nothing is computed meanwhile but the voice activity, so a long silence costs next to nothing. A turn's text is computed as
//! soon as all of its sound is there, while it is waited whether somebody goes on: it is there when the turn is known to have
//! ended, and in vain where it has not. A machine that takes longer than that wait computes at the end alone.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::turn::{TurnEvent, TurnOptions, Turns};
use super::wav::RATE_HZ;
use super::whisper::{Options, Segment, Transcript, Whisper, WhisperWeights};
use super::{Heard, HeardWord, ListenOptions};
use crate::error::{Error, ErrorKind, Result};

/// Sound that is kept while nobody speaks: a turn that begins reaches back no farther.
const KEPT_MS: u64 = 2_000;

#[derive(Debug)]
pub(super) struct ByTurns {
    whisper: Whisper,
    options: Options,
    turns: Turns,
    /// Sound from sample `first` on: of the turn that is open, or of the last moments.
    kept: Vec<f32>,
    first: u64,
    /// Where the turn that is open begins.
    begun: Option<u64>,
    /// What is said between two samples, for a turn that may go on.
    ahead: Option<(Range<u64>, Transcript)>,
    /// Silence that ends a turn, and seconds that the last text took of each second that the model saw.
    pause_ms: u32,
    pace: f64,
}

impl ByTurns {
    /// Errors: `BadOption` (of what streaming models alone can do; an unknown language), `BadPack`, `OutOfMemory`.
    pub fn new(weights: &Arc<WhisperWeights>, threads: usize, options: &ListenOptions) -> Result<Self> {
        let refused = |what: &str| {
            let message = format!(
                "{what} is for packs of the family voxtral-realtime; this one hears turn by turn: leave it out"
            );
            Error::new(ErrorKind::BadOption, message)
        };
        if options.delay_ms.is_some() {
            return Err(refused("a delay"));
        }
        if !options.phrases.is_empty() {
            return Err(refused("a list of phrases"));
        }
        let language = options.language.clone();
        if let Some(wanted) = language.as_deref().filter(|wanted| !weights.languages().any(|tag| tag == *wanted)) {
            let known = weights.languages().collect::<Vec<_>>().join(", ");
            return Err(Error::new(ErrorKind::BadOption, format!("unknown language \"{wanted}\": choose {known}")));
        }
        Ok(Self {
            whisper: Whisper::new(weights, threads)?,
            options: Options { language, ..Options::default() },
            turns: Turns::new(TurnOptions { hangover_ms: options.pause_ms, ..TurnOptions::default() })?,
            kept: Vec::new(),
            first: 0,
            begun: None,
            ahead: None,
            pause_ms: options.pause_ms,
            pace: 0.0,
        })
    }

    /// Errors: `BadPack`.
    pub fn feed(&mut self, samples: &[f32]) -> Result<Vec<Heard>> {
        self.kept.extend_from_slice(samples);
        let mut events = Vec::new();
        self.turns.feed(samples, |event| events.push(event));
        self.hear(&events)
    }

    /// Errors: `BadPack`.
    pub fn flush(&mut self) -> Result<Vec<Heard>> {
        let mut events = Vec::new();
        self.turns.flush(|event| events.push(event));
        self.hear(&events)
    }

    /// Errors: `BadPack`.
    pub fn skip(&mut self, samples: u64) -> Result<Vec<Heard>> {
        let heard = self.flush()?;
        self.reset();
        self.turns.skip(samples);
        self.first += samples;
        Ok(heard)
    }

    pub fn reset(&mut self) {
        self.turns.reset();
        (self.begun, self.ahead) = (None, None);
        self.first += self.kept.len() as u64;
        self.kept.clear();
    }

    fn hear(&mut self, events: &[TurnEvent]) -> Result<Vec<Heard>> {
        let mut heard = Vec::new();
        for event in events {
            match *event {
                TurnEvent::Started { from, .. } => self.begun = Some(from),
                TurnEvent::Paused { .. } => {}
                TurnEvent::Ended { to, .. } => {
                    let Some(from) = self.begun.take() else { continue };
                    let said = match self.ahead.take().filter(|(sound, _)| *sound == (from..to)) {
                        Some((_, said)) => said,
                        None => self.transcribe(from..to)?,
                    };
                    heard.extend(text(&said.segments, from * 1000 / u64::from(RATE_HZ), said.language));
                }
            }
        }
        if let (Some(&TurnEvent::Paused { to }), Some(from)) = (events.last(), self.begun)
            && self.turns.is_paused()
            && self.seen_s(to - from) * self.pace * 1000.0 < f64::from(self.pause_ms)
        {
            self.ahead = Some((from..to, self.transcribe(from..to)?));
        }
        self.forget();
        Ok(heard)
    }

    /// What is said between two samples of those that are kept.
    fn transcribe(&mut self, sound: Range<u64>) -> Result<Transcript> {
        let at = |place: u64| usize::try_from(place.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let kept = self.kept.get(at(sound.start)..at(sound.end).min(self.kept.len())).unwrap_or_default();
        let begun = Instant::now();
        let said = self.whisper.transcribe(kept, &self.options)?;
        self.pace = begun.elapsed().as_secs_f64() / self.seen_s(sound.end - sound.start);
        Ok(said)
    }

    /// Seconds that the model sees of so many samples, the silence behind them included.
    fn seen_s(&self, samples: u64) -> f64 {
        samples as f64 / f64::from(RATE_HZ) + f64::from(self.options.padding_ms) / 1000.0
    }

    /// Drops what no turn can reach any more.
    fn forget(&mut self) {
        let end = self.first + self.kept.len() as u64;
        let needed = self.begun.unwrap_or(end.saturating_sub(KEPT_MS * u64::from(RATE_HZ) / 1000));
        let over = usize::try_from(needed.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.kept.len());
        self.kept.drain(..over);
        self.first += over as u64;
    }
}

/// A turn's segments as one text, that began at `origin_ms`. The model tells times of segments; those of words are their share.
fn text(segments: &[Segment], origin_ms: u64, language: String) -> Option<Heard> {
    let (first, last) = (segments.first()?, segments.last()?);
    Some(Heard {
        text: segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(" "),
        words: segments.iter().flat_map(|segment| words(segment, origin_ms)).collect(),
        start_ms: origin_ms + u64::from(first.start_ms),
        end_ms: origin_ms + u64::from(last.end_ms),
        is_final: true,
        language: Some(language),
    })
}

fn words(segment: &Segment, origin_ms: u64) -> Vec<HeardWord> {
    let all = segment.text.chars().filter(|c| !c.is_whitespace()).count().max(1) as u64;
    let length_ms = u64::from(segment.end_ms.saturating_sub(segment.start_ms));
    let at = |letters: u64| origin_ms + u64::from(segment.start_ms) + length_ms * letters / all;
    let mut letters = 0;
    let mut word = |text: &str| {
        let before = letters;
        letters += text.chars().count() as u64;
        HeardWord { text: text.to_owned(), start_ms: at(before), end_ms: at(letters) }
    };
    segment.text.split_whitespace().map(&mut word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_s_text_is_there_when_it_is_known_to_have_ended_and_is_forgotten_where_somebody_goes_on() {
        let weights = crate::hear::whisper::tests::weights(syrinx_quant::Recipe::Q8);
        let recording = crate::hear::vad::tests::command();
        let mut command = 0..0;
        let mut turns = Turns::new(TurnOptions::default()).unwrap();
        let mut event = |event| match event {
            TurnEvent::Started { onset, .. } => command.start = onset as usize,
            TurnEvent::Paused { .. } => {}
            TurnEvent::Ended { offset, .. } => command.end = offset as usize,
        };
        turns.feed(&recording, &mut event);
        turns.flush(&mut event);
        let pause = |ms: usize| vec![0.0; ms * RATE_HZ as usize / 1000];
        let command = &recording[command];
        let sound = [command, &pause(700), command, &pause(1000)].concat();
        let mut ears = ByTurns::new(&weights, 1, &ListenOptions::default()).unwrap();
        let (mut ahead, mut in_vain, mut heard) = (None, 0, Vec::new());
        for piece in sound.chunks(512) {
            ears.pace = 0.0; // however slow this machine is
            let text = ears.feed(piece).unwrap();
            match (&ears.ahead, ahead.take()) {
                (None, Some(before)) => assert_eq!(text.len(), 1, "the end of {before:?}"),
                (Some((now, _)), Some(before)) => in_vain += usize::from(*now != before),
                (_, None) => assert_eq!(text, []),
            }
            ahead = ears.ahead.as_ref().map(|(sound, _)| sound.clone());
            heard.extend(text);
        }
        assert_eq!((heard.len(), in_vain), (1, 1));
    }

    #[test]
    fn words_share_the_time_of_their_segment_by_their_letters() {
        let segments = [
            Segment { text: "a bcd".to_owned(), start_ms: 100, end_ms: 500 },
            Segment { text: "ef".to_owned(), start_ms: 700, end_ms: 900 },
        ];
        let heard = text(&segments, 1000, "en".to_owned()).unwrap();
        assert_eq!((heard.text.as_str(), heard.start_ms, heard.end_ms, heard.is_final), ("a bcd ef", 1100, 1900, true));
        let times: Vec<_> = heard.words.iter().map(|word| (word.text.as_str(), word.start_ms, word.end_ms)).collect();
        assert_eq!(times, [("a", 1100, 1200), ("bcd", 1200, 1500), ("ef", 1700, 1900)]);
        assert_eq!(text(&[], 0, "en".to_owned()), None);
    }
}

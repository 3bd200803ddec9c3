//! Where speech begins and ends. In: samples at 16 kHz in pieces of any length. Out: events, each with its place in the
//! stream.
//!
//! A frame is speech where the probability is above one threshold, and stays speech down to a lower one. Speech is believed
//! after some of it, so that a click is none; it has ended after silence that is longer than the pauses within a sentence.
//! The network takes some frames to be sure, so speech began where the probability left the ground, not where it arrived.
//! A turn begins a little before its first frame, since a soft first consonant is below the threshold.

use super::vad::Vad;
use super::wav::RATE_HZ;
use crate::error::{Error, ErrorKind, Result};

/// How speech is told from what is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TurnOptions {
    /// Probability from which a frame is speech.
    pub start_probability: f32,
    /// Probability below which a frame within speech is none.
    pub end_probability: f32,
    /// Probability from which on a frame just before speech belongs to it.
    pub onset_probability: f32,
    /// Frames of speech, in all, after which it is believed.
    pub min_speech_ms: u32,
    /// Silence that ends a turn.
    pub hangover_ms: u32,
    /// What belongs to a turn before its first frame of speech. Whisper hears better with sound around the voice: of 738 values
    /// of 207 commands 641 with 200 ms on both sides, 657 with 500.
    pub preroll_ms: u32,
    /// What belongs to a turn behind its last frame of speech, of the hangover. 300 ms are as good as 500 (663 values each), and
    /// the text can be computed sooner.
    pub postroll_ms: u32,
    /// A turn that is longer is ended, and the next one begins at once.
    pub longest_ms: u32,
}

impl Default for TurnOptions {
    fn default() -> Self {
        Self {
            start_probability: 0.5,
            end_probability: 0.35,
            onset_probability: 0.15,
            min_speech_ms: 96,
            hangover_ms: 800,
            preroll_ms: 500,
            postroll_ms: 300,
            longest_ms: 29_000,
        }
    }
}

impl TurnOptions {
    /// Errors: `BadOption`, with the name of the option.
    fn check(&self) -> Result<()> {
        let bad = |what: String| Err(Error::new(ErrorKind::BadOption, what));
        for (name, value) in [
            ("start_probability", self.start_probability),
            ("end_probability", self.end_probability),
            ("onset_probability", self.onset_probability),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return bad(format!("{name} is {value}: choose 0 to 1"));
            }
        }
        if self.end_probability > self.start_probability {
            return bad("end_probability is above start_probability: choose a lower one".into());
        }
        if self.longest_ms < self.min_speech_ms.max(1000) {
            return bad(format!("longest_ms is {}: choose 1000 or more", self.longest_ms));
        }
        Ok(())
    }
}

/// What happened. Places are samples from the beginning of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// Somebody speaks.
    Started {
        /// Where the turn begins, its pre-roll included.
        from: u64,
        /// Where the first frame of speech begins.
        onset: u64,
    },
    /// It has been silent for as long as the post-roll: the turn ends at `to` unless somebody goes on.
    Paused { to: u64 },
    /// Nobody speaks any more.
    Ended {
        /// Where the turn ends, its post-roll included.
        to: u64,
        /// Where the last frame of speech ends.
        offset: u64,
        /// It was ended for its length; the next one begins where it ends.
        cut: bool,
    },
}

/// One stream's turns.
#[derive(Debug)]
pub struct Turns {
    vad: Vad,
    frame: Vec<f32>,
    filled: usize,
    state: State,
}

impl Turns {
    /// Errors: `BadOption`, `OutOfMemory`.
    pub fn new(options: TurnOptions) -> Result<Self> {
        options.check()?;
        let vad = Vad::new()?;
        let frame = vec![0.0; vad.frame_samples()];
        Ok(Self { state: State::new(options, frame.len()), vad, frame, filled: 0 })
    }

    /// Hears samples and calls `event` for what happened in them.
    pub fn feed(&mut self, mut samples: &[f32], mut event: impl FnMut(TurnEvent)) {
        while !samples.is_empty() {
            let taken = samples.len().min(self.frame.len() - self.filled);
            let (now, rest) = samples.split_at(taken);
            self.frame[self.filled..][..taken].copy_from_slice(now);
            self.filled += taken;
            samples = rest;
            if self.filled == self.frame.len() {
                self.filled = 0;
                self.state.step(self.vad.step(&self.frame), &mut event);
            }
        }
    }

    /// The stream ends here, or what was said is known to have an end: a turn that is open is ended.
    pub fn flush(&mut self, mut event: impl FnMut(TurnEvent)) {
        let here = self.state.at + self.filled as u64;
        self.state.flush(here, &mut event);
    }

    /// Whether a turn is open.
    pub fn is_open(&self) -> bool {
        matches!(self.state.phase, Phase::Speech { .. })
    }

    /// Whether a turn is open that would be complete if nobody went on.
    pub fn is_paused(&self) -> bool {
        self.is_open() && self.silence() >= samples(self.state.options.postroll_ms)
    }

    /// Silence since the last frame of speech of the open turn, in samples.
    pub fn silence(&self) -> u64 {
        match self.state.phase {
            Phase::Speech { offset, .. } => self.state.at.saturating_sub(offset),
            Phase::Silence | Phase::Perhaps { .. } => 0,
        }
    }

    /// Forgets what was heard; places go on.
    pub fn reset(&mut self) {
        self.vad.reset();
        self.state.at += self.filled as u64;
        self.filled = 0;
        self.state.phase = Phase::Silence;
        self.state.rise = None;
        self.state.free = self.state.at;
    }

    /// So many samples are missing here. To be called behind [`Turns::reset`].
    pub fn skip(&mut self, samples: u64) {
        self.state.at += samples;
        self.state.free = self.state.at;
    }
}

/// The rules alone: probabilities in, events out.
#[derive(Debug)]
struct State {
    options: TurnOptions,
    frame: u64,
    /// Where the next frame begins.
    at: u64,
    /// Where the last turn ended: nothing before it belongs to the next.
    free: u64,
    /// Where the probability left the ground, if it is above it.
    rise: Option<u64>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Silence,
    /// Speech that is not believed yet: where it began, samples of it, and where the last of them ends.
    Perhaps {
        onset: u64,
        heard: u64,
        offset: u64,
    },
    Speech {
        from: u64,
        offset: u64,
    },
}

/// What wavers for longer is no beginning.
const LONGEST_RISE_MS: u32 = 256;
/// Between two frames of speech that is not believed yet.
const GAP_MS: u32 = 100;

impl State {
    fn new(options: TurnOptions, frame: usize) -> Self {
        Self { options, frame: frame as u64, at: 0, free: 0, rise: None, phase: Phase::Silence }
    }

    fn step(&mut self, probability: f32, event: &mut impl FnMut(TurnEvent)) {
        let (start, end) = (self.at, self.at + self.frame);
        self.at = end;
        let TurnOptions { start_probability, end_probability, .. } = self.options;
        let rise = *self.rise.get_or_insert(start);
        if probability < self.options.onset_probability {
            self.rise = None;
        }
        match &mut self.phase {
            Phase::Silence => {
                if probability >= start_probability {
                    let onset = rise.max(start.saturating_sub(samples(LONGEST_RISE_MS))).max(self.free);
                    self.phase = Phase::Perhaps { onset, heard: self.frame, offset: end };
                }
            }
            Phase::Perhaps { heard, offset, .. } => {
                if probability >= end_probability {
                    *heard += self.frame;
                    *offset = end;
                } else if end - *offset > samples(GAP_MS) {
                    self.phase = Phase::Silence;
                }
            }
            Phase::Speech { offset, .. } => {
                if probability >= end_probability {
                    *offset = end;
                }
            }
        }
        self.believe(event);
        self.end(event);
    }

    /// Speech that has lasted is believed.
    fn believe(&mut self, event: &mut impl FnMut(TurnEvent)) {
        if let Phase::Perhaps { onset, heard, offset } = self.phase
            && heard >= samples(self.options.min_speech_ms)
        {
            let from = onset.saturating_sub(samples(self.options.preroll_ms)).max(self.free);
            self.phase = Phase::Speech { from, offset };
            event(TurnEvent::Started { from, onset });
        }
    }

    /// Speech that has stopped, or lasts too long, is ended.
    fn end(&mut self, event: &mut impl FnMut(TurnEvent)) {
        let Phase::Speech { from, offset } = self.phase else { return };
        let complete = self.complete(offset);
        let to = self.at.min(complete);
        if self.at - offset >= samples(self.options.hangover_ms) {
            self.phase = Phase::Silence;
            self.free = to;
            event(TurnEvent::Ended { to, offset, cut: false });
        } else if self.at - from >= samples(self.options.longest_ms) {
            let here = self.at;
            self.free = here;
            event(TurnEvent::Ended { to: here, offset, cut: true });
            self.phase = Phase::Speech { from: here, offset: here };
            event(TurnEvent::Started { from: here, onset: here });
        } else if self.at > offset && (complete..complete + self.frame).contains(&self.at) {
            event(TurnEvent::Paused { to });
        }
    }

    /// Where a turn ends whose last frame of speech ends at `offset`.
    fn complete(&self, offset: u64) -> u64 {
        offset + samples(self.options.postroll_ms)
    }

    fn flush(&mut self, here: u64, event: &mut impl FnMut(TurnEvent)) {
        if let Phase::Speech { offset, .. } = self.phase {
            self.free = here;
            event(TurnEvent::Ended { to: here.min(self.complete(offset)), offset, cut: false });
        }
        self.phase = Phase::Silence;
    }
}

fn samples(ms: u32) -> u64 {
    u64::from(ms) * u64::from(RATE_HZ) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 512;

    /// Events of frames with these probabilities, each so many times.
    fn events(options: TurnOptions, frames: &[(f32, usize)]) -> Vec<TurnEvent> {
        let mut state = State::new(options, FRAME as usize);
        let mut all = Vec::new();
        for &(probability, count) in frames {
            (0..count).for_each(|_| state.step(probability, &mut |event| all.push(event)));
        }
        all
    }

    #[test]
    fn speech_begins_before_its_first_frame_and_ends_behind_its_last() {
        let options = TurnOptions { preroll_ms: 64, postroll_ms: 96, ..TurnOptions::default() };
        let all = events(options, &[(0.1, 20), (0.9, 30), (0.1, 60)]);
        let (onset, offset) = (20 * FRAME, 50 * FRAME);
        let started = TurnEvent::Started { from: onset - 1024, onset };
        let to = offset + 1536;
        assert_eq!(all, [started, TurnEvent::Paused { to }, TurnEvent::Ended { to, offset, cut: false }]);
    }

    #[test]
    fn speech_began_where_the_probability_left_the_ground() {
        let onset = |frames: &[(f32, usize)]| match events(TurnOptions::default(), frames)[..] {
            [TurnEvent::Started { onset, .. }, ..] => onset / FRAME,
            ref all => panic!("{all:?}"),
        };
        assert_eq!(onset(&[(0.1, 20), (0.2, 3), (0.4, 2), (0.9, 30)]), 20);
        assert_eq!(onset(&[(0.2, 3), (0.1, 20), (0.9, 30)]), 23);
        assert_eq!(onset(&[(0.2, 50), (0.9, 30)]), 42, "what wavers for longer is no beginning");
    }

    #[test]
    fn a_click_is_no_speech_and_a_stammer_is() {
        assert!(events(TurnOptions::default(), &[(0.1, 20), (0.9, 2), (0.1, 60)]).is_empty());
        let stammer = [(0.1, 20), (0.9, 2), (0.1, 2), (0.9, 2), (0.1, 60)];
        let heard = events(TurnOptions::default(), &stammer);
        assert!(
            matches!(heard[..], [TurnEvent::Started { .. }, TurnEvent::Paused { .. }, TurnEvent::Ended { .. }]),
            "{heard:?}"
        );
    }

    #[test]
    fn what_wavers_between_the_thresholds_neither_begins_nor_ends() {
        assert!(events(TurnOptions::default(), &[(0.45, 200)]).is_empty());
        assert_eq!(events(TurnOptions::default(), &[(0.9, 10), (0.45, 200)]).len(), 1);
    }

    #[test]
    fn a_pause_within_the_hangover_ends_nothing() {
        let kinds = |pause: usize| -> String {
            let all = events(TurnOptions::default(), &[(0.9, 10), (0.1, pause), (0.9, 10), (0.1, 26)]);
            let kind = |event: &TurnEvent| match event {
                TurnEvent::Started { .. } => 'S',
                TurnEvent::Paused { .. } => 'P',
                TurnEvent::Ended { .. } => 'E',
            };
            all.iter().map(kind).collect()
        };
        assert_eq!(kinds(9), "SPE", "shorter than the post-roll");
        assert_eq!(kinds(24), "SPPE", "once a pause");
        assert_eq!(kinds(26), "SPESPE");
    }

    #[test]
    fn the_next_turn_takes_nothing_of_the_last() {
        let options = TurnOptions { hangover_ms: 64, preroll_ms: 1000, postroll_ms: 64, ..TurnOptions::default() };
        let all = events(options, &[(0.1, 40), (0.9, 10), (0.1, 2), (0.9, 10)]);
        let [TurnEvent::Started { .. }, TurnEvent::Ended { to, .. }, TurnEvent::Started { from, .. }] = all[..] else {
            panic!("{all:?}")
        };
        assert_eq!(from, to);
    }

    #[test]
    fn speech_without_end_is_cut_without_a_gap() {
        let options = TurnOptions { longest_ms: 2000, ..TurnOptions::default() };
        let all = events(options, &[(0.9, 1000)]);
        let cuts: Vec<u64> = all
            .iter()
            .filter_map(|e| if let TurnEvent::Ended { to, cut: true, .. } = e { Some(*to) } else { None })
            .collect();
        let starts: Vec<u64> = all
            .iter()
            .filter_map(|e| if let TurnEvent::Started { from, .. } = e { Some(*from) } else { None })
            .collect();
        assert!(cuts.len() > 10 && starts[1..] == cuts, "{all:?}");
        assert!(cuts.windows(2).all(|w| (32_000..33_000).contains(&(w[1] - w[0]))), "{cuts:?}");
    }

    #[test]
    fn any_cutting_of_the_samples_gives_the_same_turns() {
        let samples = crate::hear::vad::tests::command();
        let options = TurnOptions { hangover_ms: 200, ..TurnOptions::default() };
        let whole = |piece: usize| {
            let mut turns = Turns::new(options).unwrap();
            let mut all = Vec::new();
            samples.chunks(piece).for_each(|samples| turns.feed(samples, |event| all.push(event)));
            turns.flush(|event| all.push(event));
            all
        };
        let expected = whole(samples.len());
        assert!(expected.len() >= 2, "somebody speaks: {expected:?}");
        for piece in [1, 160, 511, 512, 4000] {
            assert_eq!(whole(piece), expected, "{piece}");
        }
    }

    #[test]
    fn options_that_contradict_themselves_are_refused_by_name() {
        let usual = TurnOptions::default();
        for (options, name) in [
            (TurnOptions { start_probability: 1.5, ..usual }, "start_probability"),
            (TurnOptions { end_probability: f32::NAN, ..usual }, "end_probability"),
            (TurnOptions { end_probability: 0.9, ..usual }, "end_probability"),
            (TurnOptions { longest_ms: 10, ..usual }, "longest_ms"),
        ] {
            let error = Turns::new(options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadOption);
            assert!(error.message().contains(name), "{error}");
        }
    }
}

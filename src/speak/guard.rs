//! Whether a clause has gone astray. In: its frames, and how they sound. Out: nothing, or what is wrong.
//!
//! A model of this kind fails in few ways: it does not stop, it repeats itself, or it falls silent. What is too much of
//! these is the pack's to say ([`Guards`]).

pub use syrinx_quant::manifest::Guards;

use crate::frame::Frame;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trip {
    /// More frames than the text can need.
    Length,
    /// The same few semantic codes over and over.
    Repetition,
    /// No sound in the midst of speech.
    Silence,
}

/// The longest pattern whose repetition is noticed, in frames.
const PERIOD: usize = 8;
/// Semantic codes that are remembered.
const MEMORY: usize = 128;

/// Watches one clause.
#[derive(Debug)]
pub(super) struct Guard {
    guards: Guards,
    budget: u64,
    frames: u64,
    codes: [u16; MEMORY],
    /// Per period, how many codes in a row were equal to the one a period before.
    repeats: [usize; PERIOD],
}

impl Guard {
    /// For a clause of so many spoken characters, which has `most` frames in any case.
    pub fn new(guards: Guards, chars: usize, most: u64) -> Self {
        let per_text = (guards.most_frames_per_char * chars as f32).ceil() as u64;
        let budget = match guards.most_frames_per_char > 0.0 {
            true => per_text.saturating_add(u64::from(guards.spare_frames)).min(most),
            false => most,
        };
        Self { guards, budget, frames: 0, codes: [0; MEMORY], repeats: [0; PERIOD] }
    }

    /// Looks at the next frame.
    pub fn check(&mut self, frame: &Frame) -> Option<Trip> {
        let at = self.frames as usize;
        let code = frame.semantic();
        for (period, repeats) in (1..=PERIOD).zip(&mut self.repeats) {
            let before = at.checked_sub(period).and_then(|i| self.codes.get(i % MEMORY));
            *repeats = if before == Some(&code) { *repeats + 1 } else { 0 };
        }
        if let Some(slot) = self.codes.get_mut(at % MEMORY) {
            *slot = code;
        }
        self.frames += 1;
        let repeats = self.repeats.iter().copied().max().unwrap_or(0) as u64;
        let reached = |limit: u32, count: u64| limit > 0 && count >= u64::from(limit);
        if self.frames > self.budget {
            Some(Trip::Length)
        } else if reached(self.guards.repetition_frames, repeats) {
            Some(Trip::Repetition)
        } else {
            None
        }
    }
}

/// Listens to one clause as it is decoded. Whoever decodes asks it, frame by frame, so that silence ends a clause at
/// the same frame however far the generator is ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    /// Root mean square below which a frame is silent.
    threshold: f32,
    limit: u32,
    frames: u64,
    silent: u32,
}

impl Silence {
    pub fn new(guards: &Guards) -> Self {
        let threshold = 10f32.powf(guards.silence_dbfs / 20.0);
        Self { threshold, limit: guards.silence_frames, frames: 0, silent: 0 }
    }

    /// A clause begins.
    pub fn begin(&mut self) {
        (self.frames, self.silent) = (0, 0);
    }

    /// Hears a frame. The number of frames of the clause, where it has been silent for too long.
    pub fn hears(&mut self, pcm: &[f32]) -> Option<u64> {
        let power = pcm.iter().map(|x| x * x).sum::<f32>() / pcm.len().max(1) as f32;
        self.frames += 1;
        self.silent = if power.sqrt() < self.threshold { self.silent + 1 } else { 0 };
        (self.limit > 0 && self.silent >= self.limit).then_some(self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(codes: impl IntoIterator<Item = u16>) -> impl Iterator<Item = Frame> {
        codes.into_iter().map(|code| Frame::from_codes(&[code]).unwrap())
    }

    fn trip(guards: Guards, codes: impl IntoIterator<Item = u16>) -> Option<(usize, Trip)> {
        let mut guard = Guard::new(guards, 10, u64::MAX);
        frames(codes).enumerate().find_map(|(i, frame)| Some((i, guard.check(&frame)?)))
    }

    #[test]
    fn a_clause_that_does_not_end_is_noticed_by_its_length() {
        let found = trip(Guards::default(), (0..500).map(|i| i * 7 % 251));
        assert_eq!(found, Some((50, Trip::Length)));
    }

    #[test]
    fn codes_that_go_round_are_noticed() {
        let long = Guards { most_frames_per_char: 0.0, ..Guards::default() };
        assert_eq!(trip(long, (0..500).map(|i| 40 + i % 3)).map(|found| found.1), Some(Trip::Repetition));
        assert_eq!(trip(long, (0..500).map(|i| 40 + i % 60)), None);
    }

    #[test]
    fn a_held_sound_is_no_repetition_yet() {
        let long = Guards { most_frames_per_char: 0.0, ..Guards::default() };
        let held = (0..300).map(|i| if i % 30 < 20 { 5 } else { i });
        assert_eq!(trip(long, held), None);
    }

    #[test]
    fn no_clause_is_longer_than_its_budget() {
        let unwatched = Guards { most_frames_per_char: 0.0, repetition_frames: 0, ..Guards::default() };
        let mut guard = Guard::new(unwatched, 10, 500);
        let trip = frames(std::iter::repeat_n(5, 600)).position(|frame| guard.check(&frame).is_some());
        assert_eq!(trip, Some(500));
    }

    #[test]
    fn silence_counts_from_the_clause_s_own_beginning() {
        let mut silence = Silence::new(&Guards { silence_frames: 4, ..Guards::default() });
        let (quiet, loud) = ([0.0; 8], [0.1; 8]);
        assert!([quiet, quiet, quiet, loud, quiet, quiet, quiet].iter().all(|pcm| silence.hears(pcm).is_none()));
        silence.begin();
        let heard: Vec<_> = std::iter::repeat_with(|| silence.hears(&quiet)).take(5).collect();
        assert_eq!(heard, [None, None, None, Some(4), Some(5)]);
    }
}

//! Whether a clause has gone astray. In: its frames. Out: nothing, or what is wrong.
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
    pub fn new(guards: Guards, chars: usize) -> Self {
        let per_text = (guards.most_frames_per_char * chars as f32).ceil() as u64;
        let budget = match guards.most_frames_per_char > 0.0 {
            true => per_text.saturating_add(u64::from(guards.spare_frames)),
            false => u64::MAX,
        };
        Self { guards, budget, frames: 0, codes: [0; MEMORY], repeats: [0; PERIOD] }
    }

    /// Looks at the next frame. `silent_frames` is the number of frames without sound that ends with the last one
    /// decoded.
    pub fn check(&mut self, frame: &Frame, silent_frames: u64) -> Option<Trip> {
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
        } else if reached(self.guards.silence_frames, silent_frames.min(self.frames)) {
            Some(Trip::Silence)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(codes: impl IntoIterator<Item = u16>) -> impl Iterator<Item = Frame> {
        codes.into_iter().map(|code| Frame::from_codes(&[code]).unwrap())
    }

    fn trip(guards: Guards, codes: impl IntoIterator<Item = u16>) -> Option<(usize, Trip)> {
        let mut guard = Guard::new(guards, 10);
        frames(codes).enumerate().find_map(|(i, frame)| Some((i, guard.check(&frame, 0)?)))
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
    fn silence_counts_from_the_clause_s_own_beginning() {
        let mut guard = Guard::new(Guards { most_frames_per_char: 0.0, ..Guards::default() }, 10);
        let trips: Vec<_> = frames((0..60).map(|i| i * 7)).map(|frame| guard.check(&frame, 1000)).collect();
        assert_eq!(trips.iter().position(Option::is_some), Some(37));
    }
}

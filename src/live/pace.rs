//! Keeping up. In: how long frames took, how hot the board is. Out: how many frames of a clause to have before it is
//! begun, and, if it is allowed, a cheaper way to make them.

use super::event::Event;
use crate::board::Rung;
use crate::flow::{Quality, Solver};

/// Frames over which the pace is averaged, and how many such averages are remembered.
const WINDOW: usize = 4;
const WINDOWS: usize = 8;
/// Above this share of real time a clause needs a reserve for its frames' uneven times.
const TIGHT: f32 = 0.8;
/// What an underrun adds, once per utterance, and how much that may become.
const GROWTH_FRAMES: usize = 2;
const MAX_EXTRA_FRAMES: usize = 12;

/// The start buffer.
#[derive(Debug)]
pub(super) struct Pace {
    /// `Some` overrides the measurement.
    fixed: Option<usize>,
    /// Largest buffer that the rings can hold.
    max_frames: usize,
    /// Generation time over play time: of the current window, and of the last ones.
    sum: f32,
    count: usize,
    windows: [f32; WINDOWS],
    at: usize,
    extra: usize,
    grown: bool,
    /// Frames that a hot board has in reserve.
    pub reserve: usize,
}

impl Pace {
    pub fn new(fixed: Option<usize>, max_frames: usize) -> Self {
        Self {
            fixed,
            max_frames,
            sum: 0.0,
            count: 0,
            windows: [0.0; WINDOWS],
            at: 0,
            extra: 0,
            grown: false,
            reserve: 0,
        }
    }

    /// A frame took `ratio` times its length.
    pub fn observe(&mut self, ratio: f32) {
        self.sum += ratio;
        self.count += 1;
        if self.count == WINDOW {
            if let Some(slot) = self.windows.get_mut(self.at % WINDOWS) {
                *slot = self.sum / WINDOW as f32;
            }
            (self.sum, self.count, self.at) = (0.0, 0, self.at + 1);
        }
    }

    /// The slowest recent real-time factor; 0 when nothing is known.
    pub fn slowest(&self) -> f32 {
        self.windows.iter().copied().fold(0.0, f32::max)
    }

    /// Frames are made in another way from now on: what was measured says nothing of it.
    pub fn forget(&mut self) {
        (self.sum, self.count, self.windows) = (0.0, 0, [0.0; WINDOWS]);
    }

    /// A new utterance may grow its buffer again.
    pub fn begin(&mut self) {
        self.grown = false;
    }

    /// Samples ran out.
    pub fn underrun(&mut self) {
        if !std::mem::replace(&mut self.grown, true) {
            self.extra = (self.extra + GROWTH_FRAMES).min(MAX_EXTRA_FRAMES);
        }
    }

    /// Frames to have before a clause of `expected` frames begins. Made at `r` times real time, `n` frames never run
    /// out if `n (r - 1) / r` of them are there first.
    pub fn start_frames(&self, expected: usize) -> usize {
        if let Some(frames) = self.fixed {
            return frames.clamp(1, self.max_frames);
        }
        let r = self.slowest();
        let slow = if r > 1.0 { (expected as f32 * (r - 1.0) / r).ceil() as usize } else { 0 };
        let uneven = usize::from(r > TIGHT);
        (1 + uneven + slow + self.extra + self.reserve).min(self.max_frames)
    }
}

/// What a clause is made with, from its first frame on.
#[derive(Debug)]
pub(super) struct Governor {
    pace: Pace,
    /// Trade quality for continuity.
    allowed: bool,
    /// What the pace asks for.
    quality: Quality,
    /// What was told last: the cheaper of that and what the heat asks for, as far as it changes anything.
    told: (Quality, Rung),
    /// Underruns up to the last clause.
    underruns: u64,
}

/// How a clause is to be made.
#[derive(Debug)]
pub(super) struct Terms {
    pub solver: Solver,
    /// Frames to have before it begins.
    pub start_frames: usize,
    /// What has changed since the last one.
    pub events: Vec<Event>,
}

impl Governor {
    pub fn new(pace: Pace, allowed: bool) -> Self {
        Self { pace, allowed, quality: Quality::Full, told: (Quality::Full, Rung::Full), underruns: 0 }
    }

    /// Another utterance begins.
    pub fn begin(&mut self) {
        self.pace.begin();
    }

    /// A frame took `ratio` times its length.
    pub fn observe(&mut self, ratio: f32) {
        self.pace.observe(ratio);
    }

    /// The terms of a clause of about `expected` frames. `underruns`: how many there have been in all.
    pub fn clause(&mut self, asked: Solver, expected: usize, underruns: u64, rung: Rung) -> Terms {
        if std::mem::replace(&mut self.underruns, underruns) != underruns {
            self.pace.underrun();
        }
        self.pace.reserve = rung.reserve_frames();
        let start_frames = self.pace.start_frames(expected);
        self.quality = if self.allowed { self.quality.next(self.pace.slowest()) } else { Quality::Full };
        let quality = self.quality.max(rung.quality()).felt(asked);
        let (quality_before, rung_before) = std::mem::replace(&mut self.told, (quality, rung));
        let mut events = Vec::new();
        if rung_before != rung {
            events.push(Event::Heat { rung });
        }
        if quality_before != quality {
            self.pace.forget();
            events.push(Event::Quality { quality });
        }
        Terms { solver: quality.solver(asked), start_frames, events }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(ratio: f32) -> Pace {
        let mut pace = Pace::new(None, 50);
        (0..WINDOW).for_each(|_| pace.observe(ratio));
        pace
    }

    #[test]
    fn a_fast_machine_starts_with_one_frame() {
        assert_eq!(Pace::new(None, 50).start_frames(30), 1);
        assert_eq!(pace(0.5).start_frames(30), 1);
    }

    #[test]
    fn a_slow_machine_waits_for_as_much_as_it_will_lack() {
        assert_eq!(pace(1.5).start_frames(30), 12); // 10, 1 for unevenness, 1 to play
        assert_eq!(pace(5.0).start_frames(300), 50);
    }

    #[test]
    fn an_utterance_grows_its_buffer_once() {
        let mut pace = pace(0.5);
        pace.underrun();
        pace.underrun();
        assert_eq!(pace.start_frames(30), 3);
        pace.begin();
        pace.underrun();
        assert_eq!(pace.start_frames(30), 5);
    }

    #[test]
    fn another_quality_is_judged_by_its_own_pace() {
        let mut pace = pace(1.5);
        assert_eq!(Quality::Full.next(pace.slowest()), Quality::FewerSteps);
        pace.forget();
        (0..WINDOW).for_each(|_| pace.observe(0.7));
        assert_eq!(Quality::FewerSteps.next(pace.slowest()), Quality::FewerSteps);
    }
}

//! Keeping up. In: how long frames took. Out: how many frames of a clause to have before it is begun, and, if it is
//! allowed, a cheaper way to make them.

use crate::flow::Solver;

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

/// A declared way to save time, from the best to the cheapest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// As asked for.
    #[default]
    Full,
    /// Half of the flow steps, at least 3.
    FewerSteps,
    /// Half of the flow steps, no guidance.
    NoGuidance,
}

impl Quality {
    pub(super) fn solver(self, asked: Solver) -> Solver {
        let steps = asked.steps.div_ceil(2).max(3).min(asked.steps);
        match self {
            Self::Full => asked,
            Self::FewerSteps => Solver { steps, ..asked },
            Self::NoGuidance => Solver { steps, guidance: 1.0, ..asked },
        }
    }

    /// What to use next, given the slowest recent real-time factor. It returns where twice the work would still be in
    /// time.
    pub(super) fn next(self, slowest: f32) -> Self {
        match self {
            Self::Full if slowest > 0.95 => Self::FewerSteps,
            Self::FewerSteps if slowest > 0.95 => Self::NoGuidance,
            Self::FewerSteps if slowest < 0.45 => Self::Full,
            Self::NoGuidance if slowest < 0.45 => Self::FewerSteps,
            same => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Guided, Method};

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

    #[test]
    fn quality_falls_by_declared_steps_and_returns() {
        let asked = Solver::euler(7, 1.2);
        let mut quality = Quality::Full;
        for (slowest, steps, guidance) in [(1.1, 4, 1.2), (1.1, 4, 1.0), (0.7, 4, 1.0), (0.3, 4, 1.2), (0.3, 7, 1.2)] {
            quality = quality.next(slowest);
            assert_eq!(quality.solver(asked), Solver::euler(steps, guidance));
        }
    }

    #[test]
    fn quality_keeps_the_method_that_was_asked_for() {
        let asked = Solver { method: Method::Heun, guided: Guided::FirstHalf, ..Solver::euler(7, 1.2) };
        assert_eq!(Quality::FewerSteps.solver(asked), Solver { steps: 4, ..asked });
        assert_eq!(Quality::NoGuidance.solver(asked), Solver { steps: 4, guidance: 1.0, ..asked });
    }
}

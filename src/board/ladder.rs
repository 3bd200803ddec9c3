//! What to give up when a board is hot, and when to take it back. In: temperatures with their times. Out: the rung that
//! speech keeps to.
//!
//! ```text
//! rung        what it changes                                       what a listener notices
//! Full        nothing                                               nothing
//! Buffer      clauses begin with more frames in reserve             speech begins later
//! SpareCores  the codec runs on the cores that nothing else needs   nothing
//! FewerSteps  half of the flow steps                                other prosody
//! ShortForm   and no guidance; callers are asked for short answers  other prosody, shorter answers
//! ```
//!
//! A rung down is taken where it is hot and the last rung has had time to help, a rung up where it has been cool for
//! long; between the two temperatures nothing changes. A sensor that says nothing changes nothing.

use std::time::Duration;

use crate::flow::Quality;

/// Frames that a hot board has more in reserve when a clause begins.
const RESERVE_FRAMES: usize = 4;

/// Where a board's heat becomes a matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// From here on a rung is given up every [`Limits::dwell`].
    pub hot_c: f32,
    /// From here on four times as often: the board is about to slow itself down.
    pub critical_c: f32,
    /// Below `hot_c` by so much it is cool.
    pub margin_c: f32,
    /// How long a rung may take to help.
    pub dwell: Duration,
    /// How long it must be cool before a rung is taken back.
    pub rest: Duration,
}

impl Limits {
    /// With the usual times. `critical_c` is above `hot_c`.
    pub fn at(hot_c: f32, critical_c: f32) -> Self {
        Self { hot_c, critical_c, margin_c: 6.0, dwell: Duration::from_secs(8), rest: Duration::from_secs(30) }
    }
}

/// A step of the ladder; later ones keep what earlier ones changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    #[default]
    Full,
    Buffer,
    SpareCores,
    FewerSteps,
    ShortForm,
}

impl Rung {
    pub const ALL: [Self; 5] = [Self::Full, Self::Buffer, Self::SpareCores, Self::FewerSteps, Self::ShortForm];

    /// Its place in [`Rung::ALL`].
    pub fn index(self) -> u8 {
        self as u8
    }

    pub fn from_index(index: u8) -> Self {
        Self::ALL.get(usize::from(index)).copied().unwrap_or_default()
    }

    /// Frames that a clause begins with beyond what the pace asks for.
    pub fn reserve_frames(self) -> usize {
        if self >= Self::Buffer { RESERVE_FRAMES } else { 0 }
    }

    /// Whether the codec leaves the fast cores.
    pub fn spares_cores(self) -> bool {
        self >= Self::SpareCores
    }

    /// The most expensive way of solving frames that it allows.
    pub fn quality(self) -> Quality {
        match self {
            Self::Full | Self::Buffer | Self::SpareCores => Quality::Full,
            Self::FewerSteps => Quality::FewerSteps,
            Self::ShortForm => Quality::NoGuidance,
        }
    }
}

/// Where a board stands on its ladder.
#[derive(Clone, Debug)]
pub struct Ladder {
    limits: Limits,
    /// Rungs that this board has, in order.
    rungs: Vec<Rung>,
    at: usize,
    changed: Option<Duration>,
    /// Since when it has been cool.
    cool: Option<Duration>,
}

impl Ladder {
    /// `spare_cores`: whether there are cores to move the codec to.
    pub fn new(limits: Limits, spare_cores: bool) -> Self {
        let rungs = Rung::ALL.into_iter().filter(|&rung| rung != Rung::SpareCores || spare_cores).collect();
        Self { limits, rungs, at: 0, changed: None, cool: None }
    }

    pub fn rung(&self) -> Rung {
        self.rungs.get(self.at).copied().unwrap_or_default()
    }

    /// The board has this temperature at this time (of any clock that does not go back). The rung, where it is another
    /// than before.
    pub fn observe(&mut self, now: Duration, temperature_c: Option<f32>) -> Option<Rung> {
        let Limits { hot_c, critical_c, margin_c, dwell, rest } = self.limits;
        let temperature_c = temperature_c?;
        if temperature_c >= hot_c - margin_c {
            self.cool = None;
        } else if self.cool.is_none() {
            self.cool = Some(now);
        }
        let wait = if temperature_c >= critical_c { dwell / 4 } else { dwell };
        let passed = |since: Option<Duration>, wait| since.is_none_or(|since| now.saturating_sub(since) >= wait);
        let next = if temperature_c >= hot_c && passed(self.changed, wait) {
            (self.at + 1).min(self.rungs.len().saturating_sub(1))
        } else if self.cool.is_some() && passed(self.cool, rest) && passed(self.changed, rest) {
            self.at.saturating_sub(1)
        } else {
            self.at
        };
        if next == self.at {
            return None;
        }
        (self.at, self.changed) = (next, Some(now));
        Some(self.rung())
    }
}

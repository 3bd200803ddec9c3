//! What a frame costs. In: what the stages did. Out: how long each took, and how many bytes of weights it read.
//!
//! Times are always noted: five readings of the clock per frame, some hundred nanoseconds of the milliseconds that they measure.

use std::time::Duration;

/// How long the stages of the last frame took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameTimes {
    /// The clause's prompt, for its first frame; zero for the others.
    pub prompt: Duration,
    /// The backbone's step from the frame before; zero for a clause's first frame, which comes of the prompt.
    pub backbone: Duration,
    pub flow: Duration,
    /// Zero where the frame was not decoded by whoever made it.
    pub codec: Duration,
}

impl FrameTimes {
    /// All stages. What lies between them (rounding, embedding) is not in it.
    pub fn sum(&self) -> Duration {
        self.prompt + self.backbone + self.flow + self.codec
    }

    /// Whether this was the first frame of a clause.
    pub fn begins_clause(&self) -> bool {
        !self.prompt.is_zero()
    }
}

/// Bytes of weights that the stages read for one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameBytes {
    /// All matrices once, and the rows that are fed back.
    pub backbone: usize,
    /// The layers once per step, and what the frame's state goes through once.
    pub flow: usize,
    pub codec: usize,
}

impl FrameBytes {
    pub fn sum(&self) -> usize {
        self.backbone + self.flow + self.codec
    }
}

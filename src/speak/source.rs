//! What makes the frames of a clause. In: a clause, a voice, a request. Out: one frame at a time.
//!
//! [`super::Generator`] is the one; tests of all that surrounds it have another that does as it is told.

use std::sync::Arc;

use crate::error::Result;
use crate::flow::Solver;
use crate::frame::Frame;
use crate::pack::Voice;

/// What decides an utterance besides its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// How frames are solved.
    pub solver: Solver,
    /// Seeds the flow's noise; the same seed, text and voice give the same frames.
    pub seed: u64,
}

/// Makes the frames of one clause after another. Its state is a clause's own until that clause ends.
pub(crate) trait FrameSource: Send {
    /// What the next clause is made with; its first frame takes the noise number `frame` of the seed's.
    /// Errors: `BadOption`.
    fn begin(&mut self, request: Request, frame: u64) -> Result<()>;

    /// Brings a voice's prefix into the cache. Errors: `Backend`.
    fn warm(&mut self, voice: &Arc<Voice>) -> Result<()>;

    /// Takes up a clause; nothing is computed before [`FrameSource::feed`]. `follows`: it goes on with the sentence of
    /// the one before. Errors: `BadText`, `OutOfBudget`.
    fn start_clause(&mut self, text: &str, voice: &Arc<Voice>, follows: bool) -> Result<()>;

    /// Computes a bounded piece of the clause's prompt. True while there is more of it. Errors: `OutOfBudget`,
    /// `Backend`; `Cancelled` where it was aborted.
    fn feed(&mut self) -> Result<bool>;

    /// The next frame of a clause that was fed, or `None` at its end. Errors: as [`FrameSource::feed`].
    fn next_frame(&mut self) -> Result<Option<Frame>>;
}

//! From text to samples. In: a model, text in pieces, a few options. Out: blocks of samples as they are asked for.
//!
//! [`Speaker`] is the one way of speaking: pushed text becomes clauses, frames and endings, a step at a time, by
//! whoever holds a [`FrameSource`] (the [`Generator`], but for tests). A [`Speech`] pulls it into a buffer, `live/`
//! drives it from a thread.

mod block;
mod core;
#[allow(missing_docs)]
mod cost;
mod generator;
mod guard;
mod interlude;
mod markup;
mod options;
mod phrase;
mod position;
mod reading;
mod sentence;
mod session;
mod source;
mod speaker;
mod speech;
mod tempo;
#[cfg(test)]
mod tests;

pub use crate::model::Lane;
pub use block::{Block, Canceller, Mark, Next, Summary};
pub use cost::{FrameBytes, FrameTimes};
pub use generator::Generator;
pub use guard::{Guards, Trip};
pub use options::{SessionOptions, SpeakOptions};
pub use phrase::{Phrase, PhraseStore};
pub use position::Word;
pub use session::Session;
pub use source::Request;
pub use speaker::Ending;
pub use speech::Speech;

pub(crate) use guard::Silence;
pub(crate) use interlude::Interlude;
pub(crate) use options::Script;
pub(crate) use position::ClauseText;
pub(crate) use reading::check_waiting;
pub(crate) use source::FrameSource;
pub(crate) use speaker::{Speaker, Step, Why};
pub(crate) use tempo::Tempo;

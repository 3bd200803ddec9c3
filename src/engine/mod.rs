//! From text to PCM. In: a pack, text, a few options. Out: blocks of samples as they are pulled, or sound.
//!
//! [`Generator`] makes frames, [`Session`] owns one and a codec decoder, [`Synthesis`] joins them for one text: whoever
//! pulls does the work. [`Engine`] puts the same stages on threads, with rings between them and a device at the end.

mod codec_thread;
mod cost;
mod course;
mod desk;
mod frames;
mod generator;
mod generator_thread;
mod guard;
mod heat;
mod lane;
mod live;
mod pace;
mod phrase;
mod position;
mod sentence;
mod session;
mod synthesis;
#[cfg(test)]
mod tests;
mod utterance;
mod watch_thread;

pub use codec_thread::Preroll;
pub use cost::{FrameBytes, FrameTimes};
pub use generator::{Generator, Request};
pub use guard::{Guards, Trip};
pub use lane::{Arrival, Lane, Lanes};
pub use live::{Engine, EngineOptions};
pub use pace::Quality;
pub use phrase::{Phrase, PhraseStore};
pub use session::{Session, SessionOptions, SpeakOptions};
pub use synthesis::{Canceller, Ending, Summary, Synthesis};
pub use utterance::{Event, Utterance};
pub use watch_thread::OpenSink;

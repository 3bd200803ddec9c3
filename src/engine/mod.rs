//! From text to PCM. In: a pack, text, a few options. Out: blocks of samples, computed as they are pulled.
//!
//! [`Generator`] makes frames, [`Session`] owns one and a codec decoder, [`Synthesis`] joins them for one text. There
//! are no threads here but the kernels': whoever pulls does the work.

mod generator;
mod session;
mod synthesis;

pub use generator::{Generator, Request};
pub use session::{Session, SessionOptions, SpeakOptions};
pub use synthesis::{Canceller, Ending, Summary, Synthesis};

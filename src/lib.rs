//! Syrinx speaks text on the device, and hears it: an offline runtime for speech models of the Voxtral family.
//!
//! ```text
//! text ─► normalise ─► clauses                                                 text/
//!                         │  speak::Speaker: which clause, when, again?        speak/
//!                         ▼
//!        ┌──────────────── speak::Generator ─────────────────────────┐
//!        │  prompt ─► backbone (llama.cpp) ─► hidden, semantic code   │         backbone/
//!        │               ▲                        │                   │
//!        │               └── sum of code rows ◄── flow head ─► Frame  │         flow/, frame.rs
//!        └────────────────────────────────────┬───────────────────────┘
//!                                             ▼
//!        codec decoder (exact streaming state) ─► 80 ms of samples, marked      codec/, watermark/
//!                                             ▼
//!        a buffer of the caller's; or ring ─► device callback                   ring/, live/, device/
//! ```
//!
//! # The public interface is
//!
//! - [`Model`] (with [`ModelOptions`], [`ModelInfo`]): weights, opened once, shared by whoever has a clone.
//! - [`Session`] ([`SessionOptions`]): what one speaker at a time needs beside them.
//! - [`Speech`] ([`SpeakOptions`], [`Next`], [`Block`], [`Mark`], [`Word`], [`Ending`], [`Canceller`]): text in, samples
//!   out, no device. [`to_i16`] makes integers of them as the program does.
//! - [`Live`] ([`LiveOptions`]), [`Utterance`], [`Event`], [`Lane`]: sound at once, cancel within a period, what was heard.
//!   [`Renderer`]: the same where an audio callback of the caller's asks for samples.
//! - [`Ears`] ([`EarsOptions`], [`EarsInfo`]), [`Listener`] ([`ListenOptions`]), [`Heard`], [`HeardWord`]: samples in, text out,
//!   of a pack that listens. [`Microphone`]: samples of a device, for those who have none.
//! - [`Detector`], [`Detection`]: whether a recording is of marked speech, which a model of ours has spoken.
//! - [`Phrase`]: sound made in advance. [`Sink`], [`DeviceChoice`]: where sound goes.
//! - [`Error`], [`ErrorKind`], [`Result`]: what went wrong, and what the caller can do.
//! - [`options`]: what options, events and sinks are made of.
//!
//! ```no_run
//! use syrinx::{Model, ModelOptions, SessionOptions, SpeakOptions};
//!
//! # fn main() -> syrinx::Result<()> {
//! let model = Model::open("models/wren-en", ModelOptions::default())?;
//! let mut session = model.session(SessionOptions::default())?;
//! let mut speech = session.speech(&SpeakOptions::default())?;
//! speech.push("Turn left in ")?;
//! speech.push("300 m.")?;
//! speech.finish();
//! for block in speech {
//!     let samples: Vec<f32> = block?; // 1920 samples at 24 kHz in a Voxtral pack
//! }
//! # Ok(())
//! # }
//! ```
//!
//! And the other way:
//!
//! ```no_run
//! use syrinx::{Ears, EarsOptions, ListenOptions, Microphone};
//!
//! # fn main() -> syrinx::Result<()> {
//! # let enough = || false;
//! let ears = Ears::open("packs/realtime-q4", EarsOptions::default())?;
//! let mut listener = ears.listener(ListenOptions::default().delay_ms(240))?;
//! let mut microphone = Microphone::open(None)?; // or samples of your own: 16 kHz, mono, in pieces of any length
//! let mut samples = Vec::new();
//! while !enough() {
//!     samples.clear();
//!     let missing = microphone.read(&mut samples)?;
//!     for heard in listener.feed(&samples)? {
//!         println!("{}{}", heard.text, if heard.is_final { "" } else { " …" });
//!     }
//!     if missing > 0 {
//!         listener.skip(missing)?; // the device was away for a while
//!     }
//! }
//! for heard in listener.flush()? {
//!     println!("{}", heard.text);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Ten words
//!
//! | word | what it means here |
//! |---|---|
//! | pack | a folder with a model: two GGUF files, a tokenizer, and a page that says what they are |
//! | voice | rows that stand for a speaker at the beginning of every prompt |
//! | clause | a piece of text that is spoken in one go, mostly a sentence |
//! | hidden | the backbone's state after its last norm, from which a frame is made |
//! | frame | 80 ms of speech as codes: one semantic, 36 acoustic |
//! | flow head | a small transformer that turns noise and a hidden state into acoustic codes, in a few steps |
//! | codec | what turns frames into samples |
//! | lane | how important a speech is |
//! | ticket | the number of a clause that is on its way to the ear; cuts name it |
//! | mark | the sample with which a clause begins |
//!
//! # In another crate
//!
//! Cargo hands two settings of this repository's `.cargo/config.toml` to builds inside of it alone. A crate that depends on
//! Syrinx works without them, on llama.cpp as its crate builds it by default: for any x86-64 with AVX2 or any ARMv8, and with
//! `-O2` where Rust's profile keeps line tables. What is lost is time, mostly of a prompt (`benches/README.md`). To have it
//! back, copy `boards/processor.cmake` and say in your own `.cargo/config.toml`:
//!
//! ```toml
//! [env]
//! LLAMA_LIB_PROFILE = "Release"
//! # What the processor of the building machine has; leave it out where another one runs the program.
//! CMAKE_PROJECT_INCLUDE_BEFORE = { value = "processor.cmake", relative = true }
//! ```
//!
//! Syrinx's own kernels are there either way, and are chosen when the program starts (`lab::backbone::kernel_set`). On x86-64 and
//! ARM they enter the ggml that is linked, for all that computes with it in the process. A program that also runs llama.cpp by
//! itself makes the first call to Syrinx, such as `lab::backbone::kernel_set`, before it computes anything there.

#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]
#![warn(missing_docs)]

#[allow(missing_docs)] // public to the lab alone
mod backbone;
#[allow(missing_docs)] // public to the lab alone
mod board;
#[allow(missing_docs)] // public to the lab alone
mod codec;
mod device;
mod error;
#[allow(missing_docs)] // public to the lab alone
mod flow;
#[allow(missing_docs)] // public to the lab alone
mod frame;
mod ggml;
mod hear;
#[allow(missing_docs)] // public to the lab alone
mod kernel;
mod live;
mod model;
#[allow(missing_docs)] // public to the lab alone
mod net;
#[allow(missing_docs)] // public to the lab alone
mod pack;
mod provenance;
#[allow(missing_docs)] // public to the lab alone
mod ring;
mod setters;
mod speak;
#[allow(missing_docs)] // public to the lab alone
mod text;
mod watermark;
mod write;

pub use device::wav::to_i16;
pub use device::{DeviceChoice, Sink};
pub use error::{Error, ErrorKind, Result};
pub use hear::{Ears, EarsInfo, EarsOptions, Heard, HeardWord, ListenOptions, Listener, Microphone};
pub use live::{Event, Live, LiveOptions, Renderer, Utterance};
pub use model::{Model, ModelInfo, ModelOptions};
pub use speak::{
    Block, Canceller, Ending, Lane, Mark, Next, Phrase, Session, SessionOptions, SpeakOptions, Speech, Word,
};
pub use watermark::{Detection, Detector};

/// What options, events and sinks are made of.
pub mod options {
    pub use crate::backbone::KvType;
    pub use crate::board::{Cooling, Rung};
    pub use crate::device::callback::Callback;
    pub use crate::device::{DeviceOptions, Format};
    pub use crate::flow::{FlowEngine, Guided, Method, Quality};
    pub use crate::live::{Arrival, Lanes, OpenSink, Preroll};
    pub use crate::speak::{Guards, Summary, Trip};
    pub use crate::text::{Lexicon, Said, Ssml};
}

/// The insides, for this package's own programs, benches and tests. Nothing here is promised to stay.
#[doc(hidden)]
pub mod lab {
    /// Each stage's own names.
    macro_rules! rooms {
        ($($room:ident),*) => { $(pub mod $room { pub use crate::$room::*; })* };
    }
    rooms!(
        backbone, board, codec, device, flow, frame, hear, kernel, live, model, pack, provenance, ring, speak, text,
        watermark
    );
}

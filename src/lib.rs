//! Syrinx speaks text on the device: an offline runtime for speech models of the Voxtral TTS family.
//!
//! ```text
//! text ─► normalise ─► clauses ─► tokens ─► prompt (voice rows + text)          text/
//!                                             │
//!                                             ▼
//!        ┌──────────────────── engine::Generator ────────────────────┐
//!        │  backbone (llama.cpp)  ─► hidden state, semantic code      │          backbone/
//!        │        ▲                        │                          │
//!        │        └── sum of code rows ◄── flow head ─► Frame         │          flow/, frame.rs
//!        └────────────────────────────────────┬──────────────────────┘
//!                                             ▼
//!        codec decoder (exact streaming state) ─► 80 ms of samples                codec/
//!                                             ▼
//!        WAV file, standard output; or ring ─► device callback                    ring/, device/
//! ```
//!
//! A [`pack::Pack`] brings the model, a [`engine::Session`] speaks with it: [`engine::Synthesis`] is an iterator of
//! PCM blocks that computes each one when it is asked for. An [`engine::Engine`] is the same with threads, rings and a
//! device around it: text in pieces, sound at once, cancel within a period.
//!
//! ```no_run
//! use syrinx::engine::{Session, SessionOptions, SpeakOptions};
//! use syrinx::pack::{OpenOptions, Pack};
//!
//! # fn main() -> syrinx::Result<()> {
//! let pack = Pack::open("models/wren-en".as_ref(), OpenOptions::default())?;
//! let mut session = Session::open(&pack, &SessionOptions::default())?;
//! for block in session.speak("Turn left in 300 m.", &SpeakOptions::default())? {
//!     let samples: Vec<f32> = block?; // 1920 samples at 24 kHz in a Voxtral pack
//! }
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]

pub mod backbone;
pub mod board;
pub mod codec;
pub mod device;
pub mod engine;
mod error;
pub mod flow;
pub mod frame;
mod ggml;
pub mod kernel;
pub mod pack;
pub mod ring;
pub mod text;
mod write;

pub use error::{Error, ErrorKind, Result};

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
//! Syrinx's own kernels are there either way, and are chosen when the program starts ([`backbone::kernel_set`]). On x86-64
//! they enter the ggml that is linked, for all that computes with it in the process. A program that also runs llama.cpp by
//! itself makes the first call to Syrinx, such as [`backbone::kernel_set`], before it computes anything there.

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

pub use error::{Error, ErrorKind, Result};

//! Voxtral Realtime. In: samples at 16 kHz, as they come. Out: one token for each 80 ms of them, a chosen delay later.
//!
//! ```text
//! samples ─► spectra ─► two convolutions ─► encoder ─► adapter ─┐                 front.rs, llama.cpp
//!   ┌─────────────────────────────────────────────────────────── + ─► decoder ─► token      stream.rs
//!   └── row of the table of tokens ◄──────────────────────────────────────────────┘
//! ```
//!
//! Everything is causal and all state is kept exactly: the same samples give the same bits however they are cut. 1280
//! samples, 8 spectra, 4 encoder rows and 1 decoder row are one token, and each is computed in steps of that size alone.
//! `voxtral-realtime.md` is the specification.

mod condition;
mod front;
mod spelling;
mod stream;
mod weights;

pub use spelling::Spelling;
pub use stream::{Stream, Token, Trace};
pub use weights::Recogniser;

//! Listening. In: samples at 16 kHz. Out: what is said in them, and when.
//!
//! Beside [`crate::speak`], on the same packs, kernels and backbone.

pub mod mel;
pub mod vad;
pub mod wav;

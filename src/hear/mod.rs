//! Listening. In: samples at 16 kHz. Out: what was said.
//!
//! Beside [`crate::speak`], on the same packs, kernels and backbone.

pub mod mel;

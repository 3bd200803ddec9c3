//! Listening. In: 16 kHz mono samples. Out: what is said in them, and when.

pub mod vad;
pub mod wav;

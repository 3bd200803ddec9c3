//! Where samples leave. In: blocks of `f32` at the pack's rate. Out: a WAV file, or a stream on standard output.

pub mod wav;

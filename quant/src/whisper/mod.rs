//! Packs of Whisper, which listen. In: a folder with a model of CTranslate2, the form in which Whisper is in Python's
//! registry. Out: a pack of one GGUF file, since no stack of it goes to llama.cpp: `hear.gguf`, and the tokenizer.

#[cfg(feature = "import")]
mod ct2;
#[cfg(feature = "import")]
mod import;
#[cfg(feature = "import")]
mod layout;

#[cfg(feature = "import")]
pub use ct2::Ct2;
#[cfg(feature = "import")]
pub(crate) use import::{import, is_whisper};

/// The names of the tensors of `hear.gguf`.
pub mod names {
    /// The table of tokens, which is the output too.
    pub const TOKENS: &str = "decoder.tokens.weight";
    /// What is added to the decoder's inputs, and to the encoder's.
    pub const POSITIONS: [&str; 2] = ["decoder.positions", "encoder.positions"];
    /// `[out, taps * in]`.
    pub const CONVOLUTIONS: [&str; 2] = ["encoder.conv.0", "encoder.conv.1"];
    /// The last norms.
    pub const NORMS: [&str; 2] = ["decoder.norm", "encoder.norm"];
}

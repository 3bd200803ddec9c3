//! Every size of a Whisper model, which listens. In: a CTranslate2 model at import, metadata `syrinx.whisper.*` of `hear.gguf`
//! at run time. Out: one [`Whisper`], checked once. (Radford et al., 2022, section 2.2 and appendix A.)

use super::field::Field;
use super::validate::{MAX_LAYERS, MAX_SIZE, check};
use crate::error::Result;
use crate::gguf::{Gguf, Value};

/// Spectra that the convolutions make into one row of the encoder.
pub const SPECTRA_PER_ROW: usize = 2;
/// Kernel of both convolutions.
pub const TAPS: usize = 3;
/// Lists of token ids are no longer.
const MAX_IDS: usize = 4096;

group! {
    /// All sizes of the model. Positions are learned for the text, and sines for the sound.
    Whisper, "whisper." {
        sampling_rate: usize,
        /// Bands of a spectrum.
        mels: usize,
        /// Samples between spectra.
        hop: usize,
        /// Samples of a spectrum.
        window: usize,
        /// Rows of the encoder for its longest window of sound.
        audio_rows: usize,
        dim: usize,
        heads: usize,
        hidden_dim: usize,
        encoder_layers: usize,
        decoder_layers: usize,
        /// Rows of the table of tokens, which is the output too.
        vocab_size: usize,
        /// Positions of the decoder.
        text_rows: usize,
        norm_eps: f32,
        /// Ids that are never chosen.
        suppressed: Vec<usize>,
        /// Ids that are not chosen first.
        suppressed_first: Vec<usize>,
    }
}

impl Whisper {
    /// Reads and validates. Errors: `Missing`, `Corrupt`, `Shape`.
    pub fn from_metadata(gguf: &Gguf) -> Result<Self> {
        let shape = Self::read(gguf)?;
        shape.validate()?;
        Ok(shape)
    }

    /// The `syrinx.*` pairs of `hear.gguf`.
    pub fn to_metadata(&self) -> Vec<(String, Value)> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Samples that become one row of the encoder.
    pub fn samples_per_row(&self) -> usize {
        self.hop * SPECTRA_PER_ROW
    }

    /// Samples of the longest window.
    pub fn window_samples(&self) -> usize {
        self.audio_rows * self.samples_per_row()
    }

    /// Errors: `Shape`, with the name of the first size that does not fit.
    pub fn validate(&self) -> Result<()> {
        for (name, size) in [
            ("sampling_rate", self.sampling_rate),
            ("mels", self.mels),
            ("hop", self.hop),
            ("window", self.window),
            ("audio_rows", self.audio_rows),
            ("dim", self.dim),
            ("heads", self.heads),
            ("hidden_dim", self.hidden_dim),
            ("vocab_size", self.vocab_size),
            ("text_rows", self.text_rows),
        ] {
            check((1..=MAX_SIZE).contains(&size), || format!("whisper.{name} is {size}, expected 1 to {MAX_SIZE}"))?;
        }
        for (name, layers) in [("encoder_layers", self.encoder_layers), ("decoder_layers", self.decoder_layers)] {
            let holds = (1..=MAX_LAYERS).contains(&layers);
            check(holds, || format!("whisper.{name} is {layers}, expected 1 to {MAX_LAYERS}"))?;
        }
        let (dim, heads) = (self.dim, self.heads);
        check(dim.is_multiple_of(heads), || format!("whisper: {heads} heads do not divide dim {dim}"))?;
        let eps = self.norm_eps;
        check(eps.is_finite() && eps > 0.0, || format!("whisper.norm_eps is {eps}, expected a positive number"))?;
        for (name, ids) in [("suppressed", &self.suppressed), ("suppressed_first", &self.suppressed_first)] {
            check(ids.len() <= MAX_IDS, || {
                format!("whisper.{name} has {} ids, expected {MAX_IDS} or fewer", ids.len())
            })?;
            let outside = ids.iter().find(|id| **id >= self.vocab_size);
            check(outside.is_none(), || format!("whisper.{name} names the id {outside:?}, which the table lacks"))?;
        }
        Ok(())
    }
}

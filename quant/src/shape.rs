//! Every size that the runtime needs. In: `params.json` at import, metadata `syrinx.*` of `speech.gguf` at run time.
//! Out: one [`Shape`], checked once, so that no stage holds a size of its own. Symbols: voxtral-tts.md, section 2.2.

mod field;
mod validate;

use crate::error::Result;
use crate::gguf::{Gguf, Value};
use field::Field;
pub use realtime::Realtime;
pub use whisper::Whisper;

/// Codes of each codebook that are not sound: EMPTY = 0 and END = 1. Stored codes are shifted by this.
pub const SPECIAL_CODES: usize = 2;

/// Declares a group of sizes whose fields are stored as `syrinx.<group>.<field>`.
macro_rules! group {
    ($(#[$about:meta])* $name:ident, $key:literal { $($(#[$doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$doc])* pub $field: $kind,)* }

        impl $name {
            fn write(&self, out: &mut Vec<(String, Value)>) {
                $(out.push((concat!("syrinx.", $key, stringify!($field)).to_owned(), self.$field.to_value()));)*
            }

            fn read(gguf: &Gguf) -> Result<Self> {
                Ok(Self { $($field: Field::from_metadata(gguf, concat!("syrinx.", $key, stringify!($field)))?,)* })
            }
        }
    };
}

pub mod realtime; // behind the macro that it uses
pub mod whisper;

group! {
    /// The model as a whole.
    Model, "" {
        /// Width of the backbone's states, of the text and audio tables and of voice rows.
        dim: usize,
        /// Rows of the text table, special ids included.
        vocab_size: usize,
        /// Positions that the model was made for: prompt, voice rows and frames together.
        max_context: usize,
        /// Names of the voices; the rows of voice `n` are the tensor `voice.<n>`.
        voices: Vec<String>,
    }
}

group! {
    /// The causal transformer that llama.cpp runs (section 4).
    Backbone, "backbone." {
        layers: usize,
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        hidden_dim: usize,
        /// Base of the rotary angles; adjacent pairs.
        rope_theta: f32,
        norm_eps: f32,
    }
}

group! {
    /// Codes and their embedding table (sections 4.2 and 5.1).
    Audio, "audio." {
        /// Semantic codes without the two specials.
        semantic_codebook_size: usize,
        /// Levels of each acoustic code without the two specials.
        acoustic_codebook_size: usize,
        /// Acoustic codes per frame.
        n_acoustic: usize,
        /// Rows of the audio table, padding included; also of the backbone's output matrix.
        audio_rows: usize,
        /// Rows of the semantic head as trained, padding included; at most `audio_rows`.
        head_rows: usize,
        /// Frames per second.
        frame_rate: f32,
        /// Samples per second.
        sampling_rate: usize,
    }
}

group! {
    /// The flow head (section 5.2).
    Flow, "flow." {
        dim: usize,
        /// Width of the backbone state that conditions it.
        input_dim: usize,
        layers: usize,
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        hidden_dim: usize,
        norm_eps: f32,
        /// Base of the time embedding's frequencies.
        time_theta: f32,
        /// Euler steps per frame.
        steps: usize,
        /// Weight of the conditional velocity; 1 means no guidance.
        guidance: f32,
    }
}

group! {
    /// The codec decoder (section 6). Stage s = convolution s, then `lengths[s]` transformer layers.
    Codec, "codec." {
        dim: usize,
        hidden_dim: usize,
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        semantic_dim: usize,
        acoustic_dim: usize,
        /// Samples per position of the last stage.
        patch: usize,
        /// Kernel of the output convolution.
        out_kernel: usize,
        /// Kernel of each stage's convolution; stage 0 is plain, the others transposed.
        kernels: Vec<usize>,
        /// Upsampling of each stage's convolution.
        strides: Vec<usize>,
        /// Transformer layers of each stage.
        lengths: Vec<usize>,
        /// Distance that a query of each stage sees back: it attends to window + 1 keys.
        windows: Vec<usize>,
        norm_eps: f32,
        qk_norm_eps: f32,
    }
}

group! {
    /// Special ids of the prompt (section 3): `bos begin_audio audio*N next_audio_text text.. repeat_audio_text begin_audio`.
    Prompt, "prompt." {
        bos: u32,
        begin_audio: u32,
        audio: u32,
        next_audio_text: u32,
        repeat_audio_text: u32,
    }
}

/// All sizes of a model. `Deref`s to [`Model`], so `shape.dim` is the backbone's width.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub model: Model,
    pub backbone: Backbone,
    pub audio: Audio,
    pub flow: Flow,
    pub codec: Codec,
    pub prompt: Prompt,
}

impl std::ops::Deref for Shape {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}

impl Shape {
    /// Reads and validates. Errors: `Missing`, `Corrupt`, `Shape`.
    pub fn from_metadata(gguf: &Gguf) -> Result<Self> {
        let shape = Self {
            model: Model::read(gguf)?,
            backbone: Backbone::read(gguf)?,
            audio: Audio::read(gguf)?,
            flow: Flow::read(gguf)?,
            codec: Codec::read(gguf)?,
            prompt: Prompt::read(gguf)?,
        };
        shape.validate()?;
        Ok(shape)
    }

    /// The `syrinx.*` pairs of `speech.gguf`.
    pub fn to_metadata(&self) -> Vec<(String, Value)> {
        let mut out = Vec::new();
        self.model.write(&mut out);
        self.backbone.write(&mut out);
        self.audio.write(&mut out);
        self.flow.write(&mut out);
        self.codec.write(&mut out);
        self.prompt.write(&mut out);
        out
    }
}

impl Audio {
    /// Codes per frame: one semantic and the acoustic ones.
    pub fn codes_per_frame(&self) -> usize {
        1 + self.n_acoustic
    }

    /// Semantic codes with the two specials: the rows of the head that mean something.
    pub fn semantic_rows(&self) -> usize {
        self.semantic_codebook_size + SPECIAL_CODES
    }

    /// First row of codebook `k` in the audio table (0 semantic, then acoustic).
    pub fn offset(&self, k: usize) -> usize {
        match k {
            0 => 0,
            _ => self.semantic_rows() + (k - 1) * (self.acoustic_codebook_size + SPECIAL_CODES),
        }
    }

    /// Rows of the audio table that are used.
    pub fn used_rows(&self) -> usize {
        self.offset(self.n_acoustic + 1)
    }
}

impl Codec {
    /// Channels of a latent frame.
    pub fn latent_dim(&self) -> usize {
        self.semantic_dim + self.acoustic_dim
    }

    /// Positions of the last stage per frame.
    pub fn positions_per_frame(&self) -> usize {
        self.strides.iter().product()
    }

    pub fn samples_per_frame(&self) -> usize {
        self.patch * self.positions_per_frame()
    }

    /// Window of each stage: `size` at the last one, divided by the strides that follow an earlier one (section 6.2).
    pub fn windows_of(size: usize, strides: &[usize]) -> Vec<usize> {
        let mut window = strides.iter().fold(size, |w, &s| w / s.max(1));
        strides
            .iter()
            .map(|&s| {
                window = window.saturating_mul(s);
                window
            })
            .collect()
    }
}

//! The shapes that a synthetic pack can have. The only place where sizes of a model are written down, and they are
//! written into the pack like any other's.

use std::str::FromStr;

use crate::error::{Error, Result, unsupported};
use crate::shape::{Audio, Backbone, Codec, Flow, Model, Prompt, Shape};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Voxtral-4B-TTS-2603 (voxtral-tts.md, section 2).
    Voxtral4b,
    /// About a twentieth of it: 8 layers of 1024.
    Mid,
    /// The size of the test checkpoint: 3 layers of 128.
    Tiny,
}

/// What differs between presets; the rest follows from the family.
struct Sizes {
    dim: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    hidden_dim: usize,
    flow_layers: usize,
    semantic_codes: usize,
    semantic_dim: usize,
    codec_dim: usize,
    codec_hidden_dim: usize,
    vocab_size: usize,
    voice_rows: usize,
}

impl Preset {
    pub const ALL: [Self; 3] = [Self::Voxtral4b, Self::Mid, Self::Tiny];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Voxtral4b => "voxtral-4b",
            Self::Mid => "mid",
            Self::Tiny => "tiny",
        }
    }

    fn sizes(self) -> Sizes {
        match self {
            Self::Voxtral4b => Sizes {
                dim: 3072,
                layers: 26,
                heads: 32,
                kv_heads: 8,
                head_dim: 128,
                hidden_dim: 9216,
                flow_layers: 3,
                semantic_codes: 8192,
                semantic_dim: 256,
                codec_dim: 1024,
                codec_hidden_dim: 4096,
                vocab_size: 131_072,
                voice_rows: 147,
            },
            Self::Mid => Sizes {
                dim: 1024,
                layers: 8,
                heads: 8,
                kv_heads: 2,
                head_dim: 128,
                hidden_dim: 3072,
                flow_layers: 3,
                semantic_codes: 8192,
                semantic_dim: 64,
                codec_dim: 256,
                codec_hidden_dim: 1024,
                vocab_size: 32_768,
                voice_rows: 147,
            },
            Self::Tiny => Sizes {
                dim: 128,
                layers: 3,
                heads: 4,
                kv_heads: 2,
                head_dim: 64,
                hidden_dim: 256,
                flow_layers: 3,
                semantic_codes: 500,
                semantic_dim: 64,
                codec_dim: 64,
                codec_hidden_dim: 128,
                vocab_size: 1536,
                voice_rows: 9,
            },
        }
    }

    pub fn voice_rows(self) -> usize {
        self.sizes().voice_rows
    }

    /// Ids below the first text token.
    pub fn special_ids(self) -> usize {
        1000
    }

    pub fn shape(self) -> Shape {
        let s = self.sizes();
        let mut audio = Audio {
            semantic_codebook_size: s.semantic_codes,
            acoustic_codebook_size: 21,
            n_acoustic: 36,
            audio_rows: 0,
            head_rows: 0,
            frame_rate: 12.5,
            sampling_rate: 24_000,
        };
        audio.audio_rows = audio.used_rows().next_multiple_of(128);
        audio.head_rows = audio.semantic_rows().next_multiple_of(128);
        let strides = vec![1, 2, 2, 2];
        let codec_heads = 8;
        Shape {
            model: Model {
                dim: s.dim,
                vocab_size: s.vocab_size,
                max_context: 65_536,
                voices: vec!["synthetic".into()],
            },
            backbone: Backbone {
                layers: s.layers,
                heads: s.heads,
                kv_heads: s.kv_heads,
                head_dim: s.head_dim,
                hidden_dim: s.hidden_dim,
                rope_theta: 1e6,
                norm_eps: 1e-5,
            },
            flow: Flow {
                dim: s.dim,
                input_dim: s.dim,
                layers: s.flow_layers,
                heads: s.heads,
                kv_heads: s.kv_heads,
                head_dim: s.head_dim,
                hidden_dim: s.hidden_dim,
                norm_eps: 1e-5,
                time_theta: 1e4,
                steps: 7,
                guidance: 1.2,
            },
            codec: Codec {
                dim: s.codec_dim,
                hidden_dim: s.codec_hidden_dim,
                heads: codec_heads,
                kv_heads: codec_heads,
                head_dim: s.codec_dim / codec_heads,
                semantic_dim: s.semantic_dim,
                acoustic_dim: audio.n_acoustic,
                patch: 240,
                out_kernel: 7,
                kernels: vec![3, 4, 4, 4],
                windows: Codec::windows_of(16, &strides),
                strides,
                lengths: vec![2, 2, 2, 2],
                norm_eps: 0.01,
                qk_norm_eps: 1e-6,
            },
            audio,
            prompt: Prompt { bos: 1, begin_audio: 25, audio: 24, next_audio_text: 36, repeat_audio_text: 35 },
        }
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    /// Errors: `Unsupported`, with the names that exist.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            unsupported(format!("there is no synthetic preset '{name}': choose one of {known}"))
        })
    }
}

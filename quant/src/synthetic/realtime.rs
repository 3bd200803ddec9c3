//! Packs that listen, of random weights: what they hear is noise too.

use std::path::Path;

use super::generate::Facts;
use super::{Source, about};
use crate::error::Result;
use crate::manifest::VOXTRAL_REALTIME;
use crate::pack::{Progress, Written};
use crate::realtime::{Contents, write};
use crate::recipe::Recipe;
use crate::shape::Realtime;
use crate::shape::realtime::{Front, Schedule, Stack, Text};
use crate::tekken::Tekken;

const SPECIAL_IDS: usize = 1000;

/// Sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealtimePreset {
    /// Voxtral-Mini-4B-Realtime-2602 (voxtral-realtime.md, section 2).
    Realtime4b,
    /// The size of the test checkpoint.
    RealtimeTiny,
}

impl RealtimePreset {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Realtime4b => "realtime-4b",
            Self::RealtimeTiny => "realtime-tiny",
        }
    }

    pub fn shape(self) -> Realtime {
        let is_large = self == Self::Realtime4b;
        let pick = |large: usize, tiny: usize| if is_large { large } else { tiny };
        Realtime {
            front: Front { sampling_rate: 16_000, mels: 128, hop: 160, window: 400, log_mel_max: 1.5 },
            encoder: Stack {
                dim: pick(1280, 96),
                layers: pick(32, 4),
                heads: pick(32, 4),
                kv_heads: pick(32, 4),
                head_dim: pick(64, 32),
                hidden_dim: pick(5120, 192),
                rope_theta: 1e6,
                norm_eps: 1e-5,
                window: pick(750, 30),
            },
            decoder: Stack {
                dim: pick(3072, 128),
                layers: pick(26, 3),
                heads: pick(32, 4),
                kv_heads: pick(8, 2),
                head_dim: pick(128, 64),
                hidden_dim: pick(9216, 256),
                rope_theta: 1e6,
                norm_eps: 1e-5,
                window: pick(8192, 48),
            },
            text: Text {
                vocab_size: pick(131_072, 1536),
                special_ids: SPECIAL_IDS,
                bos: 1,
                eos: 2,
                pad: 32,
                word: 33,
                condition_dim: 32,
            },
            schedule: Schedule { rows_per_token: 4, left_pad: 32, delay: 6, longest_delay: 30, right_pad: 10 },
        }
    }
}

/// Writes a synthetic pack that listens. Errors: `Exists`, `Io`, `Cancelled`.
pub fn write_realtime(
    preset: RealtimePreset,
    to: &Path,
    recipe: Recipe,
    seed: u64,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<Written> {
    let mut about = about(preset.name(), VOXTRAL_REALTIME, seed);
    about.licence.note = "Synthetic: random weights, the text is noise".into();
    let contents = Contents {
        shape: &preset.shape(),
        tokenizer: &Tekken::bytes_only(SPECIAL_IDS).to_tokenizer_json()?,
        recipe,
        about: &about,
        synthetic: true,
    };
    write(to, overwrite, &contents, &Source { facts: Facts::default(), seed }, progress)
}

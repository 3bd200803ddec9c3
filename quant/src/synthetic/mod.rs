//! Packs of random weights. In: a preset, a recipe, a seed. Out: a pack of true shapes and sane activations, so that
//! speed, memory and every code path can be measured without a download. Its sound is noise.

mod generate;
mod preset;
mod realtime;

use std::path::PathBuf;

use crate::about::{About, DefaultsOverride, ImportRules};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Planned;
use crate::manifest::{Guards, Licence, Text, VOXTRAL_TTS};
use crate::pack::{self, Contents, Progress, Written};
use crate::recipe::Recipe;
use crate::tekken::Tekken;
use crate::weights::{RowEncoder, Weights};
use generate::Facts;
pub use preset::Preset;
pub use realtime::{RealtimePreset, write_realtime};

/// What to make.
#[derive(Clone, Debug)]
pub struct SyntheticOptions {
    pub preset: Preset,
    pub recipe: Recipe,
    /// Folder of the pack.
    pub to: PathBuf,
    /// The same seed gives the same bytes, on any machine and number of threads.
    pub seed: u64,
    /// Replace a pack that is there already.
    pub overwrite: bool,
}

/// Writes a synthetic pack. Errors: `Exists`, `Io`, `Cancelled`.
pub fn write(options: &SyntheticOptions, progress: &dyn Progress) -> Result<Written> {
    let SyntheticOptions { preset, recipe, to, seed, overwrite } = options;
    let shape = preset.shape();
    let about = about(preset.name(), VOXTRAL_TTS, *seed);
    let contents = Contents {
        shape: &shape,
        voice_rows: &[preset.voice_rows()],
        encoder: None,
        tokenizer: &Tekken::bytes_only(preset.special_ids()).to_tokenizer_json()?,
        recipe: *recipe,
        about: &about,
        lexicons: Vec::new(),
        synthetic: true,
    };
    pack::write(to, *overwrite, &contents, &Source { facts: Facts::from(&shape), seed: *seed }, progress)
}

fn about(preset: &str, family: &str, seed: u64) -> About {
    let seed = i64::try_from(seed).map_or_else(|_| toml::Value::String(seed.to_string()), toml::Value::Integer);
    About {
        watermark: false,
        name: format!("synthetic-{preset}"),
        version: "1.0.0".into(),
        family: family.into(),
        languages: Vec::new(),
        licence: Licence {
            spdx: "CC0-1.0".into(),
            commercial: true,
            note: "Synthetic: random weights, the sound is noise".into(),
        },
        text: Text::default(),
        // Random weights may say the same for ever, or nothing; only the number of frames means something.
        guards: Guards { repetition_frames: 0, silence_frames: 0, ..Guards::default() },
        defaults: DefaultsOverride::default(),
        provenance: [("weights".to_owned(), "random".into()), ("seed".to_owned(), seed)].into(),
        import: ImportRules::default(),
    }
}

struct Source {
    facts: Facts,
    seed: u64,
}

impl Weights for Source {
    fn encoder(&self, tensor: &Planned, dtype: DType) -> Result<RowEncoder<'_>> {
        generate::encoder(self.facts, self.seed, tensor, dtype)
    }

    fn release(&self, _: &Planned) {}
}

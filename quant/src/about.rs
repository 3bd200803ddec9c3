//! `syrinx.toml`, an optional page in a checkpoint folder. In: what its author says about the model. Out: the front page
//! of the pack. Without it the model is taken for Voxtral, whose licence forbids commercial use: the cautious reading.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result, corrupt};
use crate::manifest::{
    Defaults, FORMAT, Guards, Licence, Manifest, PackFile, Text, VOXTRAL_REALTIME, VOXTRAL_TTS, WordFile,
};
use crate::pack::MINIMUM_RUNTIME;
use crate::recipe::Recipe;

pub const ABOUT_FILE: &str = "syrinx.toml";

/// What the pack's front page says beside sizes and hashes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Defaults to the checkpoint folder's name.
    #[serde(default)]
    pub name: String,
    #[serde(default = "first_version")]
    pub version: String,
    #[serde(default = "voxtral_family")]
    pub family: String,
    #[serde(default = "voxtral_languages")]
    pub languages: Vec<String>,
    #[serde(default)]
    pub watermark: bool,
    #[serde(default = "voxtral_licence")]
    pub licence: Licence,
    #[serde(default)]
    pub text: Text,
    #[serde(default)]
    pub guards: Guards,
    #[serde(default)]
    pub defaults: DefaultsOverride,
    #[serde(default)]
    pub provenance: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pub import: ImportRules,
}

/// Defaults that differ from the model's own.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultsOverride {
    pub steps: Option<u32>,
    pub guidance: Option<f32>,
    pub seed: Option<u64>,
    pub frame_budget: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRules {
    /// Full paths of keys in `params.json` that change no arithmetic.
    #[serde(default)]
    pub ignore_keys: Vec<String>,
}

fn first_version() -> String {
    "1.0.0".into()
}

fn voxtral_family() -> String {
    VOXTRAL_TTS.into()
}

fn voxtral_languages() -> Vec<String> {
    ["en", "fr", "es", "de", "it", "pt", "nl", "ar", "hi"].map(String::from).into()
}

fn voxtral_licence() -> Licence {
    Licence {
        spdx: "CC-BY-NC-4.0".into(),
        commercial: false,
        note: "Weights and voices of Voxtral TTS, and audio made with them, are for non-commercial use".into(),
    }
}

/// What a pack says of itself, for another one of the same weights.
impl From<&Manifest> for About {
    fn from(manifest: &Manifest) -> Self {
        let Defaults { steps, guidance, seed, frame_budget } = manifest.defaults;
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            family: manifest.family.clone(),
            languages: manifest.languages.clone(),
            watermark: manifest.watermark,
            licence: manifest.licence.clone(),
            text: manifest.text.clone(),
            guards: manifest.guards,
            defaults: DefaultsOverride {
                steps: Some(steps),
                guidance: Some(guidance),
                seed: Some(seed),
                frame_budget: Some(frame_budget),
            },
            provenance: manifest.provenance.clone(),
            import: ImportRules::default(),
        }
    }
}

impl About {
    /// The front page of a pack of any family, with the runtime's own defaults. A rate is bounded where its shape is checked.
    pub(crate) fn page(
        &self,
        sample_rate_hz: usize,
        recipe: Recipe,
        synthetic: bool,
        files: Vec<PackFile>,
    ) -> Manifest {
        Manifest {
            format: FORMAT,
            name: self.name.clone(),
            version: self.version.clone(),
            family: self.family.clone(),
            languages: self.languages.clone(),
            sample_rate_hz: u32::try_from(sample_rate_hz).unwrap_or(u32::MAX),
            minimum_runtime: MINIMUM_RUNTIME.into(),
            recipe: recipe.name().into(),
            synthetic,
            watermark: self.watermark,
            licence: self.licence.clone(),
            defaults: Defaults::default(),
            text: self.text.clone(),
            guards: self.guards,
            provenance: self.provenance.clone(),
            files,
        }
    }

    /// Reads `folder/syrinx.toml` where there is one. Errors: `Corrupt`, with the key that is wrong; `Io`.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(ABOUT_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Error::io(&path, "read", e)),
        };
        let mut about: Self =
            toml::from_str(&text).map_err(|e| corrupt(format!("{}: {}", path.display(), e.message())))?;
        if about.name.is_empty() {
            let folder = folder.canonicalize().map_err(|e| Error::io(folder, "find", e))?;
            about.name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        }
        Ok(about)
    }

    /// The lexicons that are named, out of the checkpoint's folder or a pack's: name and content. Errors: `Corrupt` for a name
    /// with a folder in it; `Missing`, `Io`.
    pub fn lexicons(&self, folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
        let read = |WordFile { file, .. }: &WordFile| {
            if Path::new(file).components().count() != 1 || file.starts_with('.') {
                return Err(corrupt(format!("text.lexicons: \"{file}\" is not a plain file name")));
            }
            let path = folder.join(file);
            Ok((file.clone(), std::fs::read(&path).map_err(|e| Error::io(&path, "read", e))?))
        };
        self.text.lexicons.iter().map(read).collect()
    }

    /// The page of a model that listens, whose author wrote none: the licence is that of the released weights.
    pub fn fill_in_listening(&mut self, folder: &Path) -> Result<()> {
        let written = folder.join(ABOUT_FILE).is_file();
        if !written || self.family == voxtral_family() {
            self.family = VOXTRAL_REALTIME.into();
        }
        if !written {
            self.languages =
                ["en", "fr", "es", "de", "ru", "zh", "ja", "it", "pt", "nl", "ar", "hi", "ko"].map(String::from).into();
            self.licence = Licence { spdx: "Apache-2.0".into(), commercial: true, note: String::new() };
        }
        if self.family == VOXTRAL_REALTIME {
            return Ok(());
        }
        let message = format!("{ABOUT_FILE}: family is \"{}\", but params.json is of {VOXTRAL_REALTIME}", self.family);
        Err(corrupt(message))
    }

    /// The pack's defaults for a model whose own are `steps` and `guidance`.
    pub fn defaults(&self, steps: usize, guidance: f32) -> Defaults {
        let own = &self.defaults;
        Defaults {
            steps: own.steps.unwrap_or(u32::try_from(steps).unwrap_or(u32::MAX)),
            guidance: own.guidance.unwrap_or(guidance),
            seed: own.seed.unwrap_or(0),
            frame_budget: own.frame_budget.unwrap_or(2000), // 160 s at 12.5 frames/s, the released model's limit
        }
    }
}

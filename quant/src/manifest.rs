//! `pack.toml`, the pack's front page. In: what the importer knows, or the file. Out: [`Manifest`], which the runtime
//! reads before it touches a tensor: format, licence, hashes, defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Result, corrupt, newer};

/// The pack format that is written, and the newest that is read.
pub const FORMAT: u32 = 1;

/// Evaluations of the flow head for a frame; the released model has 7. Each reads all of the head's weights, and has a time
/// embedding of its own that is prepared when the pack is opened.
pub const MAX_STEPS: u32 = 64;
/// Weight of the conditional velocity; the released model's is 1.2.
pub const MAX_GUIDANCE: f32 = 10.0;

/// File names within a pack.
pub const MANIFEST_FILE: &str = "pack.toml";
pub const BACKBONE_FILE: &str = "backbone.gguf";
pub const SPEECH_FILE: &str = "speech.gguf";
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Of a pack that listens: its two stacks, which llama.cpp runs, and everything else.
pub const ENCODER_FILE: &str = "encoder.gguf";
pub const DECODER_FILE: &str = "decoder.gguf";
pub const HEAR_FILE: &str = "hear.gguf";

/// Families of models.
pub const VOXTRAL_TTS: &str = "voxtral-tts";
pub const VOXTRAL_REALTIME: &str = "voxtral-realtime";
pub const WHISPER: &str = "whisper";

/// Whether a family listens; the others speak.
pub fn listens(family: &str) -> bool {
    [VOXTRAL_REALTIME, WHISPER].contains(&family)
}

/// The files that a pack of a family must have.
pub fn files_of(family: &str) -> &'static [&'static str] {
    match family {
        VOXTRAL_REALTIME => &[ENCODER_FILE, DECODER_FILE, HEAR_FILE, TOKENIZER_FILE],
        WHISPER => &[HEAR_FILE, TOKENIZER_FILE],
        _ => &[BACKBONE_FILE, SPEECH_FILE, TOKENIZER_FILE],
    }
}

/// The whole of `pack.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    pub name: String,
    pub version: String,
    /// The architecture: `voxtral-tts`, which speaks, `voxtral-realtime` and `whisper`, which listen.
    pub family: String,
    /// BCP 47 tags.
    pub languages: Vec<String>,
    pub sample_rate_hz: u32,
    /// Oldest version of the runtime that can use the pack.
    pub minimum_runtime: String,
    /// Name of the precision recipe.
    pub recipe: String,
    /// True where the weights are random and the sound is noise.
    #[serde(default)]
    pub synthetic: bool,
    /// Whether speech is marked as synthetic where nobody says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watermark: bool,
    pub licence: Licence,
    /// Of a pack that speaks.
    #[serde(default, skip_serializing_if = "Defaults::are_absent")]
    pub defaults: Defaults,
    #[serde(default)]
    pub text: Text,
    #[serde(default, skip_serializing_if = "Guards::is_usual")]
    pub guards: Guards,
    /// Where the weights come from: free keys, one line each.
    #[serde(default)]
    pub provenance: BTreeMap<String, toml::Value>,
    pub files: Vec<PackFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// SPDX identifier of the weights' licence.
    pub spdx: String,
    /// Whether the licence allows commercial use.
    pub commercial: bool,
    /// One line for the person who opens the pack: conditions, attribution.
    #[serde(default)]
    pub note: String,
}

/// What a request gets that does not say otherwise. All zero in a pack that has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Euler steps of the flow head.
    pub steps: u32,
    pub guidance: f32,
    pub seed: u64,
    /// Frames after which an utterance is cut.
    pub frame_budget: u32,
}

impl Defaults {
    fn are_absent(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens to text before the tokenizer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// `none`, or the tag of the language whose numbers, dates and abbreviations are spelled out: `en`, `en-US`.
    #[serde(default)]
    pub normalise: Normalise,
    #[serde(default)]
    pub letter_case: LetterCase,
    /// What the model reads for a phone: characters of its own, by the phone in IPA. None: it reads letters alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phones: BTreeMap<String, String>,
    /// Words whose phones it knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lexicons: Vec<WordFile>,
}

/// A file of the pack with words and their phones, in the form of `syrinx pack --lexicon`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordFile {
    pub file: String,
    /// The voices that say them so; all, where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voices: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Normalise {
    /// The model reads text as people write it.
    #[default]
    None,
    /// A BCP 47 tag. Whether the runtime has rules for it is told when the pack is opened.
    Language(String),
}

impl From<String> for Normalise {
    fn from(tag: String) -> Self {
        match tag.as_str() {
            "none" => Self::None,
            _ => Self::Language(tag),
        }
    }
}

impl From<Normalise> for String {
    fn from(normalise: Normalise) -> Self {
        match normalise {
            Normalise::None => "none".into(),
            Normalise::Language(tag) => tag,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterCase {
    #[default]
    Keep,
    Lower,
}

/// How this model speaks when all is well, measured on its own speech. A clause that leaves these bounds has gone astray.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Frames per character of spoken text at the usual pace.
    pub frames_per_char: f32,
    /// Most frames of a clause, for each of its characters and beside that; 0 for each turns the guard off.
    pub most_frames_per_char: f32,
    pub spare_frames: u32,
    /// Frames for which a pattern of semantic codes may repeat itself; 0 turns the guard off.
    pub repetition_frames: u32,
    /// Frames of silence within a clause; 0 turns the guard off.
    pub silence_frames: u32,
    /// Root mean square of a frame, against full scale, below which it is silent.
    pub silence_dbfs: f32,
}

impl Default for Guards {
    /// 15 characters per second at 12.5 frames, and three times as many frames as that.
    fn default() -> Self {
        Self {
            frames_per_char: 0.83,
            most_frames_per_char: 2.5,
            spare_frames: 25,
            repetition_frames: 40,
            silence_frames: 38,
            silence_dbfs: -60.0,
        }
    }
}

impl Guards {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A file of the pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackFile {
    pub name: String,
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Errors: `Newer`, where the format is; `Corrupt`, with the line that cannot be read, or the key whose value means
    /// nothing.
    pub fn parse(text: &str) -> Result<Self> {
        // The number alone first: a newer format may have keys that this version would call unknown.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = toml::from_str(text).map_err(|e| unreadable(&e))?;
        match format {
            FORMAT => {
                let manifest: Self = toml::from_str(text).map_err(|e| unreadable(&e))?;
                manifest.validate()?;
                Ok(manifest)
            }
            0 => Err(corrupt(format!("{MANIFEST_FILE}: format 0 does not exist"))),
            _ => Err(newer(format!(
                "{MANIFEST_FILE}: pack format {format} is newer than {FORMAT}: update syrinx to use this pack"
            ))),
        }
    }

    /// What the types alone do not say. Errors: `Corrupt`, with the key.
    fn validate(&self) -> Result<()> {
        let check =
            |holds: bool, what: String| if holds { Ok(()) } else { Err(corrupt(format!("{MANIFEST_FILE}: {what}"))) };
        // A file that is not listed would be read without a look at its hash.
        let absent = |name: &&str| self.files.iter().all(|file| file.name != *name);
        let absent: Vec<&str> = files_of(&self.family).iter().copied().filter(absent).collect();
        check(absent.is_empty(), format!("files lists no {}: copy the pack again", absent.join(", ")))?;
        for WordFile { file, .. } in &self.text.lexicons {
            check(self.file(file).is_ok(), format!("text.lexicons names {file}, which files does not list"))?;
            check(!self.text.phones.is_empty(), "text.lexicons without text.phones: nothing could read them".into())?;
        }
        let Self { sample_rate_hz, defaults, guards, .. } = self;
        check(*sample_rate_hz > 0, "sample_rate_hz is 0".into())?;
        if listens(&self.family) {
            return Ok(()); // what follows is of speech
        }
        check(
            (1..=MAX_STEPS).contains(&defaults.steps),
            format!("defaults.steps is {}, expected 1 to {MAX_STEPS}", defaults.steps),
        )?;
        check(
            (0.0..=MAX_GUIDANCE).contains(&defaults.guidance),
            format!("defaults.guidance is {}, expected 0 to {MAX_GUIDANCE}", defaults.guidance),
        )?;
        check(defaults.frame_budget > 0, "defaults.frame_budget is 0".into())?;
        for (key, value) in
            [("frames_per_char", guards.frames_per_char), ("most_frames_per_char", guards.most_frames_per_char)]
        {
            let sane = value.is_finite() && value >= 0.0;
            check(sane, format!("guards.{key} is {value}, expected a number that is not negative"))?;
        }
        check(guards.silence_dbfs.is_finite(), format!("guards.silence_dbfs is {}", guards.silence_dbfs))
    }

    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| corrupt(format!("{MANIFEST_FILE} cannot be written: {e}")))
    }

    /// The entry of a file. Errors: `Corrupt`.
    pub fn file(&self, name: &str) -> Result<&PackFile> {
        self.files
            .iter()
            .find(|f| f.name == name)
            .ok_or_else(|| corrupt(format!("{MANIFEST_FILE}: lists no file {name}")))
    }
}

fn unreadable(e: &toml::de::Error) -> crate::Error {
    corrupt(format!("{MANIFEST_FILE}: {}", e.message()))
}

//! Listening. In: samples at 16 kHz. Out: what is said in them, and when.
//!
//! Beside [`crate::speak`], on the same packs, kernels and backbone. [`Ears`] are a pack's weights, as [`crate::Model`] is of
//! one that speaks; a [`Listener`] is one stream of sound. Sound comes from whoever has some, from a [`Microphone`], or from a
//! recording ([`wav`]).

mod by_turns;
#[allow(missing_docs)] // public to the lab alone
pub mod echo;
#[allow(missing_docs)] // public to the lab alone
pub mod intake;
mod listener;
#[allow(missing_docs)] // public to the lab alone
pub mod mel;
#[allow(missing_docs)] // public to the lab alone
pub mod microphone;
#[allow(missing_docs)] // public to the lab alone
pub mod realtime;
mod streaming;
#[allow(missing_docs)] // public to the lab alone
pub mod subtitles;
#[allow(missing_docs)] // public to the lab alone
pub mod transcript;
#[allow(missing_docs)] // public to the lab alone
pub mod turn;
#[allow(missing_docs)] // public to the lab alone
pub mod vad;
#[allow(missing_docs)] // public to the lab alone
pub mod wav;
#[allow(missing_docs)] // public to the lab alone
pub mod whisper;

pub use listener::{Ears, Listener};
pub use microphone::Microphone;

/// How ears are opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EarsOptions {
    /// Compare every file with its hash. Only very slow media justify turning this off.
    pub verify: bool,
    /// Refuse a pack whose licence forbids commercial use.
    pub commercial: bool,
    /// Threads of each listener; no more than the processors that this process may use.
    pub threads: usize,
}

impl Default for EarsOptions {
    fn default() -> Self {
        Self { verify: true, commercial: false, threads: 1 }
    }
}

impl EarsOptions {
    crate::setters::setters! { verify: bool, commercial: bool, threads: usize }
}

/// How a stream is heard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListenOptions {
    /// From the end of a word to its text: 80 to 2,400 in steps of 80. Longer is more accurate. `None`: the pack's own, 480.
    pub delay_ms: Option<u32>,
    /// Silence that ends a text.
    pub pause_ms: u32,
    /// How far back the text is remembered while a stream goes on, no farther than the model can. `None`: 160 s. It costs
    /// 1.3 MB per second in the released model.
    pub recall_ms: Option<u32>,
    /// Phrases that are expected: names, words of the trade. None by default.
    pub phrases: Vec<String>,
    /// What a token that continues a phrase is likelier by, in natural logarithms. Small enough, it decides between two words
    /// that sound alike; too large, it hears the phrases everywhere.
    pub phrase_bonus: f32,
    /// Tag of the language that is spoken, such as `en`, for packs that hear turn by turn. `None`: the model tells.
    pub language: Option<String>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { delay_ms: None, pause_ms: 800, recall_ms: None, phrases: Vec::new(), phrase_bonus: 2.0, language: None }
    }
}

impl ListenOptions {
    crate::setters::setters! {
        delay_ms: Option<u32>, pause_ms: u32, recall_ms: Option<u32>, phrases: Vec<String>, phrase_bonus: f32,
        language: Option<String>,
    }
}

/// What ears are, for people and for programs that choose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EarsInfo {
    /// Name and version of the pack.
    pub name: String,
    /// As the pack numbers itself.
    pub version: String,
    /// What kind of model it is: `voxtral-realtime`, which answers while somebody speaks, or `whisper`, which hears turn by turn.
    pub family: String,
    /// BCP 47 tags of the languages that it understands; it tells by itself which is spoken.
    pub languages: Vec<String>,
    /// SPDX identifier of its licence.
    pub licence: String,
    /// Whether that permits commercial use.
    pub commercial: bool,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// From the end of a word to its text, where nobody says otherwise, and at most; 0 where it hears turn by turn.
    pub delay_ms: u32,
    /// The longest delay that can be asked for.
    pub longest_delay_ms: u32,
}

/// A text that was heard. Times are in milliseconds from the listener's first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heard {
    /// All of it, from the last text that was ended.
    pub text: String,
    /// Its words.
    pub words: Vec<HeardWord>,
    /// Where the first word begins.
    pub start_ms: u64,
    /// Where the last word ends.
    pub end_ms: u64,
    /// It stays as it is. Otherwise more may follow.
    pub is_final: bool,
    /// Tag of the language that was found in it, such as `en`, of a pack that tells.
    pub language: Option<String>,
}

/// A word that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeardWord {
    /// With what is written next to it, such as a comma.
    pub text: String,
    /// Estimated by its length: the model tells ends alone.
    pub start_ms: u64,
    /// Within some 80 ms.
    pub end_ms: u64,
}

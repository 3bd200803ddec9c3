//! How the server wants to be spoken to. In: lines of `SET`. Out: options of a speech.
//!
//! Its scale is -100 to 100 for each: a rate of 0 is the voice's own, 100 four times that, as fast as it can be followed, -100
//! half of it; a volume of 100 is the voice's own. The pitch stays.

use syrinx::{ModelInfo, SpeakOptions};

/// Which signs are said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Punctuation {
    #[default]
    None,
    Some,
    Most,
    All,
}

#[derive(Debug)]
pub struct Settings {
    rate: f32,
    volume: f32,
    pub punctuation: Punctuation,
    /// Texts are spelled.
    pub spelling: bool,
    /// A capital letter that is said alone is said to be one.
    pub capitals: bool,
    language: Option<String>,
    /// A voice of the module's own list.
    voice: Option<String>,
    /// One of the server's, as `female2`.
    kind: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate: 0.0,
            volume: 100.0,
            punctuation: Punctuation::None,
            spelling: false,
            capitals: false,
            language: None,
            voice: None,
            kind: None,
        }
    }
}

impl Settings {
    /// Takes what it knows of lines `name=value`; what the server adds one day is passed over.
    pub fn set(&mut self, lines: &[String]) {
        for (name, value) in lines.iter().filter_map(|line| line.split_once('=')) {
            let number = || value.parse::<f32>().ok().filter(|value| value.is_finite()).map(|v| v.clamp(-100.0, 100.0));
            let named = || Some(value.to_owned()).filter(|value| !value.is_empty() && value != "NULL");
            match name {
                "rate" => self.rate = number().unwrap_or(self.rate),
                "volume" => self.volume = number().unwrap_or(self.volume),
                "spelling_mode" => self.spelling = value == "on",
                "cap_let_recogn" => self.capitals = value != "none",
                "language" => self.language = named(),
                "synthesis_voice" => self.voice = named(),
                "voice" => self.kind = named(),
                "punctuation_mode" => {
                    self.punctuation = match value {
                        "all" => Punctuation::All,
                        "most" => Punctuation::Most,
                        "some" => Punctuation::Some,
                        _ => Punctuation::None,
                    }
                }
                _ => {}
            }
        }
    }

    /// A voice and a language that the model has; what it has not is left to it.
    pub fn options(&self, info: &ModelInfo) -> SpeakOptions {
        let wanted = self.language.as_deref();
        let has = |tag: &&str| info.languages.iter().any(|own| is_same_language(tag, own));
        SpeakOptions::default()
            .voice(self.voice(info))
            .language(wanted.filter(has).map(str::to_owned))
            .speed(Some(speed(self.rate)))
            .volume(Some((self.volume + 100.0) / 200.0))
    }

    fn voice(&self, info: &ModelInfo) -> Option<String> {
        if let Some(named) = self.voice.as_ref().filter(|named| info.voices.contains(named)) {
            return Some(named.clone());
        }
        let kind = self.kind.as_deref()?.to_lowercase();
        let number = kind.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap_or(1).max(1);
        let is_female = |name: &str| name.contains("female");
        let is_of_kind = |name: &str| match is_female(&kind) {
            true => is_female(name),
            false => name.contains("male") && !is_female(name),
        };
        let speaks = |tag: &str| self.language.as_deref().is_none_or(|wanted| is_same_language(wanted, tag));
        let all: Vec<&str> =
            voices(info).filter(|(name, tag)| is_of_kind(name) && speaks(tag)).map(|(name, _)| name).collect();
        (number - 1).checked_rem(all.len()).map(|at| all[at].to_owned())
    }
}

fn speed(rate: f32) -> f32 {
    if rate > 0.0 { (rate / 50.0).exp2() } else { (rate / 100.0).exp2() }
}

/// Whether two tags are of one language, whatever their regions.
pub fn is_same_language(tag: &str, other: &str) -> bool {
    let language = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_lowercase();
    language(tag) == language(other)
}

/// Each voice with each language that it speaks: the one that its name begins with, as in `fr_male`, or all of the model's.
pub fn voices(info: &ModelInfo) -> impl Iterator<Item = (&str, &str)> {
    info.voices.iter().flat_map(|voice| {
        let begins = |tag: &str| voice.strip_prefix(tag).is_some_and(|rest| rest.starts_with(['_', '-']));
        let own = info.languages.iter().any(|tag| begins(tag));
        let of_voice = move |tag: &&String| !own || begins(tag);
        info.languages.iter().filter(of_voice).map(move |tag| (voice.as_str(), tag.as_str()))
    })
}

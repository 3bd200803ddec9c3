//! Elements of a document. In: a tag. Out: what it says at once, and what is to be said at its end; or why it cannot be heard.

use std::sync::Arc;

use super::{Item, MOST_MS, Place, Prosody};
use crate::error::ErrorKind;
use crate::text::Speller;
use crate::text::phones::Phones;

/// An element that is open.
#[derive(Debug)]
pub(super) enum Element {
    Speak {
        language: Option<Arc<Speller>>,
    },
    /// `p` and `s`. `language`: the one that was in force before.
    Block {
        name: &'static str,
        language: Option<Arc<Speller>>,
    },
    Lang {
        language: Option<Arc<Speller>>,
    },
    Prosody(Prosody),
    /// Said slower or faster, with a pause before and after it.
    Emphasis {
        prosody: Prosody,
        pause_ms: u32,
    },
    /// Its text is read at its end.
    SayAs {
        kind: String,
        format: String,
        content: String,
        places: Vec<Place>,
    },
    /// Its text is kept until its end.
    Phoneme {
        phones: Phones,
        content: String,
        places: Vec<Place>,
    },
    /// Its content is read.
    Plain(String),
    /// Its content is not.
    Hidden(String),
}

/// Why a tag cannot be heard as it is written.
pub(super) struct Fault {
    pub kind: ErrorKind,
    pub message: String,
}

/// What is in force where a tag stands.
pub(super) struct Around<'a> {
    pub prosody: Prosody,
    pub speller: &'a mut Arc<Speller>,
    /// Names of prepared phrases.
    pub phrases: &'a [String],
    /// `None` where what is not heard is an error.
    pub warned: Option<&'a mut Vec<&'static str>>,
}

fn bad(message: impl Into<String>) -> Fault {
    Fault { kind: ErrorKind::BadText, message: message.into() }
}

fn unsupported(message: impl Into<String>) -> Fault {
    Fault { kind: ErrorKind::Unsupported, message: message.into() }
}

impl Element {
    pub fn name(&self) -> &str {
        match self {
            Self::Speak { .. } => "speak",
            Self::Block { name, .. } => name,
            Self::Lang { .. } => "lang",
            Self::Prosody(_) => "prosody",
            Self::Emphasis { .. } => "emphasis",
            Self::SayAs { .. } => "say-as",
            Self::Phoneme { .. } => "phoneme",
            Self::Plain(name) | Self::Hidden(name) => name,
        }
    }

    pub fn is_hidden(&self) -> bool {
        matches!(self, Self::Hidden(_))
    }

    pub fn prosody(&self) -> Option<Prosody> {
        match self {
            Self::Prosody(prosody) | Self::Emphasis { prosody, .. } => Some(*prosody),
            _ => None,
        }
    }

    /// A tag has been read; `here` is its place.
    pub fn begin(
        name: &str,
        attributes: &[(String, String)],
        around: &mut Around<'_>,
        here: Place,
        out: &mut Vec<Item>,
    ) -> Result<Self, Fault> {
        let get = |key: &str| attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.trim());
        let need = |key: &str| get(key).ok_or_else(|| bad(format!("<{name}> needs {key}")));
        Ok(match name {
            "speak" => Self::Speak { language: around.enter_language(get("xml:lang"), out)? },
            "p" | "s" => {
                out.push(Item::Cut);
                Self::Block {
                    name: if name == "p" { "p" } else { "s" },
                    language: around.enter_language(get("xml:lang"), out)?,
                }
            }
            "lang" => Self::Lang { language: around.enter_language(Some(need("xml:lang")?), out)? },
            "break" => {
                let ms = match (get("time"), get("strength")) {
                    (Some(time), _) => duration_ms(time)?,
                    (None, strength) => strength_ms(strength.unwrap_or("medium"))?,
                };
                if ms > 0 {
                    out.push(Item::Break { ms });
                }
                Self::Hidden(name.to_owned())
            }
            "mark" => {
                out.push(Item::Mark(need("name")?.to_owned()));
                Self::Hidden(name.to_owned())
            }
            "sub" => {
                let alias = need("alias")?.to_owned();
                let places = vec![here; alias.chars().count()];
                out.push(Item::Text(alias, places));
                Self::Hidden(name.to_owned())
            }
            "say-as" => Self::SayAs {
                kind: need("interpret-as")?.to_ascii_lowercase(),
                format: get("format").unwrap_or_default().to_ascii_lowercase(),
                content: String::new(),
                places: Vec::new(),
            },
            "phoneme" => {
                let phones = need("ph")?;
                let phones = match get("alphabet").unwrap_or("ipa").to_ascii_lowercase().as_str() {
                    "ipa" => Phones::from_ipa(phones),
                    "x-sampa" | "xsampa" => Phones::from_x_sampa(phones),
                    other => Err(format!("alphabet \"{other}\": use ipa or x-sampa")),
                }
                .map_err(bad)?;
                around.speller.check_phones(&phones).map_err(unsupported)?;
                Self::Phoneme { phones, content: String::new(), places: Vec::new() }
            }
            "prosody" => {
                for other in ["pitch", "range", "contour", "duration"] {
                    if get(other).is_some_and(|value| !matches!(value, "default" | "medium" | "100%" | "+0%" | "1")) {
                        around.not_heard(other)?;
                    }
                }
                let mut prosody = around.prosody;
                if let Some(volume) = get("volume") {
                    prosody.gain = gain(volume, prosody.gain)?;
                }
                if let Some(rate) = get("rate") {
                    prosody.speed = speed(rate, prosody.speed)?;
                }
                out.push(Item::Prosody(prosody));
                Self::Prosody(prosody)
            }
            "emphasis" => {
                let (speed, pause_ms) = emphasis(get("level").unwrap_or("moderate"))?;
                let prosody = around.prosody.and(Prosody { speed, ..Prosody::default() });
                if prosody != around.prosody {
                    out.push(Item::Phrase);
                    if pause_ms > 0 {
                        out.push(Item::Break { ms: pause_ms });
                    }
                    out.push(Item::Prosody(prosody));
                }
                Self::Emphasis { prosody, pause_ms }
            }
            "voice" => return Err(unsupported("voice: a speech has one voice: name it in its options")),
            "audio" => {
                let source = need("src")?;
                if !around.phrases.iter().any(|known| known == source) {
                    let message =
                        format!("audio: no phrase was prepared as \"{source}\": name one in the speech's options");
                    return Err(unsupported(message));
                }
                out.push(Item::Audio(source.to_owned()));
                Self::Hidden(name.to_owned())
            }
            "lexicon" => return Err(unsupported("lexicon: name the file in the speech's options")),
            "lookup" | "token" | "w" => Self::Plain(name.to_owned()),
            "meta" | "metadata" | "desc" => Self::Hidden(name.to_owned()),
            _ => return Err(bad(format!("<{name}> is no element that can be heard"))),
        })
    }
}

impl Around<'_> {
    /// The language that was in force, where another one begins.
    fn enter_language(&mut self, tag: Option<&str>, out: &mut Vec<Item>) -> Result<Option<Arc<Speller>>, Fault> {
        let Some(tag) = tag.filter(|tag| *tag != self.speller.language()) else { return Ok(None) };
        let other = self.speller.reading(Some(tag), None).map_err(|e| unsupported(e.message()))?;
        let other = Arc::new(other);
        out.push(Item::Language(other.clone()));
        Ok(Some(std::mem::replace(self.speller, other)))
    }

    /// Errors, where the document is read strictly; else it is said once.
    fn not_heard(&mut self, what: &'static str) -> Result<(), Fault> {
        let Some(warned) = &mut self.warned else {
            return Err(unsupported(format!(
                "prosody: {what} is not changed, the model decides it: leave it out, or read leniently"
            )));
        };
        if !warned.contains(&what) {
            warned.push(what);
            log::warn!("SSML: {what} is not heard: the model decides");
        }
        Ok(())
    }
}

/// `500ms`, `1.5s`.
fn duration_ms(time: &str) -> Result<u32, Fault> {
    let fault = || bad(format!("break: \"{time}\" is no time of 0 to 60 s: write 500ms or 1.5s"));
    let (number, factor) = match time.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (time.strip_suffix('s').ok_or_else(fault)?, 1000.0),
    };
    let ms = number.trim().parse::<f32>().map_err(|_| fault())? * factor;
    match (0.0..=MOST_MS).contains(&ms) {
        true => Ok(ms.round() as u32),
        false => Err(fault()),
    }
}

fn strength_ms(strength: &str) -> Result<u32, Fault> {
    Ok(match strength {
        "none" | "x-weak" => 0,
        "weak" => 200,
        "medium" => 400,
        "strong" => 700,
        "x-strong" => 1200,
        _ => return Err(bad(format!("break: \"{strength}\" is no strength: write weak, medium or strong"))),
    })
}

/// Speed, and the pause before and after.
fn emphasis(level: &str) -> Result<(f32, u32), Fault> {
    Ok(match level {
        "strong" => (0.75, 150),
        "moderate" => (0.85, 80),
        "none" => (1.0, 0),
        "reduced" => (1.15, 0),
        _ => return Err(bad(format!("emphasis: \"{level}\" is no level: write strong, moderate, none or reduced"))),
    })
}

/// A factor, of a name, or of a share of what is in force (SSML 1.1 section 3.2.4): `120%` is 1.2 of it, and so are `+20%`
/// and, from SSML 1.0, `1.2`.
fn speed(rate: &str, now: f32) -> Result<f32, Fault> {
    Ok(match rate {
        "x-slow" => 0.5,
        "slow" => 0.75,
        "medium" | "default" => 1.0,
        "fast" => 1.4,
        "x-fast" => 2.0,
        _ => {
            let (number, unit) = rate.strip_suffix('%').map_or((rate, 1.0), |number| (number, 0.01));
            let change = number.starts_with(['+', '-']) && unit != 1.0;
            let factor = number.trim().parse::<f32>().ok().map(|n| n * unit + if change { 1.0 } else { 0.0 });
            match factor.filter(|factor| (0.1..=10.0).contains(factor)) {
                Some(factor) => now * factor,
                None => return Err(bad(format!("rate \"{rate}\": write slow, fast, or 120% (10% to 1000%)"))),
            }
        }
    })
}

/// A factor, of a name or of decibels beside what is in force.
fn gain(volume: &str, now: f32) -> Result<f32, Fault> {
    let db = |db: f32| 10f32.powf(db / 20.0);
    Ok(match volume {
        "silent" => 0.0,
        "x-soft" => db(-12.0),
        "soft" => db(-6.0),
        "medium" | "default" => 1.0,
        "loud" => db(3.0),
        "x-loud" => db(6.0),
        _ => {
            let number = volume.strip_suffix("dB").or(volume.strip_suffix("db"));
            let change = number.and_then(|number| number.trim().parse::<f32>().ok());
            match change.filter(|change| (-96.0..=12.0).contains(change)) {
                Some(change) => now * db(change),
                None => return Err(bad(format!("volume \"{volume}\": write soft, loud, or -6dB (-96 to 12)"))),
            }
        }
    })
}

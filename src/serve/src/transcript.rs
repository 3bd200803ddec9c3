//! What was heard, as it is sent. In: texts as they come and as they stay. Out: bodies and events in the forms of OpenAI's
//! `/v1/audio/transcriptions`.

use serde_json::{Value, json};
use syrinx::Heard;
use syrinx::lab::hear::subtitles::Subtitles;

/// How the body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Text,
    Subtitles(Subtitles),
    /// JSON with times, of texts and of words where they are wanted.
    Verbose {
        segments: bool,
        words: bool,
    },
}

impl Form {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Verbose { .. } => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Subtitles(Subtitles::Srt) => "application/x-subrip; charset=utf-8",
            Self::Subtitles(Subtitles::Vtt) => "text/vtt; charset=utf-8",
        }
    }

    /// All that stays of a sound of so many seconds. `language`: that of the request, or of the pack.
    pub fn body(self, texts: &[Heard], seconds: f64, language: Option<&str>) -> String {
        let text = || texts.iter().map(|heard| heard.text.as_str()).collect::<Vec<_>>().join(" ");
        let usage = json!({ "type": "duration", "seconds": seconds.ceil() as u64 });
        match self {
            Self::Text => text() + "\n",
            Self::Json => json!({ "text": text(), "usage": usage }).to_string(),
            Self::Subtitles(subtitles) => {
                let cues = texts.iter().enumerate().map(|(at, heard)| subtitles.cue(at + 1, heard));
                subtitles.head().to_owned() + &cues.collect::<String>()
            }
            Self::Verbose { segments, words } => {
                let found = texts.iter().find_map(|heard| heard.language.as_deref());
                let mut body = json!({
                    "task": "transcribe",
                    "language": found.or(language).unwrap_or_default(),
                    "duration": seconds,
                    "text": text(),
                    "usage": usage,
                });
                if segments {
                    body["segments"] = texts.iter().enumerate().map(|(at, heard)| segment(at, heard)).collect();
                }
                if words {
                    let words = texts.iter().flat_map(|heard| &heard.words);
                    let word = |word: &syrinx::HeardWord| json!({ "word": word.text, "start": s(word.start_ms), "end": s(word.end_ms) });
                    body["words"] = words.map(word).collect();
                }
                body.to_string()
            }
        }
    }
}

fn s(ms: u64) -> f64 {
    ms as f64 / 1e3
}

/// A text. Clients with types want the last members; nothing is measured for them here.
fn segment(at: usize, heard: &Heard) -> Value {
    json!({
        "id": at, "start": s(heard.start_ms), "end": s(heard.end_ms), "text": heard.text,
        "seek": heard.start_ms / 10, "tokens": [], "temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    })
}

/// A text that grows, for readers from whom nothing can be taken back.
#[derive(Debug, Default)]
pub struct Growing {
    /// All texts that stay.
    text: String,
    /// What has been sent of the one that is open.
    open: String,
}

impl Growing {
    /// What is new with this text, and goes behind all that was given before; may be empty.
    pub fn add(&mut self, text: &str, is_final: bool) -> String {
        let between = if self.text.is_empty() { "" } else { " " };
        // A model that takes back what it has said has no way to say so here: the whole text at the end is as it is to be.
        let new = match text.strip_prefix(self.open.as_str()) {
            Some("") | None => String::new(),
            Some(new) if self.open.is_empty() => format!("{between}{new}"),
            Some(new) => new.to_owned(),
        };
        if is_final {
            self.text += between;
            self.text += text;
            self.open.clear();
        } else if !new.is_empty() {
            text.clone_into(&mut self.open);
        }
        new
    }

    /// All that stays.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(texts: &[(&str, bool)]) -> (Vec<String>, String) {
        let mut growing = Growing::default();
        let new = texts.iter().map(|&(text, is_final)| growing.add(text, is_final)).collect();
        (new, growing.text().to_owned())
    }

    #[test]
    fn what_is_new_behind_what_was_given_is_the_text() {
        let (new, text) =
            grown(&[("a", false), ("a b", false), ("a b", true), ("c", true), ("d", false), ("de", true)]);
        assert_eq!(new, ["a", " b", "", " c", " d", "e"]);
        assert_eq!((new.concat(), text.as_str()), (text.clone(), "a b c de"));
    }

    #[test]
    fn nothing_is_taken_back_and_the_end_says_what_stays() {
        let (new, text) = grown(&[("ab", false), ("a", false), ("abc", false), ("x", true), ("y", true)]);
        assert_eq!((new.concat().as_str(), text.as_str()), ("abc y", "x y"));
    }
}

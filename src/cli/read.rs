//! `syrinx read`: how a text is read. In: a text and a language. Out: a line for each word: what is said, what it was
//! read from, and the line of the rules that read it; so that a wrong reading can be reported, and mended.

use serde_json::json;
use syrinx::lab::text::normalise::Normaliser;
use syrinx::{Error, ErrorKind, Result};

use super::output::outln;

#[derive(Debug, clap::Args)]
pub struct Read {
    /// What is written.
    text: String,
    /// Language of the text, as `de` or `en-US`.
    #[arg(long, default_value = "en", value_name = "TAG")]
    language: String,
    /// One JSON object in each line.
    #[arg(long)]
    json: bool,
}

impl Read {
    pub fn run(self) -> Result<()> {
        let normaliser = Normaliser::for_language(&self.language)
            .map_err(|e| Error::new(ErrorKind::Unsupported, e.message.clone()).with_source(e))?;
        let file = self.language.split('-').next().unwrap_or_default();
        for word in normaliser.explain(&self.text) {
            let written: String = self.text.chars().skip(word.start).take(word.end - word.start).collect();
            let written = written.trim();
            let rule = word.rule.map(|line| format!("{file}.toml:{line}"));
            let line = match self.json {
                true => json!({
                    "said": word.said, "written": written, "start": word.start, "end": word.end, "rule": rule,
                })
                .to_string(),
                false => format!("{:24} {:24} {}", word.said, written, rule.unwrap_or_default()).trim_end().to_owned(),
            };
            outln!("{line}")?;
        }
        Ok(())
    }
}

//! `syrinx read`: how a text is read. In: a text and a language. Out: a line for each word: what is said, what it was
//! read from, and the line of the rules or of the lexicon that read it; so that a wrong reading can be reported, and
//! mended.

use std::path::PathBuf;

use serde_json::json;
use syrinx::Result;
use syrinx::lab::pack::{OpenOptions, Pack};
use syrinx::lab::text::Speller;
use syrinx_quant::manifest::{Normalise, Text};

use super::arguments::WrittenArguments;
use super::output::outln;

#[derive(Debug, clap::Args)]
pub struct Read {
    /// What is written.
    text: String,
    /// Language of the text, as `de` or `en-US`.
    #[arg(long, default_value = "en", value_name = "TAG")]
    language: String,
    /// Pack whose phones and words are shown beside: as it would read the text.
    #[arg(long, value_name = "DIR")]
    pack: Option<PathBuf>,
    /// Voice of the pack that says them.
    #[arg(long, requires = "pack")]
    voice: Option<String>,
    #[command(flatten)]
    written: WrittenArguments,
    /// One JSON object in each line.
    #[arg(long)]
    json: bool,
}

impl Read {
    pub fn run(self) -> Result<()> {
        let text = Text { normalise: Normalise::Language(self.language.clone()), ..Text::default() };
        let mut speller = match &self.pack {
            Some(pack) => {
                let pack = Pack::open(pack, OpenOptions::default())?;
                Speller::of_pack(pack.dir(), &pack.manifest().text)?.reading(Some(&self.language), Some(true))?
            }
            None => Speller::new(&text)?,
        };
        if let Some(voice) = &self.voice {
            speller = speller.for_voice(voice);
        }
        if let Some(lexicon) = self.written.lexicon()? {
            // Phones are shown, though no model is there that reads them.
            speller = speller.with_phones(&lexicon);
        }
        for word in speller.explain(&self.text, self.written.ssml(), self.written.phrases()?.keys())? {
            let written: String = self.text.chars().skip(word.chars.start).take(word.chars.len()).collect();
            let written = written.trim();
            match self.json {
                true => outln!(
                    "{}",
                    json!({
                        "said": word.said, "written": written, "start": word.chars.start, "end": word.chars.end,
                        "by": word.by, "phones": word.phones,
                    })
                )?,
                false => {
                    let line = format!("{:24} {:24} {:16} {}", word.said, written, word.by, word.phones);
                    outln!("{}", line.trim_end())?;
                }
            }
        }
        Ok(())
    }
}

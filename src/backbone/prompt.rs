//! Tokens and the prompt. In: text, a voice. Out: ids, and the rows that the backbone is fed.
//!
//! The layout is the released model's (Voxtral specification section 3):
//! `bos begin_audio [voice rows] next_audio_text text… repeat_audio_text begin_audio`. Nothing else is added, and text
//! that looks like a control token stays text. The part before the text depends on the voice alone: the prefix.

use std::sync::Arc;

use tokenizers::Tokenizer;

use crate::error::{Error, ErrorKind, Result};
use crate::pack::{Pack, Table, Voice};
use syrinx_quant::shape::{Prompt, Shape};

/// Ids and their rows. Rows are `[len][dim]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptRows {
    pub ids: Vec<u32>,
    pub embeds: Vec<f32>,
}

/// Makes prompts for one pack.
#[derive(Clone, Debug)]
pub struct Prompter {
    tokenizer: Arc<Tokenizer>,
    layout: Prompt,
    table: Table,
}

impl Prompter {
    /// Errors: `BadPack`.
    pub fn open(pack: &Pack) -> Result<Self> {
        let path = pack.tokenizer_path();
        let tokenizer = Tokenizer::from_file(&path).map_err(|e| {
            Error::new(ErrorKind::BadPack, format!("{}: {e}: import the pack again", path.display())).with_source(e)
        })?;
        let Shape { model, prompt, .. } = pack.shape();
        let table =
            Table::open(pack.speech(), "mm_audio_embeddings.tok_embeddings.weight", model.vocab_size, model.dim)?;
        Ok(Self { tokenizer: Arc::new(tokenizer), layout: prompt.clone(), table })
    }

    /// Token ids of `text`, taken exactly as it is. Errors: `BadText` where the tokenizer refuses.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|e| Error::new(ErrorKind::BadText, format!("the text cannot be tokenized: {e}")).with_source(e))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The part of the prompt that depends on the voice alone.
    pub fn prefix(&mut self, voice: &Voice) -> Result<PromptRows> {
        let dim = self.table.columns();
        let mut rows = PromptRows::default();
        self.push_ids(&mut rows, &[self.layout.bos, self.layout.begin_audio])?;
        rows.ids.extend(std::iter::repeat_n(self.layout.audio, voice.rows.len() / dim));
        rows.embeds.extend_from_slice(&voice.rows);
        self.push_ids(&mut rows, &[self.layout.next_audio_text])?;
        Ok(rows)
    }

    /// The rest of the prompt, in place of what `rows` held: the text and the two ids that ask for speech. Every clause
    /// asks for it, so the room is the caller's to keep. Errors: `BadText` for empty text.
    pub fn text(&mut self, text: &str, rows: &mut PromptRows) -> Result<()> {
        let tokens = self.tokens(text)?;
        if tokens.is_empty() {
            return Err(Error::new(ErrorKind::BadText, "the text is empty: give at least one word"));
        }
        rows.ids.clear();
        rows.embeds.clear();
        self.push_ids(rows, &tokens)?;
        self.push_ids(rows, &[self.layout.repeat_audio_text, self.layout.begin_audio])
    }

    fn push_ids(&mut self, rows: &mut PromptRows, ids: &[u32]) -> Result<()> {
        for &id in ids {
            rows.ids.push(id);
            rows.embeds.extend_from_slice(self.table.row(id as usize)?);
        }
        Ok(())
    }
}

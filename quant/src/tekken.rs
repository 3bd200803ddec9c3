//! `tekken.json` → `tokenizer.json`. In: Mistral's vocabulary. Out: the same tokenizer in the format of the
//! `tokenizers` crate, with equal ids (voxtral-tts.md, section 3).
//!
//! Tekken merges any two neighbours whose concatenation is an entry, lowest rank first; `tokenizers` merges listed
//! pairs only. Listing one pair per entry is enough: no merge has crossed the entry's ends when it forms, so within
//! them the merges ran as they do for the entry alone, and its last pair is the one that merging it alone ends with.
//! An entry that merging does not reach is taken when it is a whole piece (`ignore_merges`), as in tekken.
//! Control strings are left out, so `[INST]` in a text stays plain text.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Result, corrupt, misshapen, missing};

pub const TEKKEN_FILE: &str = "tekken.json";

/// The part of the file that belongs to the model.
#[derive(Clone, Debug)]
pub struct Tekken {
    pattern: String,
    /// Ids below this are special; id = this + rank for the rest.
    special_count: usize,
    /// Bytes of each entry, by rank.
    entries: Vec<Vec<u8>>,
    specials: HashMap<String, u32>,
    voice_rows: BTreeMap<String, usize>,
    streaming: Option<Streaming>,
}

/// What `tekken.json` says of sound, where the model listens (voxtral-realtime.md, section 2.2).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Streaming {
    pub sampling_rate: usize,
    pub frame_rate: f64,
    pub audio_encoding_config: Encoding,
    pub transcription_format: String,
    pub transcription_delay_ms: f64,
    pub streaming_n_left_pad_tokens: usize,
}

/// Of the spectra.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Encoding {
    pub num_mel_bins: usize,
    pub hop_length: usize,
    pub window_size: usize,
}

#[derive(Deserialize)]
struct File {
    config: Config,
    vocab: Vec<Entry>,
    #[serde(default)]
    special_tokens: Option<Vec<Special>>,
    #[serde(default)]
    audio: Option<Value>,
}

#[derive(Deserialize)]
struct Config {
    pattern: String,
    default_vocab_size: usize,
    default_num_special_tokens: usize,
}

#[derive(Deserialize)]
struct Entry {
    rank: usize,
    token_bytes: String,
}

#[derive(Deserialize)]
struct Special {
    rank: u32,
    token_str: String,
}

#[derive(Deserialize)]
struct Audio {
    #[serde(default)]
    voice_num_audio_tokens: Option<BTreeMap<String, usize>>,
}

impl Tekken {
    /// Reads the first `default_vocab_size - default_num_special_tokens` entries; those behind are not the model's.
    ///
    /// Errors: `Corrupt` (JSON, ranks, base64, duplicates, an entry that is missing for some byte), `Shape` (sizes).
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = serde_json::from_str(text).map_err(|e| corrupt(format!("{TEKKEN_FILE}: {e}")))?;
        let Config { pattern, default_vocab_size: total, default_num_special_tokens: special_count } = file.config;
        let active = total.checked_sub(special_count).filter(|&n| n <= file.vocab.len()).ok_or_else(|| {
            let listed = file.vocab.len();
            misshapen(format!("{TEKKEN_FILE}: {listed} entries for a vocabulary of {total} less {special_count}"))
        })?;
        let mut entries = Vec::with_capacity(active);
        for (rank, entry) in file.vocab.into_iter().take(active).enumerate() {
            let bytes = BASE64_STANDARD.decode(&entry.token_bytes).ok().filter(|b| !b.is_empty() && entry.rank == rank);
            entries.push(bytes.ok_or_else(|| corrupt(format!("{TEKKEN_FILE}: entry {rank} is damaged")))?);
        }
        let specials = file.special_tokens.unwrap_or_default().into_iter().map(|s| (s.token_str, s.rank)).collect();
        let broken = |e: serde_json::Error| corrupt(format!("{TEKKEN_FILE}: audio: {e}"));
        let audio = file.audio.unwrap_or_default();
        let is_streaming = audio.get("transcription_format").is_some_and(|format| !format.is_null());
        let streaming = is_streaming.then(|| Streaming::deserialize(&audio)).transpose().map_err(broken)?;
        let audio = Option::<Audio>::deserialize(&audio).map_err(broken)?;
        let voice_rows = audio.and_then(|a| a.voice_num_audio_tokens).unwrap_or_default();
        let tekken = Self { pattern, special_count, entries, specials, voice_rows, streaming };
        tekken.check_bytes()?;
        Ok(tekken)
    }

    /// A vocabulary of the 256 bytes and no merges, for packs that nobody trained.
    pub fn bytes_only(special_count: usize) -> Self {
        Self {
            pattern: r"\s+|\S+".into(),
            special_count,
            entries: (0..=u8::MAX).map(|b| vec![b]).collect(),
            specials: HashMap::new(),
            voice_rows: BTreeMap::new(),
            streaming: None,
        }
    }

    /// Every text must be encodable without an unknown token.
    fn check_bytes(&self) -> Result<()> {
        let ranks = self.ranks()?;
        match (0..=u8::MAX).find(|&b| !ranks.contains_key([b].as_slice())) {
            None => Ok(()),
            Some(byte) => Err(corrupt(format!("{TEKKEN_FILE}: no entry for the single byte {byte}"))),
        }
    }

    fn ranks(&self) -> Result<HashMap<&[u8], usize>> {
        let ranks: HashMap<&[u8], usize> = self.entries.iter().enumerate().map(|(r, e)| (e.as_slice(), r)).collect();
        if ranks.len() == self.entries.len() {
            return Ok(ranks);
        }
        let twice = self.entries.iter().enumerate().find(|(rank, e)| ranks.get(e.as_slice()) != Some(rank));
        Err(corrupt(format!("{TEKKEN_FILE}: entry {} occurs twice", twice.map_or(0, |(rank, _)| rank))))
    }

    /// Ids, special ones included.
    pub fn vocab_size(&self) -> usize {
        self.special_count + self.entries.len()
    }

    /// The id of a control string. Errors: `Missing`.
    pub fn special(&self, name: &str) -> Result<u32> {
        let id = self.specials.get(name).copied().filter(|&id| (id as usize) < self.special_count);
        id.ok_or_else(|| missing(format!("{TEKKEN_FILE}: special token {name} is missing: not a speech vocabulary")))
    }

    /// Ids below this are special; id = this + rank for the rest.
    pub fn special_count(&self) -> usize {
        self.special_count
    }

    /// What it says of sound, where the model listens.
    pub fn streaming(&self) -> Option<&Streaming> {
        self.streaming.as_ref()
    }

    /// Rows that a voice must have, where the file says so.
    pub fn voice_rows(&self, voice: &str) -> Option<usize> {
        self.voice_rows.get(voice).copied()
    }

    /// The contents of `tokenizer.json`.
    pub fn to_tokenizer_json(&self) -> Result<Value> {
        let ranks = self.ranks()?;
        let spelled: Vec<String> = self.entries.iter().map(|e| spell(e)).collect();
        let vocab: serde_json::Map<String, Value> =
            spelled.iter().enumerate().map(|(rank, s)| (s.clone(), json!(self.special_count + rank))).collect();
        let merges: Vec<[String; 2]> = (0..self.entries.len())
            .filter_map(|rank| last_merge(&self.entries, &ranks, rank))
            .map(|(left, right)| [spell(left), spell(right)])
            .collect();
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [],
            "normalizer": null,
            "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
                { "type": "Split", "pattern": { "Regex": self.pattern }, "behavior": "Isolated", "invert": false },
                { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false },
            ] },
            "post_processor": null,
            "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false },
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": true,
                "vocab": vocab,
                "merges": merges,
            },
        }))
    }
}

/// The pair whose merge forms entry `rank`, or `None` where no sequence of earlier merges leads to it.
fn last_merge<'a>(entries: &'a [Vec<u8>], ranks: &HashMap<&[u8], usize>, rank: usize) -> Option<(&'a [u8], &'a [u8])> {
    let entry = entries.get(rank)?.as_slice();
    // Ends of the parts so far; part i is entry[ends[i - 1]..ends[i]].
    let mut ends: Vec<usize> = (1..=entry.len()).collect();
    while ends.len() > 2 {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let (_, i) = starts
            .zip(ends.iter().skip(1))
            .enumerate()
            .filter_map(|(i, (start, &end))| Some((*ranks.get(entry.get(start..end)?)?, i)))
            .filter(|(pair, _)| *pair < rank)
            .min()?;
        ends.remove(i);
    }
    match ends.as_slice() {
        [middle, _] => entry.split_at_checked(*middle),
        _ => None,
    }
}

/// The printable spelling of bytes in byte-level BPE: printable Latin-1 stands for itself, the others follow from
/// U+0100 in their order (`bytes_to_unicode` of GPT-2).
fn spell(bytes: &[u8]) -> String {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let spell_byte = |&b: &u8| match printable(b) {
        true => char::from(b),
        false => {
            let before = (0..b).filter(|&other| !printable(other)).count() as u32;
            char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    };
    bytes.iter().map(spell_byte).collect()
}

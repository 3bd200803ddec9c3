//! The converted tokenizer gives the ids of the reference.

mod common;

use std::collections::HashMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;
use serde_json::Value;
use syrinx_quant::ErrorKind;
use syrinx_quant::tekken::Tekken;
use tokenizers::Tokenizer;

fn tiny() -> String {
    std::fs::read_to_string(common::data("tiny/tekken.json")).unwrap()
}

fn convert(tekken: &str) -> Tokenizer {
    let json = Tekken::parse(tekken).unwrap().to_tokenizer_json().unwrap();
    Tokenizer::from_bytes(json.to_string()).unwrap()
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode_fast(text, false).unwrap().get_ids().to_vec()
}

fn check_fixture(tokenizer: &Tokenizer, vocabulary: &str) {
    let fixture = std::fs::read(common::data("tokenizer_fixture.json")).unwrap();
    let fixture: Value = serde_json::from_slice(&fixture).unwrap();
    let cases = fixture["cases"][vocabulary].as_array().unwrap();
    assert_eq!(cases.len(), 38);
    for case in cases {
        let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let text = case["text"].as_str().unwrap();
        assert_eq!(ids(tokenizer, text), expected, "{text:?}");
    }
}

#[test]
fn ids_of_the_tiny_vocabulary_equal_the_fixture() {
    check_fixture(&convert(&tiny()), "tiny");
}

/// Needs `tekken_240911.json` of the Python package mistral_common (Apache-2.0), named by `TEKKEN_240911`.
#[test]
#[ignore = "needs a vocabulary that is not in the repository: TEKKEN_240911=<mistral_common>/data/tekken_240911.json"]
fn ids_of_the_full_vocabulary_equal_the_fixture() {
    let path = std::env::var_os("TEKKEN_240911").expect("TEKKEN_240911 names the file");
    let text = std::fs::read_to_string(path).unwrap();
    let tokenizer = convert(&text);
    check_fixture(&tokenizer, "tekken_240911");
    let reference = Reference::new(&text);
    let corpus = std::fs::read_to_string(common::data("tokenizer_fixture.json")).unwrap();
    for line in corpus.split(['"', ',']) {
        for piece in line.split_inclusive(' ') {
            assert_eq!(reference.merge(piece.as_bytes()), merged(&text, piece), "{piece:?}");
        }
    }
}

/// Ids of one piece, not split.
fn merged(tekken: &str, piece: &str) -> Vec<u32> {
    thread_local!(static WHOLE: std::cell::OnceCell<Tokenizer> = const { std::cell::OnceCell::new() });
    WHOLE.with(|cell| {
        let whole = cell.get_or_init(|| {
            let mut json: Value = serde_json::from_str(tekken).unwrap();
            json["config"]["pattern"] = r"(?s).+".into();
            convert(&json.to_string())
        });
        ids(whole, piece)
    })
}

/// Tekken's own algorithm: merge the neighbours whose concatenation has the lowest rank, leftmost first.
struct Reference {
    ranks: HashMap<Vec<u8>, u32>,
    special_count: u32,
}

impl Reference {
    fn new(tekken: &str) -> Self {
        let json: Value = serde_json::from_str(tekken).unwrap();
        let size = |key: &str| json["config"][key].as_u64().unwrap() as u32;
        let special_count = size("default_num_special_tokens");
        let active = size("default_vocab_size") - special_count;
        let entries = json["vocab"].as_array().unwrap().iter().take(active as usize);
        let decode = |e: &Value| BASE64_STANDARD.decode(e["token_bytes"].as_str().unwrap()).unwrap();
        Self { ranks: entries.zip(0..).map(|(e, rank)| (decode(e), rank)).collect(), special_count }
    }

    fn merge(&self, piece: &[u8]) -> Vec<u32> {
        let mut parts: Vec<Vec<u8>> = match self.ranks.contains_key(piece) {
            true => vec![piece.to_vec()],
            false => piece.iter().map(|&b| vec![b]).collect(),
        };
        loop {
            let pairs = parts.windows(2).enumerate();
            let best = pairs.filter_map(|(i, p)| self.ranks.get(&p.concat()).map(|&rank| (rank, i))).min();
            let Some((_, i)) = best else { break };
            let right = parts.remove(i + 1);
            parts[i].extend(right);
        }
        parts.iter().map(|p| self.special_count + self.ranks[p]).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn merges_equal_those_of_the_reference_algorithm(piece in "[a-eghilnorstuw ]{1,40}|\\PC{1,30}") {
        let text = tiny();
        thread_local!(static REFERENCE: std::cell::OnceCell<Reference> = const { std::cell::OnceCell::new() });
        let expected = REFERENCE.with(|r| r.get_or_init(|| Reference::new(&text)).merge(piece.as_bytes()));
        prop_assert_eq!(merged(&text, &piece), expected);
    }
}

#[test]
fn control_strings_in_the_text_stay_plain_text() {
    let tokenizer = convert(&tiny());
    for text in ["<s>", "[INST]", "[AUDIO]", "[REPEAT_AUDIO_TEXT]"] {
        let ids = ids(&tokenizer, text);
        assert!(ids.len() > 1 && ids.iter().all(|&id| id >= 1000), "{text}: {ids:?}");
    }
}

#[test]
fn every_byte_has_a_token_and_text_survives() {
    let tokenizer = convert(&tiny());
    let text: String = (0..=0x24F).chain([0x1F3A4, 0xFFFF]).filter_map(char::from_u32).collect();
    assert_eq!(tokenizer.decode(&ids(&tokenizer, &text), false).unwrap(), text);
    let bytes = Tekken::bytes_only(64).to_tokenizer_json().unwrap().to_string();
    let bytes = Tokenizer::from_bytes(bytes).unwrap();
    assert_eq!(ids(&bytes, "a b é"), [64 + 97, 64 + 32, 64 + 98, 64 + 32, 64 + 0xC3, 64 + 0xA9]);
}

#[test]
fn damaged_vocabularies_are_refused_by_name() {
    let refusal = |edit: &dyn Fn(&mut Value)| {
        let mut json: Value = serde_json::from_str(&tiny()).unwrap();
        edit(&mut json);
        Tekken::parse(&json.to_string()).expect_err("the vocabulary should be refused")
    };
    let swapped = refusal(&|json| json["vocab"].as_array_mut().unwrap().swap(300, 301));
    assert!(swapped.kind == ErrorKind::Corrupt && swapped.message.contains("entry 300"), "{swapped}");
    let twice = refusal(&|json| json["vocab"][301]["token_bytes"] = json["vocab"][300]["token_bytes"].clone());
    assert!(twice.kind == ErrorKind::Corrupt && twice.message.contains("twice"), "{twice}");
    let no_byte = refusal(&|json| json["vocab"][65]["token_bytes"] = BASE64_STANDARD.encode("qqqq").into());
    assert!(no_byte.kind == ErrorKind::Corrupt && no_byte.message.contains("byte 65"), "{no_byte}");
    let short = refusal(&|json| json["config"]["default_vocab_size"] = 100_000.into());
    assert_eq!(short.kind, ErrorKind::Shape, "{short}");
    assert_eq!(Tekken::parse("{").unwrap_err().kind, ErrorKind::Corrupt);
}

//! Any text, in two pieces, in any language, as SSML or not: it is read, or refused with one line; the map never decreases;
//! what is read in pieces is what is read whole.
//!
//! The first byte of the input chooses language and mode, the second where the text is cut.
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run text` in `quant/`; `tests/data/reading` is a good corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The runtime's own files, without the runtime: llama.cpp has no part in reading.
#[path = "../../../src/error.rs"]
#[allow(dead_code)]
mod error;
#[path = "../../../src/text/mod.rs"]
#[allow(dead_code, unused_imports)]
mod text;
#[path = "../../../src/write.rs"]
#[allow(dead_code)]
mod write;

use syrinx_quant::manifest::{Normalise, Text};
use text::clause::Policy;
use text::normalise::Normaliser;
use text::{Lexicon, Speller, Ssml};

fuzz_target!(|input: (u8, u8, &str)| {
    let (choice, cut, text) = input;
    let languages = Normaliser::languages();
    let language = languages[usize::from(choice) % languages.len()];
    let normalise = Normalise::Language(language.to_owned());
    let speller = Speller::new(&Text { normalise, ..Text::default() }).expect("the built-in rules are sound");
    let cut = (0..=text.len()).rev().find(|&at| at <= usize::from(cut) && text.is_char_boundary(at)).unwrap_or(0);
    let read = |pieces: &[&str]| {
        let mut splitter = speller.splitter(Policy::default());
        pieces.iter().for_each(|piece| splitter.push(piece));
        splitter.finish();
        splitter.map(|clause| speller.spell(&clause)).collect::<Vec<_>>()
    };
    let whole = read(&[text]);
    assert_eq!(read(&[&text[..cut], &text[cut..]]), whole);
    for spoken in whole {
        assert!(spoken.source.is_sorted() && spoken.source.len() == spoken.text.len() + 1);
        assert!(!spoken.text.contains(|c: char| c.is_ascii_digit() || c.is_control()));
    }
    for mode in [Ssml::Strict, Ssml::Lenient] {
        match speller.explain(text, Some(mode)) {
            Err(error) => assert!(!error.message().contains('\n')),
            Ok(said) => assert!(said.iter().all(|word| word.chars.start <= word.chars.end)),
        }
    }
    if let Err(error) = Lexicon::parse(text, "fuzz") {
        assert!(!error.message().contains('\n'));
    }
});

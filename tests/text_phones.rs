//! Promise: a pack that reads phones gets them for every word whose sound is known: the caller's first, then the pack's own;
//! letters for all others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use syrinx::ErrorKind;
use syrinx::lab::text::clause::{Clause, ClauseEnd};
use syrinx::lab::text::lexicon::compact;
use syrinx::lab::text::normalise::Spoken;
use syrinx::lab::text::{Lexicon, Pronunciation, Speller, Ssml};
use syrinx_quant::manifest::{LetterCase, Normalise, Text, WordFile};

/// What the pack of these tests reads for a phone, where it isn't the sign itself with a bar.
const PHONES: &[&str] =
    &["ˈ", "ˌ", "ð", "ə", "k", "æ", "t", "s", "tʃ", "ʃ", "oʊ", "ʊ", "u", "ː", "j", "ɑ", "m", "eɪ", "d", "z", "l"];

/// Characters of the pack's alphabet stand for the phones in the order above.
fn read(phones: &str) -> String {
    let place = |sign: char| PHONES.iter().position(|phone| *phone == sign.to_string());
    phones.chars().map(|sign| char::from_u32(0xe000 + place(sign).unwrap() as u32).unwrap()).collect()
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A speller of a pack with these words for two voices.
fn speller(name: &str, first: &str, second: &str) -> Speller {
    let folder = Folder(std::env::temp_dir().join(format!("syrinx-phones-{name}-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    for (file, words) in [("first", first), ("second", second)] {
        compact::write(&Lexicon::parse(words, file).unwrap(), &folder.0.join(file)).unwrap();
    }
    let character = |i: usize| char::from_u32(0xe000 + i as u32).unwrap().to_string();
    let phones: BTreeMap<String, String> =
        PHONES.iter().enumerate().map(|(i, phone)| ((*phone).to_owned(), character(i))).collect();
    let of = |file: &str, voice: &str| WordFile { file: file.to_owned(), voices: vec![voice.to_owned()] };
    let text = Text {
        normalise: Normalise::Language("en".into()),
        letter_case: LetterCase::Lower,
        phones,
        lexicons: vec![of("first", "anna"), of("second", "bert")],
    };
    let pronunciation = Pronunciation::open(&folder.0, &text).unwrap().expect("it reads phones");
    Speller::new(&text).unwrap().with_pronunciation(Arc::new(pronunciation)).for_voice("anna")
}

fn spell(speller: &Speller, text: &str) -> Spoken {
    let (text, end) = (text.to_owned(), text.chars().count());
    speller.spell(&Clause { text, start: 0, end, kind: ClauseEnd::Sentence })
}

const WORDS: &str = "cat\t/kæt/\nchat\t/tʃæt/\nshow\t/ˈʃoʊ/\ntwo\t/tˈuː/\n";

#[test]
fn known_words_go_in_as_phones_and_others_as_letters() {
    let speller = speller("known", WORDS, "cat\t/kɑt/\n");
    let said = |text: &str| spell(&speller, text).text;
    assert_eq!(said("The Cat, catty."), format!("the {}, catty.", read("kæt")));
    assert_eq!(
        said("2 cat-chat"),
        format!("{} {}-{}{}.", read("tˈuː"), read("kæt"), "\u{e008}", read("æt")),
        "as read"
    );
    assert_eq!(said("cat's 'cat'"), format!("cat's {}.", read("kæt")), "an apostrophe is of the word that it is in");
    assert_eq!(said("show"), format!("\u{e009}\u{e000}\u{e00a}."), "stress is before the vowel, a diphthong one phone");
    let other = speller.clone().for_voice("bert");
    assert_eq!(spell(&other, "a cat").text, format!("a {}.", read("kɑt")), "as the voice says it");
    let german = speller.reading(Some("de"), None).unwrap();
    assert!(spell(&german, "die cat").text.contains("cat"), "the pack's words are of its own language");
}

#[test]
fn a_word_in_phones_keeps_its_place() {
    let speller = speller("place", WORDS, WORDS);
    let text = "It costs $2 at the chat now.";
    let spoken = spell(&speller, text);
    assert_eq!(spoken.source.len(), spoken.text.len() + 1);
    assert!(spoken.source.is_sorted());
    let at = |part: &str| spoken.source[spoken.text.find(part).unwrap()] as usize;
    assert_eq!(at("\u{e008}"), text.find("chat").unwrap());
    assert_eq!((at("now"), at("at the")), (text.find("now").unwrap(), text.find("at the").unwrap()));
}

#[test]
fn what_the_caller_says_of_a_word_goes_before_the_pack_s() {
    let speller = speller("caller", WORDS, WORDS);
    let lexicon = Lexicon::parse("cat\t/tæk/\nQt\t[k\"ju:t]\nNew Cat\t/dæd/\ntwo\tchat\n", "mine.tsv").unwrap();
    let speller = speller.with_lexicon(&lexicon).unwrap();
    let said = |text: &str| spell(&speller, text).text;
    assert_eq!(said("A cat, Qt."), format!("a {}, {}.", read("tæk"), read("kjˈuːt")));
    assert_eq!(said("The New Cat ran."), format!("the {} ran.", read("dæd")));
    assert_eq!(said("two"), format!("\u{e008}{}.", read("æt")), "an alias is looked up as if it were written there");
    let both = "<lexicon alphabet='ipa'><lexeme><grapheme>dog</grapheme><phoneme>tæt</phoneme><alias>hound</alias></lexeme></lexicon>";
    let speller = speller.with_lexicon(&Lexicon::parse(both, "both.pls").unwrap()).unwrap();
    assert_eq!(spell(&speller, "dog").text, format!("{}.", read("tæt")), "phones go before the alias beside them");
}

#[test]
fn a_word_whose_sound_its_neighbours_decide_goes_in_as_phones() {
    let speller = speller("heteronyms", "use\t/kæt/\nof\t/əd/\n", WORDS);
    let said = |speller: &Speller, text: &str| spell(speller, text).text;
    assert_eq!(said(&speller, "We use it."), format!("we {} it.", read("juːz")), "before the pack's own word");
    assert_eq!(said(&speller, "The use of it."), format!("the {} {} it.", read("juːs"), read("əd")));
    let mine = Lexicon::parse("use\t/tæk/\n", "mine.tsv").unwrap();
    assert_eq!(said(&speller.clone().with_lexicon(&mine).unwrap(), "We use it."), format!("we {} it.", read("tæk")));
    assert_eq!(said(&speller, "Please close it."), "please close it.", "a sound of one accent is not for every voice");
    let american = speller.reading(Some("en-US"), None).unwrap();
    let close = format!("please {}{}{}{} it.", read("k"), read("l"), "\u{e00a}", read("z"));
    assert_eq!(said(&american, "Please close it."), close);
}

#[test]
fn a_phone_that_the_pack_lacks_is_named() {
    let speller = speller("lacks", WORDS, WORDS);
    let lexicon = Lexicon::parse("# names\nBach\t/bax/\n", "names.tsv").unwrap();
    let error = speller.clone().with_lexicon(&lexicon).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("line 2") && error.message().contains("`b`"), "{error}");
    let error = speller.explain("<speak><phoneme ph='kæx'>cat</phoneme></speak>", Some(Ssml::Strict), []).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.message().contains("`x`"), "{error}");
}

#[test]
fn a_reading_shows_the_phones_of_its_words() {
    let speller = speller("shows", WORDS, WORDS);
    let phones = |text: &str, ssml| -> Vec<String> {
        speller.explain(text, ssml, []).unwrap().into_iter().map(|word| word.phones).collect()
    };
    assert_eq!(phones("The cat, two dogs.", None), ["", "kæt", "tˈuː", ""]);
    let document = "<speak>A <phoneme ph='dæd'>cat</phoneme> chat.</speak>";
    assert_eq!(phones(document, Some(Ssml::Strict)), ["", "dæd", "tʃæt"]);
}

#[test]
fn characters_that_a_text_brings_are_never_taken_for_phones() {
    let speller = speller("private", WORDS, WORDS);
    for by_rules in [true, false] {
        let speller = speller.reading(None, Some(by_rules)).unwrap();
        let said = spell(&speller, "dog \u{e003}\u{e004} dog").text;
        assert!(said.contains("dog") && !said.contains(['\u{e003}', '\u{e004}']), "{said:?}");
    }
}

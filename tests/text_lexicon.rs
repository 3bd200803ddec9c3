//! Promise: how a word is said can be set: by a lexicon, and by the words around it.

use syrinx::ErrorKind;
use syrinx::lab::text::clause::{Clause, ClauseEnd};
use syrinx::lab::text::normalise::{Normaliser, Spoken};
use syrinx::lab::text::{Lexicon, Speller};
use syrinx_quant::manifest::{Normalise, Text};

fn speller(language: &str) -> Speller {
    let text = Text { normalise: Normalise::Language(language.to_owned()), ..Text::default() };
    Speller::new(&text).expect("the built-in rules are sound")
}

fn spell(speller: &Speller, text: &str) -> Spoken {
    let (text, end) = (text.to_owned(), text.chars().count());
    speller.spell(&Clause { text, start: 0, end, kind: ClauseEnd::Sentence })
}

fn with(lexicon: &str) -> Speller {
    speller("en").with_lexicon(&Lexicon::parse(lexicon, "words.tsv").unwrap()).unwrap()
}

#[test]
fn a_word_of_the_lexicon_is_read_as_it_says() {
    let speller =
        with("# names\nNguyen\twin\nWorcester Street\tWooster Street\nWorcester\tWuster\ngif\tjif\n5G\tfive G\n");
    let said = |text: &str| spell(&speller, text).text;
    assert_eq!(said("Mr Nguyen is in Worcester."), "Mister win is in Wuster.");
    assert_eq!(said("12 Worcester Street"), "twelve Wooster Street.", "the longest goes first");
    assert_eq!(
        said("A GIF, a gif, gifs"),
        "A jif, a jif, gifs.",
        "small letters stand for any case, a part for nothing"
    );
    assert_eq!(said("nguyen's 5G"), "nguyen's five G.", "capitals stand for themselves");
}

#[test]
fn a_word_of_the_lexicon_keeps_its_place() {
    let spoken = spell(&with("ab\tlonger than before\n"), "It costs $5 at AB now.");
    let at = spoken.text.find("now").expect("it is said");
    assert_eq!(spoken.source[at], 18);
    let at = spoken.text.find("before").expect("it is said");
    assert_eq!(spoken.source[at], 15);
    assert!(spoken.source.is_sorted() && spoken.source.len() == spoken.text.len() + 1);
}

const PLS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="x-sampa" xml:lang="en-GB">
  <!-- places -->
  <lexeme>
    <grapheme>Godmanchester</grapheme>
    <grapheme>G'chester</grapheme>
    <phoneme>"gVmst@</phoneme>
    <phoneme>"g@mst@</phoneme>
    <alias>gum
       ster</alias>
  </lexeme>
  <lexeme><grapheme>R&amp;D</grapheme><alias>research and development</alias></lexeme>
</lexicon>
"#;

#[test]
fn a_pronunciation_lexicon_of_w3c_is_read() {
    let lexicon = Lexicon::parse(PLS, "places.pls").unwrap();
    assert_eq!(lexicon.len(), 3);
    assert_eq!(lexicon.phones("Godmanchester").map(|phones| phones.as_str()), Some("ˈɡʌmstə"), "the first counts");
    let english = speller("en-US").with_lexicon(&lexicon).unwrap();
    assert_eq!(spell(&english, "R&D in G'chester").text, "research and development in gum ster.");
    let german = speller("de").with_lexicon(&lexicon).unwrap();
    assert_eq!(spell(&german, "In Godmanchester").text, "In Godmanchester.", "it is for English");
}

#[test]
fn the_lexicon_named_last_is_asked_first() {
    let two = Lexicon::parse("Kia\tkey ah\nVW\tvee double you\n", "two").unwrap();
    let speller = with("Kia\tkia\n").with_lexicon(&two).unwrap();
    assert_eq!(spell(&speller, "Kia and VW").text, "key ah and vee double you.");
}

#[test]
fn what_is_wrong_with_a_lexicon_is_told_with_its_line() {
    for (text, line, what) in [
        ("a\tb\n\nno tab here\n", 3, "tab"),
        ("a\t\n", 1, "reading"),
        ("a\t/k;t/\n", 1, "`;`"),
        ("a\t[k;t]\n", 1, "`;`"),
        ("<lexicon>\n<lexeme><alias>x</alias></lexeme></lexicon>", 2, "grapheme"),
        ("<lexicon>\n<lexeme>\n<grapheme>x</grapheme></lexeme></lexicon>", 2, "neither"),
        ("<lexicon alphabet='sampa'/>", 1, "x-sampa"),
        ("<lexicon>\n\n<lexeme></lexicon>", 3, "lexeme"),
        ("<speak>a</speak>", 1, "<lexicon>"),
        ("<", 1, ""),
    ] {
        let error = Lexicon::parse(text, "mine").expect_err(text);
        assert_eq!(error.kind(), ErrorKind::BadOption);
        let message = error.message();
        assert!(message.contains(&format!("mine, line {line}:")) && message.contains(what), "{text:?}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.tsv");
    assert_eq!(Lexicon::open(&path).unwrap_err().kind(), ErrorKind::Io);
    std::fs::write(&path, b"a\tb\nc\t\xff\n").unwrap();
    let error = Lexicon::open(&path).unwrap_err();
    assert!(error.message().contains("line 2: not UTF-8"), "{error}");
}

#[test]
fn phones_are_refused_by_a_pack_that_does_not_read_them() {
    let lexicon = Lexicon::parse("a\tb\nQt\t/kjuːt/\n", "mine").unwrap();
    let error = speller("en").with_lexicon(&lexicon).expect_err("wren reads letters");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("mine, line 2: \"Qt\"") && error.message().contains("alias"), "{error}");
}

#[test]
fn a_large_lexicon_is_searched_in_no_more_time_than_a_small_one() {
    // Names that begin alike, as streets of a map do: what is compared is one name, not all.
    let many: String = (0..20_000).map(|i| format!("Saint {i}th Street\tstreet {i}\n")).collect();
    let speller = with(&many);
    assert_eq!(spell(&speller, "At Saint 7777th Street.").text, format!("At {}", spell(&speller, "street 7777").text));
}

#[test]
fn sixty_heteronyms_sound_as_their_neighbours_ask() {
    let english = Normaliser::for_language("en").expect("the built-in rules are sound");
    let mut wrong = Vec::new();
    let sentences = include_str!("data/reading/heteronyms.tsv").lines().filter(|line| !line.starts_with('#'));
    for (count, line) in (1..).zip(sentences) {
        let (sentence, phones) = line.split_once('\t').expect("two columns");
        let parts: Vec<&str> = sentence.split('*').collect();
        let &[before, word, after] = parts.as_slice() else { panic!("{line}") };
        let text = format!("{before}{word}{after}");
        let found = english.heteronyms(&text);
        let sound = found.iter().find(|(range, _)| range.start == before.len()).map(|(_, sound)| *sound);
        let is = sound.and_then(|sound| sound.phones.as_ref()).map_or("", |phones| phones.as_str());
        if is != phones {
            wrong.push(format!("{text}: {word} is {is:?}, want {phones:?}"));
        }
        assert!(count <= 60);
    }
    assert!(wrong.len() <= 3, "{} of 60:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_noun_and_its_verb_sound_as_their_neighbours_ask() {
    let english = Normaliser::for_language("en").expect("the built-in rules are sound");
    for (text, wanted) in [
        ("Play the record, then record a message", &["ˈɹɛkɚd", "ɹɪˈkɔːɹd"][..]),
        ("They object to this object", &["əbˈdʒɛkt", "ˈɑbdʒɛkt"]),
        ("At present we present a present", &["ˈpɹɛzənt", "pɹɪˈzɛnt", "ˈpɹɛzənt"]),
        ("Out of use: do not use", &["juːs", "juːz"]),
        ("Use the quickly growing use of it", &["juːz", "juːs"]),
        ("Please separate the separate parts", &["ˈsɛpɚeɪt", "ˈsɛpɹət"]),
        ("A two-minute walk", &["ˈmɪnɪt"]),
        ("Grilled over wood, the bass is our best fish", &["bæs"]),
    ] {
        let found = english.heteronyms(text);
        let is: Vec<&str> =
            found.iter().filter_map(|(_, sound)| sound.phones.as_ref()).map(|phones| phones.as_str()).collect();
        assert_eq!(is, wanted, "{text}");
    }
}

#[test]
fn a_word_that_sounds_alike_stands_for_one_that_does_not() {
    let english = speller("en");
    let said = |text: &str| spell(&english, text).text;
    assert_eq!(said("Read it. I have read it."), "Read it. I have red it.");
    assert_eq!(said("Read access was never read."), "Read access was never red.");
    let spoken = spell(&english, "A minute detail.");
    assert_eq!(spoken.text, "A my-newt detail.");
    assert_eq!((spoken.source[2], spoken.source[10]), (2, 9));
    // The reading by itself keeps the words that are written.
    let plain = Normaliser::for_language("en").expect("the built-in rules are sound");
    assert_eq!(plain.speak("I have read it.").text, "I have read it.");
}

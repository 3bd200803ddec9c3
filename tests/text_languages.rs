//! What holds for every language, and for text that comes in pieces.

use std::sync::LazyLock;

use proptest::prelude::*;
use syrinx::lab::text::clause::{Clauses, Policy};
use syrinx::lab::text::normalise::Normaliser;

/// Language, number, its words by the Python package num2words.
const COUNTED: &str = include_str!("data/reading/num2words.tsv");
const ORDERED: &str = include_str!("data/reading/ordinals.tsv");

static ALL: LazyLock<Vec<(&str, Normaliser)>> = LazyLock::new(|| {
    let read = |tag| (tag, Normaliser::for_language(tag).expect("the built-in rules are sound"));
    Normaliser::languages().into_iter().map(read).collect()
});

fn reader(language: &str) -> &'static Normaliser {
    &ALL.iter().find(|(tag, _)| *tag == language).expect("there are rules for it").1
}

/// Spacing, hyphens, an accent of stress and the older spelling of the Arabic hundred are style.
fn sounds(text: &str) -> String {
    let text = text.replace("één", "een").replace("مائة", "مئة").replace("مائ", "مئ");
    text.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

#[test]
fn numbers_are_those_of_an_independent_package() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for line in COUNTED.lines().filter(|line| !line.starts_with("# ")) {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[language, number, words] = columns.as_slice() else { panic!("{line}") };
        // With a word after it, so that it is no date, year or ordinal.
        let spoken = reader(language).speak(&format!("zz {number} zz")).text;
        let (_, spoken) = spoken.split_once(' ').expect("the first word is said");
        let (spoken, _) = spoken.rsplit_once(' ').expect("the last word is said");
        cases += 1;
        if sounds(spoken) != sounds(words) {
            wrong.push(format!("{language} {number}: {spoken:?}, want {words:?}"));
        }
    }
    assert!(cases > 300, "{cases} cases");
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_number_that_ends_a_sentence_is_no_abbreviation() {
    for (language, reader) in ALL.iter() {
        for number in (0..=100).map(|number| number.to_string()) {
            let cardinal = reader.say_as("cardinal", "", &number).expect("it is a number");
            let spoken = reader.speak(&cardinal).text;
            assert_eq!(sounds(&spoken), sounds(&cardinal), "{language} {number}: {spoken:?}");
            let spoken = reader.speak(&format!("zz {number} zz {cardinal}.")).text;
            assert!(sounds(&spoken).ends_with(&sounds(&cardinal)), "{language} {number}: {spoken:?}");
        }
    }
}

#[test]
fn ordinals_are_those_of_an_independent_package() {
    let mut wrong = Vec::new();
    let lines = ORDERED.lines().filter(|line| !line.starts_with("# "));
    let cases = lines.clone().count();
    for line in lines {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[language, number, words] = columns.as_slice() else { panic!("{line}") };
        let said = reader(language).say_as("ordinal", "", number).unwrap_or_default();
        if sounds(&said) != sounds(words) {
            wrong.push(format!("{language} {number}: {said:?}, want {words:?}"));
        }
    }
    assert!(cases > 300, "{cases} cases");
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_language_without_rules_is_refused_by_name() {
    let error = Normaliser::for_language("xx").expect_err("there are none");
    assert!(error.message.contains("xx") && error.message.contains("de"), "{error}");
}

#[test]
fn regions_differ_in_dates_spelling_and_and() {
    let us = Normaliser::for_language("en-US").expect("the built-in rules are sound");
    let gb = Normaliser::for_language("en-GB").expect("the built-in rules are sound");
    assert_eq!(us.speak("105 m on 3/4/2026").text, "one hundred five meters on March fourth, twenty twenty-six.");
    assert_eq!(
        gb.speak("105 m on 3/4/2026").text,
        "one hundred and five metres on the third of April, twenty twenty-six."
    );
}

#[test]
fn a_word_is_explained_by_its_place_and_rule() {
    let words = reader("en").explain("It is 5 km to Max.");
    let said: Vec<&str> = words.iter().map(|word| word.said.as_str()).collect();
    assert_eq!(said, ["It", "is", "five", "kilometres", "to", "Max."]);
    assert_eq!((words[2].start, words[3].start, words[3].end), (6, 8, 10));
    assert!(words[2].rule.is_some() && words[2].rule == words[3].rule && words[5].rule.is_none());
    let line = include_str!("../src/text/rules/en.toml").lines().nth(words[2].rule.expect("a rule read it") - 1);
    assert!(line.is_some_and(|line| line.contains("{u|unit}")), "{line:?}");
}

#[test]
fn each_language_reads_a_price_a_time_and_a_unit() {
    for (language, text, wanted) in [
        ("de", "Das kostet 3,80 € um 14:05 Uhr.", "Das kostet drei Euro achtzig Cent um vierzehn Uhr fünf."),
        ("fr", "Il coûte 3,80 €.", "Il coûte trois euros et quatre-vingts centimes."),
        ("es", "Cuesta 3,80 €.", "Cuesta tres euros ochenta céntimos."),
        ("it", "Costa 3,80 €.", "Costa tre euro ottanta centesimi."),
        ("pt", "Custa R$ 3,80.", "Custa três reais e oitenta centavos."),
        ("nl", "Het kost € 3,80 om 14:05 uur.", "Het kost drie euro tachtig cent om veertien uur vijf."),
        ("sv", "Det är 5 km.", "Det är fem kilometer."),
        ("hi", "5 km", "पाँच किलोमीटर."),
        ("ar", "5 كم", "خمسة كيلومترات."),
    ] {
        assert_eq!(reader(language).speak(text).text, wanted, "{language}");
    }
}

const WRITTEN: &[&str] = &[
    "<think>Let me see. 3 stops? Yes.</think>Take **bus 5**. Then walk.",
    "Sure.\n\n1. Tea\n2. Milk\n\nSee [the map. It helps](https://a.example/x?y=1.2) for more. Bye.",
    "{\"name\": \"route\", \"to\": [\"a}b\", 1]}\nTurn left. Then stop.",
    "```json\n{\"a\": 1}\n```\nDone. The rest follows.",
    "[TOOL_CALLS][{\"name\": \"x. y\"}]\nIt rains. Take a coat.",
    "We know $$F = ma^2$$ holds. Dr. Smith said so in 1999.",
    "| a | b |\n|---|---|\n| 1 km | 2 |\n\nThat is all, e.g. nothing else.",
    "A < b is text. <b>Bold</b> too. <thin air> as well.",
];

/// What is said of a text that comes in these pieces.
fn streamed_by(reader: &Normaliser, pieces: &[&str]) -> Vec<String> {
    let mut clauses = Clauses::new(reader.clause_words(), Policy::default());
    for piece in pieces {
        clauses.push(piece);
    }
    clauses.finish();
    clauses.map(|clause| reader.speak_open(&clause.text).text).collect()
}

fn streamed(pieces: &[&str]) -> Vec<String> {
    streamed_by(reader("en"), pieces)
}

/// What people and language models write, in pieces: words and abbreviations of every language, figures, emoji, Markdown,
/// LaTeX, thoughts, tool calls.
const PIECES: &[&str] = &[
    "the",
    "Dr.",
    "St.",
    "e.g.",
    "U.S.",
    "IV",
    "I",
    "NASA",
    "für",
    "z.B.",
    "d.h.",
    "usw.",
    "den",
    "3. Mai",
    "Straße",
    "Nr.",
    "l'école",
    "M.",
    "1er",
    "2ème",
    "av.",
    "Sr.",
    "5º",
    "ª",
    "p.ej.",
    "n.º",
    "dott.",
    "ecc.",
    "bijv.",
    "m.a.w.",
    "één",
    "å",
    "t.ex.",
    "bl.a.",
    "पाँच",
    "किमी",
    "५",
    "रु.",
    "डॉ.",
    "خمسة",
    "٣",
    "كم",
    "د.",
    "ﷺ",
    "é",
    "ß",
    "½",
    "²",
    "№",
    "°C",
    "日本",
    "Ω",
    "😀",
    "👩\u{200d}👩\u{200d}👧",
    "🇩🇪",
    "☕\u{fe0f}",
    "1\u{fe0f}\u{20e3}",
    "\u{2063}",
    "\u{301}",
    "**",
    "*",
    "_",
    "`",
    "```\n",
    "```json\n",
    "# ",
    "- ",
    "1. ",
    "> ",
    "| a | b |\n",
    "|---|---|\n",
    "|",
    "[x](http://a.b)",
    "![i](u)",
    "[",
    "](",
    "~~",
    "$x^2$",
    "$$",
    "$",
    "\\frac{1}{2}",
    "\\(a\\)",
    "\\",
    "^",
    "<think>",
    "</think>",
    "<b>",
    "</b>",
    "<br/>",
    "<",
    "&amp;",
    "&",
    "{\"a\": 1}",
    "{\"",
    "[TOOL_CALLS]",
    "[{",
    "<tool_call>",
    "</tool_call>",
    "0",
    "1",
    "12",
    "007",
    "3,80",
    "1.000",
    "2026",
    "14:05",
    "14h30",
    "1/2",
    "3/4/2026",
    "50%",
    "5 km",
    "€ 5",
    "R$ 3",
    "₹100",
    "£2.50",
    "+49",
    "555-1234",
    "A4",
    "v2.0",
    "1-2",
    "10^3",
    "-5",
    "a@b.de",
    "www.a.fr",
    ".",
    ",",
    ":",
    "?",
    "!",
    ";",
    "-",
    "–",
    "…",
    "'",
    "\"",
    "(",
    ")",
    "/",
    " ",
    " ",
    " ",
    " ",
    " ",
    " ",
    "\n",
    "\n\n",
    "\u{a0}",
];

fn written() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..14).prop_map(|pieces| pieces.concat())
}

/// What may stand around a figure without hiding it.
const AROUND: &[[&str; 2]] = &[
    ["**", "**"],
    ["*", "*"],
    ["_", "_"],
    ["~~", "~~"],
    ["`", "`"],
    ["# ", "\n"],
    ["- ", "\n"],
    ["> ", "\n"],
    ["(", ")"],
    ["\"", "\""],
    ["“", "”"],
    ["😀", "😀"],
    ["$", "$"],
    ["\\(", "\\)"],
    ["[", "](http://a.example)"],
    ["<b>", "</b>"],
    ["| ", " | b |\n|---|---|\n"],
    ["```\n", "\n```\n"],
    ["x^", ""],
    ["\\frac{", "}{b}"],
    ["</think>", "<br/>"],
    ["\u{200d}", "\u{fe0f}"],
    ["«", "»"],
    ["№ ", ""],
];

#[test]
fn text_cut_anywhere_is_read_as_the_whole() {
    for text in WRITTEN {
        let whole = streamed(&[text]);
        for (cut, _) in text.char_indices() {
            let (a, b) = text.split_at(cut);
            assert_eq!(streamed(&[a, b]), whole, "{a:?} | {b:?}");
        }
    }
}

#[test]
fn thoughts_calls_and_addresses_are_never_heard() {
    let said = |i: usize| streamed(&[WRITTEN[i]]).join("|");
    assert_eq!(said(0), "Take bus five. Then walk.");
    assert!(said(1).ends_with("See the map. It helps for more.|Bye."), "{}", said(1));
    assert_eq!(said(2), "Turn left. Then stop.");
    assert_eq!(said(3), "Done. The rest follows.");
    assert_eq!(said(4), "It rains. Take a coat.");
}

#[test]
fn late_text_is_not_cut_within_a_name_or_a_number() {
    for (text, kept) in [
        ("Please call Dr ", "Dr "),
        ("He fought in World War ", "World War "),
        ("Then type your PIN ", "PIN "),
        ("Now you have four thousand ", "four thousand "),
        ("You can see [the map](http", "[the map](http"),
        ("You can see <b cl", "<b cl"),
    ] {
        let english = reader("en");
        let mut clauses = Clauses::new(english.clause_words(), Policy::sentences());
        clauses.push(text);
        clauses.flush_pending();
        let said: String = clauses.by_ref().map(|clause| clause.text).collect();
        assert!(!said.contains(kept.trim_end()) && text.starts_with(&said), "{text:?}: {said:?}");
        clauses.push("rest. ");
        clauses.finish();
        let rest: String = clauses.map(|clause| clause.text).collect();
        assert!(said.chars().count() + rest.chars().count() == text.chars().count() + 6, "{rest:?}");
    }
}

#[test]
fn hundreds_of_figures_in_one_word_come_in_pieces() {
    let text = "7".repeat(390);
    let pieces = Clauses::split_all(reader("en").clause_words(), Policy::default(), &text);
    assert!(pieces.len() > 5, "{}", pieces.len());
    assert!(pieces.iter().all(|piece| piece.text.len() <= 60));
    assert_eq!(pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(), text);
}

#[test]
fn every_language_reads_every_block_of_unicode() {
    // The planes in between are empty.
    for block in (0..0x320u32).chain(0xe00..0xe02) {
        let some = (0..256).step_by(17).filter_map(|i| char::from_u32(block * 256 + i));
        let text: String = some.flat_map(|c| [c, 'a', c, '1', ' ']).collect();
        for (language, reader) in ALL.iter() {
            let spoken = reader.speak(&text);
            assert!(spoken.source.is_sorted() && spoken.source.len() == spoken.text.len() + 1, "{language}: {text:?}");
            assert!(!spoken.text.contains(|c: char| c.is_ascii_digit() || c.is_control()), "{language}: {spoken:?}");
        }
    }
}

proptest! {
    #[test]
    fn reading_twice_changes_nothing(text in "[ -~\n\u{a0}-\u{17f}\u{600}-\u{66f}\u{900}-\u{97f}]{0,60}") {
        for (language, reader) in ALL.iter() {
            let once = reader.speak(&text).text;
            let twice = reader.speak(&once).text;
            prop_assert_eq!(&twice, &once, "{}: {:?}", language, text);
        }
    }

    #[test]
    fn every_language_reads_any_text(text in any::<String>()) {
        let length = text.chars().count() as u32;
        for (language, reader) in ALL.iter() {
            let spoken = reader.speak(&text);
            let allowed = |c: char| !c.is_ascii_digit() && (c.is_alphanumeric() || " '.,?!;:-".contains(c) || !c.is_ascii());
            prop_assert!(spoken.text.chars().all(allowed), "{language}: {:?}", spoken.text);
            prop_assert!(spoken.source.is_sorted());
            prop_assert_eq!(spoken.source.last(), Some(&length));
        }
    }

    #[test]
    fn what_a_language_model_writes_is_read_once_and_for_all(text in written()) {
        let length = text.chars().count() as u32;
        for (language, reader) in ALL.iter() {
            let spoken = reader.speak(&text);
            prop_assert!(spoken.source.is_sorted() && spoken.source.last() == Some(&length), "{}: {:?}", language, text);
            let twice = reader.speak(&spoken.text).text;
            prop_assert_eq!(&twice, &spoken.text, "{}: {:?}", language, text);
        }
    }

    #[test]
    fn what_a_language_model_writes_is_read_in_pieces_as_the_whole(text in written(), cut in 0..100usize, other in 0..100usize) {
        let boundary = |cut: usize| (0..=cut.min(text.len())).rev().find(|&cut| text.is_char_boundary(cut)).unwrap_or(0);
        let (cut, other) = (boundary(cut.min(other)), boundary(cut.max(other)));
        for (language, reader) in ALL.iter() {
            let pieces = streamed_by(reader, &[&text[..cut], &text[cut..other], &text[other..]]);
            prop_assert_eq!(pieces, streamed_by(reader, &[&text]), "{}: {:?}", language, text);
        }
    }

    #[test]
    fn a_figure_is_heard_whatever_stands_around_it(figure in "[0-9]{1,6}([.,:][0-9]{1,3})?", around in prop::sample::select(AROUND)) {
        let [before, after] = around;
        for (language, reader) in ALL.iter() {
            // One that is lost reads as another that is.
            let said = |figure: &str| reader.speak(&format!("ab {before}{figure}{after} ab")).text;
            prop_assert_ne!(said(&figure), said(&format!("7{figure}")), "{}: {}{}{}", language, before, figure, after);
        }
    }

    #[test]
    fn a_figure_is_never_lost(figures in "[0-9]{1,24}([.,:/-][0-9]{1,6}){0,3}", word in "[a-z]{1,8}") {
        for (language, reader) in ALL.iter() {
            let alone = reader.speak(&word).text;
            let spoken = reader.speak(&format!("{word} {figures} {word}")).text;
            prop_assert!(spoken.len() > 2 * alone.len(), "{language}: {figures:?}: {spoken:?}");
        }
    }

    #[test]
    fn any_cut_of_any_text_changes_nothing(text in "[ -~\n]{0,80}", cut in 0..80usize) {
        let cut = cut.min(text.len());
        prop_assert_eq!(streamed(&[&text[..cut], &text[cut..]]), streamed(&[&text]));
    }
}

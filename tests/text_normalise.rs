//! Text is read aloud as a person would read it, and every byte of the reading knows its place in the text.

use std::sync::LazyLock;

use proptest::prelude::*;
use syrinx::lab::text::normalise::{Normaliser, Spoken};

const TABLE: &str = include_str!("data/normalise_en.tsv");

static ENGLISH: LazyLock<Normaliser> = LazyLock::new(|| Normaliser::english().expect("the built-in rules are sound"));

#[test]
fn every_case_of_the_table_is_read_as_written_there() {
    let mut kind = "";
    let mut cases = 0;
    let mut wrong = Vec::new();
    for (line, text) in TABLE.lines().enumerate().skip(1) {
        let Some((input, expected)) = text.split_once('\t') else {
            kind = text.strip_prefix("# ").unwrap_or(kind);
            continue;
        };
        let input = input.replace("\\n", "\n");
        let spoken = ENGLISH.speak(&input).text;
        cases += 1;
        if spoken != expected {
            wrong.push(format!("line {} ({kind}): {input:?}\n  is   {spoken:?}\n  want {expected:?}", line + 1));
        }
    }
    assert!(cases >= 200, "the table has {cases} cases");
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The source text that a word of the reading stands for, up to the next word.
fn source_of(text: &str, spoken: &Spoken, word: &str) -> String {
    let start = spoken.text.find(word).expect("the word is spoken");
    let end = start + word.len();
    let (from, to) = (spoken.source[start] as usize, spoken.source[end] as usize);
    text.chars().skip(from).take(to - from).collect()
}

#[test]
fn the_map_leads_from_a_word_back_to_what_it_was_read_from() {
    let text = "Café “Zoë”: gate B12 closes at 14:05, Dr. Brown.";
    let spoken = ENGLISH.speak(text);
    assert_eq!(spoken.text, "Cafe Zoe: gate B twelve closes at fourteen oh five, Doctor Brown.");
    assert_eq!(source_of(text, &spoken, "Cafe"), "Café");
    assert_eq!(source_of(text, &spoken, "Zoe"), "Zoë”");
    assert_eq!(source_of(text, &spoken, "closes"), "closes");
    assert_eq!(source_of(text, &spoken, "B twelve"), "B12");
    assert_eq!(source_of(text, &spoken, "fourteen oh five"), "14:05");
    assert_eq!(source_of(text, &spoken, "Doctor"), "Dr.");
}

#[test]
fn a_date_is_led_back_part_by_part() {
    let spoken = ENGLISH.speak("on 23 May 2026 at noon");
    for (word, at) in [("twenty-third", 3), ("May", 6), ("twenty twenty-six", 10), ("at noon", 15)] {
        let start = spoken.text.find(word).expect("the word is spoken");
        assert_eq!(spoken.source[start], at, "{word}");
    }
}

#[test]
fn a_part_of_a_sentence_gets_no_stop() {
    assert_eq!(ENGLISH.speak_open("in 5 km,").text, "in five kilometres,");
    assert_eq!(ENGLISH.speak_open("turn left").text, "turn left");
    assert_eq!(ENGLISH.speak_open("Done.").text, "Done.");
}

#[test]
fn verbatim_text_is_unchanged_and_maps_to_itself() {
    let spoken = Spoken::verbatim("é5€");
    assert_eq!(spoken.text, "é5€");
    assert_eq!(spoken.source, [0, 0, 1, 2, 2, 2, 3]);
}

#[test]
fn a_fault_in_the_rules_is_reported_with_its_line() {
    let rules = include_str!("../src/text/rules/en.toml");
    let broken = |from: &str, to: &str| {
        assert!(rules.contains(from), "{from}");
        let error = Normaliser::from_rules(&rules.replacen(from, to, 1)).expect_err("the rules are broken");
        let line = rules.lines().position(|line| line.contains(from)).expect("it is there") + 1;
        assert_eq!(error.line, line, "{error}");
        error.message
    };
    broken("either = \"or\"", "either = or");
    broken("either = \"or\"", "neither = \"nor\"\neither = \"or\"");
    assert!(broken("'C\\+\\+'", "'C(\\+\\+'").contains("unclosed"));
    assert!(broken("{a|spell} sharp", "{z|spell} sharp").contains("group `z`"));
    assert!(broken("{a|spell} sharp", "{a|sing} sharp").contains("verb `sing`"));
    assert!(broken("and/or{end}", "and/or{fin}").contains("pattern `fin`"));
    assert!(broken("after = \"year_cues\"", "after = \"cues\"").contains("list `cues`"));
}

#[test]
fn a_long_text_is_read_whole() {
    let sentence = "Gate B12 closes at 14:05, and <b>5 km</b> of **road** cost $3.50. ";
    let spoken = ENGLISH.speak(&sentence.repeat(100));
    let reading = "Gate B twelve closes at fourteen oh five, and five kilometres of road cost \
                   three dollars and fifty cents.";
    assert_eq!(spoken.text, [reading; 100].join(" "));
}

#[test]
fn openings_that_nothing_closes_hide_no_words() {
    for opening in ["[", "<a b=", "<!--", "&", "(", "\"", "[a](", "*", "-", "\\", "1.", "a.", "1-", "x@", "$", "'"] {
        let spoken = ENGLISH.speak(&format!("{} the end", opening.repeat(300))).text;
        assert!(spoken.ends_with("the end."), "{opening:?}: {spoken:?}");
    }
}

/// Text rich in what rules look for.
fn awkward() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "Mr",
        "Dr",
        "St",
        "No",
        "e.g",
        "U.S",
        "A",
        "I",
        "B",
        "II",
        "IV",
        "VIII",
        "Henry",
        "War",
        "Part",
        "NASA",
        "USB",
        "CDs",
        "THE",
        "OK",
        "May",
        "Nov",
        "Mon",
        "Fri",
        "the",
        "on",
        "in",
        "room",
        "am",
        "p.m",
        "km",
        "m",
        "s",
        "°C",
        "million",
        "k",
        "com",
        "md",
        "www",
        "http://",
        "o'clock",
        "don't",
        ".",
        "..",
        "...",
        ",",
        "?",
        "!",
        ";",
        ":",
        "-",
        "--",
        "–",
        "—",
        "'",
        "\"",
        "“",
        "(",
        ")",
        "[",
        "]",
        "<",
        ">",
        "/",
        "\\",
        "*",
        "_",
        "#",
        "@",
        "&",
        "&amp;",
        "%",
        "$",
        "€",
        "£",
        "+",
        "=",
        "×",
        "^",
        "~",
        "|",
        "½",
        "²",
        "´",
        "é",
        "ß",
        "日",
        "😀",
        "\u{200b}",
        "\u{301}",
        "0",
        "1",
        "5",
        "12",
        "007",
        "1999",
        "2026",
        "1,000",
        "3.14",
        "14:05",
        "9:00",
        "1/2",
        "23/11/2026",
        "1st",
        "80s",
        "B12",
        "v2.0",
        "555-1234",
        " ",
        " ",
        " ",
        " ",
        " ",
        "\n",
        "\n\n",
        "\t",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let length = text.chars().count() as u32;
    for spoken in [ENGLISH.speak(text), ENGLISH.speak_open(text)] {
        let allowed = |c: char| c.is_ascii_alphabetic() || "'.,?!;:- ".contains(c);
        prop_assert!(spoken.text.chars().all(allowed), "{:?}", spoken.text);
        prop_assert_eq!(spoken.source.len(), spoken.text.len() + 1);
        prop_assert!(spoken.source.is_sorted());
        prop_assert_eq!(spoken.source.last(), Some(&length));
    }
    let once = ENGLISH.speak(text).text;
    prop_assert!(once.is_empty() || once.ends_with(['.', '?', '!']), "{:?}", once);
    let twice = ENGLISH.speak(&once).text;
    prop_assert_eq!(twice, once);
    Ok(())
}

proptest! {
    #[test]
    fn any_text_has_a_reading_with_a_map_and_the_reading_reads_as_itself(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn a_text_full_of_signs_has_such_a_reading_too(text in awkward()) {
        check(&text)?;
    }
}

//! Text is cut into clauses where a reader would pause, however it arrives.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use syrinx::lab::text::clause::{Clause, ClauseEnd, Clauses, FirstFragment, Policy};
use syrinx::lab::text::normalise::{ClauseWords, Normaliser};
use syrinx::lab::text::veil::Veil;

static ENGLISH: LazyLock<Arc<ClauseWords>> =
    LazyLock::new(|| Normaliser::english().expect("the built-in rules are sound").clause_words());

fn clauses(policy: Policy) -> Clauses {
    Clauses::new(Arc::clone(&ENGLISH), policy)
}

fn split(policy: Policy, text: &str) -> Vec<Clause> {
    Clauses::split_all(Arc::clone(&ENGLISH), policy, text)
}

/// Every sentence by itself.
fn each() -> Policy {
    Policy { first: None, min_words: 1, max_chars: 200 }
}

fn texts(clauses: &[Clause]) -> Vec<&str> {
    clauses.iter().map(|clause| clause.text.as_str()).collect()
}

#[track_caller]
fn assert_split(policy: Policy, text: &str, expected: &[&str]) {
    assert_eq!(texts(&split(policy, text)), expected);
}

#[test]
fn sentences_end_at_stops_and_lines() {
    assert_split(
        each(),
        "It rains. Does it? Yes!\nBring a coat",
        &["It rains.", " Does it?", " Yes!", "\nBring a coat"],
    );
    assert_split(each(), "A list:\n- milk\n- bread\n", &["A list:", "\n- milk", "\n- bread", "\n"]);
    assert_split(each(), "First paragraph\n\nsecond one", &["First paragraph", "\n\nsecond one"]);
    assert_split(each(), "a wrapped\nline.", &["a wrapped\nline."]);
    assert_split(each(), "今日は。明日。", &["今日は。", "明日。"]);
}

#[test]
fn a_stop_that_ends_no_sentence_does_not_cut() {
    for text in [
        "It costs 3.14 euros.",
        "Over 1,000.50 items.",
        "It closes at 14:05 sharp.",
        "Dr. Smith met Mr. Brown.",
        "Eat fruit, e.g. apples.",
        "J. R. R. Tolkien wrote it.",
        "The U.S. Army came.",
        "See No. 5 first.",
        "Meet at 5 p.m. on Friday.",
        "12 Main St. in St. Louis.",
        "Visit www.example.com/a.html today.",
        "Well... maybe not.",
        "Well… maybe not.",
        "\"Stop!\" he said.",
        "He said (quietly!) that.",
        "1. Open the door.",
        "Version v2.0.1 is out.",
        "It takes approx. five minutes.",
    ] {
        assert_split(each(), text, &[text]);
    }
}

#[test]
fn an_abbreviation_ends_a_sentence_where_the_next_begins() {
    assert_split(each(), "Apples, etc. The end.", &["Apples, etc.", " The end."]);
    assert_split(each(), "I live in the U.S. It is big.", &["I live in the U.S.", " It is big."]);
    assert_split(each(), "Come at 5 p.m. Please knock.", &["Come at 5 p.m.", " Please knock."]);
    assert_split(each(), "Take plan B. The rest waits.", &["Take plan B.", " The rest waits."]);
    assert_split(each(), "So do I. You too.", &["So do I.", " You too."]);
    assert_split(each(), "No. Never.", &["No.", " Never."]);
    assert_split(each(), "It costs 5. Take it.", &["It costs 5.", " Take it."]);
    assert_split(each(), "Wait... Go now.", &["Wait...", " Go now."]);
}

#[test]
fn a_closing_quote_belongs_to_its_sentence() {
    assert_split(each(), "He said \"stop.\" Then he left.", &["He said \"stop.\"", " Then he left."]);
    assert_split(each(), "(It rains.) **It pours.** Go.", &["(It rains.)", " **It pours.**", " Go."]);
}

#[test]
fn a_short_sentence_is_joined_with_the_next_unless_it_is_the_last() {
    assert_split(
        Policy::sentences(),
        "Yes. It is open until nine. Thank you.",
        &["Yes. It is open until nine.", " Thank you."],
    );
    let last = split(Policy::sentences(), "It is open until nine. Bye.");
    assert_eq!(last[1].text, " Bye.");
    assert_eq!(last[1].kind, ClauseEnd::Final);
}

#[test]
fn the_first_clause_starts_early_at_a_natural_place() {
    let first = |text: &str| {
        let first = split(Policy::default(), text).swap_remove(0);
        (first.text, first.kind)
    };
    let phrase = |text: &str| (text.to_owned(), ClauseEnd::Phrase);
    assert_eq!(first("When the light turns green, walk across."), phrase("When the light turns green,"));
    assert_eq!(first("The museum opens daily at nine and closes late."), phrase("The museum opens daily"));
    assert_eq!(first("I will call you when I am there."), phrase("I will call you"));
    assert_eq!(first("The answer is simple: wait."), phrase("The answer is simple:"));
    assert_eq!(first("The old man laughed — and left."), phrase("The old man laughed —"));
    assert_eq!(first("Sure. The bus comes. It is late."), ("Sure. The bus comes.".to_owned(), ClauseEnd::Sentence));
    assert_eq!(
        first("One red big old ugly cold wet dark long empty sad bus stop came past."),
        ("One red big old ugly cold wet dark long empty sad bus".to_owned(), ClauseEnd::Forced)
    );
}

#[test]
fn later_clauses_are_whole_sentences() {
    assert_split(
        Policy::default(),
        "Turn left here now, then go. After the bridge, when it is safe, turn right.",
        &["Turn left here now,", " then go. After the bridge, when it is safe, turn right."],
    );
}

#[test]
fn a_long_sentence_is_cut_at_its_last_mark() {
    let long = format!("It {}went on, {}and then it came to an end.", "slowly ".repeat(20), "slowly ".repeat(10));
    let parts = split(Policy::sentences(), &long);
    assert_eq!(parts.len(), 2);
    assert!(parts[0].text.ends_with("went on,"), "{parts:?}");
    assert_eq!(parts[0].kind, ClauseEnd::Phrase);
    assert!(parts[1].text.ends_with("an end."));

    let unmarked = "word ".repeat(200);
    for part in split(Policy::sentences(), &unmarked) {
        assert!(part.text.chars().count() <= 201, "{part:?}");
        assert!(!part.text.ends_with("wor"), "{part:?}");
    }
    for part in split(Policy::sentences(), &"x".repeat(5_000)) {
        assert!(part.text.chars().count() <= 401, "{part:?}");
    }
}

#[test]
fn a_clause_is_out_as_soon_as_its_end_is_certain() {
    let mut clauses = clauses(Policy::sentences());
    clauses.push("The bus is late.");
    assert_eq!(clauses.next(), None, "3.14 and a closing quote begin like this");
    clauses.push(" ");
    assert_eq!(clauses.next().map(|c| c.text).as_deref(), Some("The bus is late."));
    clauses.push("It is 5 p.m. ");
    assert_eq!(clauses.next(), None);
    clauses.push("We ");
    assert_eq!(clauses.next().map(|c| c.text).as_deref(), Some(" It is 5 p.m."));
}

#[test]
fn a_flush_gives_out_what_is_whole() {
    let flushed = |text: &str| {
        let mut clauses = clauses(Policy::sentences());
        clauses.push(text);
        assert_eq!(clauses.next(), None, "{text}");
        clauses.flush_pending();
        clauses.next().map(|c| c.text)
    };
    assert_eq!(flushed("The red bus is comi").as_deref(), Some("The red bus is"));
    assert_eq!(flushed("The red bus comes at ").as_deref(), Some("The red bus comes"));
    assert_eq!(flushed("The red bus, ").as_deref(), Some("The red bus,"));
    assert_eq!(flushed("The bus is late.").as_deref(), Some("The bus is late."));
    assert_eq!(flushed("It costs 3.").as_deref(), Some("It costs"));
    assert_eq!(flushed("The fare is 10 ").as_deref(), Some("The fare"));
    assert_eq!(flushed("Please call Dr. ").as_deref(), Some("Please call"));
    assert_eq!(flushed("Hel"), None);
    assert_eq!(flushed(""), None);
}

#[test]
fn nothing_is_lost_or_doubled_by_a_flush() {
    let text = "Turn left in 300 m onto the A40. Then, after Dr. Smith's house, stop. Thanks.";
    let mut clauses = clauses(Policy::default());
    for c in text.chars() {
        clauses.push(c.encode_utf8(&mut [0; 4]));
        clauses.flush_pending();
    }
    clauses.finish();
    let all: Vec<Clause> = clauses.collect();
    assert_covered(text, &all);
}

#[test]
fn white_space_at_the_end_is_a_clause_of_its_own() {
    let all = split(each(), "Go now.\n");
    assert_eq!(texts(&all), ["Go now.", "\n"]);
    assert_eq!(all[1].kind, ClauseEnd::Final);
    assert!(split(each(), "").is_empty());
}

#[test]
fn a_hundred_thousand_characters_at_once_are_covered() {
    for piece in ["Some words, and more of them. ", "word ", "x", " ", "\n", ".", "\"", "Dr. ", "1.", "... "] {
        let text = piece.repeat(100_000 / piece.len());
        assert_covered(&text, &split(Policy::default(), &text));
    }
}

fn assert_covered(text: &str, all: &[Clause]) {
    let mut at = 0;
    for clause in all {
        assert_eq!(clause.start, at);
        assert_eq!(clause.end, at + clause.text.chars().count());
        assert!(clause.end > at);
        at = clause.end;
    }
    let joined: String = texts(all).concat();
    assert_eq!(joined, Veil::over(text), "what nobody should hear is blank, all else as it stands");
}

fn prose() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "Dr.",
        "St.",
        "No.",
        "e.g.",
        "U.S.",
        "J.",
        "I.",
        "etc.",
        "p.m.",
        "3.14",
        "5",
        "1.",
        "1,000",
        "14:05",
        "the",
        "The",
        "and",
        "in",
        "when",
        "We",
        "bus",
        "slowly",
        "naïve",
        "日本",
        "x@y.com",
        ".",
        "...",
        "…",
        "!",
        "?",
        "。",
        ",",
        ";",
        ":",
        " - ",
        "—",
        "\"",
        ")",
        "*",
        " ",
        " ",
        " ",
        " ",
        "\n",
        "\n\n",
        "word word word word word",
    ]);
    prop::collection::vec(pieces, 0..80).prop_map(|pieces| pieces.concat())
}

fn policies() -> impl Strategy<Value = Policy> {
    let first = prop::option::of(
        (0..6usize, 0..12usize).prop_map(|(min_words, max_words)| FirstFragment { min_words, max_words }),
    );
    (first, 0..5usize, 0..120usize).prop_map(|(first, min_words, max_chars)| Policy { first, min_words, max_chars })
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_clauses_and_they_cover_the_text(
        text in prop_oneof![prose(), any::<String>()],
        policy in policies(),
        sizes in prop::collection::vec(1..9usize, 1..40),
    ) {
        let whole = split(policy, &text);
        assert_covered(&text, &whole);
        let mut clauses = clauses(policy);
        let mut pieces = Vec::new();
        let mut rest: Vec<char> = text.chars().collect();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let piece: String = rest.drain(..(*size).min(rest.len())).collect();
            clauses.push(&piece);
            pieces.extend(clauses.by_ref());
        }
        clauses.finish();
        pieces.extend(clauses);
        prop_assert_eq!(pieces, whole);
    }
}

//! Promise: reading is linear in the text, whatever the text is. Measured, and so not among the tests that everybody runs:
//! `cargo test --release --test text_speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use syrinx::lab::text::clause::{Clauses, Policy};
use syrinx::lab::text::normalise::Normaliser;

const BYTES: usize = 1 << 20;
const MOST: Duration = Duration::from_secs(2);

/// What is repeated up to a megabyte.
const KINDS: &[&str] = &[
    "The quick brown fox jumps over the lazy dog. ",
    "7",
    "7,",
    "1/",
    "1-",
    "1:",
    "1.",
    "1 ",
    "12:30 ",
    "$3.50 ",
    "5 km ",
    "+1 ",
    "a",
    "A",
    "A.",
    "a.b",
    "a@",
    "Dr. ",
    "St. ",
    "e.g. ",
    "I-",
    "IV ",
    "http://a.b/",
    "https://a.example/x?y=1&z=2 ",
    "[",
    "]",
    "[a](",
    "[a](b) ",
    "(",
    "((a)",
    "<",
    "<a",
    "<a b=",
    "<!--",
    "<think>",
    "{\"a\":",
    "[TOOL_CALLS]",
    "*",
    "**a** ",
    "`",
    "```\n",
    "~~~",
    "$",
    "$x^2$ ",
    "$$",
    "\\(",
    "\\",
    "&",
    "&amp;",
    "|",
    "|-",
    "| a | b |\n",
    "- ",
    "-",
    "--",
    "#",
    "# ",
    ">",
    "\"",
    "'",
    "a'",
    " ",
    "\n",
    "\u{a0}",
    "\u{301}",
    "e\u{301}",
    "\u{200d}",
    "\u{2063}",
    "😀",
    "你",
    "é",
    "½",
    "²",
    "٣",
    "पाँच ",
    "خمسة ",
    "ﷺ",
];

#[test]
#[ignore = "a measurement"]
fn a_megabyte_of_anything_is_read_within_two_seconds() {
    let mut slow = Vec::new();
    for language in ["en", "de", "ar", "hi"] {
        let reader = Normaliser::for_language(language).expect("the built-in rules are sound");
        for kind in KINDS {
            let text = kind.repeat(BYTES / kind.len());
            let begun = Instant::now();
            reader.speak(&text);
            let whole = begun.elapsed();
            let begun = Instant::now();
            let clauses = Clauses::split_all(reader.clause_words(), Policy::default(), &text);
            let split = begun.elapsed();
            clauses.iter().for_each(|clause| drop(reader.speak_open(&clause.text)));
            let by_clauses = begun.elapsed();
            let seconds = [whole, split, by_clauses].map(|time| time.as_secs_f32());
            println!("{language} {kind:?}: whole, split, by clauses: {seconds:.2?} s");
            if whole.max(by_clauses) > MOST {
                slow.push(format!("{language} {kind:?}"));
            }
        }
    }
    assert!(slow.is_empty(), "slower than {MOST:?}: {}", slow.join(", "));
}

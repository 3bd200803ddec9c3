//! Promise: reading is linear in the text, whatever the text is. Measured, and so not among the tests that everybody runs:
//! `cargo test --release --workspace --test text_speed -- --ignored --nocapture`, with `SYRINX_LANGUAGES=en,ar` for some of the
//! languages. The time is the processor's where the system tells it, so that other work does not count.

use std::time::{Duration, Instant};

use syrinx::lab::text::Lexicon;
use syrinx::lab::text::clause::{Clauses, Policy};
use syrinx::lab::text::lexicon::compact;
use syrinx::lab::text::normalise::Normaliser;
use syrinx_quant::Map;

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
    "live ",
    "I-I-",
    "1-1 ",
    "1/1/",
    "3.5.",
    "a1",
    "A1-",
    "1,5 ",
    "3. ",
    "12.12.2024 ",
    "10:30-11:30 ",
    "№1",
    "the record ",
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

/// What this thread has had of a processor, from some moment on.
fn spent(since: Instant) -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = schedule.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

#[test]
#[ignore = "a measurement"]
fn a_megabyte_of_anything_is_read_within_two_seconds() {
    let asked = std::env::var("SYRINX_LANGUAGES").unwrap_or_default();
    let languages = Normaliser::languages();
    let languages = languages.iter().filter(|tag| asked.is_empty() || asked.split(',').any(|asked| asked == **tag));
    let mut slow = Vec::new();
    let begun = Instant::now();
    for language in languages {
        let reader = Normaliser::for_language(language).expect("the built-in rules are sound");
        reader.speak("1 km");
        let mut worst: Vec<(f32, &str)> = Vec::new();
        for kind in KINDS {
            let text = kind.repeat(BYTES / kind.len());
            let before = spent(begun);
            reader.respell(reader.speak(&text), |_| false);
            let whole = spent(begun) - before;
            let before = spent(begun);
            let clauses = Clauses::split_all(reader.clause_words(), Policy::default(), &text);
            clauses.iter().for_each(|clause| drop(reader.respell(reader.speak_open(&clause.text), |_| false)));
            let by_clauses = spent(begun) - before;
            println!(
                "{language} {kind:?}: whole, by clauses: {:.2?} s",
                [whole, by_clauses].map(|time| time.as_secs_f32())
            );
            worst.push((whole.max(by_clauses).as_secs_f32(), kind));
            if whole.max(by_clauses) > MOST {
                slow.push(format!("{language} {kind:?}"));
            }
        }
        worst.sort_by(|a, b| b.0.total_cmp(&a.0));
        println!("{language}: the slowest {:.2?}", &worst[..5]);
    }
    assert!(slow.is_empty(), "slower than {MOST:?}: {}", slow.join(", "));
}

/// `SYRINX_LEXICON=target/reading/us` is the lexicon that benches/reading/pack_lexicon.py makes; without, one is made up.
#[test]
#[ignore = "a measurement"]
fn a_lexicon_of_a_language_is_opened_at_once_and_a_word_found_in_microseconds() {
    let folder = tempfile::tempdir().unwrap();
    let (text, file) = match std::env::var("SYRINX_LEXICON") {
        Ok(name) => (std::fs::read_to_string(format!("{name}.tsv")).unwrap(), format!("{name}.lexicon").into()),
        Err(_) => {
            let text: String = (0..150_000u32).map(|i| format!("{:06x}\t/wɜːdz/\n", i * 111)).collect();
            let file = folder.path().join("made.lexicon");
            compact::write(&Lexicon::parse(&text, "made").unwrap(), &file).unwrap();
            (text, file)
        }
    };
    let words: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
    let begun = Instant::now();
    let lexicon = compact::Compact::open(Map::open(&file).unwrap()).unwrap();
    let opened = begun.elapsed();
    let before = spent(begun);
    // In another order than that of the file.
    let found = (0..words.len()).filter(|i| lexicon.phones(words[i * 7919 % words.len()]).is_some()).count();
    let each = (spent(begun) - before) / u32::try_from(words.len()).unwrap();
    println!(
        "{} words, {:.2} MB: opened in {opened:.1?}, a word in {each:.2?}",
        lexicon.len(),
        lexicon.bytes() as f64 / 1e6
    );
    assert_eq!(found, words.len());
    assert!(opened < Duration::from_millis(5) && each < Duration::from_micros(20));
}

//! Public test cases of reading, judged. In: `tests/data/reading`, or the folder of the same layout that
//! `SYRINX_READING` names. Out: per language and kind how many readings match, differ in style, or are faults.
//!
//! A reading that differs from the one wanted is a fault until somebody has judged it: `judged.tsv` holds language,
//! input, our reading, the verdict and a word why. A verdict holds for that reading alone. With `SYRINX_MISSES=FILE`
//! what has no verdict is written there in the same form.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use syrinx::lab::text::normalise::Normaliser;

/// Most faults in a hundred, by language; `cases` is our own file, and so is that of Dutch, which has no public one.
const BOUNDS: &[(&str, usize)] = &[
    ("cases", 2),
    ("nl", 2),
    ("en", 3),
    ("de", 6),
    ("es", 6),
    ("fr", 6),
    ("it", 6),
    ("pt", 6),
    ("ar", 10),
    ("hi", 10),
];

struct Case {
    /// Language, or `cases`.
    set: String,
    kind: String,
    input: String,
    wanted: Vec<String>,
}

#[derive(Default, Clone, Copy)]
struct Tally {
    matches: usize,
    style: usize,
    faults: usize,
}

#[test]
fn public_cases_are_read_with_few_faults() {
    let folder = std::env::var_os("SYRINX_READING")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reading"), PathBuf::from);
    let judged = verdicts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reading/judged.tsv"));
    let mut tallies: BTreeMap<(String, String), Tally> = BTreeMap::new();
    let mut faults = String::new();
    let mut misses = String::new();
    let mut normalisers: HashMap<String, Normaliser> = HashMap::new();
    for case in cases(&folder) {
        let language = if case.set == "cases" { "en" } else { &case.set };
        let normaliser = normalisers
            .entry(language.to_owned())
            .or_insert_with(|| Normaliser::for_language(language).expect("the built-in rules are sound"));
        let spoken = normaliser.speak(&case.input).text;
        let tally = tallies.entry((case.set.clone(), case.kind.clone())).or_default();
        let key = (case.set.clone(), case.input.clone(), spoken.clone());
        if case.wanted.iter().any(|wanted| words(wanted, language) == words(&spoken, language)) {
            tally.matches += 1;
        } else if case.set != "cases" && case.wanted.iter().any(|w| sounds(w, language) == sounds(&spoken, language))
            || judged.get(&key).is_some_and(|style| *style)
        {
            tally.style += 1;
        } else {
            tally.faults += 1;
            let wanted = case.wanted.join(" ;; ");
            writeln!(faults, "{} ({}): {:?}\n  is   {spoken}\n  want {wanted}", case.set, case.kind, case.input)
                .expect("a string grows");
            if !judged.contains_key(&key) {
                writeln!(misses, "{}\t{}\t{spoken}\t?\t{wanted}", case.set, case.input.replace('\n', "\\n"))
                    .expect("a string grows");
            }
        }
    }
    if let Some(path) = std::env::var_os("SYRINX_MISSES") {
        fs::write(path, misses).expect("the misses can be written");
    }
    let mut sums: BTreeMap<String, Tally> = BTreeMap::new();
    for ((set, kind), tally) in &tallies {
        println!("{set:6} {kind:40} {:4} match {:4} style {:4} faults", tally.matches, tally.style, tally.faults);
        let sum = sums.entry(set.clone()).or_default();
        sum.matches += tally.matches;
        sum.style += tally.style;
        sum.faults += tally.faults;
    }
    println!("{faults}");
    for (set, Tally { matches, style, faults }) in &sums {
        println!("{set:6} {matches:4} match {style:4} style {faults:4} faults of {}", matches + style + faults);
    }
    for &(set, bound) in BOUNDS {
        let Some(Tally { matches, style, faults }) = sums.get(set) else { panic!("there are no cases of {set}") };
        assert!(faults * 100 <= bound * (matches + style + faults), "{set}: {faults} faults");
    }
}

fn cases(folder: &Path) -> Vec<Case> {
    let own = |path: PathBuf, set: &str| -> Vec<Case> {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.lines()
            .filter(|line| !line.starts_with("# "))
            .filter_map(|line| {
                let mut columns = line.split('\t');
                let (kind, input, wanted) = (columns.next()?, columns.next()?, columns.next()?);
                Some(Case {
                    set: set.into(),
                    kind: kind.into(),
                    input: input.replace("\\n", "\n"),
                    wanted: wanted.split(";;").map(str::to_owned).collect(),
                })
            })
            .collect()
    };
    let mut all = own(folder.join("cases.tsv"), "cases");
    all.extend(own(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reading/nl.tsv"), "nl"));
    let mut files: Vec<PathBuf> = listed(&folder.join("nemo")).iter().flat_map(|dir| listed(dir)).collect();
    files.sort();
    for file in files {
        let name = |path: Option<&Path>| path.and_then(|p| p.file_stem()).map(|s| s.to_string_lossy().into_owned());
        let (Some(set), Some(kind)) = (name(file.parent()), name(Some(&file))) else { continue };
        if !Normaliser::languages().contains(&set.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("the cases can be read");
        for line in text.lines() {
            let Some((a, b)) = line.split_once('\t') else { continue };
            let (input, wanted) = if spoken_first(&set, &kind) { (b, a) } else { (a, b) };
            let wanted = wanted.split('~').map(str::to_owned).collect();
            all.push(Case { set: set.clone(), kind: kind.clone(), input: input.into(), wanted });
        }
    }
    all
}

fn listed(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).expect("the folder is there").filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// German cases, and some Arabic ones, have the spoken form in front.
fn spoken_first(set: &str, kind: &str) -> bool {
    set == "de" || set == "ar" && matches!(kind, "fraction" | "measure")
}

/// Small letters without marks; British spelling; without the English "and". Letters that are spelled stay apart.
fn words(text: &str, language: &str) -> Vec<String> {
    let plain: String = text
        .to_lowercase()
        .replace("ا\u{64e}", "آ")
        .replace("न्द", "ंद")
        .replace("छः", "छह")
        .chars()
        .map(|c| match c {
            'é' | 'ä' | 'ü' if language == "en" => 'e',
            '\'' | '’' => '\u{1}',
            _ if c.is_alphanumeric() || is_mark(c) => c,
            _ => ' ',
        })
        .filter(|&c| c != '\u{1}')
        .collect();
    let british = |word: &str| match language {
        "en" => word.replace("meter", "metre").replace("liter", "litre"),
        _ => word.to_owned(),
    };
    plain.split_whitespace().filter(|word| language != "en" || *word != "and").map(british).collect()
}

/// The same letters in the same order: "eight hundred" and "eighthundred", "PM" and "P M".
fn sounds(text: &str, language: &str) -> String {
    words(text, language).concat()
}

/// Signs above and below letters.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}' | '\u{900}'..='\u{903}' | '\u{93a}'..='\u{94f}')
}

fn verdicts(path: &Path) -> HashMap<(String, String, String), bool> {
    let text = fs::read_to_string(path).expect("judged.tsv is there");
    let mut all = HashMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with("# ") && !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[set, input, reading, verdict, _why] = columns.as_slice() else {
            panic!("judged.tsv, line {}: five columns are wanted", i + 1);
        };
        let style = match verdict {
            "style" => true,
            "fault" => false,
            _ => panic!("judged.tsv, line {}: {verdict} is no verdict", i + 1),
        };
        all.insert((set.to_owned(), input.replace("\\n", "\n"), reading.to_owned()), style);
    }
    all
}

//! Promise: a room knows the rooms below it and no other, so that each can be read, and lifted out, without those above.

use std::path::Path;

/// The rooms of `src/`, from top to bottom. A room may use what is in the rows below its own; rooms of one row do not know
/// each other.
const ROWS: [&[&str]; 12] = [
    &["main"],
    &["cli"],
    &["live"],
    &["hear", "speak"],
    &["board", "device"],
    &["model", "ring"],
    &["backbone", "codec", "flow", "text"],
    &["net", "ggml", "watermark"],
    &["kernel"],
    &["pack"],
    &["frame", "provenance", "setters", "write"],
    &["error"],
];

/// The program's own: another crate, whose `crate` is not the library.
const PROGRAM: [&str; 2] = ["main", "cli"];

fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

/// The rooms that a file names, by `crate::…` or by as many `super::` as lead out of its own. `depth`: modules of the file's
/// path, at least 1.
fn named(text: &str, depth: usize) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut all = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        all.extend(firsts(&code[at + "crate::".len()..]));
    }
    let mut rest = code.as_str();
    while let Some(at) = rest.find("super::") {
        let path = rest[at..].trim_start_matches("super::");
        let levels = (rest.len() - at - path.len()) / "super::".len();
        if levels >= depth {
            // Out of a module within the file it may lead to a name of the file's own: only rooms count.
            all.extend(firsts(path).into_iter().filter(|name| row(name).is_some()));
        }
        rest = path;
    }
    all
}

/// The first names of a path, or of each in a group of paths: `a` and `c` of `{a::b, c::{d, e}}`.
fn firsts(path: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut level = 0;
    let mut all = Vec::new();
    let mut start = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => start = true,
            c if start && level == 0 && !c.is_whitespace() => {
                all.push(name(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    all
}

/// What is wrong with a file of `room`, a line for each.
fn wrong(room: &str, text: &str, depth: usize) -> Vec<String> {
    let Some(own) = row(room) else { return vec![format!("{room} is not in the table")] };
    if PROGRAM.contains(&room) {
        return Vec::new();
    }
    let judge = |name: String| match row(&name) {
        _ if name == room => None,
        None => Some(format!("{room} uses crate::{name}, which is no room: name the room that it is from")),
        Some(below) if below > own => None,
        Some(_) => Some(format!("{room} uses {name}, which is not below it")),
    };
    named(text, depth).into_iter().filter_map(judge).collect()
}

/// All files below a folder, with their paths within `src/`; but for other crates, which know the public names alone.
fn files(folder: &Path, within: &str, all: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{within}{}", entry.file_name().to_str().unwrap());
        if entry.path().join("Cargo.toml").exists() {
            continue;
        }
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{name}/"), all);
        } else if name.ends_with(".rs") {
            all.push((name, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

#[test]
fn every_room_uses_the_rooms_below_it_alone() {
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut all);
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for (path, text) in all.iter().filter(|(path, _)| path != "lib.rs") {
        let modules: Vec<&str> = path.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
        seen.push(modules[0]);
        if modules.contains(&"tests") {
            continue; // a test may look up, to what a kernel is compared with
        }
        found.extend(wrong(modules[0], text, modules.len()).into_iter().map(|line| format!("{path}: {line}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let gone: Vec<_> = ROWS.concat().into_iter().filter(|room| !seen.contains(room)).collect();
    assert!(gone.is_empty(), "in the table, but not in src/: {gone:?}");
}

#[test]
fn an_edge_that_leads_upwards_is_found_however_it_is_written() {
    for (text, depth) in [
        ("use crate::live::Live;", 1),
        ("use crate::{kernel::{Pool, ops}, live::{self, Live}};", 2),
        ("fn f() { let x = crate::live::open(); }", 3),
        ("use super::live::Live;", 1),
        ("use super::super::live::Live;", 2),
    ] {
        assert_eq!(wrong("codec", text, depth), ["codec uses live, which is not below it"], "{text}");
    }
    assert_eq!(wrong("codec", "use crate::flow::FlowHead;", 1).len(), 1, "rooms of one row");
    assert_eq!(wrong("codec", "use crate::Model;", 1).len(), 1, "the root's own names hide rooms");
    assert_eq!(wrong("parlour", "", 1).len(), 1, "a room that nobody has placed");
    for (text, depth) in [
        ("use crate::{kernel::Pool, net::{self, Block}, error::Result};", 1),
        ("// as crate::live has it", 1),
        ("use super::live::Window;", 2),
        ("use crate::codec::CodecWeights;", 2),
        ("use super::*;", 1),
    ] {
        assert!(wrong("codec", text, depth).is_empty(), "{text}");
    }
}

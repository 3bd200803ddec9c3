//! Promise: nothing in the program can reach a network, and a library user gets what speech needs and no more.
//!
//! Asked of cargo itself, offline: what a build links, not what a file says.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates that make connections, or what all such crates stand on. `mio` is not among them: the PulseAudio client polls
/// its local socket with it, and nothing else may ([`the_only_poller_is_that_of_the_sound_server`]).
const NETWORK: [&str; 15] = [
    "async-std",
    "curl",
    "curl-sys",
    "hyper",
    "isahc",
    "native-tls",
    "openssl-sys",
    "quinn",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "tokio-net",
    "tungstenite",
    "ureq",
];

/// What belongs to the program, the sound devices and the making of packs.
const OUTSIDE_THE_LIBRARY: [&str; 8] =
    ["clap", "cpal", "env_logger", "indicatif", "pulseaudio", "safetensors", "signal-hook", "tempfile"];

/// Names of the crates that cargo would link.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "-e", "normal", "--prefix", "none"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    names(&String::from_utf8(output.stdout).unwrap())
}

fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Those of `found` that are in `denied`.
fn among<'a>(found: &BTreeSet<String>, denied: &[&'a str]) -> Vec<&'a str> {
    denied.iter().copied().filter(|name| found.contains(*name)).collect()
}

#[test]
fn no_crate_of_the_program_speaks_to_a_network() {
    let found = tree(&["-p", "syrinx"]);
    assert!(found.len() > 50 && found.contains("tokenizers") && found.contains("cpal"), "no whole tree: {found:?}");
    assert_eq!(among(&found, &NETWORK), [""; 0]);
}

#[test]
fn no_crate_of_the_libraries_for_other_languages_does_and_the_wheel_needs_no_sound() {
    let c = tree(&["-p", "syrinx-c"]);
    assert!(c.contains("cpal"), "no whole tree: {c:?}");
    assert_eq!(among(&c, &NETWORK), [""; 0]);
    let python = tree(&["-p", "syrinx-python"]);
    assert!(python.contains("pyo3"), "no whole tree: {python:?}");
    assert_eq!(among(&python, &[&NETWORK[..], &["cpal", "alsa-sys"]].concat()), [""; 0]);
}

#[test]
fn a_crate_that_does_would_be_found() {
    let found = names("syrinx v0.1.0 (/a/b)\nserde v1.0.0\nureq v3.0.0\n    rustls v0.23.0 (*)\nhyperfine v1.0.0\n");
    assert_eq!(among(&found, &NETWORK), ["rustls", "ureq"]);
}

#[test]
fn the_only_poller_is_that_of_the_sound_server() {
    let found = tree(&["-p", "syrinx", "-i", "mio", "--depth", "1"]);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["mio", "pulseaudio"]);
}

#[test]
fn the_library_alone_has_nothing_of_the_program() {
    let found = tree(&["-p", "syrinx", "--no-default-features"]);
    assert!(found.contains("tokenizers"), "no whole tree: {found:?}");
    assert_eq!(among(&found, &OUTSIDE_THE_LIBRARY), [""; 0]);
    assert_eq!(among(&tree(&["-p", "syrinx"]), &OUTSIDE_THE_LIBRARY), OUTSIDE_THE_LIBRARY);
}

#[test]
fn the_library_alone_reads_packs_and_makes_none() {
    // `tokenizers` and `rubato` bring rayon and realfft of their own; ours are the importer's and the report's, and that of
    // what listens.
    let importer = ["base64", "rayon", "realfft", "safetensors"];
    let direct = |features: &[&str]| tree(&[&["-p", "syrinx-quant", "--depth", "1"], features].concat());
    assert_eq!(among(&direct(&["--no-default-features"]), &importer), [""; 0]);
    assert_eq!(among(&direct(&[]), &importer), importer);
    let library = tree(&["-p", "syrinx", "--no-default-features", "--depth", "1"]);
    assert_eq!(among(&library, &importer), ["realfft"]);
}

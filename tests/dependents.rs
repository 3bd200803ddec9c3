//! Promise: who links Syrinx gets its kernels in llama.cpp, and so its samples: the program, a crate outside the workspace.
//! C programs are in `src/c/tests/c.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use syrinx::lab::device::wav::to_i16;

#[path = "dependent/src/speak.rs"]
mod speak;
mod support;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dependent")
}

fn pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en")
}

/// Standard output of a command that must succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The crate, built: the folder of its program. With the versions, the profile and the folder of this build, so
/// that nothing but the two crates that are outside a registry is compiled again.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join("Cargo.lock"), folder().join("Cargo.lock")).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let (profile, built) = if cfg!(debug_assertions) { ("dev", "debug") } else { ("release", "release") };
    let mut command = Command::new(cargo);
    command.args(["build", "--offline", "--profile", profile]).current_dir(folder()).env("CARGO_TARGET_DIR", target);
    run(&mut command);
    target.join(built)
});

/// What this test, a program of the workspace, speaks.
static EXPECTED: LazyLock<String> = LazyLock::new(|| speak::line(&pack()).unwrap());

#[test]
fn the_program_speaks_the_samples_of_the_library() {
    let (pack, folder) = (pack(), tempfile::tempdir().unwrap());
    let out = folder.path().join("out.wav");
    let [pack_text, out_text] = [&pack, &out].map(|path| path.to_str().unwrap());
    support::success(&["say", speak::TEXT, "--pack", pack_text, "-o", out_text]);
    let heard: Vec<i16> = hound::WavReader::open(&out).unwrap().samples().map(Result::unwrap).collect();
    let expected: Vec<i16> = speak::samples(&pack).unwrap().into_iter().map(to_i16).collect();
    assert_eq!(heard, expected);
}

#[test]
fn a_crate_outside_the_workspace_speaks_with_the_same_kernels_and_samples() {
    assert_eq!(run(Command::new(BUILT.join("dependent")).arg(pack())), *EXPECTED);
}

//! What benches speak with: synthetic packs, made once and kept under `target/`.

use std::path::{Path, PathBuf};

use syrinx::pack::{OpenOptions, Pack};
use syrinx_quant::Recipe;
use syrinx_quant::synthetic::{Preset, SyntheticOptions, write};

/// A pack by the name of its preset and recipe, or by its folder.
pub fn open(name: &str) -> Pack {
    let folder = match name.split_once(' ') {
        Some((preset, recipe)) if !Path::new(name).is_dir() => synthetic(preset, recipe),
        _ => PathBuf::from(name),
    };
    // The hashes of a pack that was made here are known, and reading it all would be measured.
    Pack::open(&folder, OpenOptions { verify: false, commercial: false }).expect("a pack")
}

fn synthetic(preset: &str, recipe: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{preset}-{recipe}"));
    if !to.join("pack.toml").is_file() {
        let preset: Preset = preset.parse().expect("a preset");
        let recipe: Recipe = recipe.parse().expect("a recipe");
        write(&SyntheticOptions { preset, recipe, to: to.clone(), seed: 0, overwrite: true }, &()).expect("a new pack");
    }
    to
}

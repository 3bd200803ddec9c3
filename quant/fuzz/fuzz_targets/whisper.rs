//! Any bytes as a model of Whisper: a pack, or an error of one line and no pack.
//!
//! The first byte of the input says how many of the following are `config.json`; none: the good one. The rest is `model.bin`.
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run whisper` in `quant/`; a zero and `tests/data/hear/whisper/model.bin` are a good
//! corpus.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use syrinx_quant::Recipe;
use syrinx_quant::import::{ImportOptions, import};

const CONFIG: &[u8] = include_bytes!("../../../tests/data/hear/whisper/config.json");

/// A folder of this process.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("syrinx-fuzz-whisper-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("model")).expect("a folder for temporary files");
    folder
});

fuzz_target!(|input: &[u8]| {
    let Some((&length, rest)) = input.split_first() else { return };
    let Some((config, model)) = rest.split_at_checked(usize::from(length)) else { return };
    let (from, to) = (FOLDER.join("model"), FOLDER.join("pack"));
    let config = if config.is_empty() { CONFIG } else { config };
    for (name, bytes) in [("model.bin", model), ("config.json", config), ("tokenizer.json", b"{}")] {
        std::fs::write(from.join(name), bytes).expect("room for temporary files");
    }
    let options = ImportOptions { from, to: to.clone(), recipe: Recipe::Q8, overwrite: true };
    match import(&options, &()) {
        Err(error) => {
            assert!(!error.message.is_empty() && !error.message.contains(char::is_control));
            assert!(!to.join("pack.toml").exists(), "a pack in spite of {error}");
        }
        Ok(_) => std::fs::remove_dir_all(&to).expect("a pack is a folder"),
    }
});

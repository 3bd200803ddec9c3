//! What the tests share: the test data of the repository, and checkpoints made from it with one thing wrong.

#![allow(dead_code)] // each test program uses a part of it

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use syrinx_quant::import::{ImportOptions, Progress, import};
use syrinx_quant::pack::Written;
use syrinx_quant::{Error, Recipe};

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

/// A copy of the tiny checkpoint to damage, and a place for its pack.
pub struct Checkpoint {
    folder: tempfile::TempDir,
}

impl Checkpoint {
    pub fn tiny() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("checkpoint");
        fs::create_dir_all(to.join("voice_embedding")).unwrap();
        for file in ["consolidated.safetensors", "params.json", "tekken.json"] {
            fs::copy(data("tiny").join(file), to.join(file)).unwrap();
        }
        for voice in ["neutral_female.pt", "casual_male.pt"] {
            let file = Path::new("voice_embedding").join(voice);
            fs::copy(data("tiny").join(&file), to.join(&file)).unwrap();
        }
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("checkpoint")
    }

    pub fn pack(&self) -> PathBuf {
        self.folder.path().join("pack")
    }

    /// Names of everything beside the checkpoint.
    pub fn siblings(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|n| n != "checkpoint").collect()
    }

    pub fn options(&self, recipe: Recipe) -> ImportOptions {
        ImportOptions { from: self.path(), to: self.pack(), recipe, overwrite: false }
    }

    pub fn import(&self, recipe: Recipe) -> Result<Written, Error> {
        import(&self.options(recipe), &())
    }

    /// The refusal of this checkpoint; nothing may have been written.
    pub fn refusal(&self) -> Error {
        let error = self.import(Recipe::F32).expect_err("the checkpoint should be refused");
        assert_eq!(self.siblings(), Vec::<String>::new(), "a refused import left something behind");
        error
    }

    pub fn write(&self, file: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path().join(file), contents).unwrap();
    }

    pub fn edit_json(&self, file: &str, edit: impl FnOnce(&mut Value)) {
        let mut json = serde_json::from_slice(&fs::read(self.path().join(file)).unwrap()).unwrap();
        edit(&mut json);
        self.write(file, json.to_string());
    }

    /// Changes the header of the safetensors file; the data stay as they are.
    pub fn edit_header(&self, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
        let bytes = fs::read(self.path().join("consolidated.safetensors")).unwrap();
        let (size, rest) = bytes.split_first_chunk().unwrap();
        let (head, data) = rest.split_at(u64::from_le_bytes(*size) as usize);
        let mut json: Value = serde_json::from_slice(head).unwrap();
        edit(json.as_object_mut().unwrap());
        let head = json.to_string();
        let out = [&(head.len() as u64).to_le_bytes(), head.as_bytes(), data].concat();
        self.write("consolidated.safetensors", out);
    }
}

/// Counts what it is told; ends the work, in one of two ways, after some calls.
#[derive(Default)]
pub struct Counter {
    pub total: Cell<u64>,
    pub written: Cell<u64>,
    pub calls: Cell<usize>,
    pub panic_at: Option<usize>,
    pub cancel_at: Option<usize>,
}

impl Progress for Counter {
    fn start(&self, total_bytes: u64) {
        self.total.set(total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.written.set(self.written.get() + bytes);
        self.calls.set(self.calls.get() + 1);
        assert_ne!(Some(self.calls.get()), self.panic_at, "the caller panics");
    }

    fn cancelled(&self) -> bool {
        Some(self.calls.get()) == self.cancel_at
    }
}

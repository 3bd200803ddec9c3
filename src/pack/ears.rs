//! A pack that listens. In: a folder. Out: verified files, or an error that says which is at fault.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use syrinx_quant::manifest::{HEAR_FILE, TOKENIZER_FILE};
use syrinx_quant::{GgufFile, Manifest};

use super::{OpenOptions, open_page, verify};
use crate::error::Result;

/// An opened pack; what its sizes mean is its family's to say.
#[derive(Debug)]
pub struct EarsPack {
    dir: PathBuf,
    manifest: Manifest,
    hear: Arc<GgufFile>,
}

impl EarsPack {
    /// Opens and checks a pack.
    ///
    /// Errors: `BadPack` (absent, truncated, wrong hash), `NewerPack`, `Unsupported` (a pack that speaks, or of a family
    /// that this build does not know), `Licence`, `Io`.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self> {
        let manifest = open_page(dir, options, verify::check_listens)?;
        let hear = Arc::new(GgufFile::open(&dir.join(HEAR_FILE))?);
        Ok(Self { dir: dir.to_owned(), manifest, hear })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// `hear.gguf`: sizes, and what llama.cpp does not compute.
    pub fn hear(&self) -> &Arc<GgufFile> {
        &self.hear
    }

    /// Where a file of the pack is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    pub fn tokenizer_path(&self) -> PathBuf {
        self.dir.join(TOKENIZER_FILE)
    }
}

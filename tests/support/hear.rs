//! What the tests of listening share: packs of the tiny checkpoints that listen, and their goldens.

use std::path::PathBuf;

use syrinx_quant::Recipe;
use syrinx_quant::import::{ImportOptions, import};

use super::{Tensors, data};

/// The reference's tensors of a checkpoint, `tiny` or `skew`.
pub fn golden(checkpoint: &str) -> Tensors {
    Tensors::read(&data(&format!("hear/golden_{checkpoint}.safetensors")))
}

/// A pack in a folder that goes when this does.
pub struct EarsOf {
    folder: tempfile::TempDir,
}

impl EarsOf {
    pub fn import(checkpoint: &str, recipe: Recipe) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (data("hear").join(checkpoint), folder.path().join("pack"));
        import(&ImportOptions { from, to, recipe, overwrite: false }, &()).unwrap();
        Self { folder }
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("pack")
    }

    /// A path beside the pack.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

//! A GGUF file on disk: the map and its parsed head together.

use std::path::Path;

use super::{Gguf, TensorView};
use crate::error::Result;
use crate::map::Map;

/// A mapped GGUF file. Dereferences to its head, [`Gguf`].
#[derive(Debug)]
pub struct GgufFile {
    map: Map,
    head: Gguf,
}

impl GgufFile {
    /// Errors: those of [`Map::open`] and [`Gguf::parse`], with the path in front.
    pub fn open(path: &Path) -> Result<Self> {
        let map = Map::open(path)?;
        let head = Gguf::parse(&map).map_err(|e| e.within(path.display()))?;
        Ok(Self { map, head })
    }

    /// A tensor with its bytes. Errors: `Missing`.
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>> {
        self.head.tensor(&self.map, name)
    }

    /// The whole file.
    pub fn map(&self) -> &Map {
        &self.map
    }
}

impl std::ops::Deref for GgufFile {
    type Target = Gguf;

    fn deref(&self) -> &Gguf {
        &self.head
    }
}

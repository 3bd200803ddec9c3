//! Read-only file maps. In: a path. Out: the file's bytes, paged in by the system as they are touched,
//! so that an 8 GB checkpoint or a pack's text table costs only the pages that are read.

#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use crate::error::{Error, Result};

/// A whole file, mapped for reading. Dereferences to its bytes; starts on a page boundary.
#[derive(Debug)]
pub struct Map(Option<memmap2::Mmap>);

impl Map {
    /// Maps a regular file. Errors: `Missing`, `Io`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        let metadata = file.metadata().map_err(|e| Error::io(path, "inspect", e))?;
        if !metadata.is_file() {
            let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            return Err(Error::io(path, "map", source));
        }
        if metadata.len() == 0 {
            return Ok(Self(None)); // an empty map is an error on some systems
        }
        // SAFETY: the map is private to this process and never written through. Another process that truncates
        // the file while it is mapped would raise SIGBUS on access, and one that writes to it could change bytes
        // under a shared slice. Packs are therefore replaced by renaming a new folder into place, never by writing
        // into a file (`pack.rs`), and a checkpoint must not be written while it is being imported. Every parser
        // over these bytes checks each read against the slice and holds no invariant between two reads.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(path, "map", e))?;
        Ok(Self(Some(map)))
    }

    /// Tells the system that the bytes of `range` are not needed soon, so that reading a large file from front to
    /// back keeps little of it resident. Only a hint: failure is not an error.
    pub fn release(&self, range: std::ops::Range<usize>) {
        #[cfg(unix)]
        if let Some(map) = &self.0
            && range.end <= map.len()
            && range.start < range.end
        {
            // Round inwards: a page that is shared with a neighbour stays.
            const PAGE: usize = 64 * 1024;
            let start = range.start.next_multiple_of(PAGE);
            let end = range.end / PAGE * PAGE;
            if start < end {
                // SAFETY: the map is a read-only view of a file, so discarded pages are read again from the file
                // with the same contents; no reference into it is invalidated.
                let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start) };
            }
        }
        #[cfg(not(unix))]
        let _ = range;
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

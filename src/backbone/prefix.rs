//! The voice-prefix cache. In: a key, and the state of the rows that begin every prompt in a voice. Out: the same state, in
//! this process or a later one.
//!
//! 219 of 226 positions of a typical prompt are the voice's, so this is most of the time to first audio. A file that
//! is missing, damaged or of another version is computed again; a folder that cannot be written is done without.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zerocopy::IntoBytes;

use crate::write::Beside;

/// Names the state's producer: llama.cpp's layout is its own, so another version's is not read, and a kept state must not
/// change what is spoken, so neither is that of other kernels (`build.rs` hashes their sources).
const PRODUCER: &str =
    concat!("syrinx-prefix llama-cpp-sys-2-0.1.161 ", env!("CARGO_PKG_VERSION"), " ", env!("SYRINX_KERNELS"));
const DIGEST: usize = 32;

/// States in memory, and on disk if a folder was given.
#[derive(Debug)]
pub struct PrefixCache {
    folder: Option<PathBuf>,
    memory_bytes: usize,
    /// The one used last at the end.
    states: Vec<(String, Arc<[u8]>)>,
}

impl Default for PrefixCache {
    fn default() -> Self {
        Self { folder: None, memory_bytes: Self::MEMORY_BYTES, states: Vec::new() }
    }
}

/// What a state is of: `context`, which names all else that it depends on, and the voice's rows (`[n][dim]`) themselves. A
/// name would not do: a voice may be recorded anew under it.
pub(super) fn key(context: &str, rows: &[f32]) -> String {
    format!("{context}-{:x}", Sha256::digest(rows.as_bytes()))
}

/// The user's cache folder for prefixes, where the system names one. A path that is not absolute counts as none, as the
/// XDG Base Directory Specification has it: it would be another folder wherever the program is started.
pub fn user_cache_folder() -> Option<PathBuf> {
    cache_folder(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
}

fn cache_folder(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute(cache).or_else(|| Some(absolute(home)?.join(".cache")));
    cache.map(|folder| folder.join("syrinx"))
}

impl PrefixCache {
    /// Bytes of states in memory where nobody says otherwise: all voices of a small pack, two or three of `voxtral-4b`.
    pub const MEMORY_BYTES: usize = 64 << 20;

    /// In memory only.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// In memory and as files in `folder`, which is made when the first is written.
    pub fn on_disk(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..Self::default() }
    }

    /// Keeps at most so many bytes of states in memory: those used longest ago go first, and one that is larger than all of
    /// it is not kept there. What is gone is read from the folder, or computed again.
    #[must_use]
    pub fn with_memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self.forget();
        self
    }

    pub(super) fn get(&mut self, key: &str) -> Option<Arc<[u8]>> {
        if let Some(at) = self.states.iter().position(|(known, _)| known == key) {
            let entry = self.states.remove(at);
            let state = entry.1.clone();
            self.states.push(entry);
            return Some(state);
        }
        let path = self.path(key)?;
        let state: Arc<[u8]> = unwrap_state(&std::fs::read(&path).ok()?, key)?.into();
        log::debug!("voice prefix read from {}", path.display());
        self.remember(key, state.clone());
        Some(state)
    }

    pub(super) fn put(&mut self, key: &str, state: Vec<u8>) {
        if let Some(path) = self.path(key)
            && let Err(e) = write_state(&path, key, &state)
        {
            log::warn!("voice prefix not kept in {}: {e}", path.display());
        }
        self.remember(key, state.into());
    }

    fn remember(&mut self, key: &str, state: Arc<[u8]>) {
        self.states.retain(|(known, _)| known != key);
        if state.len() <= self.memory_bytes {
            self.states.push((key.to_owned(), state));
            self.forget();
        }
    }

    /// Drops the states used longest ago until the rest fits.
    fn forget(&mut self) {
        let mut bytes: usize = self.states.iter().map(|(_, state)| state.len()).sum();
        let excess = self.states.iter().take_while(|(_, state)| {
            let over = bytes > self.memory_bytes;
            bytes -= if over { state.len() } else { 0 };
            over
        });
        let excess = excess.count();
        self.states.drain(..excess);
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        let name: String = Sha256::digest(header(key)).iter().take(16).map(|b| format!("{b:02x}")).collect();
        Some(self.folder.as_ref()?.join(format!("{name}.prefix")))
    }
}

fn header(key: &str) -> String {
    format!("{PRODUCER} {key}\n")
}

/// Header line, SHA-256 of the state, state. A reader sees all of it or none.
fn write_state(path: &Path, key: &str, state: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let (beside, mut file) = Beside::create(path)?;
    file.write_all(header(key).as_bytes())?;
    file.write_all(&Sha256::digest(state))?;
    file.write_all(state)?;
    beside.publish()
}

fn unwrap_state(bytes: &[u8], key: &str) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(header(key).as_bytes())?;
    let (digest, state) = rest.split_at_checked(DIGEST)?;
    (Sha256::digest(state).as_slice() == digest).then(|| state.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_the_process_that_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        PrefixCache::on_disk(folder.path()).put("key", vec![1, 2, 3]);
        assert_eq!(PrefixCache::on_disk(folder.path()).get("key").as_deref(), Some(&[1u8, 2, 3][..]));
        assert_eq!(PrefixCache::on_disk(folder.path()).get("other"), None);
    }

    #[test]
    fn a_cache_folder_that_is_not_absolute_is_none() {
        let folder =
            |cache: Option<&str>, home: Option<&str>| cache_folder(cache.map(Into::into), home.map(Into::into));
        let at_home = Some(PathBuf::from("/home/a/.cache/syrinx"));
        assert_eq!(folder(Some("/tmp/c"), Some("/home/a")), Some(PathBuf::from("/tmp/c/syrinx")));
        for cache in [None, Some(""), Some("."), Some("cache")] {
            assert_eq!(folder(cache, Some("/home/a")), at_home);
            assert_eq!(folder(cache, Some("")), None);
            assert_eq!(folder(cache, None), None);
        }
    }

    #[test]
    fn a_damaged_file_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        PrefixCache::on_disk(folder.path()).put("key", vec![1, 2, 3]);
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(PrefixCache::on_disk(folder.path()).get("key"), None);
    }

    #[test]
    fn the_state_used_longest_ago_goes_first() {
        let mut cache = PrefixCache::in_memory().with_memory_bytes(10);
        for key in ["a", "b"] {
            cache.put(key, vec![0; 4]);
        }
        assert!(cache.get("a").is_some());
        cache.put("c", vec![0; 6]);
        assert!(cache.get("a").is_some() && cache.get("b").is_none() && cache.get("c").is_some());
        cache.put("too large", vec![0; 11]);
        assert!(cache.get("too large").is_none() && cache.get("c").is_some());
        let mut cache = cache.with_memory_bytes(0);
        assert!(cache.get("a").is_none() && cache.get("c").is_none());
    }

    #[test]
    fn what_memory_has_no_room_for_is_read_from_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = PrefixCache::on_disk(folder.path()).with_memory_bytes(0);
        cache.put("key", vec![1, 2, 3]);
        assert_eq!(cache.get("key").as_deref(), Some(&[1u8, 2, 3][..]));
    }

    #[test]
    fn a_key_is_of_the_rows_and_of_what_they_are_computed_with() {
        let rows = [1.0, 2.0];
        assert_eq!(key("pack", &rows), key("pack", &rows));
        assert_ne!(key("pack", &rows), key("pack", &[1.0, 2.5]));
        assert_ne!(key("pack", &rows), key("pack avx2", &rows));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_done_without() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut cache = PrefixCache::on_disk(file.path()); // a file, not a folder
        cache.put("key", vec![1]);
        assert_eq!(cache.get("key").as_deref(), Some(&[1u8][..]));
    }
}

//! The voice-prefix cache. In: a key (pack, voice, cache type) and the state of the rows that begin every prompt in
//! that voice. Out: the same state, in this process or a later one.
//!
//! 219 of 226 positions of a typical prompt are the voice's, so this is most of the time to first audio. A file that
//! is missing, damaged or of another version is computed again; a folder that cannot be written is done without.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Names the state's producer: llama.cpp's layout is its own, so another version's is not read. The number goes up when
/// kernels of ours that compute states ([`crate::kernel`]) give other bits: a kept state must not change what is spoken.
const PRODUCER: &str = concat!("syrinx-prefix-2 llama-cpp-sys-2-0.1.161 ", env!("CARGO_PKG_VERSION"));
const DIGEST: usize = 32;

/// States in memory, and on disk if a folder was given.
#[derive(Debug, Default)]
pub struct PrefixCache {
    folder: Option<PathBuf>,
    states: HashMap<String, Arc<[u8]>>,
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
    /// In memory only.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// In memory and as files in `folder`, which is made when the first is written.
    pub fn on_disk(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), states: HashMap::new() }
    }

    pub(super) fn get(&mut self, key: &str) -> Option<Arc<[u8]>> {
        if let Some(state) = self.states.get(key) {
            return Some(state.clone());
        }
        let path = self.path(key)?;
        let state: Arc<[u8]> = unwrap_state(&std::fs::read(&path).ok()?, key)?.into();
        log::debug!("voice prefix read from {}", path.display());
        self.states.insert(key.to_owned(), state.clone());
        Some(state)
    }

    pub(super) fn put(&mut self, key: &str, state: Vec<u8>) {
        if let Some(path) = self.path(key)
            && let Err(e) = write_state(&path, key, &state)
        {
            log::warn!("voice prefix not kept in {}: {e}", path.display());
        }
        self.states.insert(key.to_owned(), state.into());
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        let name: String = Sha256::digest(header(key)).iter().take(16).map(|b| format!("{b:02x}")).collect();
        Some(self.folder.as_ref()?.join(format!("{name}.prefix")))
    }
}

fn header(key: &str) -> String {
    format!("{PRODUCER} {key}\n")
}

/// Header line, SHA-256 of the state, state. Written beside its place and renamed, so that a reader sees all or none.
fn write_state(path: &Path, key: &str, state: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let write = || {
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(header(key).as_bytes())?;
        file.write_all(&Sha256::digest(state))?;
        file.write_all(state)?;
        std::fs::rename(&partial, path)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&partial); // the first error is the one to report
    })
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
    fn a_folder_that_cannot_be_written_is_done_without() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut cache = PrefixCache::on_disk(file.path()); // a file, not a folder
        cache.put("key", vec![1]);
        assert_eq!(cache.get("key").as_deref(), Some(&[1u8][..]));
    }
}

//! Files that are there whole or not at all. In: a path. Out: a file beside it, which takes the path's name when it is
//! complete; a reader never sees half of one, and what was there stays until then.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file on its way to its name. Dropped before [`Beside::publish`], it is removed.
#[derive(Debug)]
pub(crate) struct Beside {
    partial: PathBuf,
    path: PathBuf,
    published: bool,
}

impl Beside {
    /// A new, empty file `NAME.PROCESS-NUMBER.partial` beside `path`; no two writers share one, in one process or in
    /// several. Errors: the system's, `InvalidInput` for a path without a file name.
    pub fn create(path: &Path) -> io::Result<(Self, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name =
            path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is not a file name"))?;
        loop {
            let mut name = name.to_os_string();
            name.push(format!(".{}-{}.partial", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
            let partial = path.with_file_name(name);
            match File::create_new(&partial) {
                Ok(file) => return Ok((Self { partial, path: path.to_owned(), published: false }, file)),
                // Left by a process that was killed, and whose number has come again.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Gives the file its name, in place of what had it. To be called when everything has been written.
    pub fn publish(mut self) -> io::Result<()> {
        std::fs::rename(&self.partial, &self.path)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.published {
            let _ = std::fs::remove_file(&self.partial); // nothing half-written stays; there is nobody to tell
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let files = std::fs::read_dir(folder).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, "old").unwrap();
        let (beside, mut file) = Beside::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        beside.publish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.wav"]);
    }

    #[test]
    fn two_writers_of_one_process_do_not_write_into_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let (first, mut first_file) = Beside::create(&path).unwrap();
        let (second, mut second_file) = Beside::create(&path).unwrap();
        first_file.write_all(b"first").unwrap();
        second_file.write_all(b"2").unwrap();
        second.publish().unwrap();
        first.publish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
    }

    #[test]
    fn what_was_not_completed_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        drop(Beside::create(&folder.path().join("a.wav")).unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
        assert_eq!(Beside::create(Path::new("/")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

//! All or nothing. In: the folder that is to appear. Out: a sibling folder to write into, which takes the target's name
//! only when it is complete and on the disk. A killed import leaves a folder named `.<target>.importing-…`, which the
//! next one removes; a failed one removes its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::manifest::MANIFEST_FILE;

/// A folder under construction.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Staging {
    /// Refuses a target that is in use, unless it is a pack and `overwrite` is set. Errors: `Exists`, `Io`.
    pub fn create(target: &Path, overwrite: bool) -> Result<Self> {
        let target = std::path::absolute(target).map_err(|e| Error::io(target, "resolve", e))?;
        check_target(&target, overwrite)?;
        let parent = target.parent().unwrap_or(&target).to_owned();
        fs::create_dir_all(&parent).map_err(|e| Error::io(&parent, "create", e))?;
        remove_stale(&parent, &target);
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(sibling(&target, &format!("importing-{}-{count}", std::process::id())));
        fs::create_dir(&folder).map_err(|e| Error::io(&folder, "create", e))?;
        Ok(Self { folder, target, published: false })
    }

    /// Where a file of the pack is to be written.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Gives the folder its name. Errors: `Exists`, where the target has come into use meanwhile; `Io`.
    pub fn publish(mut self, overwrite: bool) -> Result<()> {
        check_target(&self.target, overwrite)?;
        sync_folder(&self.folder)?;
        let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(|e| Error::io(to, "create", e));
        if self.target.exists() {
            // Between the two renames there is no pack under the target's name, but never half of one.
            let old = self.target.with_file_name(sibling(&self.target, &format!("replaced-{}", std::process::id())));
            rename(&self.target, &old)?;
            if let Err(e) = rename(&self.folder, &self.target) {
                let _ = fs::rename(&old, &self.target);
                return Err(e);
            }
            let _ = fs::remove_dir_all(&old); // what stays behind is removed by the next import
        } else {
            rename(&self.folder, &self.target)?;
        }
        self.published = true;
        sync_folder(self.target.parent().unwrap_or(&self.target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn check_target(target: &Path, overwrite: bool) -> Result<()> {
    let exists = |why: &str| Err(Error::new(ErrorKind::Exists, format!("{} {why}", target.display())));
    let mut entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return exists("is a file: choose another folder"),
        Err(e) => return Err(Error::io(target, "list", e)),
    };
    if entries.next().is_none() {
        Ok(())
    } else if !overwrite {
        exists("is not empty: choose another folder, or ask to overwrite the pack in it")
    } else if target.join(MANIFEST_FILE).is_file() {
        Ok(())
    } else {
        exists("is not a pack, so it is not overwritten: choose another folder")
    }
}

/// `.<target>.<suffix>`: hidden, beside the target, and says what it is.
fn sibling(target: &Path, suffix: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    name
}

/// Removes what processes that are gone have left beside the target. Failures do not matter: the names are unique.
fn remove_stale(parent: &Path, target: &Path) {
    let prefixes = ["importing-", "replaced-"].map(|suffix| sibling(target, suffix));
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let process = prefixes.iter().find_map(|p| name.strip_prefix(&*p.to_string_lossy()));
        let process = process.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        // A replaced pack whose successor never arrived is somebody's only copy.
        let keep = name.contains(".replaced-") && !target.exists();
        if process.is_some_and(|id| !is_running(id)) && !keep {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Where the system has no `/proc`, every process counts as running and nothing is removed.
fn is_running(process: u32) -> bool {
    let proc = Path::new("/proc");
    !proc.join("self").exists() || proc.join(process.to_string()).exists()
}

fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::io(folder, "flush", e))?;
    }
    Ok(())
}

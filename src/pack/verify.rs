//! Is this folder what its front page says? In: the manifest and the files. Out: nothing, or the file at fault.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use syrinx_quant::Manifest;
use syrinx_quant::manifest::{PackFile, VOXTRAL_REALTIME, VOXTRAL_TTS, WHISPER};

use crate::error::{Error, ErrorKind, Result};

/// Families that this runtime speaks with, and those that it listens with.
const SPEAKING: [&str; 1] = [VOXTRAL_TTS];
const LISTENING: [&str; 2] = [VOXTRAL_REALTIME, WHISPER];

/// Refuses a pack that asks for a newer runtime than this one.
pub(super) fn check_runtime(manifest: &Manifest) -> Result<()> {
    let have = env!("CARGO_PKG_VERSION");
    let need = &manifest.minimum_runtime;
    if version(need) > version(have) {
        let message = format!("pack {} needs syrinx {need} or newer, this is {have}: update syrinx", manifest.name);
        return Err(Error::new(ErrorKind::NewerPack, message));
    }
    Ok(())
}

/// Refuses a model that does not speak, or not in a form that this runtime computes.
pub(super) fn check_speaks(manifest: &Manifest) -> Result<()> {
    let Manifest { name, family, .. } = manifest;
    if SPEAKING.contains(&family.as_str()) {
        return Ok(());
    }
    let message = if LISTENING.contains(&family.as_str()) {
        format!("pack {name} listens ({family}); it cannot speak: use `syrinx hear`, or choose another pack")
    } else {
        let known = SPEAKING.join(", ");
        format!(
            "pack {name} is of the family \"{family}\", this build speaks {known}: update syrinx, or choose another pack"
        )
    };
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Refuses a model that does not listen, or not in a form that this runtime computes.
pub(super) fn check_listens(manifest: &Manifest) -> Result<()> {
    let Manifest { name, family, .. } = manifest;
    if LISTENING.contains(&family.as_str()) {
        return Ok(());
    }
    let message = if SPEAKING.contains(&family.as_str()) {
        format!("pack {name} speaks ({family}); it cannot listen: use `syrinx say`, or choose another pack")
    } else {
        let known = LISTENING.join(", ");
        format!(
            "pack {name} is of the family \"{family}\", this build hears {known}: update syrinx, or choose another pack"
        )
    };
    Err(Error::new(ErrorKind::Unsupported, message))
}

fn version(text: &str) -> Vec<u64> {
    text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// Compares size and, if asked, SHA-256.
pub(super) fn check_file(dir: &Path, file: &PackFile, hash: bool) -> Result<()> {
    let path = dir.join(&file.name);
    let bad = |what: String| Error::new(ErrorKind::BadPack, format!("{}: {what}: copy the pack again", path.display()));
    // A manifest may only name its neighbours.
    if Path::new(&file.name).components().count() != 1 || file.name.starts_with('.') {
        return Err(bad("is not a plain file name".into()));
    }
    let length = std::fs::metadata(&path).map_err(|e| bad(format!("cannot be read ({e})")).with_source(e))?.len();
    if length < file.bytes {
        return Err(bad(format!("is truncated, {length} of {} bytes", file.bytes)));
    }
    if length > file.bytes {
        return Err(bad(format!("has {length} bytes, expected {}", file.bytes)));
    }
    if hash && sha256(&path)? != file.sha256 {
        return Err(bad("has the wrong SHA-256, its contents were changed or damaged".into()));
    }
    Ok(())
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(|e| Error::io("read", path, e))? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// One hash for the whole pack, made of the files' names and hashes.
pub(super) fn identity(manifest: &Manifest) -> String {
    let mut hasher = Sha256::new();
    for file in &manifest.files {
        hasher.update(file.name.as_bytes());
        hasher.update(file.sha256.as_bytes());
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

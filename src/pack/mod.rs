//! A model pack. In: a folder. Out: verified files, sizes, voices and the tokenizer, or an error that says which file
//! is at fault and what to do.
//!
//! Everything about a model comes from here: no stage knows a size, a path or a licence of its own.

mod ears;
mod table;
mod verify;
mod voice;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use syrinx_quant::manifest::{BACKBONE_FILE, MANIFEST_FILE, SPEECH_FILE, TOKENIZER_FILE};
use syrinx_quant::{GgufFile, Manifest, Shape};

use crate::error::{Error, ErrorKind, Result};
use crate::frame::MAX_CODES;
pub use ears::EarsPack;
pub use table::Table;
pub use voice::{Voice, Voices};

/// How strictly a pack is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Compare every file with its hash. Only very slow media justify turning this off.
    pub verify: bool,
    /// Refuse a pack whose licence forbids commercial use.
    pub commercial: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { verify: true, commercial: false }
    }
}

/// An opened pack. Cheap to clone the parts of; the weights stay mapped.
#[derive(Debug)]
pub struct Pack {
    dir: PathBuf,
    manifest: Manifest,
    shape: Shape,
    speech: Arc<GgufFile>,
}

impl Pack {
    /// Opens and checks a pack.
    ///
    /// Errors: `BadPack` (absent, truncated, wrong hash, contradictory sizes), `NewerPack`, `Unsupported` (another family of
    /// models), `Licence`, `Io`.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self> {
        let manifest = open_page(dir, options, verify::check_speaks)?;
        let speech = GgufFile::open(&dir.join(SPEECH_FILE))?;
        let shape = Shape::from_metadata(&speech)?;
        check_agrees(&manifest, &shape)?;
        check_fits_runtime(&shape)?;
        Ok(Self { dir: dir.to_owned(), manifest, shape, speech: Arc::new(speech) })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// `speech.gguf`: everything but the backbone.
    pub fn speech(&self) -> &Arc<GgufFile> {
        &self.speech
    }

    pub fn backbone_path(&self) -> PathBuf {
        self.dir.join(BACKBONE_FILE)
    }

    pub fn tokenizer_path(&self) -> PathBuf {
        self.dir.join(TOKENIZER_FILE)
    }

    /// Names of the voices, the default first.
    pub fn voices(&self) -> &[String] {
        &self.shape.voices
    }

    /// Reads the voices. Errors: `BadPack`.
    pub fn load_voices(&self) -> Result<Voices> {
        Voices::load(self)
    }

    /// Tells packs apart: the hash of the file's hashes, in hexadecimal digits.
    pub fn identity(&self) -> String {
        verify::identity(&self.manifest)
    }
}

/// A one-dimensional F32 tensor of `len` values. Errors: `BadPack`.
pub(crate) fn vector(file: &GgufFile, name: &str, len: usize) -> Result<Vec<f32>> {
    let tensor = file.tensor(name)?;
    tensor.expect_shape(&[len])?;
    Ok(tensor.to_f32()?)
}

/// The front page of a pack that is what the caller is for, and whose files are what it says. Errors: as [`Pack::open`].
fn open_page(dir: &Path, options: OpenOptions, check_family: fn(&Manifest) -> Result<()>) -> Result<Manifest> {
    let manifest = read_manifest(dir)?;
    verify::check_runtime(&manifest)?;
    check_family(&manifest)?;
    let Manifest { name, licence, .. } = &manifest;
    if options.commercial && !licence.commercial {
        let message = format!("pack {name} may not be used commercially ({})", licence.spdx);
        return Err(Error::new(ErrorKind::Licence, format!("{message}: choose another pack")));
    }
    for file in &manifest.files {
        verify::check_file(dir, file, options.verify)?;
    }
    if !licence.commercial {
        log::warn!("pack {name}: no commercial use ({}) {}", licence.spdx, licence.note);
    }
    Ok(manifest)
}

fn read_manifest(dir: &Path) -> Result<Manifest> {
    let path = dir.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path).map_err(|e| {
        let message = match e.kind() {
            std::io::ErrorKind::NotFound => format!(
                "no pack at {}: give a folder with a {MANIFEST_FILE}, or make one with `syrinx pack`",
                dir.display()
            ),
            _ => format!("cannot read {}: {e}", path.display()),
        };
        Error::new(ErrorKind::BadPack, message).with_source(e)
    })?;
    Ok(Manifest::parse(&text).map_err(|e| e.within(dir.display()))?)
}

/// The front page and the shape each say it, and different stages read the one or the other.
fn check_agrees(manifest: &Manifest, shape: &Shape) -> Result<()> {
    let (page, model) = (manifest.sample_rate_hz, shape.audio.sampling_rate);
    if usize::try_from(page).is_ok_and(|page| page == model) {
        return Ok(());
    }
    let message = format!("{MANIFEST_FILE} says {page} Hz, {SPEECH_FILE} {model} Hz: import the pack again");
    Err(Error::new(ErrorKind::BadPack, message))
}

/// Sizes that are sound in themselves but too large for this build.
fn check_fits_runtime(shape: &Shape) -> Result<()> {
    let codes = shape.audio.codes_per_frame();
    if codes > MAX_CODES || shape.audio.audio_rows > usize::from(u16::MAX) {
        let message =
            format!("{codes} codes per frame and {} audio rows are beyond this build", shape.audio.audio_rows);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(())
}

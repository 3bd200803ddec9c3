//! Writes a pack. In: a shape, a recipe, a source of weights. Out: the folder of architecture.md section 3, whole or not
//! at all. Rows are encoded on all cores in bounded batches and written, and hashed, front to back.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::about::About;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{TensorSpec, Value, Writer};
use crate::layout::{self, Planned};
use crate::manifest::{BACKBONE_FILE, FORMAT, MANIFEST_FILE, Manifest, PackFile, SPEECH_FILE, TOKENIZER_FILE};
use crate::recipe::Recipe;
use crate::shape::Shape;
use crate::staging::Staging;
use crate::weights::{Weights, rows_and_columns};

/// The oldest runtime that can use packs of this format.
pub(crate) const MINIMUM_RUNTIME: &str = "0.1.0";

/// Values that one thread encodes at a time: 2 MiB as F32.
const CHUNK_VALUES: usize = 1 << 19;

/// How far a pack is. All calls come from the thread that writes it.
pub trait Progress {
    /// Called once, before the first tensor: bytes of tensor data that will be written.
    fn start(&self, total_bytes: u64);
    /// Bytes written since the last call.
    fn advance(&self, bytes: u64);
    /// Asked between batches; true ends the work with [`ErrorKind::Cancelled`] and leaves nothing behind.
    fn cancelled(&self) -> bool {
        false
    }
}

/// No progress shown.
impl Progress for () {
    fn start(&self, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// What to write, apart from the numbers.
#[derive(Debug)]
pub struct Contents<'a> {
    pub shape: &'a Shape,
    /// Rows of each voice, in the order of `shape.voices`.
    pub voice_rows: &'a [usize],
    /// The codec encoder's tensors, unchanged in name and shape, and its sizes as JSON.
    pub encoder: Option<(Vec<Planned>, serde_json::Value)>,
    pub tokenizer: &'a serde_json::Value,
    pub recipe: Recipe,
    pub about: &'a About,
    /// The lexicons that `about` names: files that are copied as they are, by name.
    pub lexicons: Vec<(String, Vec<u8>)>,
    pub synthetic: bool,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub manifest: Manifest,
    /// Tensors that got another type than the recipe names, because their rows do not fill its blocks.
    pub fallbacks: Vec<Fallback>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    pub tensor: String,
    pub wanted: DType,
    pub used: DType,
}

/// One GGUF file of a pack.
#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    pub metadata: Vec<(String, Value)>,
    pub tensors: Vec<Planned>,
    /// Layers of the stack in it, which a recipe may ask for.
    pub layers: usize,
}

/// Writes the pack `target`.
///
/// Errors: `Exists`, `Io`, `Cancelled`, `Shape`; those of `weights`. After any of them, and after a panic of
/// `progress`, `target` is as it was.
pub fn write(
    target: &Path,
    overwrite: bool,
    contents: &Contents,
    weights: &dyn Weights,
    progress: &dyn Progress,
) -> Result<Written> {
    contents.shape.validate()?;
    let Contents { shape, recipe, about, .. } = contents;
    let encoder = contents.encoder.as_ref();
    let mut speech = layout::speech(shape, contents.voice_rows);
    speech.extend(encoder.into_iter().flat_map(|(tensors, _)| tensors.iter().cloned()));
    let mut metadata = head("syrinx-speech", &format!("{} speech", about.name));
    metadata.extend(shape.to_metadata());
    metadata.extend(encoder.map(|(_, sizes)| ("syrinx.encoder".to_owned(), Value::Str(sizes.to_string()))));
    let layers = shape.backbone.layers;
    let backbone_metadata = layout::backbone_metadata(shape, &about.name);
    let parts = vec![
        Part { name: BACKBONE_FILE, metadata: backbone_metadata, tensors: layout::backbone(shape), layers },
        Part { name: SPEECH_FILE, metadata, tensors: speech, layers },
    ];
    let mut plain = vec![(TOKENIZER_FILE.to_owned(), contents.tokenizer.to_string().into_bytes())];
    plain.extend(contents.lexicons.iter().cloned());
    write_parts(target, overwrite, *recipe, parts, &plain, |files| manifest(contents, files), weights, progress)
}

/// What every file of Syrinx's own begins with.
pub(crate) fn head(architecture: &str, name: &str) -> Vec<(String, Value)> {
    vec![
        ("general.architecture".into(), Value::Str(architecture.into())),
        ("general.name".into(), Value::Str(name.into())),
        ("syrinx.format".into(), Value::U32(FORMAT)),
    ]
}

/// Writes a pack of any family: `parts`, files that are copied as they are, and the front page that `manifest` makes of
/// their list. Errors: as [`write`].
#[allow(clippy::too_many_arguments)] // what, from where, to where
pub(crate) fn write_parts(
    target: &Path,
    overwrite: bool,
    recipe: Recipe,
    parts: Vec<Part>,
    plain: &[(String, Vec<u8>)],
    manifest: impl FnOnce(Vec<PackFile>) -> Manifest,
    weights: &dyn Weights,
    progress: &dyn Progress,
) -> Result<Written> {
    let staging = Staging::create(target, overwrite)?;
    let mut fallbacks = Vec::new();
    let mut typed_parts = Vec::new();
    let mut bytes = 0;
    for Part { name, metadata, tensors, layers } in parts {
        let typed: Vec<_> = tensors.into_iter().map(|p| type_tensor(p, recipe, layers, &mut fallbacks)).collect();
        bytes += typed.iter().map(|(_, spec)| spec.bytes()).sum::<Result<usize>>()?;
        typed_parts.push((name, metadata, typed));
    }
    progress.start(bytes as u64);
    let mut files = Vec::new();
    for (name, metadata, typed) in typed_parts {
        files.push(write_tensors(&staging, name, &metadata, typed, weights, progress)?);
    }
    for (name, bytes) in plain {
        files.push(write_bytes(&staging, name, bytes)?);
    }
    let manifest = manifest(files);
    write_bytes(&staging, MANIFEST_FILE, manifest.to_toml()?.as_bytes())?;
    staging.publish(overwrite)?;
    Ok(Written { manifest, fallbacks })
}

fn manifest(contents: &Contents, files: Vec<PackFile>) -> Manifest {
    let Contents { shape, about, recipe, .. } = contents;
    Manifest {
        defaults: about.defaults(shape.flow.steps, shape.flow.guidance),
        ..about.page(shape.audio.sampling_rate, *recipe, contents.synthetic, files)
    }
}

fn type_tensor(
    planned: Planned,
    recipe: Recipe,
    layers: usize,
    fallbacks: &mut Vec<Fallback>,
) -> (Planned, TensorSpec) {
    let (_, columns) = rows_and_columns(&planned.shape);
    let wanted = recipe.wanted(planned.role, layers);
    let used = recipe.dtype(planned.role, layers, columns);
    if used != wanted {
        fallbacks.push(Fallback { tensor: planned.name.clone(), wanted, used });
    }
    let spec = TensorSpec::new(planned.name.clone(), used, &planned.shape);
    (planned, spec)
}

fn write_tensors(
    staging: &Staging,
    name: &str,
    metadata: &[(String, Value)],
    tensors: Vec<(Planned, TensorSpec)>,
    weights: &dyn Weights,
    progress: &dyn Progress,
) -> Result<PackFile> {
    let path = staging.path(name);
    let specs = tensors.iter().map(|(_, spec)| spec.clone()).collect();
    let write = || -> Result<PackFile> {
        let mut writer = Writer::new(HashedFile::create(&path)?, metadata, specs)?;
        for (planned, spec) in &tensors {
            write_rows(&mut writer, planned, spec, weights, progress)?;
            weights.release(planned);
        }
        writer.finish()?.close(name)
    };
    write().map_err(|e| if e.kind == ErrorKind::Io { e.within(path.display()) } else { e })
}

/// One tensor: a few chunks per core at a time, encoded in parallel, written in order.
fn write_rows(
    writer: &mut Writer<HashedFile>,
    planned: &Planned,
    spec: &TensorSpec,
    weights: &dyn Weights,
    progress: &dyn Progress,
) -> Result<()> {
    let (rows, columns) = rows_and_columns(&planned.shape);
    let row_bytes = spec.bytes()? / rows.max(1);
    let chunk_rows = (CHUNK_VALUES / columns.max(1)).max(1);
    let batch_rows = chunk_rows * rayon::current_num_threads() * 2;
    let encode = weights.encoder(planned, spec.dtype)?;
    for batch in (0..rows).step_by(batch_rows) {
        if progress.cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "stopped on request; nothing was written"));
        }
        let end = (batch + batch_rows).min(rows);
        let mut bytes = vec![0; (end - batch) * row_bytes];
        bytes.par_chunks_mut(chunk_rows * row_bytes).enumerate().try_for_each(|(i, chunk)| {
            let first = batch + i * chunk_rows;
            encode(first..first + chunk.len() / row_bytes, chunk)
        })?;
        writer.write(&bytes)?;
        progress.advance(bytes.len() as u64);
    }
    Ok(())
}

fn write_bytes(staging: &Staging, name: &str, bytes: &[u8]) -> Result<PackFile> {
    let path = staging.path(name);
    let mut file = HashedFile::create(&path)?;
    file.write_all(bytes).map_err(|e| Error::io(&path, "write", e))?;
    file.close(name)
}

/// A file that knows the SHA-256 of what was written to it.
struct HashedFile {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl HashedFile {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).map_err(|e| Error::io(path, "create", e))?;
        Ok(Self { file: BufWriter::new(file), hash: Sha256::new(), bytes: 0 })
    }

    /// Waits until the contents are on the disk.
    fn close(self, name: &str) -> Result<PackFile> {
        let io = |e| Error::io(Path::new(name), "write", e);
        let file = self.file.into_inner().map_err(|e| io(e.into_error()))?;
        file.sync_all().map_err(io)?;
        let sha256 = self.hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(PackFile { name: name.into(), bytes: self.bytes, sha256 })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

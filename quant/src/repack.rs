//! Pack → pack. In: a pack of the recipe `f32`. Out: the same weights in another recipe, as the checkpoint would have
//! given them. Anything less exact than `f32` is refused: what a recipe has rounded off does not come back.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::about::About;
use crate::dtype::DType;
use crate::error::{Error, Result, corrupt, misshapen, missing, unsupported};
use crate::gguf::{GgufFile, TensorView};
use crate::layout::{ENCODER_PREFIX, Planned, encoder_tensor, voice_tensor};
use crate::manifest::{
    BACKBONE_FILE, DECODER_FILE, ENCODER_FILE, HEAR_FILE, MANIFEST_FILE, Manifest, SPEECH_FILE, TOKENIZER_FILE,
    VOXTRAL_REALTIME, files_of,
};
use crate::map::Map;
use crate::pack::{self, Contents, Progress, Written};
use crate::realtime;
use crate::recipe::Recipe;
use crate::shape::{Realtime, Shape};
use crate::weights::{RowEncoder, Weights, encode_values};

/// Packs anew. Errors: `Unsupported` for a pack of another recipe; `Corrupt`, `Missing`, `Shape`, `Truncated`, `Newer` for
/// a damaged one; `Exists`, `Io`, `Cancelled`.
pub fn repack(from: &Path, to: &Path, recipe: Recipe, overwrite: bool, progress: &dyn Progress) -> Result<Written> {
    let path = from.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", e))?;
    let manifest = Manifest::parse(&text).map_err(|e| e.within(from.display()))?;
    if manifest.recipe != Recipe::F32.name() {
        let message = format!("{}: is a pack of recipe {}, not f32", from.display(), manifest.recipe);
        return Err(unsupported(format!("{message}: import the checkpoint instead")));
    }
    check_hashes(from, &manifest)?;
    let path = from.join(TOKENIZER_FILE);
    let tokenizer = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", e))?;
    let tokenizer = json(&tokenizer, &path)?;
    let about = About::from(&manifest);
    let synthetic = manifest.synthetic;
    if manifest.family == VOXTRAL_REALTIME {
        let source = Source::open(from, &[ENCODER_FILE, DECODER_FILE, HEAR_FILE], realtime::layout::place)?;
        let hear = GgufFile::open(&from.join(HEAR_FILE))?;
        let shape = Realtime::from_metadata(&hear)?;
        let contents = realtime::Contents { shape: &shape, tokenizer: &tokenizer, recipe, about: &about, synthetic };
        return realtime::write(to, overwrite, &contents, &source, progress);
    }
    let source = Source::open(from, &[BACKBONE_FILE, SPEECH_FILE], by_name)?;
    let speech = &GgufFile::open(&from.join(SPEECH_FILE))?;
    let shape = Shape::from_metadata(speech)?;
    let rows = |name: &String| -> Result<usize> {
        let voice = &speech.info(&voice_tensor(name))?.spec;
        Ok(voice.shape.first().copied().unwrap_or(0))
    };
    let voice_rows = shape.voices.iter().map(rows).collect::<Result<Vec<_>>>()?;
    let encoder = match speech.get_str("syrinx.encoder") {
        Err(_) => None,
        Ok(sizes) => {
            let specs = speech.tensors().iter().map(|tensor| &tensor.spec);
            let tensors = specs.filter(|spec| spec.name.starts_with(ENCODER_PREFIX));
            let tensors = tensors.map(|spec| encoder_tensor(&spec.name, &spec.shape)).collect();
            Some((tensors, json(sizes, &from.join(SPEECH_FILE))?))
        }
    };
    let contents = Contents {
        shape: &shape,
        voice_rows: &voice_rows,
        encoder,
        tokenizer: &tokenizer,
        recipe,
        about: &about,
        lexicons: about.lexicons(from)?,
        synthetic,
    };
    pack::write(to, overwrite, &contents, &source, progress)
}

fn json(text: &str, path: &Path) -> Result<serde_json::Value> {
    serde_json::from_str(text).map_err(|e| corrupt(format!("{}: {e}", path.display())))
}

fn check_hashes(folder: &Path, manifest: &Manifest) -> Result<()> {
    let lexicons = manifest.text.lexicons.iter().map(|lexicon| lexicon.file.as_str());
    for name in files_of(&manifest.family).iter().copied().chain(lexicons) {
        let map = Map::open(&folder.join(name))?;
        let digest: String = Sha256::digest(&*map).iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != manifest.file(name)?.sha256 {
            let path = folder.join(name);
            return Err(corrupt(format!("{}: has the wrong SHA-256: copy the pack again", path.display())));
        }
    }
    Ok(())
}

/// The files of a pack that is packed anew, and which of them a tensor is in.
struct Source {
    files: Vec<GgufFile>,
    place: fn(&[GgufFile], &Planned) -> usize,
}

impl Source {
    fn open(from: &Path, names: &[&str], place: fn(&[GgufFile], &Planned) -> usize) -> Result<Self> {
        let files = names.iter().map(|name| GgufFile::open(&from.join(name))).collect::<Result<Vec<_>>>()?;
        Ok(Self { files, place })
    }

    /// Errors: `Missing`.
    fn file(&self, tensor: &Planned) -> Result<&GgufFile> {
        let file = self.files.get((self.place)(&self.files, tensor));
        file.ok_or_else(|| missing(format!("tensor {} is missing", tensor.name)))
    }
}

/// The first that has the name.
fn by_name(files: &[GgufFile], tensor: &Planned) -> usize {
    files.iter().position(|file| file.info(&tensor.name).is_ok()).unwrap_or(0)
}

impl Weights for Source {
    fn encoder(&self, tensor: &Planned, dtype: DType) -> Result<RowEncoder<'_>> {
        let view: TensorView<'_> = self.file(tensor)?.tensor(&tensor.name)?;
        view.expect_shape(&tensor.shape)?;
        let columns = tensor.shape.last().copied().unwrap_or(1);
        let row_bytes = view.dtype.row_bytes(columns).ok_or_else(|| misshapen(format!("rows of {}", tensor.name)))?;
        Ok(encode_values(tensor, dtype, move |rows, out| {
            let bytes = view.bytes.get(rows.start * row_bytes..rows.end * row_bytes);
            crate::block::dequantise(view.dtype, bytes.unwrap_or_default(), out)
        }))
    }

    fn release(&self, tensor: &Planned) {
        if let Ok(file) = self.file(tensor)
            && let Ok(info) = file.info(&tensor.name)
        {
            file.map().release(info.range.clone());
        }
    }
}

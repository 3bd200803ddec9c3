//! Pack → pack. In: a pack of the recipe `f32`. Out: the same weights in another recipe, as the checkpoint would have
//! given them. Anything less exact than `f32` is refused: what a recipe has rounded off does not come back.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::about::About;
use crate::dtype::DType;
use crate::error::{Error, Result, corrupt, misshapen, unsupported};
use crate::gguf::{GgufFile, TensorView};
use crate::layout::{ENCODER_PREFIX, Planned, encoder_tensor, voice_tensor};
use crate::manifest::{BACKBONE_FILE, MANIFEST_FILE, Manifest, SPEECH_FILE, TOKENIZER_FILE};
use crate::map::Map;
use crate::pack::{self, Contents, Progress, Written};
use crate::recipe::Recipe;
use crate::shape::Shape;
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
    let source = Source {
        backbone: GgufFile::open(&from.join(BACKBONE_FILE))?,
        speech: GgufFile::open(&from.join(SPEECH_FILE))?,
    };
    let speech = &source.speech;
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
    let path = from.join(TOKENIZER_FILE);
    let tokenizer = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", e))?;
    let about = About::from(&manifest);
    let contents = Contents {
        shape: &shape,
        voice_rows: &voice_rows,
        encoder,
        tokenizer: &json(&tokenizer, &path)?,
        recipe,
        about: &about,
        lexicons: about.lexicons(from)?,
        synthetic: manifest.synthetic,
    };
    pack::write(to, overwrite, &contents, &source, progress)
}

fn json(text: &str, path: &Path) -> Result<serde_json::Value> {
    serde_json::from_str(text).map_err(|e| corrupt(format!("{}: {e}", path.display())))
}

fn check_hashes(folder: &Path, manifest: &Manifest) -> Result<()> {
    let lexicons = manifest.text.lexicons.iter().map(|lexicon| lexicon.file.as_str());
    for name in [BACKBONE_FILE, SPEECH_FILE, TOKENIZER_FILE].into_iter().chain(lexicons) {
        let map = Map::open(&folder.join(name))?;
        let digest: String = Sha256::digest(&*map).iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != manifest.file(name)?.sha256 {
            let path = folder.join(name);
            return Err(corrupt(format!("{}: has the wrong SHA-256: copy the pack again", path.display())));
        }
    }
    Ok(())
}

struct Source {
    backbone: GgufFile,
    speech: GgufFile,
}

impl Source {
    /// The file that a tensor is in; no name is in both.
    fn file(&self, name: &str) -> &GgufFile {
        if self.backbone.info(name).is_ok() { &self.backbone } else { &self.speech }
    }
}

impl Weights for Source {
    fn encoder(&self, tensor: &Planned, dtype: DType) -> Result<RowEncoder<'_>> {
        let view: TensorView<'_> = self.file(&tensor.name).tensor(&tensor.name)?;
        view.expect_shape(&tensor.shape)?;
        let columns = tensor.shape.last().copied().unwrap_or(1);
        let row_bytes = view.dtype.row_bytes(columns).ok_or_else(|| misshapen(format!("rows of {}", tensor.name)))?;
        Ok(encode_values(tensor, dtype, move |rows, out| {
            let bytes = view.bytes.get(rows.start * row_bytes..rows.end * row_bytes);
            crate::block::dequantise(view.dtype, bytes.unwrap_or_default(), out)
        }))
    }

    fn release(&self, tensor: &Planned) {
        let file = self.file(&tensor.name);
        if let Ok(info) = file.info(&tensor.name) {
            file.map().release(info.range.clone());
        }
    }
}

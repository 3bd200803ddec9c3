//! Checkpoint → pack. In: a folder in the released model's layout. Out: a pack. Everything that can be refused is
//! refused before the first byte is written; then tensors are read from the map one by one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::about::About;
use crate::block::dequantise;
use crate::checkpoint::{CHECKPOINT_FILE, Checkpoint, inputs};
use crate::dtype::DType;
use crate::error::{Error, Result, misshapen, missing, unsupported};
use crate::fold::{Folded, codebook, fold};
use crate::gguf::TensorView;
use crate::layout::{self, AUDIO_TABLE, ENCODER_PREFIX, Origin, Planned, SEMANTIC_HEAD, encoder_tensor};
use crate::manifest::MANIFEST_FILE;
use crate::pack::{self, Contents, Written};
use crate::params::Params;
use crate::realtime;
use crate::recipe::Recipe;
use crate::repack;
use crate::shape::{Audio, Model, Prompt, Shape};
use crate::tekken::{TEKKEN_FILE, Tekken};
use crate::voice::{self, VOICE_FOLDER, Voice};
use crate::weights::{RowEncoder, Weights, encode_values};
use crate::whisper;

pub use crate::pack::Progress;

pub(crate) const PARAMS_FILE: &str = "params.json";

/// What to import, and how.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Folder with the files of a model that listens, `consolidated.safetensors`, `params.json` and `tekken.json`; or of one
    /// that speaks: `consolidated.safetensors`, `params.json`, `tekken.json`, `voice_embedding/` and, where its author
    /// wrote one, `syrinx.toml`; or a pack of the recipe `f32`.
    pub from: PathBuf,
    /// Folder of the pack.
    pub to: PathBuf,
    pub recipe: Recipe,
    /// Replace a pack that is there already.
    pub overwrite: bool,
}

/// Imports a checkpoint, or packs a pack of the recipe `f32` anew ([`repack`]).
///
/// Errors: `Missing` (file, tensor, key, voice), `Truncated`, `Corrupt`, `Unsupported` (what would change the arithmetic),
/// `Shape`, `Exists`, `Io`, `Cancelled`; each names the file and the key or tensor.
pub fn import(options: &ImportOptions, progress: &dyn Progress) -> Result<Written> {
    let ImportOptions { from, to, recipe, overwrite } = options;
    if from.join(MANIFEST_FILE).is_file() {
        return repack::repack(from, to, *recipe, *overwrite, progress);
    }
    if whisper::is_whisper(from) {
        return whisper::import(options, progress);
    }
    let params = read_text(&from.join(PARAMS_FILE))?;
    if realtime::is_realtime(&params) {
        return realtime::import(options, &params, progress);
    }
    let about = About::read(from)?;
    let params = Params::parse(&params, &about.import.ignore_keys)?;
    let tekken = Tekken::parse(&read_text(&from.join(TEKKEN_FILE))?)?;
    let checkpoint = Checkpoint::open(&from.join(CHECKPOINT_FILE))?;
    let voices = read_voices(from, &params, &tekken)?;
    let (shape, encoder_sizes) = shape(params, &tekken, &checkpoint, &voices)?;

    let voice_rows: Vec<usize> = voices.iter().map(Voice::row_count).collect();
    let mut planned = layout::backbone(&shape);
    planned.extend(layout::speech(&shape, &voice_rows));
    checkpoint.check(&planned, encoder_sizes.is_some())?;
    let encoder = encoder_sizes.map(|sizes| {
        (checkpoint.encoder().map(|(name, shape)| encoder_tensor(name, shape)).collect::<Vec<_>>(), sizes)
    });
    if encoder.as_ref().is_some_and(|(tensors, _)| tensors.is_empty()) {
        return Err(missing(format!(
            "{CHECKPOINT_FILE}: params.json declares an encoder, but there are no {ENCODER_PREFIX}*"
        )));
    }
    let contents = Contents {
        shape: &shape,
        voice_rows: &voice_rows,
        encoder,
        tokenizer: &tekken.to_tokenizer_json()?,
        recipe: *recipe,
        about: &about,
        lexicons: about.lexicons(from)?,
        synthetic: false,
    };
    let voices = voices.into_iter().map(|v| (v.name.clone(), v)).collect();
    pack::write(to, *overwrite, &contents, &Source { checkpoint, voices }, progress)
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))
}

/// The voices of `params.json` in its order, then any others in the folder by name.
fn read_voices(from: &Path, params: &Params, tekken: &Tekken) -> Result<Vec<Voice>> {
    let folder = from.join(VOICE_FOLDER);
    let mut files = voice::files(&folder)?;
    let mut paths = Vec::new();
    for name in &params.voices {
        let path = files.remove(name).ok_or_else(|| {
            missing(format!("{}: no {name}.pt or {name}.safetensors, a voice of params.json", folder.display()))
        })?;
        paths.push((name.clone(), path));
    }
    paths.extend(files);
    let mut voices = Vec::with_capacity(paths.len());
    for (name, path) in paths {
        let voice = Voice::open(&name, &path, params.dim)?;
        match tekken.voice_rows(&name) {
            Some(expected) if expected != voice.row_count() => {
                let found = voice.row_count();
                return Err(misshapen(format!(
                    "{}: {found} rows, but {TEKKEN_FILE} counts {expected} for voice {name}",
                    path.display()
                )));
            }
            _ => voices.push(voice),
        }
    }
    Ok(voices)
}

/// Puts the shape together from the three files; the tensors decide how far the code tables are padded.
fn shape(
    params: Params,
    tekken: &Tekken,
    checkpoint: &Checkpoint,
    voices: &[Voice],
) -> Result<(Shape, Option<serde_json::Value>)> {
    let prompt = Prompt {
        bos: tekken.special("<s>")?,
        begin_audio: tekken.special("[BEGIN_AUDIO]")?,
        audio: tekken.special("[AUDIO]")?,
        next_audio_text: tekken.special("[NEXT_AUDIO_TEXT]")?,
        repeat_audio_text: tekken.special("[REPEAT_AUDIO_TEXT]")?,
    };
    let declared = [params.bos, params.begin_audio, params.audio_token];
    if declared != [prompt.bos, prompt.begin_audio, prompt.audio] {
        return Err(misshapen(format!(
            "the ids of <s>, [BEGIN_AUDIO], [AUDIO] differ: {PARAMS_FILE} says {declared:?}"
        )));
    }
    if tekken.vocab_size() != params.vocab_size {
        let found = tekken.vocab_size();
        return Err(misshapen(format!("{TEKKEN_FILE} has {found} ids, {PARAMS_FILE} has {}", params.vocab_size)));
    }
    let audio = Audio {
        audio_rows: padded_rows(checkpoint, AUDIO_TABLE, params.audio.used_rows(), params.audio.audio_rows)?,
        head_rows: padded_rows(checkpoint, SEMANTIC_HEAD, params.audio.semantic_rows(), params.audio.head_rows)?,
        ..params.audio
    };
    let model = Model {
        dim: params.dim,
        vocab_size: params.vocab_size,
        max_context: params.max_context,
        voices: voices.iter().map(|v| v.name.clone()).collect(),
    };
    let Params { backbone, flow, codec, encoder, .. } = params;
    let shape = Shape { model, backbone, audio, flow, codec, prompt };
    shape.validate()?;
    Ok((shape, encoder))
}

/// Rows of a table whose last rows may be padding. Errors: `Missing`, `Shape`.
fn padded_rows(checkpoint: &Checkpoint, name: &str, used: usize, padded: usize) -> Result<usize> {
    match checkpoint.shape_of(name)? {
        &[rows, _] if (used..=padded).contains(&rows) => Ok(rows),
        shape => Err(misshapen(format!(
            "{CHECKPOINT_FILE}: tensor {name} has shape {shape:?}, expected {used} to {padded} rows"
        ))),
    }
}

pub(crate) struct Source {
    checkpoint: Checkpoint,
    voices: BTreeMap<String, Voice>,
}

impl Source {
    pub fn without_voices(checkpoint: Checkpoint) -> Self {
        Self { checkpoint, voices: BTreeMap::new() }
    }
}

impl Weights for Source {
    fn encoder(&self, tensor: &Planned, dtype: DType) -> Result<RowEncoder<'_>> {
        let views = inputs(tensor).into_iter().map(|(name, shape)| self.checkpoint.tensor(&name, &shape));
        let views = views.collect::<Result<Vec<_>>>()?;
        let columns = tensor.shape.last().copied().unwrap_or(1);
        let whole =
            |values: Vec<f32>| encode_values(tensor, dtype, move |rows, out| copy_rows(&values, columns, rows, out));
        Ok(match (&tensor.origin, views.as_slice()) {
            (Origin::Tensor { rows, .. }, [view]) => {
                let (view, stored) = (view.clone(), if tensor.shape.len() == 1 { 1 } else { *rows });
                encode_values(tensor, dtype, move |rows, out| read_rows(&view, stored, columns, rows, out))
            }
            (Origin::Taps { inputs, kernel, .. }, [weight]) => whole(Folded::plain(weight)?.to_taps(*inputs, *kernel)),
            (Origin::Constant { value }, []) => {
                let value = *value;
                encode_values(tensor, dtype, move |_, out| {
                    out.fill(value);
                    Ok(())
                })
            }
            (Origin::Convolution { inputs, kernel, .. }, [gain, direction]) => {
                whole(fold(gain, direction)?.to_taps(*inputs, *kernel))
            }
            (Origin::Transposed { inputs, outputs, kernel, stride, .. }, [gain, direction]) => {
                whole(fold(gain, direction)?.to_phases(*inputs, *outputs, *kernel, *stride))
            }
            (Origin::Codebook, [sum, usage]) => whole(codebook(sum, usage, columns)?),
            (Origin::Voice { name }, []) => {
                let voice = self.voices.get(name).ok_or_else(|| missing(format!("voice {name} has no rows")))?;
                encode_values(tensor, dtype, move |rows, out| copy_rows(&voice.rows, columns, rows, out))
            }
            (origin, _) => return Err(unsupported(format!("tensor {} cannot come from {origin:?}", tensor.name))),
        })
    }

    fn release(&self, tensor: &Planned) {
        inputs(tensor).iter().for_each(|(name, _)| self.checkpoint.release(name));
    }
}

/// Rows of a tensor that stores `stored` of them; those behind are zero.
pub(crate) fn read_rows(
    view: &TensorView,
    stored: usize,
    columns: usize,
    rows: Range<usize>,
    out: &mut [f32],
) -> Result<()> {
    let row_bytes = columns * view.dtype.type_size();
    let last = rows.end.min(stored).max(rows.start);
    let (values, padding) = out.split_at_mut((last - rows.start) * columns);
    padding.fill(0.0);
    let bytes = view.bytes.get(rows.start * row_bytes..last * row_bytes);
    dequantise(view.dtype, bytes.unwrap_or_default(), values)
}

pub(crate) fn copy_rows(values: &[f32], columns: usize, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
    let source = values.get(rows.start * columns..rows.end * columns);
    let source = source.filter(|s| s.len() == out.len()).ok_or_else(|| misshapen("rows beyond the tensor's end"))?;
    out.copy_from_slice(source);
    Ok(())
}

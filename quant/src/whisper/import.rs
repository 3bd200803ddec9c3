//! A model of CTranslate2 → pack. In: `model.bin`, `config.json`, `tokenizer.json`. Out: a pack.

use std::path::Path;

use serde::Deserialize;

use super::ct2::Ct2;
use super::layout;
use crate::about::{ABOUT_FILE, About};
use crate::dtype::DType;
use crate::error::{Error, Result, corrupt, misshapen, unsupported};
use crate::fold::Folded;
use crate::import::{ImportOptions, copy_rows, read_rows, read_text};
use crate::layout::{Origin, Planned};
use crate::manifest::{HEAR_FILE, Licence, PackFile, TOKENIZER_FILE, WHISPER};
use crate::map::Map;
use crate::pack::{Part, Progress, Written, head, write_parts};
use crate::shape::Whisper;
use crate::weights::{RowEncoder, Weights, encode_values};

const MODEL_FILE: &str = "model.bin";
const CONFIG_FILE: &str = "config.json";
/// The kind of model that a file must say it is.
const KIND: &str = "WhisperSpec";
/// CTranslate2's number of the activation between a layer's two matrices: GELU by the error function.
const GELU: i16 = 3;
/// What every released Whisper has: 16 kHz, windows of 25 ms every 10 ms; the epsilon of its norms.
const RATE_HZ: usize = 16_000;
const WINDOW: usize = 400;
const HOP: usize = 160;
const NORM_EPS: f32 = 1e-5;

/// What `config.json` says of tokens.
#[derive(Debug, Deserialize)]
struct Config {
    suppress_ids: Vec<usize>,
    suppress_ids_begin: Vec<usize>,
}

/// Whether a folder holds such a model.
pub(crate) fn is_whisper(from: &Path) -> bool {
    from.join(MODEL_FILE).is_file()
}

/// Imports the model. Errors: as [`crate::import::import`].
pub(crate) fn import(options: &ImportOptions, progress: &dyn Progress) -> Result<Written> {
    let ImportOptions { from, to, recipe, overwrite } = options;
    let about = about(from)?;
    let path = from.join(MODEL_FILE);
    let map = Map::open(&path)?;
    let within = |e: Error| e.within(path.display());
    let model = Ct2::parse(&map).map_err(within)?;
    let json = |name: &str| -> Result<serde_json::Value> {
        let path = from.join(name);
        serde_json::from_str(&read_text(&path)?).map_err(|e| corrupt(format!("{}: {e}", path.display())))
    };
    let config: Config = serde_json::from_value(json(CONFIG_FILE)?)
        .map_err(|e| corrupt(format!("{}: {e}", from.join(CONFIG_FILE).display())))?;
    let shape = shape(&model, &map, config).map_err(within)?;
    shape.validate()?;
    let tensors = layout::hear(&shape);
    let source = Source { map, model };
    tensors.iter().try_for_each(|tensor| source.view(tensor).map(|_| ())).map_err(within)?;
    let mut metadata = head("syrinx-hear", &format!("{} ears", about.name));
    metadata.extend(shape.to_metadata());
    let parts = vec![Part { name: HEAR_FILE, metadata, tensors, layers: shape.decoder_layers }];
    let plain = [(TOKENIZER_FILE.to_owned(), json(TOKENIZER_FILE)?.to_string().into_bytes())];
    let page = |files: Vec<PackFile>| about.page(RATE_HZ, *recipe, false, files);
    write_parts(to, *overwrite, *recipe, parts, &plain, page, &source, progress)
}

/// The page of the model's author; without one it is the released model, which is MIT's.
fn about(from: &Path) -> Result<About> {
    let mut about = About::read(from)?;
    if !from.join(ABOUT_FILE).is_file() {
        about.family = WHISPER.into();
        about.languages = vec!["mul".into()];
        about.licence = Licence { spdx: "MIT".into(), commercial: true, note: String::new() };
    }
    if about.family == WHISPER {
        return Ok(about);
    }
    Err(corrupt(format!("{ABOUT_FILE}: family is \"{}\", but {MODEL_FILE} is of {WHISPER}", about.family)))
}

fn shape(model: &Ct2, bytes: &[u8], config: Config) -> Result<Whisper> {
    if model.kind != KIND {
        return Err(unsupported(format!("is a {}, expected a {KIND}: choose a Whisper model", model.kind)));
    }
    let matrix = |name: &str| match *model.shape(name)? {
        [rows, columns] => Ok((rows, columns)),
        ref shape => Err(misshapen(format!("variable {name} has shape {shape:?}, expected a matrix"))),
    };
    let number = |name: &str| model.number(bytes, name);
    let heads = number("encoder/num_heads")?;
    for (name, expected) in [
        ("decoder/num_heads", heads),
        ("decoder/activation", GELU),
        ("encoder/activation", GELU),
        ("decoder/pre_norm", 1),
        ("encoder/pre_norm", 1),
        ("decoder/alibi", 0),
        ("decoder/scale_embeddings", 0),
        ("decoder/start_from_zero_embedding", 0),
    ] {
        // A variable that is not there has the value that Whisper has.
        match model.shape(name).and_then(|_| number(name)) {
            Ok(found) if found != expected => {
                return Err(unsupported(format!("{name} is {found}, expected {expected}: choose a Whisper model")));
            }
            _ => {}
        }
    }
    let (vocab_size, dim) = matrix("decoder/embeddings/weight")?;
    let mels = match *model.shape("encoder/conv1/weight")? {
        [_, mels, _] => mels,
        ref shape => return Err(misshapen(format!("variable encoder/conv1/weight has shape {shape:?}"))),
    };
    Ok(Whisper {
        sampling_rate: RATE_HZ,
        mels,
        hop: HOP,
        window: WINDOW,
        audio_rows: matrix("encoder/position_encodings/encodings")?.0,
        dim,
        heads: usize::try_from(heads).unwrap_or(0),
        hidden_dim: matrix("encoder/layer_0/ffn/linear_0/weight")?.0,
        encoder_layers: model.layers("encoder/layer_"),
        decoder_layers: model.layers("decoder/layer_"),
        vocab_size,
        text_rows: matrix("decoder/position_encodings/encodings")?.0,
        norm_eps: NORM_EPS,
        suppressed: config.suppress_ids,
        suppressed_first: config.suppress_ids_begin,
    })
}

struct Source {
    map: Map,
    model: Ct2,
}

impl Source {
    /// A tensor as the model has it.
    fn view(&self, tensor: &Planned) -> Result<crate::gguf::TensorView<'_>> {
        match &tensor.origin {
            Origin::Tensor { name, .. } => self.model.tensor(&self.map, name, &tensor.shape),
            Origin::Taps { name, inputs, kernel } => {
                let rows = tensor.shape.first().copied().unwrap_or(0);
                self.model.tensor(&self.map, name, &[rows, *inputs, *kernel])
            }
            origin => Err(unsupported(format!("tensor {} cannot come from {origin:?}", tensor.name))),
        }
    }
}

impl Weights for Source {
    fn encoder(&self, tensor: &Planned, dtype: DType) -> Result<RowEncoder<'_>> {
        let view = self.view(tensor)?;
        let columns = tensor.shape.last().copied().unwrap_or(1);
        if let Origin::Taps { inputs, kernel, .. } = &tensor.origin {
            let values = Folded::plain(&view)?.to_taps(*inputs, *kernel);
            return Ok(encode_values(tensor, dtype, move |rows, out| copy_rows(&values, columns, rows, out)));
        }
        let stored = tensor.shape.iter().rev().skip(1).product();
        Ok(encode_values(tensor, dtype, move |rows, out| read_rows(&view, stored, columns, rows, out)))
    }

    fn release(&self, _: &Planned) {}
}

#[cfg(test)]
mod tests {
    use super::super::ct2::tests::file;
    use super::*;
    use crate::error::ErrorKind;
    use crate::recipe::Recipe;

    fn refused(model: &[u8], config: &str) -> Error {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("whisper");
        std::fs::create_dir(&from).unwrap();
        for (name, bytes) in [(MODEL_FILE, model), (CONFIG_FILE, config.as_bytes()), (TOKENIZER_FILE, b"{}")] {
            std::fs::write(from.join(name), bytes).unwrap();
        }
        let to = folder.path().join("pack");
        let options = ImportOptions { from, to: to.clone(), recipe: Recipe::Q8, overwrite: false };
        let error = crate::import::import(&options, &()).unwrap_err();
        assert!(!to.exists());
        error
    }

    #[test]
    fn what_is_no_whisper_is_refused_by_name() {
        let config = r#"{"suppress_ids": [1], "suppress_ids_begin": [2]}"#;
        let empty = file(KIND, &[]);
        for (model, config, kind, says) in [
            (&b"no model"[..], config, ErrorKind::Unsupported, MODEL_FILE),
            (&file("TransformerSpec", &[]), config, ErrorKind::Unsupported, "TransformerSpec"),
            (&empty, config, ErrorKind::Missing, "encoder/num_heads"),
            (&empty, "{}", ErrorKind::Corrupt, "suppress_ids"),
            (&empty[..9], config, ErrorKind::Truncated, "copy it again"),
        ] {
            let error = refused(model, config);
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.contains(says), "{error}");
        }
    }
}

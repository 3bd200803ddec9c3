//! Writes a pack that listens. In: a [`Realtime`] and a source of weights. Out: a pack of two stacks for llama.cpp and a file
//! of everything else.

use std::path::Path;

use super::layout;
use crate::about::About;
use crate::error::Result;
use crate::manifest::{DECODER_FILE, ENCODER_FILE, HEAR_FILE, Manifest, PackFile, TOKENIZER_FILE, VOXTRAL_REALTIME};
use crate::pack::{Part, Progress, Written, head, write_parts};
use crate::recipe::Recipe;
use crate::shape::Realtime;
use crate::weights::Weights;

/// What to write, apart from the numbers.
#[derive(Debug)]
pub struct Contents<'a> {
    pub shape: &'a Realtime,
    pub tokenizer: &'a serde_json::Value,
    pub recipe: Recipe,
    pub about: &'a About,
    pub synthetic: bool,
}

/// Writes the pack `target`. Errors: as [`crate::pack::write`].
pub fn write(
    target: &Path,
    overwrite: bool,
    contents: &Contents,
    weights: &dyn Weights,
    progress: &dyn Progress,
) -> Result<Written> {
    let Contents { shape, recipe, about, .. } = contents;
    shape.validate()?;
    let mut metadata = head("syrinx-hear", &format!("{} ears", about.name));
    metadata.extend(shape.to_metadata());
    let parts = vec![
        Part {
            name: ENCODER_FILE,
            metadata: layout::encoder_metadata(shape, &about.name),
            tensors: layout::encoder(shape),
            layers: shape.encoder.layers,
        },
        Part {
            name: DECODER_FILE,
            metadata: layout::decoder_metadata(shape, &about.name),
            tensors: layout::decoder(shape),
            layers: shape.decoder.layers,
        },
        Part { name: HEAR_FILE, metadata, tensors: layout::hear(shape), layers: shape.decoder.layers },
    ];
    let plain = [(TOKENIZER_FILE.to_owned(), contents.tokenizer.to_string().into_bytes())];
    write_parts(target, overwrite, *recipe, parts, &plain, |files| manifest(contents, files), weights, progress)
}

fn manifest(contents: &Contents, files: Vec<PackFile>) -> Manifest {
    let Contents { shape, about, recipe, .. } = contents;
    let page = about.page(shape.front.sampling_rate, *recipe, contents.synthetic, files);
    Manifest { family: VOXTRAL_REALTIME.into(), ..page }
}

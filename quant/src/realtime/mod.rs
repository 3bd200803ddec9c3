//! Packs of Voxtral Realtime, which listen. In: a [`Realtime`] and a source of weights. Out: a pack of two stacks for
//! llama.cpp and a file of everything else (`voxtral-realtime.md`, sections 2.3 and 5.4).

#[cfg(feature = "import")]
mod import;
pub mod layout;
#[cfg(feature = "import")]
mod params;

use std::path::Path;

use crate::about::About;
use crate::error::Result;
use crate::manifest::{
    DECODER_FILE, Defaults, ENCODER_FILE, FORMAT, HEAR_FILE, Manifest, PackFile, TOKENIZER_FILE, VOXTRAL_REALTIME,
};
use crate::pack::{MINIMUM_RUNTIME, Part, Progress, Written, head, write_parts};
use crate::recipe::Recipe;
use crate::shape::Realtime;
use crate::weights::Weights;

#[cfg(feature = "import")]
pub(crate) use import::{import, is_realtime};

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
    let Contents { shape, about, .. } = contents;
    Manifest {
        format: FORMAT,
        name: about.name.clone(),
        version: about.version.clone(),
        family: VOXTRAL_REALTIME.into(),
        languages: about.languages.clone(),
        sample_rate_hz: u32::try_from(shape.front.sampling_rate).unwrap_or(u32::MAX), // bounded by Realtime::validate
        minimum_runtime: MINIMUM_RUNTIME.into(),
        recipe: contents.recipe.name().into(),
        synthetic: contents.synthetic,
        licence: about.licence.clone(),
        defaults: Defaults::default(),
        text: about.text.clone(),
        guards: about.guards,
        provenance: about.provenance.clone(),
        files,
    }
}

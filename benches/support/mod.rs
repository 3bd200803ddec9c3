//! What benches speak with: synthetic packs, made once and kept under `target/`.

use std::path::{Path, PathBuf};

use syrinx::lab::codec::{CodecDecoder, CodecWeights};
use syrinx::lab::flow::{FlowEngine, FlowHead, FlowWeights};
use syrinx::lab::kernel::Pool;
use syrinx::lab::pack::{OpenOptions, Pack};
use syrinx_quant::Recipe;
use syrinx_quant::synthetic::{Preset, SyntheticOptions, write};

/// A pack by the name of its preset and recipe, or by its folder.
pub fn open(name: &str) -> Pack {
    let folder = match name.split_once(' ') {
        Some((preset, recipe)) if !Path::new(name).is_dir() => synthetic(preset, recipe),
        _ => PathBuf::from(name),
    };
    // The hashes of a pack that was made here are known, and reading it all would be measured.
    Pack::open(&folder, OpenOptions { verify: false, commercial: false }).expect("a pack")
}

/// The native flow head of a pack.
pub fn flow_head(pack: &Pack, pool: &Pool) -> FlowHead {
    let weights = FlowWeights::open(pack.speech(), pack.shape(), FlowEngine::Native, pool.threads()).expect("weights");
    FlowHead::new(&weights, pack.shape().flow.steps, pool).expect("a flow head")
}

/// The codec of a pack, a frame at a time.
pub fn codec(pack: &Pack) -> CodecDecoder {
    CodecDecoder::new(&CodecWeights::open(pack.speech(), pack.shape()).expect("weights"), 1)
}

fn synthetic(preset: &str, recipe: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{preset}-{recipe}"));
    if !to.join("pack.toml").is_file() {
        let preset: Preset = preset.parse().expect("a preset");
        let recipe: Recipe = recipe.parse().expect("a recipe");
        write(&SyntheticOptions { preset, recipe, to: to.clone(), seed: 0, overwrite: true }, &()).expect("a new pack");
    }
    to
}

//! Synthetic packs: true shapes, the same bytes for the same seed, the same form as imported ones.

mod common;

use std::path::Path;

use syrinx_quant::synthetic::{Preset, SyntheticOptions, write};
use syrinx_quant::{GgufFile, Manifest, Recipe, Shape};

fn make(folder: &Path, preset: Preset, recipe: Recipe, seed: u64) -> Manifest {
    let options =
        SyntheticOptions { preset, recipe, to: folder.join(format!("{recipe}-{seed}")), seed, overwrite: true };
    write(&options, &()).unwrap().manifest
}

fn hashes(manifest: &Manifest) -> Vec<String> {
    manifest.files.iter().map(|f| f.sha256.clone()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let on = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        hashes(&pool.install(|| make(folder.path(), Preset::Tiny, Recipe::Q4, seed)))
    };
    let first = on(1, 1);
    assert_eq!(first, on(3, 1));
    assert_ne!(first[..2], on(1, 2)[..2]);
}

#[test]
fn a_synthetic_pack_has_the_form_of_an_imported_one() {
    let checkpoint = common::Checkpoint::tiny();
    checkpoint.import(Recipe::Q8).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manifest = make(folder.path(), Preset::Tiny, Recipe::Q8, 1);
    assert!(manifest.synthetic && manifest.name.contains("synthetic"));
    assert_eq!((manifest.licence.spdx.as_str(), manifest.licence.commercial), ("CC0-1.0", true));
    for file in ["backbone.gguf", "speech.gguf"] {
        let specs = |pack: &Path| -> Vec<_> {
            let gguf = GgufFile::open(&pack.join(file)).unwrap();
            let tensors = gguf.tensors().iter().filter(|t| !t.spec.name.starts_with("voice."));
            tensors.map(|t| t.spec.clone()).collect()
        };
        assert_eq!(specs(&checkpoint.pack()), specs(&folder.path().join("q8-1")), "{file}");
    }
    let shape = |pack: &Path| Shape::from_metadata(&GgufFile::open(&pack.join("speech.gguf")).unwrap()).unwrap();
    let (mut imported, synthetic) = (shape(&checkpoint.pack()), shape(&folder.path().join("q8-1")));
    imported.model.voices.clone_from(&synthetic.model.voices);
    assert_eq!(imported, synthetic);
}

#[test]
fn recipes_of_one_seed_hold_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    for recipe in [Recipe::F32, Recipe::Q8] {
        make(folder.path(), Preset::Tiny, recipe, 7);
    }
    let read = |recipe: &str, name: &str| {
        let file = GgufFile::open(&folder.path().join(format!("{recipe}-7/speech.gguf"))).unwrap();
        file.tensor(name).unwrap().to_f32().unwrap()
    };
    for name in ["acoustic_transformer.layers.1.feed_forward.w2.weight", "mm_audio_embeddings.tok_embeddings.weight"] {
        let (exact, coarse) = (read("f32", name), read("q8", name));
        let largest = exact.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let error = exact.iter().zip(&coarse).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(error > 0.0 && error < largest / 200.0, "{name}: {error} of {largest}");
    }
}

#[test]
fn the_end_code_never_wins_and_padding_is_zero() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), Preset::Tiny, Recipe::Q8, 3);
    let backbone = GgufFile::open(&folder.path().join("q8-3/backbone.gguf")).unwrap();
    let head = backbone.tensor("output.weight").unwrap().to_f32().unwrap();
    let zero = |row: usize| head[row * 128..(row + 1) * 128].iter().all(|&x| x == 0.0);
    assert!(zero(1) && (512..1408).all(zero));
    assert!((2..512).all(|row| !zero(row)));
}

#[test]
fn the_shape_of_voxtral_4b_has_the_published_number_of_parameters() {
    let shape = Preset::Voxtral4b.shape();
    shape.validate().unwrap();
    Preset::Mid.shape().validate().unwrap();
    let count = |tensors: &[syrinx_quant::layout::Planned]| -> usize {
        tensors.iter().map(|t| t.shape.iter().product::<usize>()).sum()
    };
    let backbone = count(&syrinx_quant::layout::backbone(&shape));
    let speech = count(&syrinx_quant::layout::speech(&shape, &[]));
    // The published 4,002,353,392 hold the audio table once, the semantic head without padding, and the folded
    // convolutions' gains and the codebook's usage besides (voxtral-tts.md, 2.3).
    let (audio_table, head, gains, usage) = (9088 * 3072, 8320 * 3072, 4 * 1024 + 240, 8192);
    assert_eq!(backbone - 2 * audio_table + head + speech + gains + usage, 4_002_353_392);
}

#[test]
fn sizes_without_sense_are_refused_by_name() {
    let with = |change: fn(&mut syrinx_quant::Shape)| {
        let mut shape = Preset::Tiny.shape();
        change(&mut shape);
        shape.validate().unwrap_err().message
    };
    assert!(with(|shape| shape.flow.steps = 65).contains("flow.steps is 65, expected 1 to 64"));
    assert!(with(|shape| shape.flow.steps = 0).contains("flow.steps is 0"));
    assert!(with(|shape| shape.flow.guidance = f32::NAN).contains("flow.guidance is NaN"));
    assert!(with(|shape| shape.backbone.layers = 1 << 21).contains("backbone.layers is 2097152"));
}

//! The tiny checkpoint as a model, for tests of all that stands on one; what a model takes.

use std::sync::Arc;

use syrinx_quant::Recipe;
use syrinx_quant::import::{ImportOptions, import};

use super::*;

/// The pack lives as long as its folder.
pub fn tiny(recipe: Recipe) -> (tempfile::TempDir, Model) {
    let (folder, pack) = tiny_pack(recipe);
    let model = Model::load(&pack, ModelOptions::default()).unwrap();
    (folder, model)
}

pub fn tiny_pack(recipe: Recipe) -> (tempfile::TempDir, Arc<Pack>) {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny");
    let to = folder.path().join("pack");
    import(&ImportOptions { from, to: to.clone(), recipe, overwrite: false }, &()).unwrap();
    let pack = Arc::new(Pack::open(&to, OpenOptions::default()).unwrap());
    (folder, pack)
}

#[test]
fn a_model_takes_its_weights_once_and_a_session_its_positions() {
    let (_folder, pack) = tiny_pack(Recipe::Q8);
    let need = |positions, kv| budget::Need::of(&pack, positions, kv).unwrap();
    let (short, long) = (need(512, KvType::F16), need(2048, KvType::F16));
    assert_eq!(short.model_bytes(), long.model_bytes());
    assert!(short.session_bytes() < long.session_bytes());
    assert!(need(512, KvType::Q8_0).session_bytes() < short.session_bytes());
    assert_eq!(long.sum(), long.parts().iter().map(|(_, bytes)| bytes).sum::<u64>());
}

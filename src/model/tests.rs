//! The tiny checkpoint as a model, for tests of all that stands on one.

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
fn sessions_are_refused_beyond_the_number_that_may_be_open() {
    let (_folder, pack) = tiny_pack(Recipe::Q8);
    let model = Model::load(&pack, ModelOptions::default().max_sessions(2usize)).unwrap();
    let one = model.session(SessionOptions::default()).unwrap();
    let _two = model.session(SessionOptions::default()).unwrap();
    assert_eq!(model.session(SessionOptions::default()).unwrap_err().kind(), ErrorKind::Busy);
    drop(one);
    model.session(SessionOptions::default()).unwrap();
}

#[test]
fn a_short_context_is_not_refused_because_the_usual_one_does_not_fit() {
    let (_folder, pack) = tiny_pack(Recipe::Q8);
    let budget = budget::Need::of(&pack, 512, KvType::F16).unwrap().sum();
    let model = Model::load(&pack, ModelOptions::default().memory_budget_bytes(budget)).unwrap();
    let refused = model.session(SessionOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OutOfMemory);
    assert!(refused.message().contains("--context 512 saves"), "{refused}");
    model.session(SessionOptions::default().context(512usize)).unwrap();
}

#[test]
fn sessions_are_refused_where_the_next_one_does_not_fit_beside_those_before() {
    let (_folder, pack) = tiny_pack(Recipe::Q8);
    let need = budget::Need::of(&pack, 2048, KvType::F16).unwrap();
    let budget = need.model_bytes() + 2 * need.session_bytes();
    let model = Model::load(&pack, ModelOptions::default().memory_budget_bytes(budget)).unwrap();
    let first = model.session(SessionOptions::default()).unwrap();
    let _second = model.session(SessionOptions::default()).unwrap();
    let refused = model.session(SessionOptions::default().context(512usize)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OutOfMemory);
    assert!(refused.message().contains("sessions before"), "{refused}");
    drop(first);
    model.session(SessionOptions::default()).unwrap();
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

#[test]
fn a_session_speaks_one_text_at_a_time_and_has_its_state_back_from_a_speech_that_is_dropped() {
    let (_folder, model) = tiny(Recipe::Q8);
    let mut session = model.session(SessionOptions::default()).unwrap();
    let mut speech = session.speak("Hello there.", &SpeakOptions::default()).unwrap();
    assert_eq!(session.speech(&SpeakOptions::default()).unwrap_err().kind(), ErrorKind::Busy);
    speech.next().unwrap().unwrap();
    drop(speech);
    session.speak("Hello there.", &SpeakOptions::default()).unwrap();
}

#[test]
fn models_and_sessions_may_go_to_other_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    fn sent<T: Send>() {}
    shared::<Model>();
    sent::<Session>();
    sent::<crate::speak::Speech>();
}

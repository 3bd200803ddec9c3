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

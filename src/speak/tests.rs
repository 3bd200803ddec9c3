//! Promises: a model has as many sessions as it may and as fit beside each other, and each speaks one text at a time.

use std::sync::Arc;

use syrinx_quant::Recipe;

use super::speaker::{Speaker, Step};
use super::{FrameSource, Request, Session, SessionOptions, SpeakOptions, Speech};
use crate::backbone::KvType;
use crate::error::{ErrorKind, Result};
use crate::frame::Frame;
use crate::model::budget::Need;
use crate::model::tests::{tiny, tiny_pack};
use crate::model::{Model, ModelOptions};
use crate::pack::Voice;

/// Clauses of five frames.
#[derive(Default)]
struct Five(u16);

impl FrameSource for Five {
    fn begin(&mut self, _: Request, _: u64) -> Result<()> {
        Ok(())
    }

    fn warm(&mut self, _: &Arc<Voice>) -> Result<()> {
        Ok(())
    }

    fn start_clause(&mut self, _: &str, _: &Arc<Voice>, _: bool) -> Result<()> {
        self.0 = 0;
        Ok(())
    }

    fn feed(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        self.0 += 1;
        Ok((self.0 <= 5).then(|| Frame::from_codes(&[self.0 + 1, 3]).expect("two codes")))
    }
}

#[test]
fn a_budget_counts_what_is_heard_however_often_a_clause_is_begun_anew() {
    let (_folder, model) = tiny(Recipe::Q8);
    let script = model
        .script(&SpeakOptions::default().max_frames(12u64).whole_sentences(true), &SessionOptions::default())
        .unwrap();
    let mut speaker = Speaker::new(script);
    speaker.push("The first one is here. The second one is here. The third one is here.").unwrap();
    speaker.finish();
    let mut source = Five::default();
    let mut frames = |speaker: &mut Speaker, most: usize| {
        let mut made = 0;
        while made < most {
            match speaker.step(&mut source).unwrap() {
                Step::Frame(_) => made += 1,
                Step::Ended(_) => break,
                _ => {}
            }
        }
        made
    };
    assert_eq!(frames(&mut speaker, 7), 7, "two frames into the second clause");
    for _ in 0..4 {
        speaker.restart_at(1);
        assert_eq!(frames(&mut speaker, 4), 4, "somebody interrupts again");
    }
    speaker.restart_at(1);
    assert_eq!(frames(&mut speaker, usize::MAX), 12 - 5);
    assert_eq!(speaker.unsaid().kind(), ErrorKind::OutOfBudget);
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
fn what_is_printed_of_a_session_fits_on_a_page() {
    let (_folder, model) = tiny(Recipe::Q8);
    let mut session = model.session(SessionOptions::default()).unwrap();
    let speech = session.speak("Hello there.", &SpeakOptions::default()).unwrap();
    for printed in [format!("{model:?}"), format!("{session:?}"), format!("{speech:?}")] {
        assert!(printed.len() < 4000, "{} bytes", printed.len());
    }
}

#[test]
fn a_short_context_is_not_refused_because_the_usual_one_does_not_fit() {
    let (_folder, pack) = tiny_pack(Recipe::Q8);
    let budget = Need::of(&pack, 512, KvType::F16).unwrap().sum();
    let model = Model::load(&pack, ModelOptions::default().memory_budget_bytes(budget)).unwrap();
    let refused = model.session(SessionOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OutOfMemory);
    assert!(refused.message().contains("--context 512 saves"), "{refused}");
    model.session(SessionOptions::default().context(512usize)).unwrap();
}

#[test]
fn sessions_are_refused_where_the_next_one_does_not_fit_beside_those_before() {
    let (_folder, pack) = tiny_pack(Recipe::Q8);
    let need = Need::of(&pack, 2048, KvType::F16).unwrap();
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
    sent::<Speech>();
}

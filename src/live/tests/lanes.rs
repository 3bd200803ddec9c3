//! Who speaks first, on lanes of different importance.

use super::*;
use crate::live::{Arrival, Lanes};

#[test]
fn an_alert_is_spoken_at_once_and_the_answer_resumes_at_its_clause() {
    let stage = stage(options());
    let answer = speak(&stage, Lane::Answer, THREE);
    wait_for(&answer, |event| *event == Event::Clause { chars: 22..46 });
    let alert = speak(&stage, Lane::Alert, "Brake now please.");
    assert_eq!(alert.wait(LONG), Some(Event::Finished));
    let rest = events(&answer);
    assert!(matches!(rest.first(), Some(Event::Interrupted { position: 22..=46 })), "{rest:?}");
    assert_eq!(clauses(&rest), [22..46, 46..69]);
    assert_eq!(rest.last(), Some(&Event::Finished));
}

#[test]
fn an_answer_takes_over_from_chatter_after_the_clause() {
    let stage = stage(options());
    let chatter = speak(&stage, Lane::Chatter, "The slow one is here. The second one is here.");
    wait_for(&chatter, |event| matches!(event, Event::Started));
    let answer = speak(&stage, Lane::Answer, "Here is what you asked for.");
    assert_eq!(answer.wait(LONG), Some(Event::Finished));
    assert_eq!(events(&chatter).last(), Some(&Event::Finished));
}

#[test]
fn navigation_comes_before_the_rest_of_an_answer() {
    let stage = stage(options());
    let answer = speak(&stage, Lane::Answer, THREE);
    wait_for(&answer, |event| *event == Event::Clause { chars: 0..22 });
    let turn = speak(&stage, Lane::Navigation, "Turn left here please.");
    assert_eq!(turn.wait(LONG), Some(Event::Finished));
    let rest = events(&answer);
    assert_eq!(clauses(&rest), [0..22, 22..46, 46..69]);
    assert_eq!(rest.last(), Some(&Event::Finished));
}

#[test]
fn a_policy_that_waits_for_the_clause_does_not_wait_for_what_is_ready_behind_it() {
    let lanes = Lanes { navigation: Arrival::AfterClause, ..Lanes::default() };
    let stage = stage(options().lanes(lanes));
    let answer = speak(&stage, Lane::Answer, THREE);
    wait_for(&answer, |event| *event == Event::Started);
    std::thread::sleep(Duration::from_millis(100)); // all of it lies in the ring
    let turn = speak(&stage, Lane::Navigation, "Turn left here please.");
    assert_eq!(turn.wait(LONG), Some(Event::Finished));
    assert!(answer.position() <= 46, "the answer was not spoken to its end first");
    let rest = events(&answer);
    assert!(rest.iter().any(|event| matches!(event, Event::Interrupted { .. })), "{rest:?}");
    assert_eq!(clauses(&rest), [0..22, 22..46, 46..69], "no clause is said twice");
    assert_eq!(rest.last(), Some(&Event::Finished));
}

#[test]
fn a_policy_that_waits_for_the_utterance_goes_before_the_next_one() {
    let lanes = Lanes { answer: Arrival::AfterUtterance, ..Lanes::default() };
    let stage = stage(options().lanes(lanes));
    let first = speak(&stage, Lane::Chatter, "The first one is here. The second one is here.");
    let next = speak(&stage, Lane::Chatter, "The slow one is here.");
    wait_for(&first, |event| *event == Event::Started);
    let answer = speak(&stage, Lane::Answer, "Here is what you asked for.");
    assert_eq!(answer.wait(LONG), Some(Event::Finished));
    let heard = events(&first);
    assert_eq!(clauses(&heard).last(), Some(&(22..46)));
    assert_eq!(next.position(), 0, "the next chatter comes after the answer");
    assert_eq!(next.wait(LONG), Some(Event::Finished));
}

#[test]
fn an_alert_is_not_interrupted_by_what_matters_less() {
    let stage = stage(options());
    let alert = speak(&stage, Lane::Alert, THREE);
    let turn = speak(&stage, Lane::Navigation, "Turn left here please.");
    let rest = events(&alert);
    assert_eq!(clauses(&rest), [0..22, 22..46, 46..69]);
    assert!(!rest.iter().any(|event| matches!(event, Event::Interrupted { .. })), "{rest:?}");
    assert_eq!(turn.wait(LONG), Some(Event::Finished));
}

#[test]
fn the_lane_that_has_the_ear_is_known_before_its_first_sample_and_after_its_last() {
    let stage = stage(options());
    let utterance = speak(&stage, Lane::Navigation, "The slow one is here.");
    assert_eq!(stage.live.wait_lane(None, LONG), Some(Lane::Navigation));
    assert_eq!(stage.recorder.sounding(), 0, "music can be lowered in time");
    assert_eq!(stage.live.wait_lane(Some(Lane::Navigation), LONG), None);
    assert_eq!(utterance.wait(LONG), Some(Event::Finished));
}

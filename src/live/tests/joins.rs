//! What stands between two clauses, or in the midst of one.

use super::*;

fn logged(options: LiveOptions) -> (Stage, Arc<Mutex<Vec<String>>>) {
    let log = Arc::<Mutex<Vec<String>>>::default();
    let into = log.clone();
    (stage_with(options, move || Ok(Fake { log: into.clone(), ..Fake::default() })), log)
}

/// Speaks text that is not known to be complete before its first clause is begun.
fn speak_in_pieces(stage: &Stage, log: &Mutex<Vec<String>>, text: &str) -> Utterance {
    let utterance = stage.live.utterance(&SpeakOptions::default()).unwrap();
    utterance.push(text).unwrap();
    while log.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    utterance.finish();
    utterance
}

#[test]
fn text_that_is_complete_is_spoken_by_whole_sentences() {
    let (stage, log) = logged(options());
    let text = "You can turn left here, and then go straight on. After that you are there.";
    assert_eq!(speak(&stage, Lane::Answer, text).wait(LONG), Some(Event::Finished));
    let expected = ["You can turn left here, and then go straight on.", "After that you are there."];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[test]
fn the_rest_of_a_sentence_goes_on_with_its_beginning_and_the_next_sentence_does_not() {
    let (stage, log) = logged(options());
    let text = "You can turn left here, and then go straight on. After that you are there.";
    assert_eq!(speak_in_pieces(&stage, &log, text).wait(LONG), Some(Event::Finished));
    let expected = ["You can turn left here,", "… and then go straight on.", "After that you are there."];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[test]
fn a_sentence_that_was_interrupted_is_taken_up_at_its_clause_from_nothing() {
    let (stage, log) = logged(options());
    let answer = speak_in_pieces(&stage, &log, "You can turn left here, and then go straight on.");
    wait_for(&answer, |event| *event == Event::Clause { chars: 23..48 });
    assert_eq!(speak(&stage, Lane::Alert, "Brake now please.").wait(LONG), Some(Event::Finished));
    assert_eq!(answer.wait(LONG), Some(Event::Finished));
    assert_eq!(log.lock().unwrap()[2..], ["Brake now please.", "and then go straight on."]);
}

#[test]
fn a_voice_that_is_prepared_in_the_midst_of_speech_waits_for_the_end_of_the_clause() {
    let (stage, log) = logged(options());
    let utterance = speak(&stage, Lane::Answer, "The slow one is here. The second one is here.");
    while log.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    stage.live.warm(Some("casual_male")).unwrap();
    assert_eq!(utterance.wait(LONG), Some(Event::Finished));
    let sounding = stage.recorder.sounding();
    assert!(sounding.abs_diff(2 * CLAUSE_FRAMES * FRAME) < 600, "{sounding} samples");
    assert_eq!(*log.lock().unwrap(), ["The slow one is here.", "voice casual_male", "The second one is here."]);
}

#[test]
fn a_voice_that_is_asked_for_a_thousand_times_while_speech_goes_on_is_prepared_once() {
    let (stage, log) = logged(options());
    let utterance = speak(&stage, Lane::Answer, "The slow one is here. The second one is here.");
    while log.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    for _ in 0..1000 {
        stage.live.warm(Some("casual_male")).unwrap();
    }
    assert_eq!(utterance.wait(LONG), Some(Event::Finished));
    assert_eq!(log.lock().unwrap().iter().filter(|line| *line == "voice casual_male").count(), 1);
}

#[test]
fn a_voice_is_prepared_though_the_clause_was_cancelled() {
    let (stage, log) = logged(options());
    let utterance = speak(&stage, Lane::Answer, "The slow one is here.");
    wait_for(&utterance, |event| *event == Event::Started);
    utterance.cancel();
    stage.live.warm(None).unwrap();
    let deadline = Instant::now() + LONG;
    while log.lock().unwrap().len() < 2 {
        assert!(Instant::now() < deadline, "the voice is not prepared");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_came_with_the_end_of_a_sentence_is_not_forgotten_where_nothing_follows() {
    let stage = stage(options());
    let utterance = stage.live.utterance(&SpeakOptions::default()).unwrap();
    utterance.push("The first one is here. And then the second one fol").unwrap();
    wait_for(&utterance, |event| matches!(event, Event::Clause { chars } if chars.start == 22));
}

#[test]
fn text_that_waits_is_spoken_before_silence_comes() {
    let stage = stage(LiveOptions::default());
    let utterance = stage.live.utterance(&SpeakOptions::default()).unwrap();
    for _ in 0..10 {
        utterance.push("many more words without ").unwrap(); // no sentence ends for 2 s, and a clause takes 400 ms
        std::thread::sleep(Duration::from_millis(200));
    }
    utterance.push("an end.").unwrap();
    utterance.finish();
    assert_eq!(utterance.wait(LONG), Some(Event::Finished));
    let samples = stage.recorder.samples();
    let gaps = samples.split(|&x| x != 0.0).map(<[f32]>::len).skip(1);
    let longest = gaps.max().unwrap();
    assert!(longest < RATE_HZ as usize * 6 / 10, "{longest} samples of silence");
}

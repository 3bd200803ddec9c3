//! Promise: pauses and marks of SSML are heard live as in a file.

use super::*;
use crate::text::Ssml;

fn speak_ssml(stage: &Stage, text: &str) -> Utterance {
    stage.live.speak(text, &SpeakOptions::default().seed(0).ssml(Some(Ssml::Strict))).unwrap()
}

#[test]
fn a_pause_is_exact_to_the_sample_and_marks_come_in_their_order() {
    let stage = stage(options());
    let document = "<speak><mark name=\"a\"/>The first one is here.<mark name=\"b\"/><break time=\"333ms\"/><mark name=\"c\"/>\
                    The second one is here.<mark name=\"d\"/></speak>";
    let events = events(&speak_ssml(&stage, document));
    let marks: Vec<&str> = events
        .iter()
        .filter_map(|event| if let Event::Mark { name } = event { Some(name.as_str()) } else { None })
        .collect();
    assert_eq!(marks, ["a", "b", "c", "d"], "{events:?}");
    assert_eq!(events.last(), Some(&Event::Finished));
    let first = document.find("The").expect("it is there");
    let heard = clauses(&events);
    assert_eq!((heard.len(), heard[0].start, heard[0].len()), (2, first, 22), "{heard:?}");
    assert_eq!(stage.live.underruns(), 0);
    let samples = stage.recorder.samples();
    let silent: Vec<usize> = samples.split(|&x| x != 0.0).map(<[f32]>::len).filter(|&run| run > 200).collect();
    let pause = 333 * RATE_HZ as usize / 1000;
    // Before the first word and behind the last, the device plays silence of its own.
    assert!(silent.contains(&pause), "{silent:?}, want {pause}");
}

#[test]
fn a_prepared_phrase_is_heard_live_to_the_sample() {
    let stage = stage(options());
    let sound: Vec<f32> = (1..3000_i16).map(|i| f32::from(i) / 32_768.0).collect();
    let bell = Phrase { text: "ding".to_owned(), sample_rate_hz: RATE_HZ, samples: sound.clone().into() };
    let document = "<speak>The first one is here.<audio src=\"bell\"/>The second one is here.</speak>";
    let said = SpeakOptions::default().seed(0).ssml(Some(Ssml::Strict)).phrases([("bell".to_owned(), bell)]);
    let utterance = stage.live.speak(document, &said).unwrap();
    assert_eq!(utterance.wait(LONG), Some(Event::Finished));
    assert_eq!(stage.live.underruns(), 0);
    assert!(stage.recorder.samples().windows(sound.len()).any(|heard| heard == sound));
}

#[test]
fn a_document_that_is_not_well_formed_fails_its_utterance_with_line_and_column() {
    let stage = stage(options());
    let Some(Event::Failed { message, .. }) = speak_ssml(&stage, "<speak>\n<cow/></speak>").wait(LONG) else {
        panic!("it does not fail")
    };
    assert!(message.contains("line 2, column 1"), "{message}");
    let Some(Event::Failed { message, .. }) = speak_ssml(&stage, "<speak>Hello there, you.").wait(LONG) else {
        panic!("it does not fail")
    };
    assert!(message.contains("<speak> has no end"), "{message}");
    assert_eq!(speak(&stage, Lane::Answer, "All is well again.").wait(LONG), Some(Event::Finished));
}

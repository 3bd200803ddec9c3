//! Promises of listening over HTTP: what the library hears, in the forms that OpenAI's clients read; errors that they understand;
//! clients that go, crowd or dawdle cost little.

mod support;

use std::io::{Read, Write};

use serde_json::{Value, json};
use support::Service;
use support::ears::{form, transcribe, wav};
use support::heard::{EarsOf, pcm, signal};
use syrinx::{Heard, ListenOptions};

const PATH: &str = "/v1/audio/transcriptions";

fn text(heard: &[Heard]) -> String {
    heard.iter().map(|heard| heard.text.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_form_tells_what_the_library_hears() {
    let pack = EarsOf::import("tiny");
    let (samples, service) = (signal(), pack.serve(&[]));
    let expected = pack.heard(&samples, ListenOptions::default());
    let file = wav(&samples);
    assert!(!expected.is_empty());
    let ask = |fields: &[(&str, &str)]| {
        let answer = transcribe(&service, &file, fields);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer
    };
    let json = ask(&[("model", "whisper-1"), ("temperature", "0.2"), ("prompt", ""), ("other", "x")]).json();
    assert_eq!(json["text"], text(&expected));
    let as_text = ask(&[("response_format", "text")]);
    assert_eq!(as_text.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(String::from_utf8(as_text.body).unwrap(), text(&expected) + "\n");
    let srt = String::from_utf8(ask(&[("response_format", "srt")]).body).unwrap();
    assert!(srt.starts_with("1\n00:00:0") && srt.contains(" --> ") && srt.ends_with("\n\n"), "{srt}");
    assert_eq!(srt.matches(" --> ").count(), expected.len());
    let vtt = ask(&[("response_format", "vtt")]);
    assert_eq!(vtt.header("content-type"), Some("text/vtt; charset=utf-8"));
    assert!(vtt.body.starts_with(b"WEBVTT\n\n00:00:0"));

    let verbose = ask(&[("response_format", "verbose_json")]).json();
    let seconds = samples.len() as f64 / 16_000.0;
    assert!((verbose["duration"].as_f64().unwrap() - seconds).abs() < 1e-3 && verbose.get("words").is_none());
    let segments = verbose["segments"].as_array().unwrap();
    assert_eq!(segments.len(), expected.len());
    for (segment, heard) in segments.iter().zip(&expected) {
        assert_eq!((&segment["text"], &segment["end"]), (&json!(heard.text), &json!(heard.end_ms as f64 / 1e3)));
    }
    let words = ask(&[("response_format", "verbose_json"), ("timestamp_granularities[]", "word")]).json();
    assert!(words.get("segments").is_none(), "what was not asked for");
    let told: Vec<&str> = words["words"].as_array().unwrap().iter().map(|w| w["word"].as_str().unwrap()).collect();
    assert!(told.iter().copied().eq(expected.iter().flat_map(|heard| &heard.words).map(|word| word.text.as_str())));
    let both = [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")];
    let both = ask(&[&[("response_format", "verbose_json")], &both[..]].concat()).json();
    assert!(both["words"].is_array() && both["segments"].is_array());
    assert!(service.metric("heard_seconds_total") > 6.0 * seconds);
}

#[test]
fn events_tell_the_text_as_it_grows() {
    let pack = EarsOf::import("tiny");
    let (samples, service) = (signal(), pack.serve(&[]));
    let answer = transcribe(&service, &wav(&samples), &[("stream", "true")]);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.whole);
    let body = String::from_utf8(answer.body).unwrap();
    let events = body.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    let events: Vec<Value> = events.map(|event| serde_json::from_str(event).unwrap()).collect();
    let (done, deltas) = events.split_last().unwrap();
    assert!(deltas.len() > 1 && deltas.iter().all(|event| event["type"] == "transcript.text.delta"));
    let grown: String = deltas.iter().map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(done["type"], "transcript.text.done");
    assert_eq!((&done["text"], grown), (&json!(text(&pack.heard(&samples, ListenOptions::default()))), text_of(done)));
}

fn text_of(done: &Value) -> String {
    done["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_pack_that_hears_by_turns_says_nothing_of_silence_and_knows_its_languages() {
    let pack = EarsOf::import("whisper");
    let service = pack.serve(&[]);
    let silence = wav(&vec![0.0; 32_000]);
    let answer = transcribe(&service, &silence, &[("language", "en-US"), ("prompt", "Syrinx, Wren")]);
    assert_eq!((answer.status, &answer.json()["text"]), (200, &json!("")));
    let answer = transcribe(&service, &silence, &[("response_format", "verbose_json"), ("language", "en")]);
    assert_eq!((&answer.json()["language"], &answer.json()["segments"]), (&json!("en"), &json!([])));
    let error = transcribe(&service, &silence, &[("language", "tlh")]).error();
    assert_eq!(error, (400, "bad_option".to_owned(), Some("language".to_owned())));
}

#[test]
fn what_is_wrong_with_a_form_is_said_by_field() {
    let pack = EarsOf::import("tiny");
    let service = pack.serve(&["--max-audio", "1"]);
    let good = wav(&[0.0; 1600]);
    let ask = |file: &[u8], fields: &[(&str, &str)]| transcribe(&service, file, fields).error();
    for (name, value, code) in [
        ("response_format", "mp3", "unsupported_response_format"),
        ("response_format", "diarized_json", "unsupported_response_format"),
        ("timestamp_granularities", "letter", "unsupported_granularity"),
        ("stream", "perhaps", "invalid_type"),
        ("temperature", "hot", "invalid_type"),
    ] {
        assert_eq!(ask(&good, &[(name, value)]), (400, code.to_owned(), Some(name.to_owned())), "{value}");
    }
    let mut mulaw = good.clone();
    mulaw[20] = 7;
    for (file, code) in [
        (&b""[..], "missing_required_field"),
        (b"ID3\x04 this is no WAV file, but was sent as one", "unsupported_audio"),
        (b"RIFF", "unsupported_audio"),
        (&mulaw, "unsupported_audio"),
        (&wav(&[]), "audio_too_short"),
    ] {
        assert_eq!(
            ask(file, &[]),
            (400, code.to_owned(), Some("file".to_owned())),
            "{:?}",
            &file[..file.len().min(30)]
        );
    }
    let told = transcribe(&service, b"OggS....", &[("stream", "true")]);
    assert!(told.json()["error"]["message"].as_str().unwrap().contains("WAV"), "before the first event");
    let (head, body) = form(None, &[("model", "x")]);
    let post = |head: &str, body: &[u8]| service.ask("POST", PATH, head, body).error();
    assert_eq!(post(&head, &body).1, "missing_required_field");
    assert_eq!(post(&head, &body[..body.len() - 10]), (400, "invalid_multipart".to_owned(), Some("body".to_owned())));
    assert_eq!(post(&head, b"").1, "invalid_multipart");
    for head in ["", "content-type: application/json\r\n", "content-type: multipart/form-data\r\n"] {
        assert_eq!(post(head, b"{}").0, 415, "{head}");
    }
    assert_eq!(ask(&wav(&vec![0.0; 600_000]), &[]).0, 413, "more than a MiB");
    let (head, body) = form(Some(&good), &vec![("a", "b"); 40]);
    assert_eq!(post(&head, &body).0, 413);
    assert_eq!(service.get(PATH).error().0, 405);
    assert_eq!(transcribe(&service, &good, &[]).status, 200, "and goes on");
    service.until(|service| service.metric("listeners_running") == 0.0); // its thread ends behind the answer
}

#[test]
fn without_ears_it_is_said_how_to_have_them() {
    let service = Service::start(&[]);
    let answer = transcribe(&service, &wav(&vec![0.0; 500_000]), &[]);
    assert_eq!(answer.error(), (501, "no_ears".to_owned(), None));
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("--ears"));
}

#[test]
fn ears_are_among_the_models_and_a_strict_service_takes_no_other_name() {
    let pack = EarsOf::import("tiny");
    let service = pack.serve(&["--strict"]);
    let models = service.get("/v1/models").json();
    let names: Vec<&str> = models["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    let [_, ears] = names.as_slice() else { panic!("{names:?}") };
    assert_eq!(service.get(&format!("/v1/models/{ears}")).json()["object"], "model");
    let file = wav(&[0.0; 1600]);
    assert_eq!(transcribe(&service, &file, &[("model", ears)]).status, 200);
    assert_eq!(transcribe(&service, &file, &[("model", "whisper-1")]).error().1, "unknown_model");
}

#[test]
fn a_crowd_is_told_to_come_again_and_half_a_form_is_not_waited_for() {
    let pack = EarsOf::import("tiny");
    let service = pack.serve(&["--listeners", "1", "--queue", "0", "--patience", "2"]);
    let (head, body) = form(Some(&wav(&vec![0.0; 400_000])), &[]);
    let mut slow = service.connect();
    let length = body.len();
    slow.write_all(
        format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{head}\r\n").as_bytes(),
    )
    .unwrap();
    slow.write_all(&body[..1000]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let refused = service.ask("POST", PATH, &head, &body);
    assert_eq!((refused.error().0, refused.header("retry-after")), (429, Some("1")));
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(service.ask("POST", PATH, &head, &body).status, 200, "its place is free again");
}

#[test]
fn a_client_that_goes_is_not_heard_to_its_end() {
    let pack = EarsOf::import("tiny");
    let service = pack.serve(&["--listeners", "1", "--queue", "1", "--max-audio", "64"]);
    let samples = signal().repeat(120);
    let seconds = samples.len() as f64 / 16_000.0;
    let (head, body) = form(Some(&wav(&samples)), &[]);
    let running = service.send("POST", PATH, &head, &body);
    service.until(|service| service.metric("heard_seconds_total") > 0.0);
    let waiting = service.send("POST", PATH, &head, &body);
    service.until(|service| service.metric("listeners_waiting") == 1.0);
    drop(waiting);
    service.until(|service| service.metric("listeners_waiting") == 0.0);
    drop(running);
    service.until(|service| service.metric("listeners_running") == 0.0);
    assert_eq!(service.metric("heard_cancelled_total{why=\"disconnect\"}"), 1.0);
    assert!(service.metric("heard_seconds_total") < 0.9 * seconds, "of {seconds} s");
}

#[test]
fn listeners_at_the_same_time_hear_what_each_hears_alone() {
    let pack = EarsOf::import("tiny");
    let service = pack.serve(&["--listeners", "3"]);
    let all = signal();
    let hear = |part: usize| transcribe(&service, &wav(&all[part * 4000..]), &[]).json()["text"].clone();
    let alone: Vec<_> = (0..4).map(hear).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|part| scope.spawn(move || hear(part))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(alone == together && pcm(&all).len() > 16_000);
}

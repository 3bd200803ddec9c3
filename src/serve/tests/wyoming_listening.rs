//! Promises of listening over Wyoming: what HTTP hears, as it is heard; an error ends the connection and nothing else.

mod support;

use std::net::Shutdown;

use serde_json::{Value, json};
use support::Service;
use support::ears::{transcribe, wav};
use support::heard::{EarsOf, pcm, signal};
use support::wyoming::Client;

fn service(pack: &EarsOf) -> Service {
    pack.serve(&["--wyoming", "tcp://127.0.0.1:0", "--listeners", "1", "--queue", "0"])
}

fn chunk(client: &mut Client, bytes: &[u8]) {
    let data = json!({ "rate": 16000, "width": 2, "channels": 1 });
    let line = json!({ "type": "audio-chunk", "data": data, "payload_length": bytes.len() });
    client.write(format!("{line}\n").as_bytes());
    client.write(bytes);
}

/// All events up to `transcript-stop`.
fn told(client: &mut Client) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while let Some((kind, data, _)) = client.event() {
        let over = kind == "transcript-stop";
        events.push((kind, data));
        if over {
            return events;
        }
    }
    panic!("the connection ends: {events:?}");
}

#[test]
fn sound_in_pieces_is_the_text_of_http() {
    let pack = EarsOf::import("tiny");
    let service = service(&pack);
    let samples = signal();
    let expected = transcribe(&service, &wav(&samples), &[]).json()["text"].clone();
    let mut client = Client::of(&service);
    for with_start in [true, false] {
        client.send("transcribe", json!({ "language": "en", "transcript_names": [" "] }));
        if with_start {
            client.send("audio-start", json!({ "rate": 16000, "width": 2, "channels": 1 }));
        }
        for piece in pcm(&samples).chunks(1001) {
            chunk(&mut client, piece);
        }
        client.send("audio-stop", json!({}));
        let events = told(&mut client);
        let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!((kinds[0], &kinds[kinds.len() - 2..]), ("transcript-start", &["transcript", "transcript-stop"][..]));
        let grown = events.iter().filter(|(kind, _)| kind == "transcript-chunk");
        let grown: String = grown.map(|(_, data)| data["text"].as_str().unwrap()).collect();
        assert_eq!((&events[events.len() - 2].1["text"], json!(grown)), (&expected, expected.clone()));
    }
    assert_eq!(service.metric("requests_total{endpoint=\"wyoming\",code=\"200\"}"), 2.0);
}

#[test]
fn ears_are_described_and_silence_is_an_empty_text() {
    let pack = EarsOf::import("whisper");
    let service = service(&pack);
    let mut client = Client::of(&service);
    client.send("describe", Value::Null);
    let (_, info, _) = client.event().unwrap();
    let program = &info["asr"][0];
    assert_eq!((&program["installed"], &program["supports_transcript_streaming"]), (&json!(true), &json!(true)));
    let model = &program["models"][0];
    assert!(model["name"].is_string() && model["attribution"]["name"].is_string() && model["installed"] == true);
    assert_eq!(model["languages"], json!(["mul"]), "as the pack says");
    client.send("transcribe", json!({}));
    client.send("audio-start", json!({}));
    client.send("audio-stop", json!({}));
    let events = told(&mut client);
    assert_eq!(events[events.len() - 2], ("transcript".to_owned(), json!({ "text": "" })));
}

#[test]
fn a_busy_or_deaf_service_and_sound_that_is_not_read_end_the_connection_with_an_error() {
    let pack = EarsOf::import("tiny");
    let service = service(&pack);
    let mut holds = Client::of(&service);
    holds.send("audio-start", json!({}));
    service.until(|service| service.metric("listeners_running") == 1.0);
    let failed = |service: &Service, kind: &str, data: Value, code: &str| {
        let mut client = Client::of(service);
        client.send(kind, data);
        let (kind, data, _) = client.event().unwrap();
        assert_eq!((kind.as_str(), &data["code"]), ("error", &json!(code)));
        assert_eq!(client.event(), None, "{code}");
    };
    failed(&service, "audio-start", json!({}), "busy");
    failed(&service, "audio-start", json!({ "width": 7 }), "unsupported_audio");
    holds.0.get_mut().shutdown(Shutdown::Both).unwrap();
    service.until(|service| service.metric("listeners_running") == 0.0);
    assert_eq!(service.metric("heard_cancelled_total{why=\"disconnect\"}"), 1.0);
    failed(&service, "audio-start", json!({ "rate": 1 }), "unsupported_audio");
    failed(&service, "audio-start", json!({ "channels": 60000 }), "unsupported_audio");
    let deaf = Service::start(&["--wyoming", "tcp://127.0.0.1:0"]);
    failed(&deaf, "transcribe", json!({}), "no_ears");
}

#[test]
fn one_connection_speaks_and_listens_at_the_same_time() {
    let pack = EarsOf::import("tiny");
    let service = service(&pack);
    let mut client = Client::of(&service);
    client.send("audio-start", json!({}));
    client.send("synthesize", json!({ "text": "Turn left in 300 m." }));
    for piece in pcm(&signal()).chunks(4000) {
        chunk(&mut client, piece);
    }
    client.send("audio-stop", json!({}));
    let mut kinds = std::collections::BTreeSet::new();
    while !(kinds.contains("audio-stop") && kinds.contains("transcript-stop")) {
        kinds.insert(client.event().unwrap().0);
    }
}

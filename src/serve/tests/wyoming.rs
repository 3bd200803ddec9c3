//! Promises of Wyoming: the samples of HTTP, every speech ends in the way that its asker waits for, a wrong event ends the
//! connection and nothing else, a connection that goes takes its speech along.

mod support;

use std::net::Shutdown;
use std::time::Duration;

use serde_json::{Value, json};
use support::Service;
use support::wyoming::Client;

const TEXT: &str = "Turn left in 300 m.";

/// Kinds of the events up to `last`, each once where it repeats, and all sound.
fn until(client: &mut Client, last: &str) -> (Vec<String>, Vec<u8>) {
    let (mut kinds, mut sound) = (Vec::<String>::new(), Vec::new());
    while let Some((kind, data, payload)) = client.event() {
        if kind == "audio-chunk" {
            assert_eq!((&data["rate"], &data["width"], &data["channels"]), (&json!(24000), &json!(2), &json!(1)));
            assert_eq!(data["timestamp"], json!(sound.len() / 48));
        }
        sound.extend(payload);
        let end = kind == last;
        if kinds.last() != Some(&kind) {
            kinds.push(kind);
        }
        if end {
            return (kinds, sound);
        }
    }
    panic!("the connection ends without {last}: {kinds:?}");
}

fn service() -> Service {
    Service::start(&["--wyoming", "tcp://127.0.0.1:0", "--speakers", "1", "--queue", "1", "--wait", "60"])
}

#[test]
fn a_text_is_the_samples_of_http_and_ends_with_audio_stop() {
    let service = service();
    let expected = service.speak(&json!({ "input": TEXT, "response_format": "pcm" }).to_string()).body;
    let mut client = Client::of(&service);
    for _ in 0..2 {
        client.send("synthesize", json!({ "text": TEXT, "voice": { "name": "us-female" } }));
        let (kinds, sound) = until(&mut client, "audio-stop");
        assert_eq!(kinds, ["audio-start", "audio-chunk", "audio-stop"]);
        assert!(sound == expected, "{} bytes instead of {}", sound.len(), expected.len());
    }
}

#[test]
fn what_it_can_do_is_described_as_home_assistant_reads_it() {
    let service = service();
    let mut client = Client::of(&service);
    client.send("describe", Value::Null);
    let (kind, info, _) = client.event().unwrap();
    let program = &info["tts"][0];
    assert_eq!((kind.as_str(), &program["supports_synthesize_streaming"]), ("info", &json!(true)));
    for what in [program, &program["voices"][0]] {
        assert!(what["name"].is_string() && what["attribution"]["name"].is_string() && what["installed"] == true);
    }
    assert_eq!(program["voices"][0]["languages"], json!(["en"]));
    client.send("ping", json!({ "text": "x" }));
    assert_eq!(client.event().unwrap(), ("pong".to_owned(), json!({ "text": "x" }), Vec::new()));
}

#[test]
fn a_text_in_pieces_is_spoken_once_and_ends_with_synthesize_stopped() {
    let service = service();
    let mut client = Client::of(&service);
    client.send("synthesize", json!({ "text": TEXT }));
    let (_, once) = until(&mut client, "audio-stop");
    client.send("synthesize-start", json!({}));
    for piece in ["Turn ", "left in 3", "00", " m."] {
        client.send("synthesize-chunk", json!({ "text": piece }));
    }
    client.send("synthesize", json!({ "text": TEXT }));
    client.send("synthesize-stop", Value::Null);
    // Asked for while the first is running: it waits.
    client.send("synthesize-start", json!({}));
    client.send("synthesize-stop", Value::Null);
    let (kinds, sound) = until(&mut client, "synthesize-stopped");
    assert_eq!(kinds, ["audio-start", "audio-chunk", "audio-stop", "synthesize-stopped"]);
    let share = sound.len() as f64 / once.len() as f64;
    assert!((0.7..1.4).contains(&share), "{share} of the text's sound");
    let (kinds, sound) = until(&mut client, "synthesize-stopped");
    assert_eq!(
        (kinds, sound.len()),
        (["audio-start", "audio-stop", "synthesize-stopped"].map(str::to_owned).into(), 0)
    );
}

#[test]
fn the_first_sentence_is_heard_before_the_text_is_complete() {
    let service = service();
    let mut client = Client::of(&service);
    client.send("synthesize-start", json!({}));
    client.send("synthesize-chunk", json!({ "text": "The first sentence is here. The second" }));
    assert_eq!(client.event().unwrap().0, "audio-start");
    client.send("synthesize-chunk", json!({ "text": " comes later." }));
    client.send("synthesize-stop", Value::Null);
    until(&mut client, "synthesize-stopped");
}

#[test]
fn what_cannot_be_spoken_is_an_error_that_closes_the_connection() {
    let service = service();
    for (kind, data, code, last) in [
        ("synthesize", json!({ "text": TEXT, "voice": { "name": "nobody" } }), "unknown_voice", "audio-stop"),
        ("synthesize", json!({ "text": "a ".repeat(4000) }), "input_too_long", "audio-stop"),
        ("synthesize-start", json!({ "voice": { "name": "nobody" } }), "unknown_voice", "synthesize-stopped"),
    ] {
        let mut client = Client::of(&service);
        client.send(kind, data);
        let (kind, data, _) = client.event().unwrap();
        assert_eq!((kind.as_str(), &data["code"]), ("error", &json!(code)));
        until(&mut client, last);
        assert_eq!(client.event(), None, "{code}");
    }
    for bytes in ["GET / HTTP/1.1\r\n\r\n", "{\"type\":\"describe\",\"data_length\":-1}\n", "{}\n"] {
        let mut client = Client::of(&service);
        client.write(bytes.as_bytes());
        assert_eq!(client.event().unwrap().1["code"], "bad_event");
        assert_eq!(client.event(), None);
    }
    assert_eq!(service.metric("requests_total{endpoint=\"wyoming\",code=\"400\"}"), 3.0);
}

#[test]
fn a_client_that_goes_on_writing_after_a_refusal_is_not_cut_off_in_it() {
    let service = service();
    let nobody = "{\"type\":\"synthesize\",\"data\":{\"text\":\"One.\",\"voice\":{\"name\":\"nobody\"}}}";
    for wrong in ["{}", nobody] {
        let mut client = Client::of(&service);
        client.write(format!("{wrong}\n").as_bytes());
        let kinds: Vec<String> = std::iter::from_fn(|| client.event()).map(|(kind, ..)| kind).collect();
        assert_eq!(kinds[0], "error");
        for _ in 0..5 {
            client.write(b"{\"type\":\"ping\"}\n");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(client.event(), None);
    }
}

#[test]
fn a_connection_that_goes_takes_its_speech_along_also_while_it_waits() {
    let service = service();
    let long = json!({ "text": "This goes on for quite some time. ".repeat(100) });
    let mut running = Client::of(&service);
    running.send("synthesize", long.clone());
    assert_eq!(running.event().unwrap().0, "audio-start");
    let mut waiting = Client::of(&service);
    waiting.send("synthesize", long);
    service.until(|service| service.metric("requests_waiting") == 1.0);
    waiting.0.get_mut().shutdown(Shutdown::Both).unwrap();
    service.until(|service| service.metric("requests_waiting") == 0.0);
    running.0.get_mut().shutdown(Shutdown::Both).unwrap();
    service.until(|service| service.metric("requests_running") == 0.0);
    assert_eq!(service.metric("cancelled_total{why=\"disconnect\"}"), 1.0);
}

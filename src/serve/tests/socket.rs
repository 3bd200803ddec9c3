//! Promises of the WebSocket: the samples of HTTP, words as they were sent with times, a cancel that stops computing, every
//! message under the name of its context.

mod support;

use std::net::TcpStream;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use support::{LONG, Service};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

const TEXT: &str = "Turn left in 300 m.";

struct Client(WebSocket<TcpStream>);

impl Client {
    fn of(service: &Service) -> Self {
        let stream = service.connect();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let url = format!("ws://{}/tts/websocket?cartesia_version=2025-04-16", service.address);
        let (socket, _) = tungstenite::client(url.into_client_request().unwrap(), stream).unwrap();
        Self(socket)
    }

    fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    /// The next message. Each has what clients read first.
    fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                let message: Value = serde_json::from_str(&text).unwrap();
                assert!(message["type"].is_string() && message["context_id"].is_string(), "{message}");
                assert_eq!(message["done"], matches!(message["type"].as_str(), Some("done" | "error")), "{message}");
                return message;
            }
        }
    }

    /// All of a context: its messages but sound, and its sound.
    fn all(&mut self, context: &str) -> (Vec<Value>, Vec<u8>) {
        let (mut messages, mut sound) = (Vec::new(), Vec::new());
        loop {
            let message = self.next();
            assert_eq!(message["context_id"], context);
            let done = message["done"] == true;
            match message["data"].as_str() {
                Some(data) => sound.extend(BASE64_STANDARD.decode(data).unwrap()),
                None => messages.push(message),
            }
            if done {
                return (messages, sound);
            }
        }
    }
}

fn service() -> Service {
    Service::start(&["--speakers", "1", "--queue", "8", "--wait", "60"])
}

#[test]
fn a_text_is_the_samples_of_http_with_its_words_as_they_were_sent() {
    let service = service();
    let expected = service.speak(&json!({ "input": TEXT, "response_format": "pcm" }).to_string()).body;
    let mut client = Client::of(&service);
    client.send(json!({
        "context_id": "a", "transcript": TEXT, "add_timestamps": true, "model_id": "sonic-2",
        "voice": { "mode": "id", "id": "us-female" },
        "output_format": { "container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000 },
    }));
    let (messages, sound) = client.all("a");
    assert!(sound == expected, "{} bytes instead of {}", sound.len(), expected.len());
    let kinds: Vec<_> = messages.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["timestamps", "done"]);
    let words = &messages[0]["word_timestamps"];
    assert_eq!(words["words"], json!(TEXT.split(' ').collect::<Vec<_>>()));
    let end = words["end"].as_array().unwrap().last().unwrap().as_f64().unwrap();
    assert_eq!((words["start"][0].as_f64(), (end * 48_000.0).round() as usize), (Some(0.0), sound.len()));
    let fast = service.speak(&json!({ "input": TEXT, "response_format": "pcm", "speed": 1.5 }).to_string()).body;
    client.send(json!({
        "context_id": "b", "transcript": TEXT, "generation_config": { "speed": 1.5, "volume": 1.0 },
        "output_format": { "container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000 },
    }));
    assert!(client.all("b").1 == fast);
}

#[test]
fn a_whole_text_over_http_is_the_same_sound() {
    let service = service();
    let ask = |body: Value| {
        service.ask("POST", "/tts/bytes", "content-type: application/json\r\n", body.to_string().as_bytes())
    };
    let expected = service.speak(&json!({ "input": TEXT, "response_format": "pcm" }).to_string()).body;
    let asked = json!({
        "transcript": TEXT, "model_id": "sonic-2", "language": "en",
        "output_format": { "container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000 },
    });
    let answer = ask(asked);
    assert!((answer.status, answer.whole) == (200, true) && answer.body == expected);
    assert_eq!(answer.header("content-type"), Some("audio/pcm"));
    for (body, what) in [
        (json!({ "transcript": " " }), "bad_text"),
        (json!({ "transcript": "x".repeat(5000) }), "bad_message"),
        (json!({ "transcript": TEXT, "voice": { "mode": "id", "id": "nobody" } }), "unknown_voice"),
        (json!([]), "bad_message"),
    ] {
        let (status, code, _) = ask(body).error();
        assert_eq!((status, code.as_str()), (400, what));
    }
}

#[test]
fn pieces_are_put_together_as_they_are_and_contexts_are_spoken_in_their_order() {
    let service = service();
    let mut client = Client::of(&service);
    for (context, pieces) in [("a", ["Turn le", "ft.", ""]), ("b", ["", "Go on.", " "])] {
        for piece in pieces {
            client.send(json!({ "context_id": context, "transcript": piece, "continue": true, "add_timestamps": true,
                "output_format": { "encoding": "pcm_f32le" } }));
        }
        client.send(json!({ "context_id": context, "transcript": "", "continue": false }));
    }
    for (context, words) in [("a", json!(["Turn", "left."])), ("b", json!(["Go", "on."]))] {
        let (messages, sound) = client.all(context);
        assert_eq!(messages[0]["word_timestamps"]["words"], words);
        assert!(sound.len() % 7680 == 0 && !sound.is_empty());
    }
    client.send(json!({ "context_id": "c", "transcript": " " }));
    assert_eq!(client.all("c").1.len(), 0, "nothing to say is no error");
}

#[test]
fn what_is_flushed_is_heard_before_its_sentence_is_complete() {
    let service = service();
    let mut client = Client::of(&service);
    client.send(json!({ "context_id": "a", "transcript": "one moment please ", "continue": true, "flush": true }));
    assert_eq!(client.next()["flush_done"], true);
    assert_eq!(client.next()["type"], "chunk");
    client.send(json!({ "context_id": "a", "transcript": "", "continue": false }));
    client.all("a");
}

#[test]
fn a_cancel_ends_its_context_and_computing_and_nothing_else() {
    let service = service();
    let mut client = Client::of(&service);
    let long = "This goes on for quite some time. ".repeat(100);
    client.send(json!({ "context_id": "a", "transcript": long }));
    client.send(json!({ "context_id": "b", "transcript": "Go on." }));
    assert_eq!(client.next()["context_id"], "a");
    client.send(json!({ "context_id": "a", "cancel": true }));
    while client.next()["done"] == false {}
    client.all("b");
    service.until(|service| service.metric("requests_running") == 0.0);
    assert_eq!(service.metric("cancelled_total{why=\"disconnect\"}"), 1.0);
    client.send(json!({ "context_id": "a", "transcript": long }));
    client.next();
    drop(client);
    service.until(|service| service.metric("requests_running") == 0.0);
    assert_eq!(service.metric("cancelled_total{why=\"disconnect\"}"), 2.0);
}

#[test]
fn what_is_wrong_is_told_under_the_name_of_its_context() {
    let service = service();
    let mut client = Client::of(&service);
    for (message, context, what) in [
        (json!("nonsense"), "", "no message"),
        (json!({ "transcript": "x" }), "", "context_id"),
        (json!({ "context_id": 7, "transcript": "x" }), "", "context_id"),
        (json!({ "context_id": "a", "transcript": "x", "voice": { "id": "nobody" } }), "a", "nobody"),
        (json!({ "context_id": "a", "transcript": "x".repeat(5000) }), "a", "4096"),
        (json!({ "context_id": "a", "transcript": "x", "output_format": { "sample_rate": 8001 } }), "a", "24000"),
        (json!({ "context_id": "a", "transcript": "x", "output_format": { "encoding": "mp3" } }), "a", "pcm_s16le"),
        (json!({ "context_id": "a", "transcript": "x", "language": "tlh" }), "a", "tlh"),
    ] {
        client.send(message);
        let answer = client.next();
        assert_eq!((&answer["type"], &answer["context_id"]), (&json!("error"), &json!(context)), "{what}");
        assert!(answer["error"].as_str().unwrap().contains(what), "{answer}");
    }
    client.0.send(Message::binary(vec![0; 10])).unwrap();
    assert_eq!(client.next()["type"], "error");
    client.send(json!({ "context_id": "a", "transcript": "Go on." }));
    assert!(!client.all("a").1.is_empty(), "it goes on");
    client.send(json!({ "context_id": "a", "transcript": "x".repeat(200_000) }));
    assert!(client.0.read().is_err(), "a message that is too long ends the connection");
}

//! Promises of the speech service: the samples of the program, the forms that clients read, errors that they understand.

mod support;

use serde_json::json;
use support::{Service, pack};
use syrinx::{Model, ModelOptions, SessionOptions, SpeakOptions, to_i16};

const TEXT: &str = "Turn left in 300 m.";

fn expected(text: &str, options: &SpeakOptions) -> Vec<u8> {
    let mut session = Model::open(pack(), ModelOptions::default()).unwrap().session(SessionOptions::default()).unwrap();
    let samples = session.speak(text, options).unwrap().collect::<syrinx::Result<Vec<_>>>().unwrap().concat();
    samples.into_iter().flat_map(|sample| to_i16(sample).to_le_bytes()).collect()
}

/// The chunks of a WAV file, with the length that each names.
fn chunks(file: &[u8]) -> Vec<(&[u8], u32, &[u8])> {
    let (mut rest, mut all) = (&file[12..], Vec::new());
    while rest.len() > 8 {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap());
        let end = rest.len().min(8 + length as usize);
        all.push((&rest[..4], length, &rest[8..end]));
        rest = &rest[end + usize::from(end % 2 != 0 && end < rest.len())..];
    }
    all
}

fn body(more: &str) -> String {
    format!("{{\"model\": \"tts-1\", \"input\": \"{TEXT}\", \"voice\": \"us-male\", \"lang\": \"en\"{more}}}")
}

#[test]
fn pcm_is_the_samples_of_the_library() {
    let service = Service::start(&[]);
    let options = SpeakOptions::default().voice("us-male".to_owned()).seed(7);
    let answer = service.speak(&body(", \"response_format\": \"pcm\", \"seed\": 7"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("audio/pcm")));
    assert_eq!((answer.header("transfer-encoding"), answer.header("x-sample-rate")), (Some("chunked"), Some("24000")));
    assert!(answer.whole && answer.body == expected(TEXT, &options));
    let fast = service.speak(&body(", \"response_format\": \"pcm\", \"seed\": 7, \"speed\": 2"));
    assert!(fast.body == expected(TEXT, &options.speed(2.0)));
}

#[test]
fn wav_is_streamed_with_the_largest_length_and_sent_whole_with_its_own() {
    let service = Service::start(&[]);
    let samples = expected(TEXT, &SpeakOptions::default().voice("us-male".to_owned()));
    let streamed = service.speak(&body(", \"response_format\": \"wav\""));
    assert_eq!(streamed.header("content-type"), Some("audio/wav"));
    assert_eq!(&streamed.body[..12], b"RIFF\xff\xff\xff\xffWAVE");
    assert!(chunks(&streamed.body).last() == Some(&(&b"data"[..], u32::MAX, &samples[..])));
    let whole = service.speak(&body(", \"response_format\": \"wav\", \"stream\": false"));
    assert_eq!(whole.header("content-length"), Some(whole.body.len().to_string().as_str()));
    assert_eq!(whole.body[4..8], (whole.body.len() as u32 - 8).to_le_bytes());
    assert!(chunks(&whole.body).last() == Some(&(&b"data"[..], samples.len() as u32, &samples[..])));
    // What cannot be made is answered as what it is.
    let other = Service::start(&["--no-mp3"]).speak(&body(", \"response_format\": \"mp3\""));
    assert_eq!((other.header("content-type"), other.header("x-syrinx-format")), (Some("audio/wav"), Some("wav")));
}

#[test]
fn another_rate_is_the_same_sound_for_as_long() {
    let service = Service::start(&[]);
    // A speed at which blocks are of other lengths than what is converted at once.
    let options = SpeakOptions::default().voice("us-male".to_owned()).speed(1.3);
    let of = |bytes: &[u8]| -> Vec<f32> {
        bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]]))).collect()
    };
    let own = of(&expected(TEXT, &options));
    for (rate_hz, more) in [(48_000, ""), (48_000, ", \"stream\": false"), (8_000, ""), (44_100, "")] {
        let more = format!(", \"response_format\": \"wav\", \"speed\": 1.3, \"sample_rate\": {rate_hz}{more}");
        let answer = service.speak(&body(&more));
        assert_eq!(answer.header("x-sample-rate"), Some(rate_hz.to_string().as_str()));
        assert_eq!(answer.body[24..28], u32::to_le_bytes(rate_hz));
        let heard = of(chunks(&answer.body).last().unwrap().2);
        let long = own.len() * rate_hz as usize / 24_000;
        assert!(heard.len().abs_diff(long) <= 2, "{rate_hz} Hz: {} of {long}", heard.len());
        if rate_hz == 48_000 {
            let off = own.iter().zip(heard.iter().step_by(2)).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            assert!(off < 0.001 * own.iter().map(|a| a * a).sum::<f32>(), "another sound");
        }
    }
}

#[test]
fn flac_is_the_same_samples_in_fewer_bytes_streamed_or_whole() {
    let service = Service::start(&[]);
    // A speed at which blocks are of other lengths than frames.
    let options = SpeakOptions::default().voice("us-male".to_owned()).speed(1.3);
    let bytes = expected(TEXT, &options);
    let samples: Vec<i32> = bytes.chunks_exact(2).map(|b| i32::from(i16::from_le_bytes([b[0], b[1]]))).collect();
    for (more, known) in [("", None), (", \"stream\": false", Some(samples.len() as u64))] {
        let answer = service.speak(&body(&format!(", \"response_format\": \"flac\", \"speed\": 1.3{more}")));
        assert_eq!(answer.header("content-type"), Some("audio/flac"));
        let mut file = claxon::FlacReader::new(&answer.body[..]).unwrap();
        let info = file.streaminfo();
        assert_eq!((info.sample_rate, info.channels, info.bits_per_sample, info.samples), (24_000, 1, 16, known));
        assert_eq!(file.samples().map(Result::unwrap).collect::<Vec<_>>(), samples);
        assert!(answer.body.len() < bytes.len() * 3 / 4, "{} of {}", answer.body.len(), bytes.len());
    }
}

#[test]
fn every_form_says_that_it_is_synthetic() {
    let service = Service::start(&[]);
    let said = |body: &[u8], text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
    for form in ["wav", "flac", "opus", "pcm"] {
        for more in ["", ", \"stream\": false"] {
            let answer = service.speak(&body(&format!(", \"response_format\": \"{form}\"{more}")));
            assert_eq!(answer.header("x-synthetic-speech"), Some("Synthetic speech, made by a machine"), "{form}");
            if form != "pcm" {
                for text in ["Syrinx ", "Synthetic speech, made by a machine", "trainedAlgorithmicMedia"] {
                    assert!(said(&answer.body, text), "{form}: {text}");
                }
            }
        }
    }
}

#[test]
fn opus_is_as_long_to_the_sample_and_sounds_like_it() {
    use opus_pure::{MAX_PACKET_SAMPLES, OggOpusReader, Trim};
    let service = Service::start(&[]);
    let bytes = expected(TEXT, &SpeakOptions::default().voice("us-male".to_owned()));
    let samples: Vec<f32> = bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]]))).collect();
    for more in ["", ", \"stream\": false"] {
        let answer = service.speak(&body(&format!(", \"response_format\": \"opus\"{more}")));
        assert_eq!(answer.header("content-type"), Some("audio/ogg; codecs=opus"));
        assert!(answer.body.len() < bytes.len() / 7, "{} of {}", answer.body.len(), bytes.len());
        let mut file = OggOpusReader::new(&answer.body[..]).unwrap();
        let mut decoder = file.head().decoder(24_000).unwrap();
        let mut trim = Trim::new(file.head(), 24_000, 1).unwrap();
        let (mut block, mut heard) = (vec![0.0; MAX_PACKET_SAMPLES], Vec::new());
        for packet in file.packets() {
            let packet = packet.unwrap();
            let decoded = decoder.decode(&packet.data, MAX_PACKET_SAMPLES, &mut block).unwrap();
            heard.extend_from_slice(trim.keep(&packet, &block[..decoded]));
        }
        assert_eq!(heard.len(), samples.len());
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let alike = dot(&heard, &samples) / (dot(&heard, &heard) * dot(&samples, &samples)).sqrt();
        assert!(alike > 0.9, "{alike}");
    }
}

#[test]
fn events_carry_the_same_sound_and_say_what_was_used() {
    use base64::Engine;
    let service = Service::start(&[]);
    let answer = service.speak(&body(", \"response_format\": \"pcm\", \"stream_format\": \"sse\""));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = String::from_utf8(answer.body).unwrap();
    let events: Vec<serde_json::Value> = text
        .split_terminator("\n\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    let (done, deltas) = events.split_last().unwrap();
    assert_eq!(done["type"], "speech.audio.done");
    assert_eq!(done["usage"]["output_tokens"], deltas.len());
    let sound: Vec<u8> = deltas
        .iter()
        .flat_map(|delta| base64::prelude::BASE64_STANDARD.decode(delta["audio"].as_str().unwrap()).unwrap())
        .collect();
    assert!(sound == expected(TEXT, &SpeakOptions::default().voice("us-male".to_owned())));
}

#[test]
fn mistrals_clients_get_floats_in_json_or_in_events_with_their_kind() {
    use base64::Engine;
    let service = Service::start(&[]);
    let ask = |stream: bool| {
        let body = json!({ "input": TEXT, "voice_id": "us-male", "response_format": "pcm", "stream": stream });
        service.speak(&body.to_string())
    };
    let whole = ask(false);
    assert_eq!(whole.header("content-type"), Some("application/json"));
    let bytes = base64::prelude::BASE64_STANDARD.decode(whole.json()["audio_data"].as_str().unwrap()).unwrap();
    let floats = bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    let samples: Vec<u8> = floats.flat_map(|sample| to_i16(sample).to_le_bytes()).collect();
    assert!(samples == expected(TEXT, &SpeakOptions::default().voice("us-male".to_owned())));
    let events = String::from_utf8(ask(true).body).unwrap();
    let deltas = events.matches("event: speech.audio.delta\ndata: {").count();
    assert_eq!((deltas, events.matches("event: speech.audio.done\n").count()), (bytes.len() / 7680, 1));
    let cloned = service.speak(&json!({ "input": TEXT, "voice_id": null, "ref_audio": "AAAA" }).to_string());
    assert_eq!(cloned.error(), (400, "unsupported".to_owned(), Some("ref_audio".to_owned())));
}

#[test]
fn events_tell_the_words_where_they_are_wanted() {
    let service = Service::start(&[]);
    let answer = service.speak(&body(", \"stream_format\": \"sse\", \"word_timestamps\": true"));
    let text = String::from_utf8(answer.body).unwrap();
    let events = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    let events: Vec<serde_json::Value> = events.map(|event| serde_json::from_str(event).unwrap()).collect();
    let told = events.iter().filter(|event| event["type"] == "speech.audio.words");
    let words: Vec<_> = told.flat_map(|event| event["words"].as_array().unwrap()).collect();
    let written: Vec<_> = words.iter().map(|word| word["word"].as_str().unwrap()).collect();
    assert_eq!(written, TEXT.split(' ').collect::<Vec<_>>());
    assert!(words.iter().all(|word| word["start"].as_f64() < word["end"].as_f64()));
}

#[test]
fn a_browser_gets_a_page_that_loads_nothing_from_elsewhere_and_others_that_it_lives() {
    let service = Service::start(&[]);
    let page = service.ask("GET", "/", "accept: text/html,*/*\r\n", b"");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("<textarea") && !text.contains("://"), "no address of another machine");
    assert_eq!(service.get("/").json()["status"], "ok");
}

#[test]
fn voices_come_by_name_by_object_and_by_openais_names() {
    let service = Service::start(&[]);
    let speak = |voice: &str| {
        let answer = service.speak(&format!("{{\"input\": \"Go on.\", \"response_format\": \"pcm\"{voice}}}"));
        assert_eq!(answer.status, 200, "{voice}");
        answer.body
    };
    let female = speak(", \"voice\": \"us-female\"");
    assert!(female == speak("") && female == speak(", \"voice\": {\"id\": \"us-female\"}"));
    assert!(female == speak(", \"voice\": \"alloy\"") && female != speak(", \"voice\": \"ash\""));
    let voices = service.get("/v1/audio/voices").json();
    assert_eq!(voices["voices"][0]["id"], "us-female");
    assert_eq!(voices["aliases"]["ash"], voices["voices"][1]["id"]);
}

#[test]
fn what_is_wrong_is_said_by_field() {
    let service = Service::start(&["--max-input", "50"]);
    let long = format!("{{\"input\": \"{}\"}}", "a".repeat(51));
    for (body, code, param) in [
        ("", "invalid_json", Some("body")),
        ("{\"input\": \"x\"", "invalid_json", Some("body")),
        ("[]", "invalid_json", Some("body")),
        ("{}", "missing_required_field", Some("input")),
        ("{\"input\": \" \"}", "missing_required_field", Some("input")),
        ("{\"input\": 7}", "invalid_type", Some("input")),
        ("{\"input\": \"?!\"}", "bad_text", Some("input")),
        (long.as_str(), "input_too_long", Some("input")),
        ("{\"input\": \"x\", \"voice\": \"nobody\"}", "unknown_voice", Some("voice")),
        ("{\"input\": \"x\", \"voice\": []}", "invalid_type", Some("voice")),
        ("{\"input\": \"x\", \"response_format\": \"aac\"}", "unsupported_response_format", Some("response_format")),
        ("{\"input\": \"x\", \"stream_format\": \"x\"}", "unsupported_stream_format", Some("stream_format")),
        ("{\"input\": \"x\", \"speed\": 5}", "unsupported_speed", Some("speed")),
        ("{\"input\": \"x\", \"speed\": \"fast\"}", "invalid_type", Some("speed")),
        ("{\"input\": \"x\", \"seed\": -1}", "invalid_type", Some("seed")),
        ("{\"input\": \"x\", \"sample_rate\": 7}", "unsupported_sample_rate", Some("sample_rate")),
    ] {
        let answer = service.speak(body);
        assert_eq!(answer.error(), (400, code.to_owned(), param.map(str::to_owned)), "{body}");
        assert!(answer.header("x-request-id").is_some());
    }
    let plain = service.ask("POST", "/v1/audio/speech", "content-type: text/plain\r\n", b"{}");
    assert_eq!(plain.error().0, 415);
    let large = format!("{{\"input\": \"{}\"}}", "a".repeat(200_000));
    assert_eq!(service.speak(&large).error().0, 413);
    assert_eq!(service.get("/v1/audio/speech").error().0, 405);
    assert_eq!(service.get("/nowhere").error().0, 404);
    assert_eq!(service.get("/v1/models/gpt").error().0, 404);
    assert_eq!(service.get("/v1/models/wren").json()["object"], "model");
    assert_eq!(service.get("/ready").status, 200);
}

#[test]
fn a_strict_service_takes_its_own_names_alone() {
    let service = Service::start(&["--strict", "--no-mp3"]);
    let code = |body: &str| service.speak(body).error().1;
    assert_eq!(code("{\"input\": \"x\", \"model\": \"tts-1\", \"response_format\": \"wav\"}"), "unknown_model");
    assert_eq!(code("{\"input\": \"x\", \"voice\": \"alloy\", \"response_format\": \"wav\"}"), "unknown_voice");
    assert_eq!(code("{\"input\": \"x\"}"), "unsupported_response_format");
}

//! Any bytes as the lines of speech-dispatcher's server: lines are no longer than they may be, a message has the lines that it was
//! sent with, and what is made of it for the speaker says each of its words.
//!
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run speechd` in `quant/`.

#![no_main]

use std::sync::mpsc::channel;

use libfuzzer_sys::fuzz_target;

#[path = "../../../src/cli/speechd/lines.rs"]
#[allow(dead_code)]
mod lines;
#[path = "../../../src/cli/speechd/settings.rs"]
#[allow(dead_code)]
mod settings;
#[path = "../../../src/cli/speechd/written.rs"]
mod written;

/// Short, so that what is too long is met.
const MOST: usize = 200;

fuzz_target!(|bytes: &[u8]| {
    let (tell, from) = channel();
    let mut input = bytes;
    while let Some(line) = lines::read_line(&mut input, MOST) {
        // Each byte that is no UTF-8 becomes a character of three.
        assert!(line.len() <= 3 * MOST && !line.contains('\n'));
        tell.send(line).expect("the other end is there");
    }
    drop(tell);
    let mut lines = lines::Lines::new(from);
    let mut settings = settings::Settings::default();
    let _ = lines.stop();
    while let Some(message) = lines.message() {
        settings.set(&message);
        let message = message.join("\n");
        for text in [
            written::text(&message, &settings),
            written::character(&message, &settings),
            written::key(&message),
            written::name(&message),
        ] {
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
            assert!(letters(&text) >= letters(&message), "{message:?} became {text:?}");
        }
    }
});

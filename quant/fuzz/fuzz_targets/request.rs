//! Any bytes as the JSON of a request or as a message of the WebSocket: it is read, or refused by a body that clients read.
//!
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run request` in `quant/`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use syrinx::{Model, ModelOptions};

#[path = "../../../src/serve/src/form.rs"]
#[allow(dead_code)]
mod form;
#[path = "../../../src/serve/src/socket/message.rs"]
#[allow(dead_code)]
mod message;
#[path = "../../../src/serve/src/refusal.rs"]
#[allow(dead_code)]
mod refusal;
#[path = "../../../src/serve/src/request.rs"]
#[allow(dead_code)]
mod request;

/// What the readers know of the service's rest.
mod encode {
    pub fn has_mp3() -> bool {
        true
    }
}
mod speaking {
    #[derive(Debug)]
    pub enum Text {
        Whole(String),
    }
}

fuzz_target!(init: { open(); }, |bytes: &[u8]| {
    let info = open().info();
    for strict in [false, true] {
        let allowed = request::Allowed { max_input: 100, strict, mp3: !strict };
        if let Err(refused) = request::read(bytes, info, allowed) {
            assert_eq!(refused.status().as_u16(), 400);
            assert!(refused.body()["error"]["code"].is_string());
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err((context, refused)) = message::Asks::read(text, info)
    {
        assert!(context.len() <= 128 && refused.status().as_u16() == 400);
    }
});

/// wren's own facts: names of voices, languages, rate.
fn open() -> &'static Model {
    static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/wren-en");
    MODEL.get_or_init(|| Model::open(folder, ModelOptions::default()).expect("wren opens"))
}

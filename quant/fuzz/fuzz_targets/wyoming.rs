//! Any bytes as Wyoming's events: they are read, or refused with one line; what was read is read again as it is written.
//!
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run wyoming` in `quant/`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../src/serve/src/wyoming/event.rs"]
#[allow(dead_code)]
mod event;

use event::{Event, Unreadable};

fn read(mut bytes: &[u8]) -> (Vec<Event>, Option<Unreadable>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("no runtime");
    runtime.block_on(async {
        let mut events = Vec::new();
        loop {
            match Event::read(&mut bytes).await {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, None),
                Err(unreadable) => return (events, Some(unreadable)),
            }
        }
    })
}

fuzz_target!(|bytes: &[u8]| {
    let (events, refused) = read(bytes);
    assert!(refused.is_none_or(|Unreadable(line)| !line.contains('\n')));
    let written: Vec<u8> = events.iter().flat_map(Event::bytes).collect();
    assert_eq!(read(&written), (events, None));
});

//! `syrinx_render` neither allocates, frees, locks nor calls the system. Where it does, the process ends.

#![allow(unsafe_code)]

#[allow(dead_code)] // a part of it is used here
#[path = "../../../tests/support/law.rs"]
mod law;

use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use syrinx_c::live::{
    syrinx_live_free, syrinx_live_open_rendered, syrinx_live_speak, syrinx_render, syrinx_renderer_free,
};
use syrinx_c::model::{syrinx_model_free, syrinx_model_open};
use syrinx_c::status::OK;
use syrinx_c::utterance::{CEvent, syrinx_utterance_cancel, syrinx_utterance_free, syrinx_utterance_next_event};

/// Of the header; the last events begin with the second.
const STARTED: i32 = 1;
const FINISHED: i32 = 10;

#[test]
fn rendering_keeps_the_law_of_the_callback() {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/wren-en");
    let pack = std::ffi::CString::new(pack.to_str().unwrap()).unwrap();
    let (mut model, mut live, mut renderer) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: handles that were given out and are freed once; buffers of the sizes named.
    unsafe {
        assert_eq!(syrinx_model_open(pack.as_ptr(), ptr::null(), &mut model), OK);
        assert_eq!(syrinx_live_open_rendered(model, ptr::null(), 48_000, &mut live, &mut renderer), OK);
        let mut period = [0f32; 960];
        let mut sounds = false;
        for round in 0..3 {
            let mut utterance = ptr::null_mut();
            let text = c"Turn left, and then go straight on.";
            assert_eq!(syrinx_live_speak(live, text.as_ptr(), usize::MAX, ptr::null(), &mut utterance), OK);
            let mut event: CEvent = std::mem::zeroed();
            event.struct_size = size_of::<CEvent>();
            let deadline = Instant::now() + Duration::from_secs(120);
            while event.kind < FINISHED {
                assert!(Instant::now() < deadline, "the last event was {}", event.kind);
                assert_eq!(law::under_the_law(|| syrinx_render(renderer, period.as_mut_ptr(), 480, 2)), OK);
                sounds |= period.iter().any(|&x| x != 0.0);
                std::thread::sleep(Duration::from_millis(2));
                let heard = syrinx_utterance_next_event(utterance, 0, &mut event) == OK;
                if heard && event.kind == STARTED && round == 1 {
                    syrinx_utterance_cancel(utterance, ptr::null_mut(), ptr::null_mut());
                }
            }
            syrinx_utterance_free(utterance);
        }
        assert!(sounds);
        syrinx_live_free(live);
        law::under_the_law(|| syrinx_render(renderer, period.as_mut_ptr(), 480, 2));
        assert!(period.iter().all(|&x| x == 0.0));
        syrinx_renderer_free(renderer);
        syrinx_model_free(model);
    }
}

//! Any bytes: the GGUF reader gives tensors that lie within them and do not overlap, or an error of one line.
//!
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run gguf` in `quant/`; a pack of the tiny checkpoint is a good corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;
use syrinx_quant::{Gguf, Shape};

fuzz_target!(|bytes: &[u8]| {
    match Gguf::parse(bytes) {
        Err(error) => assert!(!error.message.is_empty() && !error.message.contains(char::is_control)),
        Ok(gguf) => {
            let _ = Shape::from_metadata(&gguf);
            for (key, _) in gguf.metadata() {
                let _ = (gguf.get_u32s(key), gguf.get_strs(key), gguf.get_str(key), gguf.get_u32(key));
            }
            let mut covered = 0;
            for tensor in gguf.tensors() {
                let view = tensor.view(bytes).expect("parse has checked the range");
                assert_eq!(view.bytes.len(), tensor.spec.bytes().expect("parse has checked the size"));
                let _ = (view.to_f32(), view.row(0), view.blocks::<f32>());
                covered += view.bytes.len();
            }
            assert!(covered <= bytes.len());
        }
    }
});

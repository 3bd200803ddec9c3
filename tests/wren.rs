//! Promise: the voice in the repository speaks, in every voice, and knows when to stop.

use std::path::Path;

use syrinx::engine::{Ending, Session, SessionOptions, SpeakOptions};
use syrinx::pack::{OpenOptions, Pack};

/// Largest pack that the smallest board is asked to hold.
const MOST_BYTES: u64 = 40 << 20;

fn pack() -> Pack {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en");
    Pack::open(&folder, OpenOptions::default()).unwrap()
}

#[test]
fn the_default_pack_is_small_and_free_to_use() {
    let pack = pack();
    let manifest = pack.manifest();
    assert!(manifest.files.iter().map(|file| file.bytes).sum::<u64>() <= MOST_BYTES);
    assert_eq!(manifest.licence.spdx, "Apache-2.0");
    assert!(manifest.licence.commercial && !manifest.synthetic);
}

#[test]
fn every_voice_speaks_a_sentence_and_a_letter_to_their_end() {
    let pack = pack();
    let mut session = Session::open(&pack, &SessionOptions::default()).unwrap();
    let voices = pack.voices().to_vec();
    assert!(voices.len() >= 4);
    for voice in voices {
        for (text, seconds) in [("Your table is ready.", 0.8..4.0), ("B.", 0.2..2.5)] {
            let options = SpeakOptions { voice: Some(voice.clone()), ..SpeakOptions::default() };
            let mut synthesis = session.speak(text, &options).unwrap();
            let mut samples = Vec::new();
            for block in synthesis.by_ref() {
                samples.extend(block.unwrap());
            }
            let summary = synthesis.summary();
            assert_eq!(summary.ending, Some(Ending::Finished), "{voice}: {text}");
            let spoken = samples.len() as f64 / f64::from(pack.manifest().sample_rate_hz);
            assert!(seconds.contains(&spoken), "{voice} speaks '{text}' for {spoken:.2} s");
            let power = samples.iter().map(|x| f64::from(x * x)).sum::<f64>() / samples.len() as f64;
            assert!((0.01..0.3).contains(&power.sqrt()), "{voice}: '{text}' has level {:.4}", power.sqrt());
        }
    }
}

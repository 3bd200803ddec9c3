//! Promise: the voice in the repository speaks, in every voice, and knows when to stop.

use std::path::Path;

use syrinx::{Ending, Model, ModelOptions, SessionOptions, SpeakOptions};

/// Largest pack that the smallest board is asked to hold.
const MOST_BYTES: u64 = 40 << 20;

fn wren() -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en");
    Model::open(folder, ModelOptions::default()).unwrap()
}

#[test]
fn the_default_pack_is_small_and_free_to_use() {
    let model = wren();
    let manifest = model.pack().manifest();
    assert!(manifest.files.iter().map(|file| file.bytes).sum::<u64>() <= MOST_BYTES);
    assert_eq!(manifest.licence.spdx, "Apache-2.0");
    assert!(manifest.licence.commercial && !manifest.synthetic);
}

#[test]
fn every_voice_speaks_a_sentence_and_a_letter_to_their_end() {
    let model = wren();
    let mut session = model.session(SessionOptions::default()).unwrap();
    let voices = model.info().voices.clone();
    assert!(voices.len() >= 4);
    for voice in voices {
        for (text, seconds) in [("Your table is ready.", 0.8..4.0), ("B.", 0.2..2.5)] {
            let options = SpeakOptions::default().voice(voice.clone());
            let mut speech = session.speak(text, &options).unwrap();
            let mut samples = Vec::new();
            for block in speech.by_ref() {
                samples.extend(block.unwrap());
            }
            let summary = speech.summary();
            assert_eq!(summary.ending, Some(Ending::Finished), "{voice}: {text}");
            let spoken = samples.len() as f64 / f64::from(model.info().sample_rate_hz);
            assert!(seconds.contains(&spoken), "{voice} speaks '{text}' for {spoken:.2} s");
            let power = samples.iter().map(|x| f64::from(x * x)).sum::<f64>() / samples.len() as f64;
            assert!((0.01..0.3).contains(&power.sqrt()), "{voice}: '{text}' has level {:.4}", power.sqrt());
        }
    }
}

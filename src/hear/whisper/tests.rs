use safetensors::SafeTensors;
use syrinx_quant::Recipe;
use syrinx_quant::import::{ImportOptions, import};

use super::*;
use crate::pack::OpenOptions;

/// A Whisper of random weights, and what CTranslate2 4 makes of a sound with it.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hear/whisper");
const GOLDEN: &[u8] = include_bytes!("../../../tests/data/hear/whisper/golden.safetensors");

pub(in crate::hear) fn weights(recipe: Recipe) -> Arc<WhisperWeights> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("pack");
    import(&ImportOptions { from: MODEL.into(), to: to.clone(), recipe, overwrite: false }, &()).unwrap();
    WhisperWeights::open(&EarsPack::open(&to, OpenOptions::default()).unwrap()).unwrap()
}

fn floats(name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(GOLDEN).unwrap();
    file.tensor(name).unwrap().data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn tokens(name: &str) -> Vec<u32> {
    let file = SafeTensors::deserialize(GOLDEN).unwrap();
    file.tensor(name).unwrap().data().as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()
}

fn samples() -> Vec<f32> {
    let file = SafeTensors::deserialize(GOLDEN).unwrap();
    let bytes = file.tensor("samples").unwrap().data().to_vec();
    bytes.as_chunks().0.iter().map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0).collect()
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn spectra_and_encoder_are_those_of_ctranslate2() {
    let mut ears = Whisper::new(&weights(Recipe::F32), 2).unwrap();
    let samples = samples();
    let rows = ears.encode(&samples, 30_000).unwrap();
    let expected = floats("mel");
    assert!(worst(&ears.frames, &expected) < 1e-4, "spectra: {}", worst(&ears.frames, &expected));
    let expected = floats("encoder");
    assert!(worst(&rows, &expected) < 1e-3, "encoder: {}", worst(&rows, &expected));
}

#[test]
fn words_and_their_probabilities_are_those_of_ctranslate2() {
    let weights = weights(Recipe::F32);
    let (specials, decoder) = (&weights.specials, &weights.decoder);
    let mut ears = Whisper::new(&weights, 1).unwrap();
    let rows = ears.encode(&samples(), 30_000).unwrap();
    let german = specials.languages.iter().find(|(tag, _)| tag == "de").unwrap().1;
    for name in ["plain", "times"] {
        let times = name == "times";
        let mut said = decoder.begin(&rows, &mut ears.scratch, &ears.pool);
        let mut prompt = vec![german, specials.transcribe];
        if !times {
            prompt.push(specials.no_times);
        }
        let logits = decoder.step(&[specials.start], &mut said, &mut ears.scratch, &ears.pool).unwrap();
        ops::softmax(logits);
        assert!((logits[specials.no_speech as usize] - floats("no_speech")[0]).abs() < 1e-6);
        let mut logits = decoder.step(&prompt, &mut said, &mut ears.scratch, &ears.pool).unwrap();
        let expected = tokens(&format!("{name}.tokens"));
        let mut sum = 0.0;
        for (i, &token) in expected.iter().enumerate() {
            if times {
                specials.forbid(logits, &expected[..i], true);
            } else {
                // There times are not forbidden where none were asked for.
                let all = logits.to_vec();
                specials.forbid(logits, &expected[..i], false);
                let first = specials.no_speech as usize;
                logits[first..].copy_from_slice(&all[first..]);
            }
            let (chosen, log) = choose(logits, 0.0, &mut Chance::new(0), &mut Vec::new());
            assert_eq!(chosen, token, "{name}: token {i}");
            sum += log;
            logits = decoder.step(&[token], &mut said, &mut ears.scratch, &ears.pool).unwrap();
        }
        let (mean, score) = (sum / expected.len() as f32, floats(&format!("{name}.score"))[0]);
        assert!((mean - score).abs() < 1e-3, "{name}: {mean}, not {score}");
    }
}

#[test]
fn threads_and_repetition_change_nothing() {
    let weights = weights(Recipe::Q8);
    let hear = |threads: usize, options: &Options| {
        let mut ears = Whisper::new(&weights, threads).unwrap();
        let first = ears.transcribe(&samples(), options).unwrap();
        assert_eq!(ears.transcribe(&samples(), options).unwrap(), first);
        first
    };
    for times in [false, true] {
        let options = Options { times, language: Some("fr".into()), padding_ms: 200, ..Options::default() };
        assert_eq!(hear(1, &options), hear(2, &options));
    }
}

#[test]
fn any_sound_has_an_end() {
    let weights = weights(Recipe::Q8);
    let mut ears = Whisper::new(&weights, 1).unwrap();
    let loud: Vec<f32> = (0..160_000).map(|i| if i / 50 % 2 == 0 { 1.0 } else { -1.0 }).collect();
    for times in [false, true] {
        let options = Options { times, padding_ms: 500, ..Options::default() };
        for samples in [&[][..], &[0.1], &[0.0; 32_000], &loud, &[f32::MAX; 4_000], &[f32::NAN; 4_000]] {
            let heard = ears.transcribe(samples, &options).unwrap();
            let most = (samples.len() / 16) as u32;
            assert!(heard.segments.iter().all(|s| s.start_ms <= s.end_ms && s.end_ms <= most), "{heard:?}");
            assert_eq!(samples.is_empty(), heard.language.is_empty());
        }
    }
}

#[test]
fn an_unknown_language_is_refused_with_the_known_ones() {
    let mut ears = Whisper::new(&weights(Recipe::F16), 1).unwrap();
    let options = Options { language: Some("tlh".into()), ..Options::default() };
    let error = ears.transcribe(&samples(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadOption);
    assert!(error.message().contains("tlh") && error.message().contains("en, de, fr"), "{error}");
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("pack");
    let options = ImportOptions { from: MODEL.into(), to: to.clone(), recipe: Recipe::Q8, overwrite: false };
    import(&options, &()).unwrap();
    let pack = EarsPack::open(&to, OpenOptions { verify: false, ..OpenOptions::default() }).unwrap();
    let text = std::fs::read_to_string(to.join("tokenizer.json")).unwrap();
    std::fs::write(to.join("tokenizer.json"), text.replace("<|notimestamps|>", "<|nothing|>")).unwrap();
    let error = WhisperWeights::open(&pack).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadPack);
    assert!(error.message().contains("<|notimestamps|>"), "{error}");
    std::fs::write(to.join("tokenizer.json"), "{").unwrap();
    assert_eq!(WhisperWeights::open(&pack).unwrap_err().kind(), ErrorKind::BadPack);
}

#[test]
fn a_long_recording_is_cut_where_it_is_quiet() {
    let mut window: Vec<f32> = (0..29 * 16_000).map(|i| if i % 2 == 0 { 0.5 } else { -0.5 }).collect();
    let pause = 27 * 16_000..27 * 16_000 + 3_200;
    window[pause.clone()].fill(0.0);
    assert!(pause.contains(&quietest(&window, 16_000)));
    for len in [3_200, 16_000] {
        let cut = quietest(&vec![0.1; len], 16_000);
        assert!(cut > 0 && cut <= len, "{cut} of {len}");
    }
}

use super::*;

/// Noise of a generator of its own, the same on every machine.
fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(samples).collect()
}

fn marked(pcm: &[f32], blocks: &[usize]) -> Vec<f32> {
    let mut watermark = Watermark::new(RATE_HZ).unwrap();
    let (mut out, mut at) = (pcm.to_vec(), 0);
    for &block in blocks.iter().cycle() {
        let end = pcm.len().min(at + block);
        watermark.mark(&mut out[at..end]);
        at = end;
        if at == pcm.len() {
            return out;
        }
    }
    out
}

#[test]
fn the_mark_is_the_same_however_speech_is_divided() {
    let pcm = noise(20_000);
    let whole = marked(&pcm, &[20_000]);
    for blocks in [&[1920][..], &[1], &[959, 960, 961], &[7, 400, 31, 33, 2000]] {
        assert!(whole == marked(&pcm, blocks), "{blocks:?}");
    }
}

#[test]
fn the_mark_is_the_filter_that_the_pattern_says() {
    let mut impulse = vec![0.0; 1000];
    impulse[0] = 1.0;
    let answer = marked(&impulse, &[1920]);
    let mut expected = impulse.clone();
    for (delays, sign) in [(HIGHER, GAIN), (LOWER, -GAIN)] {
        for delay in delays.map(usize::from) {
            expected[3 * delay - 1..=3 * delay + 1].fill(sign);
        }
    }
    assert_eq!(answer, expected);
    let echoes: f32 = answer[1..].iter().map(|x| x * x).sum();
    assert!((echoes.sqrt() - 0.1).abs() < 1e-4, "{}", echoes.sqrt());
}

#[test]
fn silence_stays_silence_and_nothing_of_another_speech_is_heard() {
    let mut watermark = Watermark::new(RATE_HZ).unwrap();
    let mut pcm = noise(1920);
    watermark.mark(&mut pcm);
    watermark.reset();
    let mut silence = vec![0.0; 1920];
    watermark.mark(&mut silence);
    assert!(silence.iter().all(|&sample| sample == 0.0));
}

#[test]
fn the_samples_are_these_on_every_processor() {
    let bits = marked(&noise(5000), &[1920])
        .iter()
        .fold(0u64, |hash, sample| (hash ^ u64::from(sample.to_bits())).wrapping_mul(0x0000_0100_0000_01b3));
    assert_eq!(bits, 12_094_227_560_777_788_267);
}

#[test]
fn speech_of_another_rate_is_refused() {
    assert_eq!(Watermark::new(22_050).unwrap_err().kind(), ErrorKind::Unsupported);
}

/// 24 kHz to 16 kHz, roughly: every third pair of samples stands for three.
fn at_detectors_rate(pcm: &[f32]) -> Vec<f32> {
    pcm.chunks_exact(3).flat_map(|three| [three[0], 0.5 * (three[1] + three[2])]).collect()
}

fn detected(pcm: &[f32], piece: usize) -> Detection {
    let mut detector = Detector::new();
    pcm.chunks(piece.max(1)).for_each(|piece| detector.push(piece));
    detector.finish()
}

#[test]
fn marked_sound_is_found_and_unmarked_sound_is_not() {
    let pcm = noise(3 * 24_000);
    assert!(detected(&at_detectors_rate(&marked(&pcm, &[1920])), 640).is_marked);
    let unmarked = detected(&at_detectors_rate(&pcm), 640);
    assert!(!unmarked.is_marked && unmarked.score < 2.5, "{unmarked:?}");
}

#[test]
fn a_recording_is_judged_the_same_in_whatever_pieces_it_comes() {
    let pcm = at_detectors_rate(&marked(&noise(3 * 24_000), &[1920]));
    let whole = detected(&pcm, pcm.len());
    assert_eq!(whole, detected(&pcm, 1));
    assert_eq!(whole, detected(&pcm, 1000));
}

#[test]
fn a_marked_sentence_is_found_in_a_minute_of_other_sound() {
    let mut pcm = noise(60 * 24_000);
    let sentence = marked(&pcm[31 * 24_000..36 * 24_000], &[1920]);
    pcm[31 * 24_000..36 * 24_000].copy_from_slice(&sentence);
    let found = detected(&at_detectors_rate(&pcm), 640);
    assert!(found.is_marked && found.threshold > 4.0, "{found:?}");
}

#[test]
fn what_is_no_sound_is_judged_and_not_marked() {
    for pcm in
        [vec![], vec![0.0; 1], vec![0.0; 16_000], vec![f32::NAN; 16_000], vec![f32::INFINITY; 5000], vec![0.5; 9000]]
    {
        let found = detected(&pcm, 640);
        assert!(!found.is_marked && found.score.is_finite(), "{found:?}");
    }
    let tone: Vec<f32> = (0..32_000).map(|i| (i as f32 * 0.172).sin()).collect();
    assert!(!detected(&tone, 640).is_marked);
}

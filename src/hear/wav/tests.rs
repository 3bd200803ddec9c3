use std::io::Cursor;

use super::*;

fn tone(rate_hz: u32, samples: usize) -> Vec<f32> {
    (0..samples).map(|i| 0.5 * (i as f32 * 440.0 * std::f32::consts::TAU / rate_hz as f32).sin()).collect()
}

/// A WAV file of a tone on all channels, by another's hand.
fn wav(rate_hz: u32, channels: u16, bits: u16, float: bool, frames: usize) -> Vec<u8> {
    let sample_format = if float { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
    let spec = hound::WavSpec { channels, sample_rate: rate_hz, bits_per_sample: bits, sample_format };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for sample in tone(rate_hz, frames) {
        for _ in 0..channels {
            if float {
                writer.write_sample(sample).unwrap();
            } else {
                writer.write_sample((sample * (2f32.powi(i32::from(bits) - 1) - 1.0)) as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn recording(bytes: Vec<u8>) -> Result<Recording> {
    Recording::wav("test.wav", Box::new(Cursor::new(bytes)))
}

fn refused(bytes: Vec<u8>) -> String {
    let error = recording(bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().starts_with("test.wav: "), "{error}");
    error.message().to_owned()
}

/// Largest difference from the tone, but for the edges, where the resampler sees silence.
fn error(heard: &[f32]) -> f32 {
    let expected = tone(RATE_HZ, heard.len());
    let inner = 400..heard.len() - 400;
    inner.map(|i| (heard[i] - expected[i]).abs()).fold(0.0, f32::max)
}

#[test]
fn every_rate_width_and_number_of_channels_becomes_16_khz_mono() {
    for rate_hz in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
        for (bits, float) in [(8, false), (16, false), (24, false), (32, false), (32, true)] {
            for channels in [1, 2, 6] {
                let frames = rate_hz as usize / 2 + 7;
                let heard = recording(wav(rate_hz, channels, bits, float, frames)).unwrap().read_all().unwrap();
                let what = format!("{rate_hz} Hz, {bits} bits, {channels} channels");
                assert_eq!(heard.len(), frames * RATE_HZ as usize / rate_hz as usize, "{what}");
                // The resampler's filter may have an odd number of taps and no middle: half a frame of the slower rate.
                let half_a_frame = 0.5 * 440.0 * std::f32::consts::PI / rate_hz.min(RATE_HZ) as f32;
                assert!(error(&heard) < 0.01 + half_a_frame, "{what}: {}", error(&heard));
            }
        }
    }
}

#[test]
fn sixteen_khz_is_given_bit_by_bit() {
    let bytes = wav(16_000, 1, 16, false, 1001);
    let expected: Vec<f32> =
        bytes[44..].as_chunks().0.iter().map(|s| f32::from(i16::from_le_bytes(*s)) / 32_768.0).collect();
    assert_eq!(recording(bytes).unwrap().read_all().unwrap(), expected);
}

#[test]
fn doubles_and_bare_samples_are_read() {
    let format = Format { rate_hz: 48_000, channels: 2, encoding: Encoding::F64 };
    let bytes: Vec<u8> = tone(48_000, 24_000).iter().flat_map(|&s| [f64::from(s).to_le_bytes(); 2]).flatten().collect();
    let heard = Recording::raw("pipe", Box::new(Cursor::new(bytes)), format).unwrap().read_all().unwrap();
    assert_eq!(heard.len(), 8_000);
    assert!(error(&heard) < 0.015);
}

#[test]
fn a_recording_without_samples_is_silence_of_no_length() {
    for rate_hz in [16_000, 44_100] {
        let mut empty = recording(wav(rate_hz, 1, 16, false, 0)).unwrap();
        let mut out = Vec::new();
        assert!(!empty.read(&mut out).unwrap() && !empty.read(&mut out).unwrap() && out.is_empty());
    }
}

#[test]
fn what_is_cut_off_is_heard_to_where_it_ends() {
    let whole = wav(44_100, 2, 24, false, 22_050);
    let header = whole.len() - 22_050 * 6;
    for cut in [1, 2, 5, 6, 7, 3_000, whole.len() - header] {
        let bytes = whole[..whole.len() - cut].to_vec();
        let frames = (bytes.len() - header) / 6;
        let heard = recording(bytes).unwrap().read_all().unwrap();
        assert_eq!(heard.len(), frames * 16_000 / 44_100, "{cut}");
    }
    assert!(refused(whole[..header - 1].to_vec()).contains("ends before"));
}

#[test]
fn a_pipe_that_does_not_know_its_length_is_heard_to_its_end() {
    for length in [u32::MAX, 0x7FFF_FFFF, 0x8000_0000, 0x7FFF_F000] {
        let mut bytes = wav(16_000, 1, 16, false, 3_000);
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes[40..44].copy_from_slice(&length.to_le_bytes());
        assert_eq!(recording(bytes).unwrap().read_all().unwrap().len(), 3_000);
    }
}

#[test]
fn what_follows_the_samples_is_not_heard() {
    let mut bytes = wav(16_000, 1, 16, false, 500);
    bytes.extend(b"LIST\x04\0\0\0abcd");
    assert_eq!(recording(bytes).unwrap().read_all().unwrap().len(), 500);
}

#[test]
fn chunks_of_odd_length_are_passed_with_their_padding() {
    let plain = wav(16_000, 1, 16, false, 500);
    let mut bytes = plain[..12].to_vec();
    bytes.extend(b"LIST\x03\0\0\0abc\0");
    bytes.extend(&plain[12..]);
    assert_eq!(recording(bytes).unwrap().read_all().unwrap().len(), 500);
}

#[test]
fn a_wrong_header_is_refused_by_name() {
    let good = wav(16_000, 1, 16, false, 100);
    let changed = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        refused(bytes)
    };
    assert!(refused(Vec::new()).contains("ends before"));
    assert!(refused(good[..30].to_vec()).contains("ends before"));
    assert!(changed(0, b"OggS").contains("no WAV file"));
    assert!(changed(0, b"RF64").contains("another kind"));
    assert!(changed(8, b"AVI ").contains("no WAV file"));
    assert!(changed(12, b"data").contains("before their format"));
    assert!(changed(16, &[3]).contains("3 bytes"));
    assert!(changed(20, &[2]).contains("encoding 2"));
    assert!(changed(22, &[0, 0]).contains("contradicts itself"));
    assert!(changed(24, &[0; 4]).contains("0 Hz"));
    assert!(changed(24, &[0xFF; 4]).contains("4294967295 Hz"));
    assert!(changed(32, &[9]).contains("contradicts itself"));
    assert!(changed(34, &[12]).contains("12 bits"));
    // Nothing ends within the second chunk.
    assert!(changed(16, &[0xFF; 4]).contains("ends before"));
}

#[test]
fn more_channels_than_anybody_has_take_no_memory() {
    let mut bytes = wav(384_000, 1, 16, false, 100);
    bytes[22..24].copy_from_slice(&30_000u16.to_le_bytes());
    bytes[32..34].copy_from_slice(&60_000u16.to_le_bytes());
    assert!(refused(bytes).contains("30000 channels, expected 1 to 64"));
}

#[test]
fn no_channels_at_all_are_refused() {
    let mut bytes = wav(16_000, 1, 16, false, 100);
    bytes[22..24].fill(0);
    bytes[32..34].fill(0);
    assert!(refused(bytes).contains("0 channels"));
}

#[test]
fn what_is_no_number_is_silent() {
    let format = Format { rate_hz: 16_000, channels: 1, encoding: Encoding::F32 };
    let bytes: Vec<u8> = [f32::NAN, f32::INFINITY, 0.25].iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut recording = Recording::raw("pipe", Box::new(Cursor::new(bytes)), format).unwrap();
    assert_eq!(recording.read_all().unwrap(), [0.0, 0.0, 0.25]);
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_the_system() {
    let error = Recording::open(Path::new("no/such.wav")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("no/such.wav"), "{error}");
}

/// Any bytes end: in a refusal, or in samples that are numbers.
#[test]
fn no_bytes_bring_it_down() {
    use proptest::prelude::*;
    let good = wav(8_000, 2, 8, false, 400);
    proptest!(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() },
        |(at in 0usize..60, with in proptest::collection::vec(any::<u8>(), 1..9), cut in 0usize..900)| {
        let mut bytes = good.clone();
        for (to, from) in bytes.iter_mut().skip(at).zip(&with) { *to = *from; }
        bytes.truncate(cut);
        if let Ok(mut recording) = recording(bytes) {
            prop_assert!(recording.read_all().unwrap().iter().all(|s| s.is_finite()));
        }
    });
}

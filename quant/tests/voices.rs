//! Voice presets: both formats give the same rows, and anything else is refused without running it.

mod common;

use common::{Checkpoint, data};
use half::bf16;
use proptest::prelude::*;
use syrinx_quant::voice::{parse_pt, parse_safetensors};
use syrinx_quant::{ErrorKind, Recipe};

const DIM: usize = 128;

fn preset() -> Vec<u8> {
    std::fs::read(data("tiny/voice_embedding/casual_male.pt")).unwrap()
}

fn refusal(bytes: &[u8]) -> syrinx_quant::Error {
    parse_pt(bytes, DIM).expect_err("the preset should be refused")
}

/// The preset with each occurrence of `from` replaced by `to` of equal length.
fn patched(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = preset();
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

fn safetensors_of(dtype: safetensors::Dtype, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let view = safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    safetensors::serialize([("rows", view)], None).unwrap()
}

#[test]
fn a_preset_is_read_from_either_format() {
    let rows = parse_pt(&preset(), DIM).unwrap();
    assert_eq!(rows.len(), 6 * DIM);
    let bf16: Vec<u8> = rows.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
    let file = safetensors_of(safetensors::Dtype::BF16, &[6, DIM], &bf16);
    assert_eq!(parse_safetensors(&file, DIM).unwrap(), rows);
    let f32: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
    let file = safetensors_of(safetensors::Dtype::F32, &[6, DIM], &f32);
    assert_eq!(parse_safetensors(&file, DIM).unwrap(), rows);
}

#[test]
fn archives_of_pytorch_itself_are_read() {
    let read = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        parse_pt(&std::fs::read(folder.join(name)).unwrap(), 4)
    };
    let expected: Vec<f32> = (0..12).map(|i| (i as f32 - 4.0) / 8.0).collect();
    for name in ["bf16.pt", "f16.pt", "f32.pt"] {
        assert_eq!(read(name).unwrap(), expected, "{name}");
    }
    for name in ["f64.pt", "two.pt"] {
        assert_eq!(read(name).unwrap_err().kind, ErrorKind::Unsupported, "{name}");
    }
}

#[test]
fn a_voice_that_params_json_does_not_list_is_added_behind_those_it_does() {
    let checkpoint = Checkpoint::tiny();
    let rows: Vec<u8> = (0..3 * DIM).flat_map(|i| (i as f32 / 64.0).to_le_bytes()).collect();
    let file = safetensors_of(safetensors::Dtype::F32, &[3, DIM], &rows);
    checkpoint.write("voice_embedding/anna.safetensors", file);
    checkpoint.import(Recipe::F32).unwrap();
    let speech = syrinx_quant::GgufFile::open(&checkpoint.pack().join("speech.gguf")).unwrap();
    assert_eq!(speech.get_strs("syrinx.voices").unwrap(), ["neutral_female", "casual_male", "anna"]);
    assert_eq!(speech.tensor("voice.anna").unwrap().bytes, rows);
}

#[test]
fn every_truncation_of_a_preset_is_refused() {
    let bytes = preset();
    for length in 0..bytes.len() {
        let error = refusal(&bytes[..length]);
        assert!(matches!(error.kind, ErrorKind::Truncated | ErrorKind::Corrupt), "cut at {length}: {error}");
    }
}

#[test]
fn other_archives_are_refused_with_the_reason() {
    let no_tensor = refusal(&patched(b"/data/0", b"/dota/0"));
    assert_eq!(no_tensor.kind, ErrorKind::Missing, "{no_tensor}");
    let two = refusal(&patched(b"archive/version", b"archive/data/1x"));
    assert_eq!(two.kind, ErrorKind::Unsupported, "{two}");
    let integers = refusal(&patched(b"BFloat16Storage", b"XFloat16Storage"));
    assert!(integers.kind == ErrorKind::Unsupported && integers.message.contains("BF16"), "{integers}");
    let big_endian = refusal(&patched(b"little", b"big   "));
    assert!(big_endian.kind == ErrorKind::Unsupported && big_endian.message.contains("endian"), "{big_endian}");
    assert_eq!(refusal(b"a text file, not an archive, of some length").kind, ErrorKind::Corrupt);
    assert_eq!(parse_pt(&preset(), 100).unwrap_err().kind, ErrorKind::Shape);
    let wide = safetensors_of(safetensors::Dtype::F32, &[1, 8], &[0; 32]);
    assert_eq!(parse_safetensors(&wide, 4).unwrap_err().kind, ErrorKind::Shape);
    assert_eq!(parse_safetensors(b"", 4).unwrap_err().kind, ErrorKind::Truncated);
}

#[test]
fn a_compressed_entry_is_refused() {
    // Method 8, deflate, in the directory's entry of data/0: 36 bytes before its name.
    let mut bytes = preset();
    let name = b"archive/data/0";
    let at = (0..bytes.len()).rev().find(|&i| bytes[i..].starts_with(name)).unwrap();
    bytes[at - 36] = 8;
    let error = refusal(&bytes);
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("data/0"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_damage_makes_the_preset_reader_panic(damage in prop::collection::vec((0usize..3000, any::<u8>()), 1..4)) {
        let mut bytes = preset();
        let length = bytes.len();
        damage.iter().for_each(|&(place, value)| bytes[place % length] = value);
        let _ = parse_pt(&bytes, DIM);
    }
}

//! GGUF files: what is written is read, and what is damaged is refused by name.

use proptest::prelude::*;
use syrinx_quant::gguf::{Gguf, TensorSpec, Value, Writer};
use syrinx_quant::{DType, ErrorKind};

fn metadata() -> Vec<(String, Value)> {
    [
        ("general.architecture", Value::Str("test".into())),
        ("a.u8", Value::U8(7)),
        ("a.i8", Value::I8(-7)),
        ("a.u16", Value::U16(700)),
        ("a.i16", Value::I16(-700)),
        ("a.u32", Value::U32(70_000)),
        ("a.i32", Value::I32(-70_000)),
        ("a.f32", Value::F32(0.1)),
        ("a.bool", Value::Bool(true)),
        ("a.u64", Value::U64(1 << 40)),
        ("a.i64", Value::I64(-1 << 40)),
        ("a.f64", Value::F64(0.1)),
        ("a.sizes", Value::u32s(&[2, 4, 8])),
        ("a.names", Value::strs(&["één", "", "two"])),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into()
}

fn tensors() -> Vec<(TensorSpec, Vec<u8>)> {
    [("f", DType::F32, &[3][..]), ("m", DType::Q8_0, &[2, 64]), ("k", DType::F16, &[2, 3, 5])]
        .into_iter()
        .enumerate()
        .map(|(i, (name, dtype, shape))| {
            let spec = TensorSpec::new(name, dtype, shape);
            let bytes = (0..spec.bytes().unwrap()).map(|b| (b * 7 + i) as u8).collect();
            (spec, bytes)
        })
        .collect()
}

fn file_of(metadata: &[(String, Value)], tensors: &[(TensorSpec, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), metadata, tensors.iter().map(|(s, _)| s.clone()).collect()).unwrap();
    for (_, bytes) in tensors {
        bytes.chunks(5).for_each(|chunk| writer.write(chunk).unwrap());
    }
    writer.finish().unwrap()
}

fn file() -> Vec<u8> {
    file_of(&metadata(), &tensors())
}

fn refusal(bytes: &[u8]) -> syrinx_quant::Error {
    Gguf::parse(bytes).expect_err("the file should be refused")
}

/// The file with `from`, which occurs once, replaced by `to` of equal length.
fn patched(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = file();
    let places: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i..].starts_with(from)).collect();
    assert_eq!((places.len(), from.len()), (1, to.len()));
    bytes[places[0]..places[0] + to.len()].copy_from_slice(to);
    bytes
}

/// A tensor entry's name and number of dimensions as they stand in the file.
fn entry(name: &str, dimensions: u32) -> Vec<u8> {
    [&(name.len() as u64).to_le_bytes()[..], name.as_bytes(), &dimensions.to_le_bytes()].concat()
}

#[test]
fn what_was_written_is_read() {
    let bytes = file();
    let gguf = Gguf::parse(&bytes).unwrap();
    let read: Vec<_> = gguf.metadata().map(|(k, v)| (k.to_owned(), v.clone())).collect();
    let mut expected = metadata();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(read, expected);
    assert_eq!(gguf.get_u32("a.u32").unwrap(), 70_000);
    assert_eq!(gguf.get_f32("a.f32").unwrap(), 0.1);
    assert!(gguf.get_bool("a.bool").unwrap());
    assert_eq!(gguf.get_str("general.architecture").unwrap(), "test");
    assert_eq!(gguf.get_u32s("a.sizes").unwrap(), [2, 4, 8]);
    assert_eq!(gguf.get_strs("a.names").unwrap(), ["één", "", "two"]);
    for (spec, data) in tensors() {
        let view = gguf.tensor(&bytes, &spec.name).unwrap();
        assert_eq!((view.dtype, &view.shape, view.bytes), (spec.dtype, &spec.shape, data.as_slice()));
        assert_eq!(gguf.info(&spec.name).unwrap().range.start % 32, 0);
    }
}

#[test]
fn every_truncation_is_refused_as_one() {
    let bytes = file();
    let end = Gguf::parse(&bytes).unwrap().tensors().iter().map(|t| t.range.end).max().unwrap();
    for length in 0..end {
        assert_eq!(refusal(&bytes[..length]).kind, ErrorKind::Truncated, "cut at {length}");
    }
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let mut bytes = file();
    bytes[0] = b'g';
    assert_eq!(refusal(&bytes).kind, ErrorKind::Corrupt);
}

#[test]
fn a_newer_version_is_refused_as_newer_and_old_ones_as_unsupported() {
    let with_version = |version: [u8; 4]| {
        let mut bytes = file();
        bytes[4..8].copy_from_slice(&version);
        bytes
    };
    assert_eq!(refusal(&with_version(4u32.to_le_bytes())).kind, ErrorKind::Newer);
    assert_eq!(refusal(&with_version(1u32.to_le_bytes())).kind, ErrorKind::Unsupported);
    assert_eq!(refusal(&with_version(3u32.to_be_bytes())).kind, ErrorKind::Unsupported);
    assert!(Gguf::parse(&with_version(2u32.to_le_bytes())).is_ok());
}

#[test]
fn counts_that_do_not_fit_in_the_file_are_refused_without_allocating() {
    for place in [8, 16] {
        for count in [u64::MAX, u64::MAX / 32, 1 << 40] {
            let mut bytes = file();
            bytes[place..place + 8].copy_from_slice(&count.to_le_bytes());
            assert_eq!(refusal(&bytes).kind, ErrorKind::Truncated);
        }
    }
}

#[test]
fn duplicate_names_are_refused_by_name() {
    let error = refusal(&patched(&entry("f", 1), &entry("m", 1)));
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("tensor m"), "{error}");
    let error = refusal(&patched(b"a.u8", b"a.i8"));
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("a.i8"), "{error}");
}

#[test]
fn bad_dimensions_are_refused_by_name() {
    for dimensions in [0, 5, u32::MAX] {
        let error = refusal(&patched(&entry("m", 2), &entry("m", dimensions)));
        assert!(error.kind == ErrorKind::Shape && error.message.contains("tensor m"), "{error}");
    }
    for first in [0u64, 33, u64::MAX, 1 << 62] {
        let old = [entry("m", 2), 64u64.to_le_bytes().into()].concat();
        let error = refusal(&patched(&old, &[entry("m", 2), first.to_le_bytes().into()].concat()));
        assert!(error.message.contains("tensor m"), "{error}");
        assert!(matches!(error.kind, ErrorKind::Shape | ErrorKind::Truncated), "{error}");
    }
}

#[test]
fn an_unsupported_type_is_refused_by_name() {
    let head = [entry("f", 1), 3u64.to_le_bytes().into()].concat();
    let old = [head.clone(), 0u32.to_le_bytes().into()].concat();
    let error = refusal(&patched(&old, &[head, 3u32.to_le_bytes().into()].concat()));
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("tensor f"), "{error}");
}

#[test]
fn misplaced_and_overlapping_tensors_are_refused_by_name() {
    let head =
        [entry("m", 2), 64u64.to_le_bytes().into(), 2u64.to_le_bytes().into(), 8u32.to_le_bytes().into()].concat();
    let at = |offset: u64| [head.clone(), offset.to_le_bytes().into()].concat();
    let error = refusal(&patched(&at(32), &at(33)));
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("tensor m"), "{error}");
    let error = refusal(&patched(&at(32), &at(0)));
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("overlap"), "{error}");
    let error = refusal(&patched(&at(32), &at(1 << 20)));
    assert!(error.kind == ErrorKind::Truncated && error.message.contains("tensor m"), "{error}");
}

#[test]
fn a_missing_or_mistyped_key_is_named() {
    let bytes = file();
    let gguf = Gguf::parse(&bytes).unwrap();
    let error = gguf.get_u32("no.such").unwrap_err();
    assert!(error.kind == ErrorKind::Missing && error.message.contains("no.such"), "{error}");
    let error = gguf.get_u32("a.f32").unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("a.f32"), "{error}");
    assert!(gguf.get_u32s("a.names").is_err() && gguf.get_strs("a.sizes").is_err());
    assert_eq!(gguf.tensor(&bytes, "no.such").unwrap_err().kind, ErrorKind::Missing);
    assert_eq!(gguf.tensor(&bytes[..100], "k").unwrap_err().kind, ErrorKind::Truncated);
}

#[test]
fn a_tensor_is_readable_as_its_own_blocks_only() {
    use syrinx_quant::block::BlockQ8_0;
    let spec = TensorSpec::new("q", DType::Q8_0, &[2, 32]);
    let mut data = vec![0; spec.bytes().unwrap()];
    syrinx_quant::block::quantise(DType::Q8_0, &[1.0; 64], &mut data).unwrap();
    let bytes = file_of(&[], &[(spec, data)]);
    let gguf = Gguf::parse(&bytes).unwrap();
    let view = gguf.tensor(&bytes, "q").unwrap();
    assert_eq!(view.blocks::<BlockQ8_0>().unwrap().len(), 2);
    assert_eq!(view.blocks::<f32>().unwrap_err().kind, ErrorKind::Shape);
    assert_eq!(view.to_f32().unwrap().len(), 64);
    assert_eq!(view.row(1).unwrap().len(), 34);
    assert_eq!(view.row(2).unwrap_err().kind, ErrorKind::Shape);
    assert_eq!(view.expect_shape(&[32, 2]).unwrap_err().kind, ErrorKind::Shape);
}

#[test]
fn the_writer_refuses_what_does_not_match_its_list() {
    let list = || vec![TensorSpec::new("f", DType::F32, &[2])];
    assert!(Writer::new(Vec::new(), &[], list()).unwrap().finish().is_err(), "incomplete");
    let mut writer = Writer::new(Vec::new(), &[], list()).unwrap();
    assert!(writer.write(&[0; 9]).is_err(), "too long");
    writer.write(&[0; 8]).unwrap();
    assert!(writer.write(&[0]).is_err(), "no tensor left");
    assert!(Writer::new(Vec::new(), &[], [list(), list()].concat()).is_err(), "duplicate");
    for shape in [&[][..], &[1, 1, 1, 1, 1], &[0], &[33]] {
        let spec = TensorSpec::new("f", DType::Q8_0, shape);
        assert!(Writer::new(Vec::new(), &[], vec![spec]).is_err(), "{shape:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_damage_makes_the_reader_panic(place in 0usize..2000, value: u8, second in 0usize..2000, other: u8) {
        let mut bytes = file();
        let length = bytes.len();
        bytes[place % length] = value;
        bytes[second % length] = other;
        if let Ok(gguf) = Gguf::parse(&bytes) {
            for tensor in gguf.tensors() {
                let view = tensor.view(&bytes).unwrap();
                let _ = (view.to_f32(), view.blocks::<f32>(), view.row(usize::MAX));
            }
            let _ = (gguf.get_u32s("a.sizes"), gguf.get_strs("a.names"));
        }
    }
}

#[test]
fn messages_stay_on_one_line_whatever_the_names() {
    let error = refusal(&patched(&entry("f", 1), &entry("\n", 0)));
    assert!(!error.message.contains('\n') && error.kind == ErrorKind::Shape, "{error}");
}

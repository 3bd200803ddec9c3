//! Block formats are ggml's, bit for bit.

use half::{bf16, f16};
use proptest::prelude::*;
use syrinx_quant::block::{dequantise, quantise};
use syrinx_quant::{DType, ErrorKind, kquant};

/// Ours and ggml's bytes of the same values.
fn both(dtype: DType, values: &[f32]) -> (Vec<u8>, Vec<u8>) {
    let size = dtype.row_bytes(values.len()).unwrap();
    let (mut ours, mut theirs) = (vec![0; size], vec![0; size]);
    quantise(dtype, values, &mut ours).unwrap();
    kquant::quantise(dtype, values, &mut theirs).unwrap();
    (ours, theirs)
}

/// Values as they occur and as they should not: any sign, many magnitudes, ties, zeros, subnormals.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -2.0f32..2.0,
        2 => (-120i32..40, any::<bool>(), 1.0f32..2.0)
            .prop_map(|(e, negative, m)| (2.0f32).powi(e) * m * if negative { -1.0 } else { 1.0 }),
        1 => (-254i32..=254).prop_map(|n| n as f32 / 2.0),
        1 => Just(0.0),
        1 => Just(-0.0),
    ]
}

/// Whether two Q4_0 rows have the same scales, and values one step apart at most. A compiler for Arm fuses a product and a
/// sum in ggml's code, so that ggml there may round a tie otherwise than ggml on x86; ours are the same everywhere.
fn equal_but_for_ties(ours: &[u8], theirs: &[u8]) -> bool {
    let near = |(a, b): (&u8, &u8)| (a & 15).abs_diff(b & 15) <= 1 && (a >> 4).abs_diff(b >> 4) <= 1;
    ours.chunks(18).zip(theirs.chunks(18)).all(|(a, b)| a[..2] == b[..2] && a[2..].iter().zip(&b[2..]).all(near))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn blocks_equal_those_of_ggml(values in prop::collection::vec(value(), 64)) {
        for dtype in [DType::F16, DType::Bf16, DType::Q8_0, DType::Q4_0] {
            let (ours, theirs) = both(dtype, &values);
            if cfg!(target_arch = "aarch64") && dtype == DType::Q4_0 {
                prop_assert!(equal_but_for_ties(&ours, &theirs), "{} {:?} {:?}", dtype, ours, theirs);
            } else {
                prop_assert_eq!(ours, theirs, "{}", dtype);
            }
        }
    }
}

#[test]
fn blocks_of_one_extreme_value_equal_those_of_ggml() {
    let extremes = [0.0, -0.0, 1.0, -1.0, 1e-36, 127.0, 65504.0, -65504.0, 8.3e6, f32::EPSILON];
    for value in extremes {
        for place in [0, 15, 16, 31] {
            let mut values = [0.5 * value; 32];
            values[place] = value;
            for dtype in [DType::F16, DType::Bf16, DType::Q8_0, DType::Q4_0] {
                let (ours, theirs) = both(dtype, &values);
                assert_eq!(ours, theirs, "{dtype} with {value} at {place}");
            }
        }
    }
}

/// Below about 1e-36 the inverse of the scale overflows, where C leaves the conversion to integers undefined.
#[test]
fn values_too_small_for_a_scale_are_read_back_as_zero() {
    for value in [f32::MIN_POSITIVE, 1e-40, -1e-40] {
        for dtype in [DType::Q8_0, DType::Q4_0] {
            let mut bytes = vec![0; dtype.row_bytes(32).unwrap()];
            quantise(dtype, &[value; 32], &mut bytes).unwrap();
            let mut back = [f32::NAN; 32];
            dequantise(dtype, &bytes, &mut back).unwrap();
            assert!(back.iter().all(|&x| x == 0.0), "{dtype}: {value} came back as {back:?}");
        }
    }
}

#[test]
fn sizes_and_numbers_of_types_are_those_of_ggml() {
    use llama_cpp_sys_2 as sys;
    for dtype in DType::ALL {
        let id = dtype.ggml_id() as sys::ggml_type;
        // SAFETY: both take a valid type number by value and return a number.
        #[allow(unsafe_code)]
        let (block, size) = unsafe { (sys::ggml_blck_size(id), sys::ggml_type_size(id)) };
        assert_eq!((dtype.block_size() as i64, dtype.type_size()), (block, size), "{dtype}");
        assert_eq!(DType::from_ggml_id(dtype.ggml_id()), Some(dtype));
    }
    assert_eq!(DType::from_ggml_id(3), None);
}

#[test]
fn what_was_quantised_is_read_back_within_half_a_step() {
    let values: Vec<f32> = (0..96).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0).collect();
    for (dtype, tolerance) in [
        (DType::F32, 0.0),
        (DType::F16, 1e-3),
        (DType::Bf16, 8e-3),
        (DType::Q8_0, 2.0 / 254.0 + 1e-3),
        (DType::Q4_0, 2.0 / 8.0 + 1e-3), // the far end of the range is cut by up to a whole step
    ] {
        let mut bytes = vec![0; dtype.row_bytes(values.len()).unwrap()];
        quantise(dtype, &values, &mut bytes).unwrap();
        let mut back = vec![f32::NAN; values.len()];
        dequantise(dtype, &bytes, &mut back).unwrap();
        for (a, b) in values.iter().zip(&back) {
            assert!((a - b).abs() <= tolerance, "{dtype}: {a} came back as {b}");
        }
    }
}

#[test]
fn half_floats_are_read_exactly() {
    let bits: Vec<u16> = (0..=u16::MAX).filter(|&b| f16::from_bits(b).is_finite()).collect();
    let bytes: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
    let mut values = vec![0.0; bits.len()];
    dequantise(DType::F16, &bytes, &mut values).unwrap();
    assert!(bits.iter().zip(&values).all(|(&b, &v)| f16::from_bits(b).to_f32() == v));
    dequantise(DType::Bf16, &bytes, &mut values).unwrap();
    assert!(bits.iter().zip(&values).all(|(&b, &v)| bf16::from_bits(b).to_f32().to_bits() == v.to_bits()));
}

#[test]
fn lengths_that_do_not_agree_are_refused() {
    let mut bytes = [0; 34];
    for (dtype, values, size) in
        [(DType::Q8_0, 31, 34), (DType::Q8_0, 64, 34), (DType::Q4_0, 32, 17), (DType::Q4K, 32, 18), (DType::F32, 2, 4)]
    {
        let error = quantise(dtype, &vec![0.0; values], &mut bytes[..size]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Shape, "{dtype}");
        assert_eq!(kquant::quantise(dtype, &vec![0.0; values], &mut bytes[..size]).unwrap_err().kind, ErrorKind::Shape);
    }
}

#[test]
fn threads_quantise_at_once_with_equal_results() {
    let values: Vec<f32> = (0..2560).map(|i| (i as f32 * 0.37).sin()).collect();
    let quantised = || {
        let mut out = vec![0; DType::Q4K.row_bytes(values.len()).unwrap()];
        kquant::quantise(DType::Q4K, &values, &mut out).unwrap();
        out
    };
    let expected = quantised();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(quantised)).collect();
        threads.into_iter().for_each(|t| assert_eq!(t.join().unwrap(), expected));
    });
}

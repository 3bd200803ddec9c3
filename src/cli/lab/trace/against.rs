//! What was traced beside a reference. In: both files' tensors. Out: a line for each that both have, and an error where one
//! is further apart than it may be: codes anywhere, numbers by more than a share of the reference's root mean square.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};
use syrinx::{Error, ErrorKind, Result};

use super::Tensors;

/// Compares and prints; see the module. Errors: `BadOption`, of a reference that cannot be read or has none of the tensors;
/// `Backend`, of numbers that are too far away.
pub fn compare(traced: &Tensors, reference: &Path, within: f64) -> Result<()> {
    let bad = |what: String| Error::new(ErrorKind::BadOption, format!("{}: {what}", reference.display()));
    let bytes = std::fs::read(reference).map_err(|e| Error::io("read", reference, e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(format!("not a safetensors file: {e}")))?;
    let (mut compared, mut far) = (0, Vec::new());
    for (name, (dtype, shape, values)) in &traced.0 {
        let Ok(expected) = file.tensor(name) else { continue };
        if expected.dtype() != *dtype || expected.shape() != shape {
            return Err(bad(format!(
                "tensor {name} is {:?} {:?}, traced {dtype:?} {shape:?}",
                expected.dtype(),
                expected.shape()
            )));
        }
        let pairs = values.as_chunks::<4>().0.iter().zip(expected.data().as_chunks::<4>().0);
        let away = match dtype {
            Dtype::I32 => pairs.filter(|(a, b)| a != b).count() as f64,
            _ => {
                let pairs = pairs.map(|(&a, &b)| (f64::from(f32::from_le_bytes(a)), f64::from(f32::from_le_bytes(b))));
                let (largest, squares) = pairs.fold((0f64, 0f64), |(largest, squares), (a, b)| {
                    let away = (a - b).abs();
                    (if away <= largest { largest } else { away }, squares + b * b) // what is no number stays
                });
                largest / (squares / (values.len() / 4).max(1) as f64).sqrt().max(f64::MIN_POSITIVE)
            }
        };
        compared += 1;
        let unit = if *dtype == Dtype::I32 { "differ" } else { "of the root mean square" };
        println!("{name:<16} {away:9.2e} {unit}");
        let most = if *dtype == Dtype::I32 { 0.0 } else { within };
        if away.is_nan() || away > most {
            far.push(*name);
        }
    }
    match (compared, far.is_empty()) {
        (0, _) => Err(bad("has none of the tensors that were traced".to_owned())),
        (_, true) => Ok(()),
        _ => {
            let message = format!("further from {} than {within:e}: {}", reference.display(), far.join(", "));
            Err(Error::new(ErrorKind::Backend, message))
        }
    }
}

//! What was traced beside a reference. In: both files' tensors. Out: a line for each that both have, and an error where one
//! is further apart than it may be: codes anywhere, numbers by more than a share of the reference's root mean square.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};
use syrinx::{Error, ErrorKind, Result};

use super::{Tensors, bad, with_tensors};
use crate::cli::output::outln;

/// Compares and prints; see the module. Errors: `Io`; `BadOption`, of a reference that has none of the tensors, or others of
/// their names; `Backend`, of numbers that are too far away.
pub fn compare(traced: &Tensors, reference: &Path, within: f64) -> Result<()> {
    with_tensors(reference, |file| lines(traced, file, reference, within))
}

fn lines(traced: &Tensors, file: &SafeTensors<'_>, reference: &Path, within: f64) -> Result<()> {
    let (mut compared, mut far) = (0, Vec::new());
    for (name, (dtype, shape, values)) in &traced.0 {
        let Ok(expected) = file.tensor(name) else { continue };
        if expected.dtype() != *dtype || expected.shape() != shape {
            let found = format_args!("{:?} {:?}", expected.dtype(), expected.shape());
            return Err(bad(reference, format_args!("tensor {name} is {found}, traced {dtype:?} {shape:?}")));
        }
        let pairs = values.as_chunks::<4>().0.iter().zip(expected.data().as_chunks::<4>().0);
        let (away, unit, most) = match dtype {
            Dtype::I32 => (pairs.filter(|(a, b)| a != b).count() as f64, "differ", 0.0),
            _ => {
                let pairs = pairs.map(|(&a, &b)| (f64::from(f32::from_le_bytes(a)), f64::from(f32::from_le_bytes(b))));
                (distance(pairs), "of the root mean square", within)
            }
        };
        compared += 1;
        outln!("{name:<16} {away:9.2e} {unit}")?;
        if away.is_nan() || away > most {
            far.push(*name);
        }
    }
    if compared == 0 {
        return Err(bad(reference, "has none of the tensors that were traced"));
    }
    if far.is_empty() {
        return Ok(());
    }
    let message = format!("further from {} than {within:e}: {}", reference.display(), far.join(", "));
    Err(Error::new(ErrorKind::Backend, message))
}

/// The largest difference, in units of the root mean square of the second ones; no number where one of them is none.
fn distance(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut largest, mut squares, mut count) = (0f64, 0.0, 0.0);
    for (a, b) in pairs {
        let away = (a - b).abs();
        if away.is_nan() {
            return away;
        }
        largest = largest.max(away);
        squares += b * b;
        count += 1.0;
    }
    largest / (squares / f64::max(count, 1.0)).sqrt().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn a_value_that_is_no_number_is_near_nothing_wherever_it_stands() {
        for nan in 0..3 {
            let pairs = (0..3).map(|i| (if i == nan { f64::NAN } else { 1.0 }, 1.0));
            assert!(distance(pairs).is_nan(), "{nan}");
        }
        assert_eq!(distance([(1.0, 2.0), (2.0, 2.0)].into_iter()), 0.5);
        assert_eq!(distance(std::iter::empty()), 0.0);
    }
}

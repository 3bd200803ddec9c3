//! candle's quantised products, as a rival of `cargo bench --bench kernel` (`benches/kernel/rival.rs`).
//!
//! Arguments: block format, columns, then the shapes of the products as `ROWSxCOLUMNS`. Threads: `RAYON_NUM_THREADS`. Each
//! line on standard input asks for one round of all products; the answer is its nanoseconds.

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{Device, Error, Module, Result, Tensor};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dtype, count, shapes @ ..] = arguments.as_slice() else {
        return Err(Error::Msg("usage: syrinx-bench-candle DTYPE COUNT ROWSxCOLUMNS...".into()));
    };
    let dtype = match dtype.as_str() {
        "Q8_0" => GgmlDType::Q8_0,
        "Q4_0" => GgmlDType::Q4_0,
        "F16" => GgmlDType::F16,
        other => return Err(Error::Msg(format!("no products of {other}"))),
    };
    let count: usize = count.parse().map_err(Error::wrap)?;
    let products = shapes.iter().map(|shape| product(dtype, count, shape)).collect::<Result<Vec<_>>>()?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let started = Instant::now();
        for (matrix, x) in &products {
            black_box(matrix.forward(x)?);
        }
        println!("{}", started.elapsed().as_nanos());
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// A matrix of the shape, and its input.
fn product(dtype: GgmlDType, count: usize, shape: &str) -> Result<(QMatMul, Tensor)> {
    let sizes = shape.split_once('x').and_then(|(r, c)| Some((r.parse::<usize>().ok()?, c.parse::<usize>().ok()?)));
    let (rows, columns) = sizes.ok_or_else(|| Error::Msg(format!("{shape} is no shape")))?;
    // A few distinct rows, many times: quantising takes longer than all the rest.
    let distinct = Tensor::rand(-1f32, 1f32, (16, columns), &Device::Cpu)?;
    let weights = Tensor::cat(&vec![distinct; rows / 16], 0)?;
    let weights = QTensor::quantize(&weights, dtype)?;
    Ok((QMatMul::QTensor(Arc::new(weights)), Tensor::rand(-1f32, 1f32, (count, columns), &Device::Cpu)?))
}

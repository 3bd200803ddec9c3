//! Products of one row with Q4_K and Q6_K, of which a step of a large backbone is made, as llama.cpp runs them: with our kernels
//! (`src/kernel/k_quants.rs`), and with ggml's own, which it keeps as a reference.

use syrinx::lab::backbone::kernel_set;
use syrinx::lab::kernel::{Bandwidth, Pages, Pool};
use syrinx_quant::DType;

use super::ggml::{How, Products};
use super::{ROUNDS, SWEEP_BYTES, bytes, median, speed, weights};

/// Rows of a matrix.
const ROWS: usize = 3072;

pub fn table(cores: usize) {
    let kernels = kernel_set().expect("llama.cpp for this processor");
    println!("One row, kernels in llama.cpp {kernels}, GB/s of weight bytes, medians of {ROUNDS} interleaved rounds\n");
    println!("| weights | inputs | threads | memory, huge pages | ours | share | ggml | ours / ggml |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut memory = Bandwidth::new(Pages::Huge).expect("up to 256 MiB");
    for dtype in [DType::Q4K, DType::Q6K] {
        for inputs in [3072, 9216] {
            let matrix = bytes(dtype, ROWS, inputs);
            let shapes = vec![(ROWS, inputs); SWEEP_BYTES.div_ceil(matrix)];
            let file = weights(dtype, &shapes);
            for threads in [1, 2, 4].into_iter().filter(|&n| n <= cores) {
                let pool = Pool::new(threads);
                let [mut ours, mut ggml] = [false, true].map(|reference| {
                    let how = How { count: 1, threads, pages: Pages::Huge, reference };
                    Products::new(dtype, &shapes, &file, how)
                });
                let mut speeds = [const { Vec::new() }; 3];
                for _ in 0..ROUNDS {
                    speeds[0].push(memory.read_gbs(&pool));
                    speeds[1].push(speed(matrix * shapes.len(), || ours.run()));
                    speeds[2].push(speed(matrix * shapes.len(), || ggml.run()));
                }
                let [read, own, other] = speeds.map(median);
                println!(
                    "| {dtype} | {inputs} | {threads} | {read:.1} | {own:.1} | {:.0} % | {other:.1} | {:.2} |",
                    100.0 * own / read,
                    own / other
                );
            }
        }
    }
    println!();
}

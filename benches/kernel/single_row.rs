//! Products of one row with Q4_K and Q6_K, of which a step of a large backbone is made: what llama.cpp calls in this
//! program (`src/kernel/k_quants.rs`) and ggml's own, which the linker keeps by another name.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::hint::black_box;

use memmap2::{Advice, MmapMut};
use syrinx::kernel::{Bandwidth, Pages, Pool};

use super::{ROUNDS, SWEEP_BYTES, median, speed};

type Q4K = unsafe extern "C" fn(c_int, *mut f32, usize, *const c_void, *const c_void, c_int, c_int);
type Q6K = unsafe extern "C" fn(c_int, *mut f32, usize, *const c_void, usize, *const c_void, usize, c_int);

unsafe extern "C" {
    fn ggml_gemv_q4_K_8x8_q8_K(_: c_int, _: *mut f32, _: usize, _: *const c_void, _: *const c_void, _: c_int, _: c_int);
    fn ggml_vec_dot_q6_K_q8_K(
        _: c_int,
        _: *mut f32,
        _: usize,
        _: *const c_void,
        _: usize,
        _: *const c_void,
        _: usize,
        _: c_int,
    );
    #[link_name = "__real_ggml_gemv_q4_K_8x8_q8_K"]
    fn ggmls_q4_k(_: c_int, _: *mut f32, _: usize, _: *const c_void, _: *const c_void, _: c_int, _: c_int);
    #[link_name = "__real_ggml_vec_dot_q6_K_q8_K"]
    fn ggmls_q6_k(_: c_int, _: *mut f32, _: usize, _: *const c_void, _: usize, _: *const c_void, _: usize, _: c_int);
}

/// Weights and activations in a block, and the bytes of 256 activations.
const BLOCK: usize = 256;
const ACTIVATION_BYTES: usize = 292;

/// Eight rows by one of the functions.
#[derive(Clone, Copy)]
enum EightRows {
    Q4K(Q4K),
    Q6K(Q6K),
}

impl EightRows {
    /// # Safety
    /// Eight rows of as many weights as there are activations, in its format.
    unsafe fn run(self, weights: &[u8], x: &[u8]) {
        let len = (x.len() / ACTIVATION_BYTES * BLOCK) as c_int;
        let (mut y, x) = ([0f32; 8], x.as_ptr().cast());
        // SAFETY: required of the caller.
        unsafe {
            match self {
                Self::Q4K(product) => product(len, y.as_mut_ptr(), 8, weights.as_ptr().cast(), x, 1, 8),
                Self::Q6K(product) => {
                    for (row, y) in weights.chunks_exact(weights.len() / 8).zip(&mut y) {
                        product(len, y, 0, row.as_ptr().cast(), 0, x, 0, 1);
                    }
                }
            }
        }
        black_box(y);
    }
}

pub fn table(cores: usize) {
    println!("One row, GB/s of weight bytes, medians of {ROUNDS} interleaved rounds\n");
    println!("| weights | inputs | threads | memory, huge pages | ours | share | ggml | ours / ggml |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut memory = Bandwidth::new(Pages::Huge).expect("up to 256 MiB");
    let mut weights = MmapMut::map_anon(SWEEP_BYTES).expect("190 MB");
    let _ = weights.advise(Advice::HugePage); // as llama.cpp's weights lie
    // Small whole numbers are weights and finite scales in either format.
    weights.iter_mut().enumerate().for_each(|(i, byte)| *byte = ((i * 2_654_435_761) >> 13) as u8 & 0x3b);
    let formats = [
        ("Q4_K", 144, EightRows::Q4K(ggml_gemv_q4_K_8x8_q8_K), EightRows::Q4K(ggmls_q4_k)),
        ("Q6_K", 210, EightRows::Q6K(ggml_vec_dot_q6_K_q8_K), EightRows::Q6K(ggmls_q6_k)),
    ];
    for (name, block_bytes, ours, ggml) in formats {
        for inputs in [3072, 9216] {
            // Ones, with a scale of one: with sums too small for an f32 the processor would take much longer.
            let mut x = vec![1u8; inputs / BLOCK * ACTIVATION_BYTES];
            x.chunks_exact_mut(ACTIVATION_BYTES).for_each(|block| block[..4].copy_from_slice(&1f32.to_le_bytes()));
            let eight = inputs / BLOCK * block_bytes * 8;
            for threads in [1, 2, 4].into_iter().filter(|&n| n <= cores) {
                let pool = Pool::new(threads);
                let share = weights.len() / threads / eight * eight;
                let sweep = |rows: EightRows| {
                    speed(share * threads, || {
                        std::thread::scope(|scope| {
                            for own in weights.chunks_exact(share).take(threads) {
                                // SAFETY: whole eights of rows.
                                scope.spawn(|| own.chunks_exact(eight).for_each(|w| unsafe { rows.run(w, &x) }));
                            }
                        });
                    })
                };
                let mut speeds = [const { Vec::new() }; 3];
                for _ in 0..ROUNDS {
                    speeds[0].push(memory.read_gbs(&pool));
                    speeds[1].push(sweep(ours));
                    speeds[2].push(sweep(ggml));
                }
                let [read, own, other] = speeds.map(median);
                println!(
                    "| {name} | {inputs} | {threads} | {read:.1} | {own:.1} | {:.0} % | {other:.1} | {:.2} |",
                    100.0 * own / read,
                    own / other
                );
            }
        }
    }
    println!();
}

//! Products that llama.cpp's library computes from a graph, with weights where llama.cpp puts them.

use std::ptr;
use std::sync::atomic::Ordering;

use llama_cpp_sys_2 as sys;
use proptest::prelude::*;

use super::{BLOCK, FORMATS, Format, bits, bytes_of, plain, rounded, values, weights, with_finite_scales};
use crate::kernel::extra::{SEEN, place};

/// Weights `[rows][len]` as they are in a file, activations `[columns][len]`.
#[derive(Clone, Debug)]
struct Case {
    format: Format,
    rows: usize,
    len: usize,
    weights: Vec<u8>,
    x: Vec<f32>,
    /// Columns to a matrix: there may be several that meet the same weights.
    columns: usize,
}

impl Case {
    /// `[columns][rows]`. `place` is a type of buffers: ours, or ggml's.
    fn computed(&self, place: sys::ggml_backend_buffer_type_t, threads: i32) -> Vec<f32> {
        crate::ggml::init().unwrap();
        let kind = match self.format {
            Format::Q4K => sys::GGML_TYPE_Q4_K,
            Format::Q6K => sys::GGML_TYPE_Q6_K,
        };
        let [len, rows, columns] = [self.len, self.rows, self.columns].map(|n| n as i64);
        let count = self.x.len() / self.len;
        // SAFETY: contexts without data have room for a few tensors, which are allocated before they are set, with as many
        // bytes as they have; everything is freed after its last use.
        unsafe {
            let backend = sys::ggml_backend_cpu_init();
            sys::ggml_backend_cpu_set_n_threads(backend, threads);
            let context = || {
                let mem_size = sys::ggml_tensor_overhead() * 8 + sys::ggml_graph_overhead();
                sys::ggml_init(sys::ggml_init_params { mem_size, mem_buffer: ptr::null_mut(), no_alloc: true })
            };
            let (of_weights, of_x, of_y) = (context(), context(), context());
            let own = sys::ggml_backend_get_default_buffer_type(backend);
            let w = sys::ggml_new_tensor_2d(of_weights, kind, len, rows);
            let x = sys::ggml_new_tensor_3d(of_x, sys::GGML_TYPE_F32, len, columns, count as i64 / columns);
            let buffers = [
                sys::ggml_backend_alloc_ctx_tensors_from_buft(of_weights, place),
                sys::ggml_backend_alloc_ctx_tensors_from_buft(of_x, own),
            ];
            sys::ggml_backend_tensor_set(w, self.weights.as_ptr().cast(), 0, self.weights.len());
            sys::ggml_backend_tensor_set(x, self.x.as_ptr().cast(), 0, self.x.len() * 4);
            let y = sys::ggml_mul_mat(of_y, w, x);
            assert!(sys::ggml_backend_supports_op(backend, y));
            let graph = sys::ggml_new_graph(of_y);
            sys::ggml_build_forward_expand(graph, y);
            let allocator = sys::ggml_gallocr_new(own);
            assert!(sys::ggml_gallocr_alloc_graph(allocator, graph));
            assert_eq!(sys::ggml_backend_graph_compute(backend, graph), sys::GGML_STATUS_SUCCESS);
            let mut out = vec![0f32; self.rows * count];
            sys::ggml_backend_tensor_get(y, out.as_mut_ptr().cast(), 0, out.len() * 4);
            sys::ggml_gallocr_free(allocator);
            buffers.into_iter().for_each(|buffer| sys::ggml_backend_buffer_free(buffer));
            [of_weights, of_x, of_y].into_iter().for_each(|context| sys::ggml_free(context));
            sys::ggml_backend_free(backend);
            out
        }
    }

    fn by_ours(&self, threads: i32) -> Vec<f32> {
        crate::ggml::init().unwrap();
        self.computed(place().expect("a type of buffers of ours"), threads)
    }

    fn plain(&self) -> Vec<f32> {
        let row_bytes = self.len / BLOCK * bytes_of(self.format);
        let column = |x: &[f32]| {
            let x = rounded(x);
            self.weights.chunks(row_bytes).map(|row| plain::row(self.format, row, &x)).collect::<Vec<_>>()
        };
        self.x.chunks(self.len).flat_map(column).collect()
    }
}

fn case() -> impl Strategy<Value = Case> {
    (prop::sample::select(FORMATS.to_vec()), 1usize..9, 1usize..4, 1usize..11, 1usize..3).prop_flat_map(
        |(format, eights, blocks, columns, matrices)| {
            let x = values(matrices * columns * blocks * BLOCK);
            (weights(format, eights * 8 * blocks), x).prop_map(move |(weights, x)| Case {
                format,
                rows: eights * 8,
                len: blocks * BLOCK,
                weights,
                x,
                columns,
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_graph_gives_each_column_the_bits_of_plain_sums(case in case(), threads in 1i32..4) {
        prop_assert_eq!(bits(&case.by_ours(threads)), bits(&case.plain()));
    }

    #[test]
    fn ggmls_own_product_is_the_same_but_for_the_order_of_its_sums(mut case in case()) {
        case.x.iter_mut().for_each(|x| *x = x.clamp(-4.0, 4.0));
        case.weights.chunks_exact_mut(bytes_of(case.format)).for_each(|block| match case.format {
            Format::Q4K => block[..4].copy_from_slice(&[0x00, 0x24, 0x00, 0x24]),
            Format::Q6K => block[208..].copy_from_slice(&[0x00, 0x24]),
        });
        with_finite_scales(case.format, &mut case.weights);
        // SAFETY: a constant of ggml's.
        let ggmls = case.computed(unsafe { sys::ggml_backend_cpu_buffer_type() }, 1);
        let ours = case.by_ours(1);
        let largest = ggmls.iter().fold(0f32, |a, y| a.max(y.abs()));
        for (ours, ggmls) in ours.iter().zip(&ggmls) {
            // Of scales and leasts, each of which may be larger than their difference.
            prop_assert!((ours - ggmls).abs() <= 1e-3 * largest, "{} {}", ours, ggmls);
        }
    }
}

/// Otherwise everything works and is slower, which nobody would see.
#[test]
fn llama_cpp_calls_ours() {
    for (format, seen) in [(Format::Q4K, &SEEN.q4_k), (Format::Q6K, &SEEN.q6_k)] {
        let weights = vec![0; 8 * bytes_of(format)];
        let case = Case { format, rows: 8, len: BLOCK, weights, x: vec![1.0; BLOCK], columns: 1 };
        crate::ggml::init().unwrap();
        seen.store(false, Ordering::Relaxed);
        case.by_ours(2);
        assert!(seen.load(Ordering::Relaxed), "{format:?}");
    }
    assert_ne!(crate::ggml::kernels().unwrap(), "ggml");
}

/// Rows that do not come in eights stay with ggml.
#[test]
fn weights_that_are_not_eights_of_rows_are_not_put_here() {
    crate::ggml::init().unwrap();
    for (rows, kind, is_ours) in [
        (16, sys::GGML_TYPE_Q4_K, true),
        (16, sys::GGML_TYPE_Q6_K, true),
        (12, sys::GGML_TYPE_Q4_K, false),
        (16, sys::GGML_TYPE_Q5_K, false),
    ] {
        // SAFETY: a context with room for a few tensors without data; an empty buffer, as llama.cpp makes to ask.
        unsafe {
            let mem_size = sys::ggml_tensor_overhead() * 8;
            let context =
                sys::ggml_init(sys::ggml_init_params { mem_size, mem_buffer: ptr::null_mut(), no_alloc: true });
            let w = sys::ggml_new_tensor_2d(context, kind, BLOCK as i64, rows);
            let product =
                sys::ggml_mul_mat(context, w, sys::ggml_new_tensor_2d(context, sys::GGML_TYPE_F32, BLOCK as i64, 4));
            let buffer = sys::ggml_backend_buft_alloc_buffer(place().unwrap(), 0);
            (*w).buffer = buffer;
            let backend = sys::ggml_backend_cpu_init();
            assert_eq!(sys::ggml_backend_supports_op(backend, product), is_ours, "{rows} rows of type {kind}");
            sys::ggml_backend_free(backend);
            sys::ggml_backend_buffer_free(buffer);
            sys::ggml_free(context);
        }
    }
}

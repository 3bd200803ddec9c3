//! Products that llama.cpp's library computes from a graph: with ours, and with its own as the reference that it keeps for such
//! comparisons.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::Ordering;

use llama_cpp_sys_2 as sys;
use proptest::prelude::*;

use super::{bits, finite, values};
use crate::kernel::extra::SEEN;
use crate::kernel::k_quants::BLOCK;

/// Whose kernels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Ggmls,
}

/// Where ggml puts weights that it lays out anew.
fn repacked() -> sys::ggml_backend_buffer_type_t {
    // SAFETY: a type of ggml's, which lives as long as the program, as its name does.
    let name = |kind| unsafe { CStr::from_ptr(sys::ggml_backend_buft_name(kind)) };
    crate::kernel::extra_buffer_types().into_iter().find(|&kind| name(kind) == c"CPU_REPACK").expect("CPU_REPACK")
}

/// Weights `[rows][len]` as they are in a file, activations `[columns][len]`.
#[derive(Clone, Debug)]
struct Case {
    kind: sys::ggml_type,
    rows: usize,
    len: usize,
    weights: Vec<u8>,
    x: Vec<f32>,
}

impl Case {
    fn columns(&self) -> usize {
        self.x.len() / self.len
    }

    /// `[columns][rows]`.
    fn computed(&self, whose: Whose, threads: i32) -> Vec<f32> {
        crate::ggml::init().unwrap();
        let sizes = [self.len, self.rows, self.columns()].map(|n| n as i64);
        // SAFETY: contexts without data have room for a few tensors, which are allocated before they are set, with as many
        // bytes as they have; everything is freed after its last use.
        unsafe {
            let backend = sys::ggml_backend_cpu_init();
            sys::ggml_backend_cpu_set_n_threads(backend, threads);
            sys::ggml_backend_cpu_set_use_ref(backend, whose == Whose::Ggmls);
            let context = || {
                let mem_size = sys::ggml_tensor_overhead() * 8 + sys::ggml_graph_overhead();
                sys::ggml_init(sys::ggml_init_params { mem_size, mem_buffer: ptr::null_mut(), no_alloc: true })
            };
            let (of_weights, of_x, of_y) = (context(), context(), context());
            let own = sys::ggml_backend_get_default_buffer_type(backend);
            let is_eights = self.kind == sys::GGML_TYPE_Q4_K;
            let kind = if is_eights { repacked() } else { own };
            let w = sys::ggml_new_tensor_2d(of_weights, self.kind, sizes[0], sizes[1]);
            let x = sys::ggml_new_tensor_2d(of_x, sys::GGML_TYPE_F32, sizes[0], sizes[2]);
            let buffers = [
                sys::ggml_backend_alloc_ctx_tensors_from_buft(of_weights, kind),
                sys::ggml_backend_alloc_ctx_tensors_from_buft(of_x, own),
            ];
            sys::ggml_backend_tensor_set(w, self.weights.as_ptr().cast(), 0, self.weights.len());
            sys::ggml_backend_tensor_set(x, self.x.as_ptr().cast(), 0, self.x.len() * 4);
            let y = sys::ggml_mul_mat(of_y, w, x);
            let graph = sys::ggml_new_graph(of_y);
            sys::ggml_build_forward_expand(graph, y);
            let allocator = sys::ggml_gallocr_new(own);
            assert!(sys::ggml_gallocr_alloc_graph(allocator, graph));
            assert_eq!(sys::ggml_backend_graph_compute(backend, graph), sys::GGML_STATUS_SUCCESS);
            let mut out = vec![0f32; self.rows * self.columns()];
            sys::ggml_backend_tensor_get(y, out.as_mut_ptr().cast(), 0, out.len() * 4);
            sys::ggml_gallocr_free(allocator);
            buffers.into_iter().for_each(|buffer| sys::ggml_backend_buffer_free(buffer));
            [of_weights, of_x, of_y].into_iter().for_each(|context| sys::ggml_free(context));
            sys::ggml_backend_free(backend);
            out
        }
    }

    /// Each column by itself, by ggml's own kernels.
    fn alone(&self) -> Vec<f32> {
        let one = |x: &[f32]| Self { x: x.to_vec(), ..self.clone() }.computed(Whose::Ggmls, 1);
        self.x.chunks(self.len).flat_map(one).collect()
    }
}

fn q4_k(bytes: &mut [u8]) {
    bytes.chunks_exact_mut(144).for_each(|block| block[..4].as_chunks_mut().0.iter_mut().for_each(|h| *h = finite(*h)));
}

fn q6_k(bytes: &mut [u8]) {
    bytes
        .chunks_exact_mut(210)
        .for_each(|block| block[208..].as_chunks_mut().0.iter_mut().for_each(|h| *h = finite(*h)));
}

/// Rows of whole blocks.
fn case(
    (kind, block_bytes, scales): (sys::ggml_type, usize, fn(&mut [u8])),
    rows: impl Strategy<Value = usize>,
    columns: impl Strategy<Value = usize>,
) -> impl Strategy<Value = Case> {
    (rows, columns, 1usize..4).prop_flat_map(move |(rows, columns, blocks)| {
        let bytes = prop::collection::vec(any::<u8>(), rows * blocks * block_bytes);
        (bytes, values(columns * blocks * BLOCK)).prop_map(move |(mut weights, x)| {
            scales(&mut weights);
            Case { kind, rows, len: blocks * BLOCK, weights, x }
        })
    })
}

const Q4_K: (sys::ggml_type, usize, fn(&mut [u8])) = (sys::GGML_TYPE_Q4_K, 144, q4_k);
const Q6_K: (sys::ggml_type, usize, fn(&mut [u8])) = (sys::GGML_TYPE_Q6_K, 210, q6_k);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_graph_gives_each_column_of_q4_k_the_bits_it_has_alone(
        case in case(Q4_K, (1usize..9).prop_map(|eights| eights * 8), 1usize..11),
        threads in 1i32..4,
    ) {
        prop_assert_eq!(bits(&case.computed(Whose::Ours, threads)), bits(&case.alone()));
    }

    #[test]
    fn a_graph_gives_each_of_a_prompts_columns_of_q4_k_the_bits_it_has_alone(
        case in case(Q4_K, (1usize..7).prop_map(|eights| eights * 8), prop_oneof![3 => 8usize..50, 1 => 120usize..300]),
        threads in 1i32..4,
    ) {
        prop_assert_eq!(bits(&case.computed(Whose::Ours, threads)), bits(&case.alone()));
    }

    #[test]
    fn a_graph_gives_each_of_a_few_columns_of_q6_k_the_bits_it_has_alone(
        case in case(Q6_K, 1usize..70, 1usize..8),
        threads in 1i32..4,
    ) {
        prop_assert_eq!(bits(&case.computed(Whose::Ours, threads)), bits(&case.alone()));
    }

    #[test]
    fn many_columns_of_q6_k_are_still_computed(mut case in case(Q6_K, 1usize..70, 8usize..20), threads in 1i32..4) {
        // Sums in another order agree where none of them is beyond all bounds.
        case.x.iter_mut().for_each(|x| *x = x.clamp(-4.0, 4.0));
        case.weights.chunks_exact_mut(Q6_K.1).for_each(|block| block[208..].copy_from_slice(&[0x00, 0x24]));
        let (found, expected) = (case.computed(Whose::Ours, threads), case.alone());
        let largest = expected.iter().fold(0f32, |a, y| a.max(y.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert!((found - expected).abs() <= 1e-4 * largest, "{} {}", found, expected);
        }
    }
}

/// Otherwise everything works and is slower, which nobody would see.
#[test]
fn llama_cpp_calls_ours() {
    for (kind, block_bytes, seen) in [(Q4_K.0, Q4_K.1, &SEEN.q4_k), (Q6_K.0, Q6_K.1, &SEEN.q6_k)] {
        let case = Case { kind, rows: 8, len: BLOCK, weights: vec![0; 8 * block_bytes], x: vec![1.0; BLOCK] };
        seen.store(false, Ordering::Relaxed);
        case.computed(Whose::Ours, 2);
        assert!(seen.load(Ordering::Relaxed), "type {kind}");
    }
    assert_ne!(crate::ggml::kernels().unwrap(), "ggml");
}

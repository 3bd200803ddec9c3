//! What llama.cpp's library does with a backbone's products. In: types and shapes. Out: their times, through ggml itself
//! on the processor, laid out as llama.cpp lays weights out.

#![allow(unsafe_code)]

use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use llama_cpp_sys_2 as sys;
use syrinx_quant::DType;

use super::{FEW_ROWS, Line, StageRates, types, without};
use crate::error::{Error, ErrorKind, Result};
use crate::ggml::{self, Backend, Device};
use crate::kernel;
use crate::model::work::{AttentionWork, StageWork};

const TIME: Duration = Duration::from_millis(60);
const ROUNDS: usize = 3;
/// Operations in a chain, on vectors so short that only what surrounds them counts.
const NODES: usize = 64;
const SHORT: usize = 64;
/// Bytes that are filled at a time.
const FILL: usize = 1 << 20;

/// Rates of a backbone's step: one column, whatever passes between two uses of a matrix.
pub(super) fn rates(stage: &StageWork, reuse_bytes: usize, threads: usize) -> Result<StageRates> {
    let mut rates = StageRates::default();
    for (dtype, largest) in types(stage) {
        let (rows, inputs) = (largest.rows, largest.inputs);
        let around = Chain::products(dtype, FEW_ROWS, inputs, NODES, threads)?.seconds()? / NODES as f64;
        let count = (reuse_bytes / largest.bytes().max(1)).max(1);
        let product = Chain::products(dtype, rows, inputs, count, threads)?.seconds()? / count as f64;
        let first = without(around, product) / largest.weights() as f64;
        if rates.lines.is_empty() {
            rates.product_seconds = around;
        }
        rates.lines.push((dtype, Line { first, further: first }));
    }
    Ok(rates)
}

/// Seconds for an operation on a short vector.
pub(super) fn node_seconds(threads: usize) -> Result<f64> {
    Ok(Chain::additions(threads)?.seconds()? / NODES as f64)
}

/// Seconds for one row's attention in all layers: the one operation of a step whose work grows with the positions before.
pub(super) fn attention_seconds(attention: AttentionWork, positions: usize, threads: usize) -> Result<f64> {
    Chain::attention(attention, positions, threads)?.seconds()
}

/// A graph that is computed again and again.
struct Chain {
    graph: *mut sys::ggml_cgraph,
    backend: Backend,
    // Freed in this order, before the backend (see `Drop`).
    allocator: Option<NonNull<sys::ggml_gallocr>>,
    weights: Option<NonNull<sys::ggml_backend_buffer>>,
    contexts: [NonNull<sys::ggml_context>; 2],
}

impl Chain {
    /// `count` products of matrices `[rows, inputs]` with one column.
    fn products(dtype: DType, rows: usize, inputs: usize, count: usize, threads: usize) -> Result<Self> {
        Self::build(threads, count, |weights, graph| {
            // SAFETY: both contexts have room for these tensors, whose shapes agree.
            unsafe {
                let x = sys::ggml_new_tensor_1d(graph, sys::GGML_TYPE_F32, inputs as i64);
                sys::ggml_set_input(x);
                let kind = dtype.ggml_id() as sys::ggml_type;
                let product =
                    |_| sys::ggml_mul_mat(graph, sys::ggml_new_tensor_2d(weights, kind, inputs as i64, rows as i64), x);
                (0..count).map(product).collect()
            }
        })
    }

    fn additions(threads: usize) -> Result<Self> {
        Self::build(threads, NODES, |weights, graph| {
            // SAFETY: as above.
            unsafe {
                let one = sys::ggml_new_tensor_1d(weights, sys::GGML_TYPE_F32, SHORT as i64);
                let mut x = sys::ggml_new_tensor_1d(graph, sys::GGML_TYPE_F32, SHORT as i64);
                sys::ggml_set_input(x);
                for _ in 0..NODES {
                    x = sys::ggml_add(graph, x, one);
                }
                vec![x]
            }
        })
    }

    /// A row's attention in each layer, over keys and values in F16, as a step has it by default.
    fn attention(attention: AttentionWork, positions: usize, threads: usize) -> Result<Self> {
        let AttentionWork { layers, heads, kv_heads, head_dim } = attention;
        let [dim, positions, kv_heads, heads] = [head_dim, positions, kv_heads, heads].map(|n| n as i64);
        Self::build(threads, layers, |weights, graph| {
            // SAFETY: both contexts have room for these tensors, whose shapes agree; attention may go without a mask.
            unsafe {
                let query = sys::ggml_new_tensor_3d(graph, sys::GGML_TYPE_F32, dim, 1, heads);
                sys::ggml_set_input(query);
                let past = || sys::ggml_new_tensor_3d(weights, sys::GGML_TYPE_F16, dim, positions, kv_heads);
                let scale = 1.0 / (dim as f32).sqrt();
                let layer =
                    |_| sys::ggml_flash_attn_ext(graph, query, past(), past(), ptr::null_mut(), scale, 0.0, 0.0);
                (0..layers).map(layer).collect()
            }
        })
    }

    /// `describe` makes weights in the first context and results in the second.
    fn build(
        threads: usize,
        nodes: usize,
        describe: impl Fn(*mut sys::ggml_context, *mut sys::ggml_context) -> Vec<*mut sys::ggml_tensor>,
    ) -> Result<Self> {
        ggml::init()?;
        let backend = Backend::open(Device::processor()?, threads)?;
        let failed = || Error::new(ErrorKind::OutOfMemory, "no memory to measure llama.cpp's products: free some");
        let room = 2 * nodes + 8; // an operation has two tensors of its own at most
        let context = || {
            // SAFETY: sizes from ggml itself; it allocates the memory.
            let raw = unsafe {
                let mem_size = room * sys::ggml_tensor_overhead() + sys::ggml_graph_overhead_custom(room, false);
                sys::ggml_init(sys::ggml_init_params { mem_size, mem_buffer: ptr::null_mut(), no_alloc: true })
            };
            NonNull::new(raw).ok_or_else(failed)
        };
        let contexts = [context()?, context()?];
        let mut chain = Self { graph: ptr::null_mut(), backend, allocator: None, weights: None, contexts };
        let results = describe(contexts[0].as_ptr(), contexts[1].as_ptr());
        // SAFETY: the tensors live in the contexts, the graph has room for them, and everything is allocated on the
        // backend that computes it.
        unsafe {
            chain.graph = sys::ggml_new_graph_custom(contexts[1].as_ptr(), room, false);
            for result in results {
                sys::ggml_build_forward_expand(chain.graph, result);
            }
            chain.weights = Some(chain.allocate_weights().ok_or_else(failed)?);
            let kind = sys::ggml_backend_get_default_buffer_type(chain.backend.as_ptr());
            let allocator = NonNull::new(sys::ggml_gallocr_new(kind)).ok_or_else(failed)?;
            chain.allocator = Some(allocator);
            if !sys::ggml_gallocr_alloc_graph(allocator.as_ptr(), chain.graph) {
                return Err(failed());
            }
        }
        chain.use_huge_pages();
        chain.fill();
        Ok(chain)
    }

    /// Weights go where llama.cpp would put them: into a layout made for this processor where there is one for their
    /// type, else as they are.
    fn allocate_weights(&self) -> Option<NonNull<sys::ggml_backend_buffer>> {
        let kinds = kernel::extra_buffer_types().into_iter().chain(std::iter::once(
            // SAFETY: the backend is alive.
            unsafe { sys::ggml_backend_get_default_buffer_type(self.backend.as_ptr()) },
        ));
        for kind in kinds {
            // SAFETY: the context's tensors have no memory; where the operation cannot be computed from this memory it
            // is freed, and the tensors are free again.
            unsafe {
                let context = self.contexts[0].as_ptr();
                let buffer = NonNull::new(sys::ggml_backend_alloc_ctx_tensors_from_buft(context, kind));
                let Some(buffer) = buffer else { continue };
                let first = sys::ggml_graph_node(self.graph, 0);
                if sys::ggml_backend_supports_op(self.backend.as_ptr(), first) {
                    return Some(buffer);
                }
                sys::ggml_backend_buffer_free(buffer.as_ptr());
                let mut tensor = sys::ggml_get_first_tensor(context);
                while !tensor.is_null() {
                    ((*tensor).buffer, (*tensor).data, (*tensor).extra) =
                        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
                    tensor = sys::ggml_get_next_tensor(context, tensor);
                }
            }
        }
        None
    }

    /// As the weights of a backbone have them (`ggml/pages.rs`).
    #[cfg(target_os = "linux")]
    fn use_huge_pages(&self) {
        let Some(weights) = self.weights else { return };
        // SAFETY: the advice changes how pages are made, never what is in them.
        unsafe {
            let base = sys::ggml_backend_buffer_get_base(weights.as_ptr());
            libc::madvise(base, sys::ggml_backend_buffer_get_size(weights.as_ptr()), libc::MADV_HUGEPAGE);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn use_huge_pages(&self) {}

    /// Zeros everywhere, so that every page is there.
    fn fill(&self) {
        // SAFETY: the tensors of the first context are allocated; a tensor is set as a whole, as some layouts want it.
        unsafe {
            let mut zeros = vec![0u8; FILL];
            let mut tensor = sys::ggml_get_first_tensor(self.contexts[0].as_ptr());
            while !tensor.is_null() {
                let bytes = sys::ggml_nbytes(tensor);
                zeros.resize(bytes.max(zeros.len()), 0);
                sys::ggml_backend_tensor_set(tensor, zeros.as_ptr().cast(), 0, bytes);
                tensor = sys::ggml_get_next_tensor(self.contexts[0].as_ptr(), tensor);
            }
        }
    }

    /// The median of some rounds, after one that does not count.
    fn seconds(&mut self) -> Result<f64> {
        let mut rounds = Vec::new();
        let begun = Instant::now();
        while rounds.len() <= ROUNDS || begun.elapsed() < TIME {
            let round = Instant::now();
            // SAFETY: the graph and all it reads are alive and allocated on this backend.
            unsafe { self.backend.compute(self.graph)? };
            rounds.push(round.elapsed().as_secs_f64());
        }
        rounds.remove(0);
        rounds.sort_by(f64::total_cmp);
        Ok(rounds.get(rounds.len() / 2).copied().unwrap_or_default())
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: each was made in `build` and is freed once; nothing is computed any more.
        unsafe {
            if let Some(allocator) = self.allocator {
                sys::ggml_gallocr_free(allocator.as_ptr());
            }
            if let Some(weights) = self.weights {
                sys::ggml_backend_buffer_free(weights.as_ptr());
            }
            for context in self.contexts {
                sys::ggml_free(context.as_ptr());
            }
        }
    }
}

//! The flow head as ggml graphs. In: tensors of [`GgmlWeights`]. Out: graphs with their own inputs, allocated once.
//!
//! Shapes in comments are ggml's, innermost first. All tokens of both branches are columns of one matrix, so each weight
//! is read once for all six.

use std::ffi::CStr;
use std::ptr::{self, NonNull};

use llama_cpp_sys_2 as sys;
use syrinx_quant::shape::Flow;

use super::super::TOKENS;
use super::weights::{Conditions, GgmlWeights, LayerTensors, get, set};
use super::{Context, Tensor};
use crate::error::{Error, ErrorKind, Result};
use crate::ggml::Backend;

/// Most nodes and views that a layer takes, and the rest of a graph.
const LAYER_TENSORS: usize = 48;
const OTHER_TENSORS: usize = 32;

/// A graph, its inputs and its result.
#[derive(Debug)]
pub(super) struct Graph {
    raw: *mut sys::ggml_cgraph,
    inputs: Vec<Tensor>,
    output: Tensor,
    _allocator: Allocator,
    _context: Context,
}

impl Graph {
    /// Builds what `describe` gives and allocates it. Errors: `Unsupported` for an operation that the backend lacks,
    /// `OutOfMemory`.
    pub fn build(
        weights: &GgmlWeights,
        conditions: &Conditions,
        backend: &Backend,
        describe: impl Fn(&mut Builder<'_>) -> Tensor,
    ) -> Result<Self> {
        let tensors = LAYER_TENSORS * weights.layers.len() + OTHER_TENSORS;
        let context = Context::new(tensors)?;
        let (flow, conditions) = (&weights.shape, conditions.tensor);
        let mut builder = Builder { context: context.as_ptr(), flow, weights, conditions, inputs: Vec::new() };
        let output = describe(&mut builder);
        let inputs = builder.inputs;
        // SAFETY: the context has room for the graph; `output` and all that it is made of live in it, in `weights`
        // or in `conditions`.
        let raw = unsafe {
            let raw = sys::ggml_new_graph_custom(context.as_ptr(), tensors, false);
            sys::ggml_set_output(output);
            sys::ggml_build_forward_expand(raw, output);
            raw
        };
        check_operations(raw, backend)?;
        let allocator = Allocator::new(raw, backend)?;
        Ok(Self { raw, inputs, output, _allocator: allocator, _context: context })
    }

    /// Computes with `inputs`, in the order in which they were declared. An empty `output` leaves the result where it
    /// is. Errors: `Backend`.
    pub fn run(&mut self, backend: &mut Backend, inputs: &[&[f32]], output: &mut [f32]) -> Result<()> {
        for (tensor, values) in self.inputs.iter().zip(inputs) {
            set(*tensor, zerocopy::IntoBytes::as_bytes(*values))?;
        }
        // SAFETY: the graph and what it reads are alive, and `build` allocated them on this backend.
        unsafe { backend.compute(self.raw)? };
        if output.is_empty() { Ok(()) } else { get(self.output, output) }
    }
}

/// The memory of a graph's inputs and results.
#[derive(Debug)]
struct Allocator(NonNull<sys::ggml_gallocr>);

impl Allocator {
    fn new(graph: *mut sys::ggml_cgraph, backend: &Backend) -> Result<Self> {
        let failed = || {
            let message = format!("no memory for the flow head's results on {}", backend.device().name());
            Error::new(ErrorKind::OutOfMemory, format!("{message}: free some or choose --flow-engine native"))
        };
        // SAFETY: the graph is complete and alive; its weights have memory.
        unsafe {
            let kind = sys::ggml_backend_get_default_buffer_type(backend.as_ptr());
            let allocator = NonNull::new(sys::ggml_gallocr_new(kind)).map(Self).ok_or_else(failed)?;
            if !sys::ggml_gallocr_alloc_graph(allocator.0.as_ptr(), graph) {
                return Err(failed());
            }
            Ok(allocator)
        }
    }
}

impl Drop for Allocator {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed once; the graph is not computed again.
        unsafe { sys::ggml_gallocr_free(self.0.as_ptr()) }
    }
}

/// ggml aborts on what a backend cannot compute: asks before.
fn check_operations(graph: *mut sys::ggml_cgraph, backend: &Backend) -> Result<()> {
    // SAFETY: the graph is alive, and so are its nodes; an operation's name is a static string.
    unsafe {
        for i in 0..sys::ggml_graph_n_nodes(graph) {
            let node = sys::ggml_graph_node(graph, i);
            if !sys::ggml_backend_supports_op(backend.as_ptr(), node) {
                let operation = CStr::from_ptr(sys::ggml_op_desc(node)).to_string_lossy();
                let message =
                    format!("{} cannot compute {operation} as the flow head needs it", backend.device().name());
                return Err(Error::new(ErrorKind::Unsupported, format!("{message}: choose --flow-engine native")));
            }
        }
    }
    Ok(())
}

/// Describes a graph, operation by operation.
pub(super) struct Builder<'a> {
    context: *mut sys::ggml_context,
    flow: &'a Flow,
    weights: &'a GgmlWeights,
    conditions: Tensor,
    inputs: Vec<Tensor>,
}

// Every function here only links tensors: all are alive, of this graph's context, of the weights or of the conditions,
// and of sizes that
// agree, since they come of the same shape (ggml aborts, and does nothing undefined, where they do not).
impl Builder<'_> {
    /// `e(t)` to a time token, both `[dim]`.
    pub fn time(&mut self) -> Tensor {
        let embedding = self.input(self.flow.dim);
        self.product(self.weights.time, embedding)
    }

    /// The hidden state `[input_dim]` to the first column of the conditioning tokens.
    pub fn condition(&mut self) -> Tensor {
        let hidden = self.input(self.flow.input_dim);
        let token = self.product(self.weights.condition, hidden);
        // SAFETY: see above; the view is the first of two columns.
        unsafe {
            let first = sys::ggml_view_2d(self.context, self.conditions, self.dim(), 1, self.column(), 0);
            sys::ggml_cpy(self.context, token, first)
        }
    }

    /// Point `[width]` and time token `[dim]` to velocities `[width, branches]`.
    pub fn velocities(&mut self, branches: usize) -> Tensor {
        let point = self.input(self.weights.width);
        let time = self.input(self.flow.dim);
        let point = self.product(self.weights.input, point);
        let mut stream = self.tokens(point, time, branches);
        let weights = self.weights;
        for (i, layer) in weights.layers.iter().enumerate() {
            stream = self.layer(layer, stream, branches, i + 1 == weights.layers.len());
        }
        let normed = self.norm(stream, weights.norm);
        self.product(weights.output, normed)
    }

    /// The residual stream `[dim, TOKENS * branches]`.
    fn tokens(&self, point: Tensor, time: Tensor, branches: usize) -> Tensor {
        let (context, dim, branches) = (self.context, self.dim(), branches as i64);
        // SAFETY: see above.
        unsafe {
            let shared = sys::ggml_concat(context, point, time, 1);
            let shared = sys::ggml_repeat_4d(context, shared, dim, 2, branches, 1);
            let conditions = self.conditions;
            let conditions = sys::ggml_view_3d(context, conditions, dim, 1, branches, self.column(), self.column(), 0);
            let all = sys::ggml_concat(context, shared, conditions, 1);
            sys::ggml_reshape_2d(context, all, dim, TOKENS as i64 * branches)
        }
    }

    /// A pre-norm layer. The last one goes on with the point's token of each branch alone.
    fn layer(&self, layer: &LayerTensors, stream: Tensor, branches: usize, is_last: bool) -> Tensor {
        let normed = self.norm(stream, layer.attention_norm);
        let (keys, values) = (self.product(layer.wk, normed), self.product(layer.wv, normed));
        let (stream, normed) = match is_last {
            true => (self.points(stream, branches), self.points(normed, branches)),
            false => (stream, normed),
        };
        let queries = self.product(layer.wq, normed);
        let tokens = if is_last { 1 } else { TOKENS };
        let attended = self.attention(queries, keys, values, tokens, branches);
        let stream = self.sum(stream, self.product(layer.wo, attended));
        let normed = self.norm(stream, layer.ffn_norm);
        // SAFETY: see above.
        let hidden = unsafe {
            sys::ggml_swiglu_split(self.context, self.product(layer.w1, normed), self.product(layer.w3, normed))
        };
        self.sum(stream, self.product(layer.w2, hidden))
    }

    /// Full attention of `tokens` queries over the three keys of their branch. Query head h reads key/value head
    /// `h / (heads / kv_heads)`, as ggml's product broadcasts.
    fn attention(&self, queries: Tensor, keys: Tensor, values: Tensor, tokens: usize, branches: usize) -> Tensor {
        let (context, all) = (self.context, TOKENS as i64);
        let (dim, heads, kv_heads) = (self.flow.head_dim as i64, self.flow.heads as i64, self.flow.kv_heads as i64);
        let (tokens, branches) = (tokens as i64, branches as i64);
        let scale = 1.0 / (self.flow.head_dim as f32).sqrt();
        // SAFETY: see above.
        unsafe {
            let queries = sys::ggml_reshape_4d(context, queries, dim, heads, tokens, branches);
            let queries = sys::ggml_permute(context, queries, 0, 2, 1, 3); // [dim, tokens, heads, branches]
            let keys = sys::ggml_reshape_4d(context, keys, dim, kv_heads, all, branches);
            let keys = sys::ggml_permute(context, keys, 0, 2, 1, 3); // [dim, all, kv_heads, branches]
            let values = sys::ggml_reshape_4d(context, values, dim, kv_heads, all, branches);
            let values = sys::ggml_cont(context, sys::ggml_permute(context, values, 1, 2, 0, 3)); // [all, dim, kv_heads, branches]
            let scores = sys::ggml_mul_mat(context, keys, queries); // [all, tokens, heads, branches]
            let scores = sys::ggml_soft_max_ext(context, scores, ptr::null_mut(), scale, 0.0);
            let attended = sys::ggml_mul_mat(context, values, scores); // [dim, tokens, heads, branches]
            let attended = sys::ggml_permute(context, attended, 0, 2, 1, 3);
            sys::ggml_cont_2d(context, attended, dim * heads, tokens * branches)
        }
    }

    /// The first token of each branch, of `[dim, TOKENS * branches]`.
    fn points(&self, tokens: Tensor, branches: usize) -> Tensor {
        // SAFETY: see above; every third column is within the tensor.
        unsafe {
            let points =
                sys::ggml_view_2d(self.context, tokens, self.dim(), branches as i64, TOKENS * self.column(), 0);
            sys::ggml_cont(self.context, points)
        }
    }

    fn norm(&self, stream: Tensor, weight: Tensor) -> Tensor {
        // SAFETY: see above.
        unsafe {
            let normed = sys::ggml_rms_norm(self.context, stream, self.flow.norm_eps);
            sys::ggml_mul(self.context, normed, weight)
        }
    }

    fn product(&self, weight: Tensor, columns: Tensor) -> Tensor {
        // SAFETY: see above.
        unsafe { sys::ggml_mul_mat(self.context, weight, columns) }
    }

    fn sum(&self, a: Tensor, b: Tensor) -> Tensor {
        // SAFETY: see above.
        unsafe { sys::ggml_add(self.context, a, b) }
    }

    fn input(&mut self, values: usize) -> Tensor {
        // SAFETY: see above.
        let input = unsafe {
            let input = sys::ggml_new_tensor_1d(self.context, sys::GGML_TYPE_F32, values as i64);
            sys::ggml_set_input(input);
            input
        };
        self.inputs.push(input);
        input
    }

    fn dim(&self) -> i64 {
        self.flow.dim as i64
    }

    /// Bytes of a column of the residual stream.
    fn column(&self) -> usize {
        self.flow.dim * size_of::<f32>()
    }
}

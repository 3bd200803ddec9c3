//! Velocities by ggml, on the device that llama.cpp uses: a GPU, or the processor for comparison.
//!
//! The weights lie on the device as they lie in `speech.gguf`, once for all heads. Each head has a backend of its own and
//! four graphs, built once and replayed: a time and the hidden state through their projections, and the velocities of one
//! branch or of both. Per step only the point and the projected time go to the device and the velocities come back; the
//! projected state stays there for the frame.

#![allow(unsafe_code)]

mod graph;
mod weights;

use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use super::{VelocityField, time_embedding};
use crate::error::{Error, ErrorKind, Result};
use crate::ggml::Backend;
use crate::kernel::Pool;
use graph::{Builder, Graph};
use weights::Conditions;
pub(super) use weights::GgmlWeights;

/// A tensor of a context that lives as long as the [`GgmlField`] or the [`GgmlWeights`].
type Tensor = *mut sys::ggml_tensor;

/// Graphs on a backend. The fields are dropped in this order: graphs, what they read, the backend.
#[derive(Debug)]
pub(super) struct GgmlField {
    /// `e(t)` to a time token.
    time: Graph,
    /// The hidden state to the conditioning token, which stays in `conditions`.
    condition: Graph,
    /// Point and time token to velocities: of one branch, of both.
    velocities: [Graph; 2],
    _conditions: Conditions,
    weights: Arc<GgmlWeights>,
    backend: Backend,
    /// Projected time tokens, `[steps][dim]`.
    time_tokens: Vec<f32>,
    result: Vec<f32>,
}

// SAFETY: the tensors that the graphs write, and those of `_conditions`, belong to this value alone, and all that reads
// or writes them takes `&mut self`. The weights are read by others too, and written by nobody (see `GgmlWeights`).
unsafe impl Send for GgmlField {}

impl GgmlField {
    /// Errors: `Unsupported`, `OutOfMemory`, `Backend`.
    pub fn new(weights: Arc<GgmlWeights>) -> Result<Self> {
        let backend = Backend::open(weights.device, weights.threads)?;
        let conditions = Conditions::new(&weights)?;
        let build =
            |describe: &dyn Fn(&mut Builder<'_>) -> Tensor| Graph::build(&weights, &conditions, &backend, describe);
        Ok(Self {
            time: build(&|graph| graph.time())?,
            condition: build(&|graph| graph.condition())?,
            velocities: [build(&|graph| graph.velocities(1))?, build(&|graph| graph.velocities(2))?],
            time_tokens: Vec::new(),
            result: vec![0.0; 2 * weights.width],
            backend,
            _conditions: conditions,
            weights,
        })
    }
}

impl VelocityField for GgmlField {
    fn prepare(&mut self, steps: usize, _: &Pool) -> Result<()> {
        let flow = &self.weights.shape;
        let mut embedding = vec![0.0; flow.dim];
        self.time_tokens = vec![0.0; (steps + 1) * flow.dim];
        for (i, token) in self.time_tokens.chunks_exact_mut(flow.dim).enumerate() {
            time_embedding(i as f64 / steps as f64, flow.time_theta, &mut embedding);
            self.time.run(&mut self.backend, &[&embedding], token)?;
        }
        Ok(())
    }

    fn condition(&mut self, hidden: &[f32], _: &Pool) -> Result<()> {
        self.condition.run(&mut self.backend, &[hidden], &mut [])
    }

    fn velocities(&mut self, step: usize, x: &[f32], branches: usize, _: &Pool) -> Result<&[f32]> {
        let dim = self.weights.shape.dim;
        let time = &self.time_tokens[step * dim..][..dim];
        let result = &mut self.result[..branches * self.weights.width];
        self.velocities[branches - 1].run(&mut self.backend, &[x, time], result)?;
        Ok(result)
    }

    fn step_bytes(&self) -> usize {
        self.weights.step_bytes()
    }

    fn condition_bytes(&self) -> usize {
        self.weights.condition_bytes()
    }

    fn device(&self) -> &str {
        self.weights.name()
    }
}

/// A ggml context without data, for so many tensors and one graph of as many nodes.
#[derive(Debug)]
struct Context(std::ptr::NonNull<sys::ggml_context>);

impl Context {
    /// Errors: `OutOfMemory`.
    fn new(tensors: usize) -> Result<Self> {
        // SAFETY: sizes from ggml itself; it allocates the memory.
        let raw = unsafe {
            let mem_size = tensors * sys::ggml_tensor_overhead() + sys::ggml_graph_overhead_custom(tensors, false);
            sys::ggml_init(sys::ggml_init_params { mem_size, mem_buffer: std::ptr::null_mut(), no_alloc: true })
        };
        let failed = || Error::new(ErrorKind::OutOfMemory, "no memory for ggml's tables: free some");
        std::ptr::NonNull::new(raw).map(Self).ok_or_else(failed)
    }

    fn as_ptr(&self) -> *mut sys::ggml_context {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed once; its tensors are used by their owner alone.
        unsafe { sys::ggml_free(self.0.as_ptr()) }
    }
}

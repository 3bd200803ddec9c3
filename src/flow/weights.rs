//! The flow head's weights. In: `speech.gguf`. Out: what any number of [`FlowHead`](super::FlowHead)s compute with.
//!
//! They are in memory once, on the device that an engine computes on, and nobody writes them after they are read: heads
//! have points, states and buffers of their own.

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::Shape;

use super::VelocityField;
use super::ggml::{GgmlField, GgmlWeights};
use super::native::{NativeField, NativeWeights};
use crate::error::Result;
use crate::ggml::Device;

/// What computes velocities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowEngine {
    /// ggml where this build and machine have a GPU for it, else native.
    #[default]
    Auto,
    /// This crate's kernels, on the processor.
    Native,
    /// A ggml graph: on the GPU, or on the processor where there is none.
    Ggml,
}

/// The weights of one pack's flow, as an engine has them.
#[derive(Debug)]
pub struct FlowWeights {
    of_engine: OfEngine,
    /// Values of a point.
    pub(super) width: usize,
    /// Values of the state that conditions a frame.
    pub(super) input_dim: usize,
}

#[derive(Debug)]
enum OfEngine {
    Native(Arc<NativeWeights>),
    Ggml(Arc<GgmlWeights>),
}

impl FlowWeights {
    /// Reads them out of `speech.gguf`. `threads` are for ggml on the processor, where each head has so many; the native
    /// engine computes on the pool that a head is given.
    ///
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`, `Backend`.
    pub fn open(file: &Arc<GgufFile>, shape: &Shape, engine: FlowEngine, threads: usize) -> Result<Arc<Self>> {
        let device = match engine {
            FlowEngine::Native => None,
            FlowEngine::Auto => Device::gpu()?,
            FlowEngine::Ggml => Some(Device::gpu()?.map_or_else(Device::processor, Ok)?),
        };
        let of_engine = match device {
            Some(device) => OfEngine::Ggml(Arc::new(GgmlWeights::load(file, shape, device, threads)?)),
            None => OfEngine::Native(Arc::new(NativeWeights::open(file, shape)?)),
        };
        let weights = Self { of_engine, width: shape.audio.n_acoustic, input_dim: shape.flow.input_dim };
        log::info!("flow head: {}", weights.device());
        Ok(Arc::new(weights))
    }

    /// Where velocities are computed: `native`, or ggml's name of the device.
    pub fn device(&self) -> &str {
        match &self.of_engine {
            OfEngine::Native(_) => "native",
            OfEngine::Ggml(weights) => weights.name(),
        }
    }

    /// An engine's state over these weights. Errors: `OutOfMemory`, `Backend`, `Unsupported`.
    pub(super) fn field(&self) -> Result<Box<dyn VelocityField>> {
        Ok(match &self.of_engine {
            OfEngine::Native(weights) => Box::new(NativeField::new(weights.clone())),
            OfEngine::Ggml(weights) => Box::new(GgmlField::new(weights.clone())?),
        })
    }
}

//! The flow head. In: the backbone's hidden state and 36 normals (any number; the pack says how many acoustic codes).
//! Out: the end point of the flow, from which the acoustic codes are rounded.
//!
//! Seven Euler steps from noise to codes, each with the velocity of a small transformer over three tokens (the point,
//! the time, the hidden state), once with the state and once without, blended by classifier-free guidance (Voxtral
//! specification sections 5.2 and 5.3). Both branches go through the weights together. Two engines compute velocities:
//! [`native`] with this crate's kernels, [`ggml`] as a graph on the device that llama.cpp uses. The steps are the same
//! for both.

mod ggml;
mod native;
pub mod noise;

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::Shape;

use crate::error::{Error, ErrorKind, Result};
use crate::ggml::Device;
use crate::kernel::Pool;
use ggml::GgmlField;
use native::NativeField;

/// Tokens of a branch: the point, the time, the conditioning state.
const TOKENS: usize = 3;

/// How a frame is solved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solver {
    /// Euler steps; the default is the pack's (7).
    pub steps: usize,
    /// Weight of the conditional velocity; 1 turns guidance off and halves the work. The default is the pack's (1.2).
    pub guidance: f32,
}

impl Solver {
    pub const MAX_STEPS: usize = 64;

    /// Errors: `BadOption` for steps outside 1..=64 or a guidance that is not a number in 0..=10.
    pub fn validate(&self) -> Result<()> {
        if self.steps == 0 || self.steps > Self::MAX_STEPS {
            let message = format!("{} flow steps: choose 1 to {}", self.steps, Self::MAX_STEPS);
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        if !(0.0..=10.0).contains(&self.guidance) {
            return Err(Error::new(ErrorKind::BadOption, format!("guidance {}: choose 0 to 10", self.guidance)));
        }
        Ok(())
    }

    pub(crate) fn branches(&self) -> usize {
        if self.guidance == 1.0 { 1 } else { 2 }
    }
}

/// One Euler step, for whoever watches. Each slice is `[acoustic codes]`.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub conditional: &'a [f32],
    /// Empty without guidance.
    pub unconditional: &'a [f32],
    pub velocity: &'a [f32],
    /// The point after the step.
    pub x: &'a [f32],
}

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

/// The velocities of one pack's flow, for a grid of times and one conditioning state at a time.
trait VelocityField: std::fmt::Debug + Send {
    /// Prepares the times `i / steps`. Errors: `Backend`.
    fn prepare(&mut self, steps: usize, pool: &Pool) -> Result<()>;
    /// Sets the state that conditions this frame, `[input_dim]`. Errors: `Backend`.
    fn condition(&mut self, hidden: &[f32], pool: &Pool) -> Result<()>;
    /// Velocities at `x` (`[width]`) and time `step / steps`: conditional, then with two branches unconditional,
    /// `[branches][width]`. Errors: `Backend`.
    fn velocities(&mut self, step: usize, x: &[f32], branches: usize, pool: &Pool) -> Result<&[f32]>;
    /// Bytes of weights that one step reads.
    fn step_bytes(&self) -> usize;
    /// Bytes of weights that one frame reads once: what the hidden state goes through.
    fn condition_bytes(&self) -> usize;
    /// Where it computes, for people.
    fn device(&self) -> &str;
}

/// The flow head: an engine with the pack's weights, and the steps.
#[derive(Debug)]
pub struct FlowHead {
    field: Box<dyn VelocityField>,
    width: usize,
    input_dim: usize,
    /// Steps that the engine is prepared for.
    steps: usize,
    blend: Vec<f32>,
}

impl FlowHead {
    /// Reads the head out of `speech.gguf`. Errors: `BadPack`, `Unsupported`, `OutOfMemory`, `Backend`.
    pub fn open(file: &Arc<GgufFile>, shape: &Shape, engine: FlowEngine, pool: &Pool) -> Result<Self> {
        let device = match engine {
            FlowEngine::Native => None,
            FlowEngine::Auto => Device::gpu()?,
            FlowEngine::Ggml => Some(Device::gpu()?.map_or_else(Device::processor, Ok)?),
        };
        let mut field: Box<dyn VelocityField> = match device {
            Some(device) => Box::new(GgmlField::open(file, shape, device, pool.threads())?),
            None => Box::new(NativeField::open(file, shape)?),
        };
        log::info!("flow head: {}", field.device());
        field.prepare(shape.flow.steps, pool)?;
        let (width, input_dim) = (shape.audio.n_acoustic, shape.flow.input_dim);
        Ok(Self { field, width, input_dim, steps: shape.flow.steps, blend: vec![0.0; width] })
    }

    /// Values that a point has, and codes that come of it.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of weights that one Euler step reads.
    pub fn step_bytes(&self) -> usize {
        self.field.step_bytes()
    }

    /// Where velocities are computed: `native`, or ggml's name of the device.
    pub fn device(&self) -> &str {
        self.field.device()
    }

    /// Bytes of weights that one frame reads: its steps, and once what the hidden state goes through.
    pub fn frame_bytes(&self, solver: Solver) -> usize {
        solver.steps * self.step_bytes() + self.field.condition_bytes()
    }

    /// Moves `x` (in: `width` standard normals, out: the end point) along the flow that `hidden` (`[input_dim]`)
    /// conditions. `watch` sees each step. The native engine allocates only where the number of steps changes.
    ///
    /// Errors: `Backend`, of the ggml engine alone.
    ///
    /// # Panics
    /// Where `x` or `hidden` has another length.
    pub fn solve(
        &mut self,
        hidden: &[f32],
        solver: Solver,
        x: &mut [f32],
        pool: &Pool,
        mut watch: impl FnMut(Step<'_>),
    ) -> Result<()> {
        assert_eq!((hidden.len(), x.len()), (self.input_dim, self.width), "sizes of a flow");
        if solver.steps != self.steps {
            self.field.prepare(solver.steps, pool)?;
            self.steps = solver.steps;
        }
        self.field.condition(hidden, pool)?;
        let steps = solver.steps as f64;
        for i in 0..solver.steps {
            let (conditional, unconditional) =
                self.field.velocities(i, x, solver.branches(), pool)?.split_at(self.width);
            let dt = ((i + 1) as f64 / steps - i as f64 / steps) as f32;
            match solver.branches() {
                1 => self.blend.copy_from_slice(conditional),
                _ => {
                    for ((v, c), u) in self.blend.iter_mut().zip(conditional).zip(unconditional) {
                        *v = solver.guidance * c + (1.0 - solver.guidance) * u;
                    }
                }
            }
            for (x, v) in x.iter_mut().zip(&self.blend) {
                *x += v * dt;
            }
            watch(Step { conditional, unconditional, velocity: &self.blend, x });
        }
        Ok(())
    }
}

/// Cosines, then sines, of `t * theta^(-2i / dim)` (section 5.2).
fn time_embedding(t: f64, theta: f32, out: &mut [f32]) {
    let half = out.len() / 2;
    for i in 0..half {
        let angle = t * (-(f64::from(theta).ln()) * i as f64 / half as f64).exp();
        out[i] = angle.cos() as f32;
        out[half + i] = angle.sin() as f32;
    }
}

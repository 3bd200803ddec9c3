//! The flow head. In: the backbone's hidden state and 36 normals (any number; the pack says how many acoustic codes).
//! Out: the end point of the flow, from which the acoustic codes are rounded.
//!
//! Euler steps from noise to codes (seven of the released model, one of wren), each with the velocity of a small
//! transformer over three tokens (the point, the time, the hidden state), once with the state and, with guidance, once
//! without, blended (Voxtral specification sections 5.2 and 5.3). Both branches go through the weights together. A
//! [`Solver`] may ask for other steps, another method or less guidance. Two engines compute velocities: [`native`] with this crate's kernels,
//! [`ggml`] as a graph on the device that llama.cpp uses. The steps are the same for both.
//!
//! [`FlowWeights`] are read once; each [`FlowHead`] is the state of one utterance at a time over them.

mod ggml;
mod native;
pub mod noise;
mod quality;
mod solver;
#[cfg(test)]
mod tests;
mod weights;

use std::sync::Arc;

use crate::error::Result;
use crate::kernel::Pool;
pub use quality::Quality;
pub use solver::{Guided, Method, Solver};
pub use weights::{FlowEngine, FlowWeights};

/// Tokens of a branch: the point, the time, the conditioning state.
const TOKENS: usize = 3;

/// An evaluation, for whoever watches. Each slice is `[acoustic codes]`.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    pub conditional: &'a [f32],
    /// Empty without guidance.
    pub unconditional: &'a [f32],
    /// Both, blended.
    pub velocity: &'a [f32],
    /// The point that follows: of a step, or of its trial step.
    pub x: &'a [f32],
}

/// The velocities of one pack's flow, for a grid of times and one conditioning state at a time.
trait VelocityField: std::fmt::Debug + Send {
    /// Prepares the times `i / steps`, 0 and 1 included. Errors: `Backend`.
    fn prepare(&mut self, steps: usize, pool: &Pool) -> Result<()>;
    /// Sets the state that conditions this frame, `[input_dim]`. Errors: `Backend`.
    fn condition(&mut self, hidden: &[f32], pool: &Pool) -> Result<()>;
    /// Velocities at `x` (`[width]`) and time `step / steps`: conditional, then with two branches unconditional,
    /// `[branches][width]`. Errors: `Backend`.
    fn velocities(&mut self, step: usize, x: &[f32], branches: usize, pool: &Pool) -> Result<&[f32]>;
    /// Bytes of weights that one evaluation reads.
    fn step_bytes(&self) -> usize;
    /// Bytes of weights that one frame reads once: what the hidden state goes through.
    fn condition_bytes(&self) -> usize;
    /// Where it computes, for people.
    fn device(&self) -> &str;
}

/// The flow head: an engine's state over the pack's weights, and the steps.
#[derive(Debug)]
pub struct FlowHead {
    field: Box<dyn VelocityField>,
    width: usize,
    input_dim: usize,
    /// Steps that the engine is prepared for.
    steps: usize,
    /// The velocity in use; the first one of a step with two, and the point that this began at.
    velocity: Vec<f32>,
    first: Vec<f32>,
    start: Vec<f32>,
}

impl FlowHead {
    /// A head over weights that others may use at the same time, prepared for so many steps.
    /// Errors: `OutOfMemory`, `Backend`, `Unsupported`, of the ggml engine alone.
    pub fn new(weights: &Arc<FlowWeights>, steps: usize, pool: &Pool) -> Result<Self> {
        let mut field = weights.field()?;
        field.prepare(steps, pool)?;
        Ok(Self::over(field, weights.width, weights.input_dim, steps))
    }

    /// Over a field that is prepared for `steps`.
    fn over(field: Box<dyn VelocityField>, width: usize, input_dim: usize, steps: usize) -> Self {
        let zeros = || vec![0.0; width];
        Self { field, width, input_dim, steps, velocity: zeros(), first: zeros(), start: zeros() }
    }

    /// Values that a point has, and codes that come of it.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of weights that one evaluation reads.
    pub fn step_bytes(&self) -> usize {
        self.field.step_bytes()
    }

    /// Where velocities are computed: `native`, or ggml's name of the device.
    pub fn device(&self) -> &str {
        self.field.device()
    }

    /// Bytes of weights that one frame reads: for its evaluations, and once what the hidden state goes through.
    pub fn frame_bytes(&self, solver: Solver) -> usize {
        solver.steps * self.step_bytes() + self.field.condition_bytes()
    }

    /// Moves `x` (in: `width` standard normals, out: the end point) along the flow that `hidden` (`[input_dim]`)
    /// conditions. `watch` sees each evaluation. The native engine allocates only where the number of steps changes.
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
        mut watch: impl FnMut(Evaluation<'_>),
    ) -> Result<()> {
        assert_eq!((hidden.len(), x.len()), (self.input_dim, self.width), "sizes of a flow");
        if solver.steps != self.steps {
            self.field.prepare(solver.steps, pool)?;
            self.steps = solver.steps;
        }
        self.field.condition(hidden, pool)?;
        let Self { field, velocity, first, start, .. } = self;
        let grid = solver.steps as f64;
        let time = |from: usize, to: usize| (to as f64 / grid - from as f64 / grid) as f32;
        let mut at = 0;
        while at < solver.steps {
            let (conditional, unconditional) = evaluate(field.as_mut(), velocity, at, x, solver, pool)?;
            let Some(second) = solver.second_evaluation(at) else {
                advance(x, velocity, time(at, at + 1));
                watch(Evaluation { conditional, unconditional, velocity, x });
                at += 1;
                continue;
            };
            start.copy_from_slice(x);
            first.copy_from_slice(velocity);
            advance(x, velocity, time(at, second));
            watch(Evaluation { conditional, unconditional, velocity, x });
            let (conditional, unconditional) = evaluate(field.as_mut(), velocity, second, x, solver, pool)?;
            x.copy_from_slice(start);
            if solver.method == Method::Heun {
                // The mean of both velocities: half of the way with each.
                advance(x, first, time(at, at + 1));
                advance(x, velocity, time(at + 1, at + 2));
            } else {
                advance(x, velocity, time(at, at + 2));
            }
            watch(Evaluation { conditional, unconditional, velocity, x });
            at += 2;
        }
        Ok(())
    }
}

/// The velocity at `x` and time `at / steps`, and the branches that it is blended of.
fn evaluate<'f>(
    field: &'f mut dyn VelocityField,
    velocity: &mut [f32],
    at: usize,
    x: &[f32],
    solver: Solver,
    pool: &Pool,
) -> Result<(&'f [f32], &'f [f32])> {
    let guidance = solver.guidance_at(at);
    let branches = if guidance == 1.0 { 1 } else { 2 };
    let (conditional, unconditional) = field.velocities(at, x, branches, pool)?.split_at(x.len());
    match branches {
        1 => velocity.copy_from_slice(conditional),
        _ => {
            for ((v, c), u) in velocity.iter_mut().zip(conditional).zip(unconditional) {
                *v = guidance * c + (1.0 - guidance) * u;
            }
        }
    }
    Ok((conditional, unconditional))
}

fn advance(x: &mut [f32], velocity: &[f32], time: f32) {
    for (x, v) in x.iter_mut().zip(velocity) {
        *x += v * time;
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

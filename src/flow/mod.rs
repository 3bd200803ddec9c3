//! The flow head. In: the backbone's hidden state and 36 normals (any number; the pack says how many acoustic codes).
//! Out: the end point of the flow, from which the acoustic codes are rounded.
//!
//! Seven Euler steps from noise to codes, each with the velocity of a small transformer over three tokens (the point,
//! the time, the hidden state), once with the state and once without, blended by classifier-free guidance (Voxtral
//! specification sections 5.2 and 5.3). Both branches go through the weights together. What does not change is not
//! computed again, without changing a result (section 5.5): the time tokens and their first-layer projections once per
//! grid, those of the hidden state once per frame, those of the zero state never; in the first layer the point's
//! projections are the same in both branches; after the last layer's keys and values only the point's token goes on.

mod layer;
pub mod noise;

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::{Flow, Shape};

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Columns, Matrix, Pool, ops};
use crate::pack::vector;
use layer::{Keep, Layer, Qkv, Scratch};

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

    fn branches(&self) -> usize {
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

/// The flow head: weights, tables of the time grid, and buffers. Allocates when opened and when the number of steps
/// changes, never in between.
#[derive(Debug)]
pub struct FlowHead {
    shape: Flow,
    width: usize,
    input: Matrix,
    time: Matrix,
    condition: Matrix,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    output: Matrix,
    grid: Grid,
    /// First-layer projections of the conditioning token: of this frame's state, and of zeros.
    conditions: Qkv,
    /// Projected conditioning tokens, `[2][dim]`; the second stays zero.
    condition_tokens: Vec<f32>,
    stream: Vec<f32>,
    qkv: Qkv,
    point: Qkv,
    scratch: Scratch,
    x_column: Columns,
    hidden_column: Columns,
    out_columns: Columns,
    velocities: Vec<f32>,
    blend: Vec<f32>,
}

/// What depends on the number of steps alone.
#[derive(Debug)]
struct Grid {
    steps: usize,
    /// Projected time tokens, `[steps][dim]`.
    tokens: Vec<f32>,
    /// Their first-layer projections.
    qkv: Qkv,
}

impl FlowHead {
    /// Reads the head out of `speech.gguf`. Errors: `BadPack`, `Unsupported`.
    pub fn open(file: &Arc<GgufFile>, shape: &Shape, pool: &Pool) -> Result<Self> {
        let (flow, width) = (shape.flow.clone(), shape.audio.n_acoustic);
        let name = |part: &str| format!("acoustic_transformer.{part}.weight");
        let layers = (0..flow.layers).map(|i| Layer::open(file, &flow, i)).collect::<Result<Vec<_>>>()?;
        let mut head = Self {
            width,
            input: Matrix::open(file, &name("input_projection"), flow.dim, width)?,
            time: Matrix::open(file, &name("time_projection"), flow.dim, flow.dim)?,
            condition: Matrix::open(file, &name("llm_projection"), flow.dim, flow.input_dim)?,
            layers,
            norm: vector(file, &name("norm"), flow.dim)?,
            output: Matrix::open(file, &name("acoustic_codebook_output"), width, flow.dim)?,
            grid: Grid { steps: 0, tokens: Vec::new(), qkv: Qkv::new(&flow, 0) },
            conditions: Qkv::new(&flow, 2),
            condition_tokens: vec![0.0; 2 * flow.dim],
            stream: vec![0.0; 2 * TOKENS * flow.dim],
            qkv: Qkv::new(&flow, 2 * TOKENS),
            point: Qkv::new(&flow, 1),
            scratch: Scratch::new(&flow),
            x_column: Columns::new(width, 1),
            hidden_column: Columns::new(flow.input_dim, 1),
            out_columns: Columns::new(flow.dim, 2),
            velocities: vec![0.0; 2 * width],
            blend: vec![0.0; width],
            shape: flow,
        };
        head.prepare(head.shape.steps, pool);
        Ok(head)
    }

    /// Values that a point has, and codes that come of it.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of weights that one Euler step reads.
    pub fn step_bytes(&self) -> usize {
        self.layers.iter().map(Layer::bytes).sum::<usize>() + self.input.bytes() + self.output.bytes()
    }

    /// Bytes of weights that one frame reads: its steps, and once what the hidden state goes through.
    pub fn frame_bytes(&self, solver: Solver) -> usize {
        let projected = self.layers.first().map_or(0, Layer::projection_bytes);
        solver.steps * self.step_bytes() + self.condition.bytes() + projected
    }

    /// Moves `x` (in: `width` standard normals, out: the end point) along the flow that `hidden` (`[input_dim]`)
    /// conditions. `watch` sees each step.
    pub fn solve(
        &mut self,
        hidden: &[f32],
        solver: Solver,
        x: &mut [f32],
        pool: &Pool,
        mut watch: impl FnMut(Step<'_>),
    ) {
        if solver.steps != self.grid.steps {
            self.prepare(solver.steps, pool);
        }
        self.condition(hidden, pool);
        let steps = solver.steps as f64;
        for i in 0..solver.steps {
            self.velocity(i, x, solver.branches(), pool);
            let (conditional, unconditional) = self.velocities.split_at(self.width);
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
            let unconditional = if solver.branches() == 1 { &[] } else { unconditional };
            watch(Step { conditional, unconditional, velocity: &self.blend, x });
        }
    }

    /// Makes the tables of a grid of `steps` times i / steps.
    fn prepare(&mut self, steps: usize, pool: &Pool) {
        let flow = &self.shape;
        let mut embedding = Columns::new(flow.dim, 1);
        let mut tokens = vec![0.0; steps * flow.dim];
        let mut qkv = Qkv::new(flow, steps);
        for (i, token) in tokens.chunks_exact_mut(flow.dim).enumerate() {
            time_embedding(i as f64 / steps as f64, flow.time_theta, embedding.fill(1));
            self.time.mul(&mut embedding, token, pool);
            self.layers[0].project(flow, token, Keep::All, &mut self.scratch, &mut self.point, pool);
            qkv.copy_token(i, &self.point, 0, flow);
        }
        self.grid = Grid { steps, tokens, qkv };
    }

    /// Projects the state that conditions this frame. The other branch's zeros stay zeros through the projection and
    /// the norm.
    fn condition(&mut self, hidden: &[f32], pool: &Pool) {
        let flow = &self.shape;
        self.hidden_column.fill(1).copy_from_slice(hidden);
        let token = &mut self.condition_tokens[..flow.dim];
        self.condition.mul(&mut self.hidden_column, token, pool);
        self.layers[0].project(flow, token, Keep::All, &mut self.scratch, &mut self.point, pool);
        self.conditions.copy_token(0, &self.point, 0, flow);
    }

    /// Velocities of all branches at `x` and time `step / steps`, into `self.velocities`.
    fn velocity(&mut self, step: usize, x: &[f32], branches: usize, pool: &Pool) {
        let flow = &self.shape;
        let dim = flow.dim;
        let stream = &mut self.stream[..branches * TOKENS * dim];
        self.x_column.fill(1).copy_from_slice(x);
        self.input.mul(&mut self.x_column, &mut stream[..dim], pool);
        self.layers[0].project(flow, &stream[..dim], Keep::All, &mut self.scratch, &mut self.point, pool);
        for branch in 0..branches {
            let first = branch * TOKENS;
            stream.copy_within(..dim, first * dim);
            stream[(first + 1) * dim..][..dim].copy_from_slice(&self.grid.tokens[step * dim..][..dim]);
            stream[(first + 2) * dim..][..dim].copy_from_slice(&self.condition_tokens[branch * dim..][..dim]);
            self.qkv.copy_token(first, &self.point, 0, flow);
            self.qkv.copy_token(first + 1, &self.grid.qkv, step, flow);
            self.qkv.copy_token(first + 2, &self.conditions, branch, flow);
        }
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            let keep = if i == last { Keep::First } else { Keep::All };
            if i > 0 {
                layer.project(flow, stream, keep, &mut self.scratch, &mut self.qkv, pool);
            }
            layer.finish(flow, stream, &self.qkv, keep, &mut self.scratch, pool);
        }
        let normed = self.out_columns.fill(branches);
        for (token, out) in stream.chunks_exact(dim).zip(normed.chunks_exact_mut(dim)) {
            ops::rms_norm(token, &self.norm, flow.norm_eps, out);
        }
        self.output.mul(&mut self.out_columns, &mut self.velocities[..branches * self.width], pool);
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

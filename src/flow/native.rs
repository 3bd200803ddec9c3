//! Velocities on the processor, by this crate's kernels.
//!
//! What does not change is not computed again, without changing a result (Voxtral specification section 5.5): the time
//! tokens and their first-layer projections once per grid, those of the hidden state once per frame, those of the zero
//! state never; in the first layer the point's projections are the same in both branches; after the last layer's keys
//! and values only the point's token goes on.

mod layer;

use std::sync::Arc;

use syrinx_quant::GgufFile;
use syrinx_quant::shape::{Flow, Shape};

use super::{TOKENS, VelocityField, time_embedding};
use crate::error::Result;
use crate::kernel::{Columns, Matrix, Pool};
use crate::net::RmsNorm;
use layer::{FlowLayer, Keep, Qkv, Scratch};

/// Weights, packed for this processor.
#[derive(Debug)]
pub(super) struct NativeWeights {
    shape: Flow,
    width: usize,
    input: Matrix,
    time: Matrix,
    condition: Matrix,
    layers: Vec<FlowLayer>,
    norm: RmsNorm,
    output: Matrix,
}

/// Tables of the time grid, and buffers. Allocates when made and when the grid is prepared, never in between.
#[derive(Debug)]
pub(super) struct NativeField {
    weights: Arc<NativeWeights>,
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
}

/// What depends on the number of steps alone.
#[derive(Debug)]
struct Grid {
    /// Projected time tokens, `[steps + 1][dim]`.
    tokens: Vec<f32>,
    /// Their first-layer projections.
    qkv: Qkv,
}

impl NativeWeights {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(file: &Arc<GgufFile>, shape: &Shape) -> Result<Self> {
        let (flow, width) = (shape.flow.clone(), shape.audio.n_acoustic);
        let name = |part: &str| format!("acoustic_transformer.{part}.weight");
        let layers = (0..flow.layers).map(|i| FlowLayer::open(file, &flow, i)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            width,
            input: Matrix::open(file, &name("input_projection"), flow.dim, width)?,
            time: Matrix::open(file, &name("time_projection"), flow.dim, flow.dim)?,
            condition: Matrix::open(file, &name("llm_projection"), flow.dim, flow.input_dim)?,
            layers,
            norm: RmsNorm::open(file, &name("norm"), flow.dim, flow.norm_eps)?,
            output: Matrix::open(file, &name("acoustic_codebook_output"), width, flow.dim)?,
            shape: flow,
        })
    }
}

impl NativeField {
    pub fn new(weights: Arc<NativeWeights>) -> Self {
        let (flow, width) = (&weights.shape, weights.width);
        Self {
            grid: Grid { tokens: Vec::new(), qkv: Qkv::new(flow, 0) },
            conditions: Qkv::new(flow, 2),
            condition_tokens: vec![0.0; 2 * flow.dim],
            stream: vec![0.0; 2 * TOKENS * flow.dim],
            qkv: Qkv::new(flow, 2 * TOKENS),
            point: Qkv::new(flow, 1),
            scratch: Scratch::new(flow),
            x_column: Columns::new(width, 1),
            hidden_column: Columns::new(flow.input_dim, 1),
            out_columns: Columns::new(flow.dim, 2),
            velocities: vec![0.0; 2 * width],
            weights,
        }
    }
}

impl VelocityField for NativeField {
    fn prepare(&mut self, steps: usize, pool: &Pool) -> Result<()> {
        let weights = &*self.weights;
        let flow = &weights.shape;
        let mut embedding = Columns::new(flow.dim, 1);
        let mut tokens = vec![0.0; (steps + 1) * flow.dim];
        let mut qkv = Qkv::new(flow, steps + 1);
        for (i, token) in tokens.chunks_exact_mut(flow.dim).enumerate() {
            time_embedding(i as f64 / steps as f64, flow.time_theta, embedding.fill(1));
            weights.time.mul(&mut embedding, token, pool);
            weights.layers[0].project(token, Keep::All, &mut self.scratch, &mut self.point, pool);
            qkv.copy_token(i, &self.point, 0, flow);
        }
        self.grid = Grid { tokens, qkv };
        Ok(())
    }

    /// The other branch's zeros stay zeros through the projection and the norm.
    fn condition(&mut self, hidden: &[f32], pool: &Pool) -> Result<()> {
        let weights = &*self.weights;
        let flow = &weights.shape;
        self.hidden_column.fill(1).copy_from_slice(hidden);
        let token = &mut self.condition_tokens[..flow.dim];
        weights.condition.mul(&mut self.hidden_column, token, pool);
        weights.layers[0].project(token, Keep::All, &mut self.scratch, &mut self.point, pool);
        self.conditions.copy_token(0, &self.point, 0, flow);
        Ok(())
    }

    fn velocities(&mut self, step: usize, x: &[f32], branches: usize, pool: &Pool) -> Result<&[f32]> {
        let weights = &*self.weights;
        let flow = &weights.shape;
        let dim = flow.dim;
        let stream = &mut self.stream[..branches * TOKENS * dim];
        self.x_column.fill(1).copy_from_slice(x);
        weights.input.mul(&mut self.x_column, &mut stream[..dim], pool);
        weights.layers[0].project(&stream[..dim], Keep::All, &mut self.scratch, &mut self.point, pool);
        for branch in 0..branches {
            let first = branch * TOKENS;
            stream.copy_within(..dim, first * dim);
            stream[(first + 1) * dim..][..dim].copy_from_slice(&self.grid.tokens[step * dim..][..dim]);
            stream[(first + 2) * dim..][..dim].copy_from_slice(&self.condition_tokens[branch * dim..][..dim]);
            self.qkv.copy_token(first, &self.point, 0, flow);
            self.qkv.copy_token(first + 1, &self.grid.qkv, step, flow);
            self.qkv.copy_token(first + 2, &self.conditions, branch, flow);
        }
        let last = weights.layers.len() - 1;
        for (i, layer) in weights.layers.iter().enumerate() {
            let keep = if i == last { Keep::First } else { Keep::All };
            if i > 0 {
                layer.project(stream, keep, &mut self.scratch, &mut self.qkv, pool);
            }
            layer.finish(stream, &self.qkv, keep, &mut self.scratch, pool);
        }
        let normed = self.out_columns.fill(branches);
        for (token, out) in stream.chunks_exact(dim).zip(normed.chunks_exact_mut(dim)) {
            weights.norm.apply(token, out);
        }
        let velocities = &mut self.velocities[..branches * weights.width];
        weights.output.mul(&mut self.out_columns, velocities, pool);
        Ok(velocities)
    }

    fn step_bytes(&self) -> usize {
        let weights = &*self.weights;
        weights.layers.iter().map(FlowLayer::bytes).sum::<usize>() + weights.input.bytes() + weights.output.bytes()
    }

    fn condition_bytes(&self) -> usize {
        let weights = &*self.weights;
        weights.condition.bytes() + weights.layers.first().map_or(0, FlowLayer::projection_bytes)
    }

    fn device(&self) -> &str {
        "native"
    }
}

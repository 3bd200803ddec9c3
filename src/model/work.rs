//! What a frame asks of a machine. In: a pack's shape and the types of its tensors. Out: the products of each stage
//! with their sizes, types, columns and how often they are computed, and the small arithmetic between them.
//!
//! Counted from the list of tensors that importer and synthetic writer follow (`syrinx_quant::layout`), so a pack that
//! exists and a recipe that was only planned go through the same lines. Which columns a product gets is what
//! `flow/native` and `codec` do: the trimmed flow of the Voxtral specification, section 5.5.

use std::collections::HashMap;

use syrinx_quant::layout::{self, Planned, Role};
use syrinx_quant::{DType, GgufFile, Recipe, Shape};

use crate::error::Result;
use crate::flow::Solver;
use crate::pack::Pack;

/// Tokens of a flow branch.
const TOKENS: usize = 3;

/// A matrix, and how it is used within one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProductWork {
    pub dtype: DType,
    pub rows: usize,
    pub inputs: usize,
    pub columns: usize,
    /// Times per frame.
    pub times: usize,
}

/// One stage's work for one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageWork {
    pub products: Vec<ProductWork>,
    /// Multiply-adds of norms, residuals and attention.
    pub elements: usize,
    /// Values of SwiGLU's middle.
    pub activations: usize,
    /// Layers that are passed.
    pub layers: usize,
}

/// One row's attention over the keys and values of positions before it, in each of a stack's layers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AttentionWork {
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
}

/// All stages' work for one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    pub backbone: StageWork,
    pub flow: StageWork,
    pub codec: StageWork,
    /// The backbone's, over the positions before.
    pub attention: AttentionWork,
    /// Length of a frame's sound.
    pub frame_seconds: f64,
}

impl ProductWork {
    /// Bytes of the matrix. (A type's blocks fill the rows of every pack; what does not counts as F32.)
    pub fn bytes(&self) -> usize {
        self.rows * self.dtype.row_bytes(self.inputs).unwrap_or(4 * self.inputs)
    }

    pub fn weights(&self) -> usize {
        self.rows * self.inputs
    }
}

impl StageWork {
    /// Bytes of all its matrices.
    pub fn bytes(&self) -> usize {
        self.products.iter().map(ProductWork::bytes).sum()
    }

    /// Bytes that a frame reads, each product once per time.
    pub fn frame_bytes(&self) -> usize {
        self.products.iter().map(|p| p.bytes() * p.times).sum()
    }

    /// Multiply-adds of a frame's products.
    pub fn frame_macs(&self) -> usize {
        self.products.iter().map(|p| p.weights() * p.columns * p.times).sum()
    }

    /// Adds a matrix to the product `key` of `all`: what is stacked is read as one.
    fn add(all: &mut Vec<(String, ProductWork)>, key: String, product: ProductWork) {
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, stacked)) => stacked.rows += product.rows,
            None => all.push((key, product)),
        }
    }
}

impl Work {
    /// Of a pack that exists, with a solver. Errors: `BadPack`, `Io`.
    pub fn of_pack(pack: &Pack, solver: Solver) -> Result<Self> {
        let backbone = GgufFile::open(&pack.backbone_path())?;
        let tensors = backbone.tensors().iter().chain(pack.speech().tensors());
        let types: HashMap<&str, DType> = tensors.map(|t| (t.spec.name.as_str(), t.spec.dtype)).collect();
        Ok(Self::count(pack.shape(), solver, |planned| types.get(planned.name.as_str()).copied().unwrap_or(DType::F32)))
    }

    /// Of a pack as a recipe would make it, with the shape's own solver.
    pub fn of_recipe(shape: &Shape, recipe: Recipe) -> Self {
        let solver = Solver::euler(shape.flow.steps, shape.flow.guidance);
        Self::count(shape, solver, |planned| {
            recipe.dtype(planned.role, shape.backbone.layers, planned.shape.last().copied().unwrap_or(0))
        })
    }

    fn count(shape: &Shape, solver: Solver, dtype: impl Fn(&Planned) -> DType) -> Self {
        let (backbone, speech) = (layout::backbone(shape), layout::speech(shape, &[]));
        let b = &shape.backbone;
        Self {
            backbone: backbone_stage(shape, &backbone, &dtype),
            flow: flow_stage(shape, solver, &speech, &dtype),
            codec: codec_stage(shape, &speech, &dtype),
            attention: AttentionWork { layers: b.layers, heads: b.heads, kv_heads: b.kv_heads, head_dim: b.head_dim },
            frame_seconds: 1.0 / f64::from(shape.audio.frame_rate),
        }
    }

    /// The stages by name, in the order in which a frame passes them.
    pub fn stages(&self) -> [(&'static str, &StageWork); 3] {
        [("backbone", &self.backbone), ("flow", &self.flow), ("codec", &self.codec)]
    }

    /// Bytes of all matrices that a frame reads.
    pub fn bytes(&self) -> usize {
        self.stages().iter().map(|(_, stage)| stage.bytes()).sum()
    }

    /// Bytes that a frame reads, the flow head's layers once per step.
    pub fn frame_bytes(&self) -> usize {
        self.stages().iter().map(|(_, stage)| stage.frame_bytes()).sum()
    }

    /// Multiply-adds of a frame's products.
    pub fn frame_macs(&self) -> usize {
        self.stages().iter().map(|(_, stage)| stage.frame_macs()).sum()
    }
}

/// Rows and inputs of a matrix.
fn sizes(planned: &Planned) -> (usize, usize) {
    let (rows, inputs) = (planned.shape.first(), planned.shape.get(1));
    (rows.copied().unwrap_or(0), inputs.copied().unwrap_or(1))
}

fn backbone_stage(shape: &Shape, plan: &[Planned], dtype: &impl Fn(&Planned) -> DType) -> StageWork {
    let b = &shape.backbone;
    let multiplied =
        |p: &&Planned| matches!(p.role, Role::BackboneMatrix | Role::BackboneSensitive { .. } | Role::BackboneOutput);
    let product = |p: &Planned| {
        let (rows, inputs) = sizes(p);
        ProductWork { dtype: dtype(p), rows, inputs, columns: 1, times: 1 }
    };
    StageWork {
        products: plan.iter().filter(multiplied).map(product).collect(),
        elements: b.layers * 6 * shape.dim,
        activations: b.layers * b.hidden_dim,
        layers: b.layers,
    }
}

fn flow_stage(shape: &Shape, solver: Solver, plan: &[Planned], dtype: &impl Fn(&Planned) -> DType) -> StageWork {
    let f = &shape.flow;
    let (branches, steps) = (solver.branches(), solver.steps);
    let (all, first) = (branches * TOKENS, branches);
    let mut products = Vec::new();
    for planned in plan {
        let Some(name) = planned.name.strip_prefix("acoustic_transformer.") else { continue };
        let (rows, inputs) = sizes(planned);
        let mut add = |key: &str, columns, times| {
            let product = ProductWork { dtype: dtype(planned), rows, inputs, columns, times };
            StageWork::add(&mut products, key.to_owned(), product);
        };
        match (planned.role, name) {
            (Role::FlowBoundary, "input_projection.weight") => add(name, 1, steps),
            (Role::FlowBoundary, _) => add(name, branches, steps),
            (Role::FlowCondition, "llm_projection.weight") => add(name, 1, 1),
            (Role::FlowMatrix, _) => {
                let mut parts = name.trim_start_matches("layers.").split('.');
                let layer: usize = parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
                let (part, last) = (parts.nth(1).unwrap_or_default(), layer + 1 == f.layers);
                let kept = if last { first } else { all };
                let key = |what: &str| format!("{layer}.{what}");
                match part {
                    // In the first layer only the point is projected, and the hidden state once per frame.
                    "wq" if layer == 0 => add(&key("q"), 1, steps + 1),
                    "wk" | "wv" if layer == 0 => add(&key("kv"), 1, steps + 1),
                    "wq" => add(&key("q"), kept, steps),
                    "wk" | "wv" => add(&key("kv"), all, steps),
                    "w1" | "w3" => add(&key("gate_up"), kept, steps),
                    _ => add(&key(part), kept, steps),
                }
            }
            _ => {}
        }
    }
    let tokens = (f.layers.saturating_sub(1) * all + first) * steps;
    let attention = 2 * TOKENS * f.heads * f.head_dim;
    StageWork {
        products: products.into_iter().map(|(_, product)| product).collect(),
        elements: tokens * (attention + 6 * f.dim),
        activations: tokens * f.hidden_dim,
        layers: f.layers * steps,
    }
}

fn codec_stage(shape: &Shape, plan: &[Planned], dtype: &impl Fn(&Planned) -> DType) -> StageWork {
    let c = &shape.codec;
    let positions: Vec<usize> = c
        .strides
        .iter()
        .scan(1, |at, &stride| {
            *at *= stride;
            Some(*at)
        })
        .collect();
    let at = |stage: usize| positions.get(stage).copied().unwrap_or(1);
    let mut products = Vec::new();
    let ours = |planned: &&Planned| matches!(planned.role, Role::CodecMatrix | Role::CodecConvolution);
    for planned in plan.iter().filter(ours) {
        let (rows, inputs) = sizes(planned);
        let name = planned.name.trim_start_matches("audio_tokenizer.decoder_blocks.");
        let block: Option<usize> = name.split('.').next().and_then(|n| n.parse().ok());
        let columns = match block {
            None => c.positions_per_frame(), // the output's convolution
            Some(block) if block % 2 == 1 => at(block / 2),
            Some(0) => 1,
            Some(block) => at(block / 2 - 1), // upsampling: a column per position before it
        };
        let key = ["attention.w", "feed_forward.w1", "feed_forward.w3"].iter().find(|part| name.contains(*part));
        let key = match key {
            Some(_) if name.contains("attention.wo") => name.to_owned(),
            Some(&"attention.w") => format!("{} qkv", name.split(".attention").next().unwrap_or_default()),
            Some(_) => format!("{} gate_up", name.split(".feed_forward").next().unwrap_or_default()),
            None => name.to_owned(),
        };
        StageWork::add(&mut products, key, ProductWork { dtype: dtype(planned), rows, inputs, columns, times: 1 });
    }
    let width = c.heads * c.head_dim;
    let of_stage = |s: usize| {
        let keys = c.windows.get(s).copied().unwrap_or(0) + 1;
        (at(s) * c.lengths.get(s).copied().unwrap_or(0), 2 * keys * width + 8 * c.dim)
    };
    let stages: Vec<(usize, usize)> = (0..c.strides.len()).map(of_stage).collect();
    StageWork {
        products: products.into_iter().map(|(_, product)| product).collect(),
        elements: stages.iter().map(|(positions, elements)| positions * elements).sum(),
        activations: stages.iter().map(|(positions, _)| positions * c.hidden_dim).sum(),
        layers: c.lengths.iter().sum(),
    }
}

#[cfg(test)]
mod tests {
    use syrinx_quant::synthetic::Preset;

    use super::*;

    /// Voxtral specification, section 9 (with the flow's projections of section 5.5 left out).
    #[test]
    fn the_released_model_needs_what_its_specification_says() {
        let work = Work::of_recipe(&Preset::Voxtral4b.shape(), Recipe::Q8);
        let close = |found: usize, expected_giga: f64| {
            let found = found as f64 / 1e9;
            assert!((found / expected_giga - 1.0).abs() < 0.03, "{found} instead of {expected_giga}");
        };
        close(work.backbone.frame_bytes(), 3.215 + 0.0297);
        close(work.flow.frame_bytes(), 2.597);
        let exact = Work::of_recipe(&Preset::Voxtral4b.shape(), Recipe::F16);
        close(exact.codec.frame_bytes(), 0.303); // the specification counts it in F16
        close(2 * work.backbone.frame_macs(), 6.05 + 0.056);
        close(2 * work.flow.frame_macs(), 22.1);
        close(2 * work.codec.frame_macs(), 1.09);
        assert_eq!(work.frame_seconds, 0.08);
    }

    #[test]
    fn stacked_matrices_are_one_product() {
        let shape = Preset::Tiny.shape();
        let work = Work::of_recipe(&shape, Recipe::F16);
        // Five per layer, input, output and the hidden state's projection.
        assert_eq!(work.flow.products.len(), 5 * shape.flow.layers + 3);
        let layers: usize = shape.codec.lengths.iter().sum();
        assert_eq!(work.codec.products.len(), 4 * layers + shape.codec.strides.len() + 1);
    }

    #[test]
    fn without_guidance_a_frame_multiplies_half_as_much_and_reads_as_much() {
        let shape = Preset::Mid.shape();
        let count = |guidance| Work::count(&shape, Solver::euler(7, guidance), |_| DType::Q8_0);
        let (with, without) = (count(1.2), count(1.0));
        assert_eq!(with.flow.frame_bytes(), without.flow.frame_bytes());
        assert!(without.flow.frame_macs() < with.flow.frame_macs() * 6 / 10);
    }
}

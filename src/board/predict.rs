//! How long a frame will take. In: the work of a frame; what was measured of this machine, or what a profile says of a
//! board. Out: milliseconds per stage, and the real-time factor.
//!
//! On this machine, for each stage:
//!
//! ```text
//! ms = Σ products: weights × (first + further × (columns - 1)) × times   (a line per type, measured: probe.rs)
//!    + products × what surrounds one
//!    + elements × s/element + activations × s/activation                 (norms, residuals, attention, SwiGLU)
//!    + llama.cpp alone: attention measured + layers × NODES × s/node + STEP
//! ```
//!
//! Of a board that is not here, by the roofline of the Voxtral specification, section 9:
//!
//! ```text
//! RTF = max(bytes per frame / (GB/s × share), multiply-adds per frame / (GMAC/s × share)) / frame length
//! ```

use super::probe::{Rates, StageRates};
use crate::model::work::{ProductWork, StageWork, Work};

/// Operations of a layer in llama.cpp's graph of a `llama` model that are no products: norms and their weights (4),
/// rotations (2), writes of keys and values (2), SwiGLU, sums (2); attention is measured apart.
const NODES: usize = 11;
/// llama.cpp's fixed cost of a step: reading the batch, checking that its graph is the last one's, copying the result.
/// An estimate, not measured: a tiny pack's step less its products and operations would give it.
const STEP_SECONDS: f64 = 30e-6;

/// Milliseconds of a frame's stages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prediction {
    pub backbone_ms: f64,
    pub flow_ms: f64,
    pub codec_ms: f64,
    pub real_time_factor: f64,
}

impl Prediction {
    /// On this machine.
    pub fn here(work: &Work, rates: &Rates) -> Self {
        let stage = |stage: &StageWork, stage_rates: &StageRates| {
            products(stage, stage_rates)
                + stage.elements as f64 * rates.element_seconds
                + stage.activations as f64 * rates.activation_seconds
        };
        let backbone = products(&work.backbone, &rates.backbone)
            + (work.backbone.layers * NODES) as f64 * rates.node_seconds
            + rates.attention_seconds
            + STEP_SECONDS;
        let seconds = [backbone, stage(&work.flow, &rates.flow), stage(&work.codec, &rates.codec)];
        let [backbone_ms, flow_ms, codec_ms] = seconds.map(|seconds| seconds * 1e3);
        let real_time_factor = seconds.iter().sum::<f64>() / work.frame_seconds;
        Self { backbone_ms, flow_ms, codec_ms, real_time_factor }
    }

    /// The stages by name.
    pub fn stages_ms(&self) -> [(&'static str, f64); 3] {
        [("backbone", self.backbone_ms), ("flow", self.flow_ms), ("codec", self.codec_ms)]
    }
}

fn products(stage: &StageWork, rates: &StageRates) -> f64 {
    let line = |dtype| {
        let found = rates.lines.iter().find(|(known, _)| *known == dtype).or(rates.lines.first());
        found.map_or_else(Default::default, |(_, line)| *line)
    };
    let seconds = |p: &ProductWork| p.times as f64 * (line(p.dtype).seconds(p) + rates.product_seconds);
    stage.products.iter().map(seconds).sum()
}

/// What a board sustains: `GB/s × share`, and, where it is known, `GMAC/s × share`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sustained {
    pub gbs: f64,
    pub gmacs: Option<f64>,
}

/// The least real-time factor that a board's memory and arithmetic allow.
pub fn roofline(work: &Work, sustained: Sustained) -> f64 {
    let memory = work.frame_bytes() as f64 / (sustained.gbs * 1e9);
    let arithmetic = sustained.gmacs.map_or(0.0, |gmacs| work.frame_macs() as f64 / (gmacs * 1e9));
    memory.max(arithmetic) / work.frame_seconds
}

#[cfg(test)]
mod tests {
    use syrinx_quant::synthetic::Preset;
    use syrinx_quant::{DType, Recipe};

    use super::super::probe::Line;
    use super::*;

    fn work() -> Work {
        Work::of_recipe(&Preset::Voxtral4b.shape(), Recipe::Q4)
    }

    #[test]
    fn the_roofline_is_the_slower_of_memory_and_arithmetic() {
        let work = work();
        let memory = roofline(&work, Sustained { gbs: 50.0, gmacs: None });
        assert!((memory - work.frame_bytes() as f64 / 50e9 / 0.08).abs() < 1e-9);
        assert_eq!(roofline(&work, Sustained { gbs: 50.0, gmacs: Some(1e6) }), memory);
        assert!(roofline(&work, Sustained { gbs: 50.0, gmacs: Some(50.0) }) > 3.0);
        // performance.md, section 3: 4.5 GB per frame with a Q4 backbone and a Q8 flow head.
        assert!((1.05..1.25).contains(&memory), "{memory}");
    }

    #[test]
    fn a_stage_that_is_twice_as_fast_takes_half_the_time() {
        let line = |seconds| StageRates {
            lines: vec![(DType::Q8_0, Line { first: seconds, further: seconds / 2.0 })],
            product_seconds: 0.0,
        };
        let rates = |flow| Rates {
            memory_gbs: [20.0, 30.0],
            backbone: line(1e-11),
            flow: line(flow),
            codec: line(1e-11),
            ..Rates::default()
        };
        let (slow, fast) = (Prediction::here(&work(), &rates(2e-11)), Prediction::here(&work(), &rates(1e-11)));
        assert!((slow.flow_ms / fast.flow_ms - 2.0).abs() < 1e-9);
        assert_eq!((slow.backbone_ms, slow.codec_ms), (fast.backbone_ms, fast.codec_ms));
        let sum = slow.stages_ms().iter().map(|(_, ms)| ms).sum::<f64>();
        assert!((slow.real_time_factor - sum / 80.0).abs() < 1e-9);
    }
}

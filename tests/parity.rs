//! Promise: the numbers are those of the reference, whatever the sizes. Goldens: tests/data/README.md.

mod support;

use std::sync::Arc;

use support::{Golden, TinyPack, assert_close};
use syrinx::lab::flow::{FlowEngine, FlowHead, FlowWeights, Guided, Method, Solver};
use syrinx::lab::frame::{END, choose_semantic, quantise_acoustic};
use syrinx::lab::kernel::Pool;
use syrinx::lab::pack::{OpenOptions, Pack};
use syrinx_quant::Recipe;

const GOLDENS: [Golden; 2] = [Golden::TINY, Golden::ODD];

#[test]
fn every_stage_of_generation_equals_the_reference() {
    for golden in GOLDENS {
        let expected = golden.tensors();
        let pack = TinyPack::import_from(golden.checkpoint, Recipe::F32);
        for (engine, threads) in [("native", "1"), ("native", "2"), ("ggml", "1")] {
            let traced = pack.trace(golden, &["--threads", threads, "--flow-engine", engine]);
            for name in ["prompt.ids", "frame.codes"] {
                assert_eq!(traced.i32(name), expected.i32(name), "{name}");
            }
            for name in [
                "prompt.embeds",
                "prefill.hidden",
                "frame.hidden",
                "frame.logits",
                "frame.v_cond",
                "frame.v_uncond",
                "frame.v",
                "frame.x",
                "frame.embed",
            ] {
                assert_close(name, &traced.f32(name), &expected.f32(name), 1e-4);
            }
        }
    }
}

#[test]
fn a_trace_says_itself_whether_it_is_near_its_reference() {
    let (tiny, odd) = (Golden::TINY, Golden::ODD);
    let pack = TinyPack::import_from(tiny.checkpoint, Recipe::F32);
    let file = |golden: Golden| golden.path().to_str().unwrap().to_owned();
    pack.trace(tiny, &["--against", &file(tiny)]);
    let refused = pack.trace_fails(tiny, &["--against", &file(tiny), "--within", "1e-12"]);
    assert!(refused.contains("further from") && refused.contains("frame.hidden"), "{refused}");
    let refused = pack.trace_fails(tiny, &["--against", &file(odd)]);
    assert!(refused.contains("tensor frame."), "{refused}");
}

#[test]
fn codec_samples_equal_the_reference_in_any_chunking() {
    for golden in GOLDENS {
        let expected = golden.tensors();
        let pack = TinyPack::import_from(golden.checkpoint, Recipe::F32);
        let short = pack.decode(golden, "codec.codes", "0");
        assert_close("codec.pcm", &short, &expected.f32("codec.pcm"), 1e-5);
        let whole = pack.decode(golden, "codec.pcm_long_codes", "0");
        assert_close("codec.pcm_long", &whole, &expected.f32("codec.pcm_long"), 1e-5);
        for chunk in ["1", "2", "3", "7", "25"] {
            assert_close(chunk, &pack.decode(golden, "codec.pcm_long_codes", chunk), &whole, 1e-6);
        }
    }
}

#[test]
fn masks_and_the_end_of_audio_equal_the_reference() {
    for golden in GOLDENS {
        let expected = golden.tensors();
        let imported = TinyPack::import_from(golden.checkpoint, Recipe::F32);
        let pack = Pack::open(&imported.dir(), OpenOptions::default()).unwrap();
        let (shape, audio) = (pack.shape(), &pack.shape().audio);
        let pool = Arc::new(Pool::new(1));
        let mut flow = flow_head(&pack, FlowEngine::Native, &pool);
        let solver = Solver::euler(shape.flow.steps, shape.flow.guidance);
        for edge in ["end", "empty", "pad"] {
            let codes = expected.i32(&format!("edge.{edge}.codes")).values;
            let logits = expected.f32(&format!("edge.{edge}.logits")).values;
            let semantic = choose_semantic(&logits, audio, false);
            assert_eq!(i32::from(semantic.code), codes[0], "{edge}");
            if semantic.code == END {
                let withheld = choose_semantic(&logits, audio, true);
                assert!(withheld.end_withheld && withheld.code != END);
                continue;
            }
            let hidden = expected.f32(&format!("edge.{edge}.hidden")).values;
            let mut x = expected.f32("noise").values[..audio.n_acoustic].to_vec();
            flow.solve(&hidden, solver, &mut x, &pool, |_| {}).unwrap();
            let acoustic: Vec<i32> = x.iter().map(|&x| i32::from(quantise_acoustic(x, audio))).collect();
            assert_eq!(acoustic, codes[1..], "{edge}");
        }
    }
}

fn flow_head(pack: &Pack, engine: FlowEngine, pool: &Pool) -> FlowHead {
    let weights = FlowWeights::open(pack.speech(), pack.shape(), engine, pool.threads()).unwrap();
    FlowHead::new(&weights, pack.shape().flow.steps, pool).unwrap()
}

/// The velocities of all steps from the reference's noise and state, conditional and unconditional, and the end point.
fn velocities(pack: &Pack, golden: Golden, engine: FlowEngine, threads: usize, solver: Solver) -> Vec<f32> {
    let pool = Pool::new(threads);
    let mut flow = flow_head(pack, engine, &pool);
    let tensors = golden.tensors();
    let mut x = tensors.f32("unit.x").values[..flow.width()].to_vec();
    let mut all = Vec::new();
    flow.solve(&tensors.f32("unit.hidden").values, solver, &mut x, &pool, |step| {
        all.extend_from_slice(step.conditional);
        all.extend_from_slice(step.unconditional);
    })
    .unwrap();
    all.extend(x);
    all
}

#[test]
fn the_ggml_engine_computes_what_the_native_one_does_from_the_same_weights() {
    for golden in GOLDENS {
        // ggml rounds activations to F16 where weights are, the native kernels do not. Both round them to 8 bits where
        // weights are quantised; a value on the edge may go either way, and the layers after it amplify that.
        for (recipe, tolerance) in [(Recipe::F32, 1e-4), (Recipe::F16, 5e-3), (Recipe::Q8, 0.15), (Recipe::Q4All, 0.15)]
        {
            let imported = TinyPack::import_from(golden.checkpoint, recipe);
            let pack = Pack::open(&imported.dir(), OpenOptions::default()).unwrap();
            let default = Solver::euler(7, 1.2);
            for (solver, threads) in [
                (default, 1),
                (Solver { steps: 3, ..default }, 2),
                (Solver { guidance: 1.0, ..default }, 1),
                // To the end of the flow's time, and with both numbers of branches in one frame.
                (Solver { steps: 4, method: Method::Heun, guided: Guided::FirstHalf, ..default }, 1),
            ] {
                let native = velocities(&pack, golden, FlowEngine::Native, 1, solver);
                let ggml = velocities(&pack, golden, FlowEngine::Ggml, threads, solver);
                assert_eq!(ggml.len(), native.len());
                let worst = native.iter().zip(&ggml).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                println!("{recipe:?} {solver:?}: max |difference| {worst:.2e}");
                assert!(worst <= tolerance, "{recipe:?} {solver:?}: {worst}");
            }
        }
    }
}

#[test]
fn guidance_of_one_is_the_conditional_flow() {
    let imported = TinyPack::import(Recipe::F32);
    let pack = Pack::open(&imported.dir(), OpenOptions::default()).unwrap();
    let pool = Pool::new(1);
    let mut flow = flow_head(&pack, FlowEngine::Native, &pool);
    let hidden = Golden::TINY.tensors().f32("unit.hidden").values;
    let noise = Golden::TINY.tensors().f32("unit.x").values;
    let mut solve = |guidance: f32, steps: usize| {
        let mut first = Vec::new();
        let mut x = noise.clone();
        flow.solve(&hidden, Solver::euler(steps, guidance), &mut x, &pool, |step| {
            if first.is_empty() {
                first = step.conditional.to_vec();
            }
        })
        .unwrap();
        (x, first)
    };
    let (unguided, conditional) = solve(1.0, 7);
    let (guided, same) = solve(1.2, 7);
    assert_ne!(unguided, guided);
    assert_eq!(conditional, same, "the conditional branch does not depend on the other");
    assert_ne!(solve(1.2, 5).0, guided);
    assert_eq!(solve(1.2, 7).0, guided, "the grid is made anew when the steps change");
}

#[test]
fn a_trace_shows_every_evaluation_of_a_solver() {
    let pack = TinyPack::import(Recipe::F32);
    let shape = |arguments: &[&str], name: &str| pack.trace(Golden::TINY, arguments).f32(name).shape;
    for (solver, guided) in [("euler", 2), ("midpoint", 2), ("heun", 1)] {
        let arguments = ["--solver", solver, "--steps", "4", "--guided", "first-half"];
        assert_eq!(shape(&arguments, "frame.v")[1], 4, "{solver}");
        assert_eq!(shape(&arguments, "frame.x")[1], 5, "{solver}");
        assert_eq!(shape(&arguments, "frame.v_uncond")[1], guided, "{solver}");
    }
}

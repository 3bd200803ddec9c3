//! Promise: a processor runs the best kernels that it has, and computes what another one does.

mod support;

use std::path::Path;
use std::process::Command;

use support::{Tensor, Tensors, TinyPack, success};
use syrinx::lab::backbone::{instruction_sets, kernel_set};
use syrinx::lab::kernel::Isa;
use syrinx::lab::pack::{OpenOptions, Pack};
use syrinx_quant::Recipe;

const TEXT: &str = "The next train to the airport leaves from platform four.";

#[test]
fn the_kernels_are_the_best_that_this_processor_has() {
    let isa = Isa::detect().name();
    println!("{}: kernels {isa}, llama.cpp: {}", std::env::consts::ARCH, instruction_sets());
    match std::env::var("SYRINX_TEST_ISA") {
        Ok(expected) => assert_eq!(isa, expected, "SYRINX_TEST_ISA"),
        Err(_) => assert_eq!(isa, best_of_system_list().unwrap_or(isa)),
    }
    assert_ne!(isa, "scalar");
}

/// The best set by the features that Linux lists, in its own names; `None` where it lists none.
fn best_of_system_list() -> Option<&'static str> {
    let list = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = list.lines().find(|line| line.starts_with("flags") || line.starts_with("Features"))?;
    let has = |wanted: &str| wanted.split(' ').all(|wanted| line.split_whitespace().any(|feature| feature == wanted));
    let sets = [
        ("amx", "avx2 fma f16c avx512f avx512bw avx512vl avx512_vnni amx_tile amx_int8"),
        ("avx512vnni", "avx2 fma f16c avx512f avx512bw avx512vl avx512_vnni"),
        ("avxvnni", "avx2 fma f16c avx_vnni"),
        ("avx2", "avx2 fma f16c"),
        ("i8mm", "asimd i8mm"),
        ("dotprod", "asimd asimddp"),
        ("neon", "asimd"),
    ];
    Some(sets.into_iter().find(|(_, wanted)| has(wanted)).map_or("scalar", |(name, _)| name))
}

#[test]
fn llama_cpp_computes_with_our_kernels_where_this_processor_has_their_instructions() {
    let expected = match Isa::detect().name() {
        set @ ("amx" | "avx512vnni" | "neon" | "dotprod" | "i8mm") => set,
        _ if Isa::Avx2.runs_here() => "avx2",
        _ => "ggml",
    };
    assert_eq!(kernel_set().unwrap(), expected);
}

/// How far two machines may be apart: each frame is fed with the other's frame before, so that nothing adds up but the
/// backbone's past.
///
/// Sums in another order differ in the last bits. Weights of 8 bits meet activations rounded to 8 bits: such a bit can
/// push one over the edge, and the layers after it amplify that: on the tiny pack in q8, random weights, 24 of 288 codes
/// differed between x86 and Arm, at 3.5 % of the velocity.
struct Bound {
    /// Root of the mean square of the difference, by that of the values.
    relative: f64,
    /// Share of acoustic codes that may be another, each by one level.
    codes: f64,
    /// Share of semantic codes that may be another, each by a near tie: the other machine's logits of the two codes are
    /// apart by twice `relative` at most, in units of the frame's root mean square.
    semantic: f64,
}

impl Bound {
    fn of(recipe: &str) -> Self {
        match recipe {
            "f32" => Self { relative: 1e-5, codes: 0.0, semantic: 0.0 },
            _ => Self { relative: 5e-2, codes: 0.15, semantic: 0.05 },
        }
    }
}

#[test]
#[ignore = "needs another machine's program: make parity-aarch64"]
fn another_machine_computes_the_same_frames_from_the_same_past() {
    let other = std::env::var("SYRINX_TEST_OTHER").expect("SYRINX_TEST_OTHER names a program");
    for recipe in [Recipe::F32, Recipe::Q8] {
        compare(&other, &TinyPack::import(recipe).dir(), 8);
    }
    if let Some(pack) = std::env::var_os("SYRINX_TEST_PACK") {
        compare(&other, pack.as_ref(), 40);
    }
}

fn compare(other: &str, dir: &Path, frames: usize) {
    let pack = Pack::open(dir, OpenOptions::default()).unwrap();
    let recipe = &pack.manifest().recipe;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (theirs, ours, frames) = (path("theirs"), path("ours"), frames.to_string());
    let trace = ["trace", "--text", TEXT, "--frames", &frames, "--pack", dir.to_str().unwrap(), "--out"];
    let ran = Command::new(other).args(trace).arg(&theirs).output().unwrap();
    assert!(ran.status.success(), "{other}: {}", String::from_utf8_lossy(&ran.stderr));
    success(&[&trace[..], &[&ours, "--teacher", &theirs]].concat());
    let (theirs, ours) = (Tensors::read(theirs.as_ref()), Tensors::read(ours.as_ref()));
    let bound = Bound::of(recipe);

    assert_eq!(ours.i32("prompt.ids"), theirs.i32("prompt.ids"));
    for name in ["prompt.embeds", "prefill.hidden", "frame.hidden", "frame.logits", "frame.v", "frame.x"] {
        let apart = relative(&ours.f32(name), &theirs.f32(name));
        println!("{recipe:<5} {name:<15} relative difference {apart:.1e}");
        assert!(apart <= bound.relative, "{name}: {apart}");
    }
    let logits = theirs.f32("frame.logits");
    let (ours, theirs) = (ours.i32("frame.codes"), theirs.i32("frame.codes"));
    assert_eq!(ours.shape, theirs.shape, "frames before the end");
    let width = ours.shape[1];
    let (mut semantic, mut acoustic) = (0, 0);
    let frames = ours.values.chunks(width).zip(theirs.values.chunks(width)).zip(logits.values.chunks(logits.shape[1]));
    for ((ours, theirs), logits) in frames {
        if ours[0] != theirs[0] {
            semantic += 1;
            let size = (logits.iter().map(|x| x * x).sum::<f32>() / logits.len() as f32).sqrt();
            let tie = f64::from((logits[theirs[0] as usize] - logits[ours[0] as usize]) / size);
            println!("{recipe:<5} semantic codes {} and {}: logits {tie:.1e} apart", ours[0], theirs[0]);
            assert!(tie <= 2.0 * bound.relative, "semantic codes {} and {}: {tie}", ours[0], theirs[0]);
        }
        for (a, b) in ours[1..].iter().zip(&theirs[1..]) {
            assert!((a - b).abs() <= 1, "acoustic codes {a} and {b}");
            acoustic += usize::from(a != b);
        }
    }
    let all = ours.shape[0] * (width - 1);
    let frames = ours.shape[0];
    println!("{recipe:<5} codes: semantic {semantic} of {frames} differ, acoustic {acoustic} of {all}");
    assert!(semantic as f64 <= bound.semantic * frames as f64, "{semantic} of {frames} semantic codes");
    assert!(acoustic as f64 <= bound.codes * all as f64, "{acoustic} of {all} acoustic codes");
}

fn relative(found: &Tensor<f32>, expected: &Tensor<f32>) -> f64 {
    assert_eq!(found.shape, expected.shape);
    let square = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        found.values.iter().zip(&expected.values).map(|(&a, &b)| f(f64::from(a), f64::from(b)).powi(2)).sum()
    };
    let apart = (square(&|a, b| a - b) / square(&|_, b| b)).sqrt();
    assert!(apart.is_finite(), "values are not finite");
    apart
}

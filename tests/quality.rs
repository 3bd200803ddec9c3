//! Promise: a quantised pack stays near the exact one, stage by stage. Prints cosine and signal-to-noise; the bounds are
//! what rounding costs on random weights with a margin, so that a wrong scale or a swapped half shows.

mod support;

use support::{Golden, TinyPack};
use syrinx_quant::Recipe;

/// Least signal-to-noise in dB that a recipe may have: hidden state, velocity, samples.
const BOUNDS: [(Recipe, f64, f64, f64); 4] = [
    (Recipe::F16, 55.0, 52.0, 60.0),
    (Recipe::Q8, 23.0, 21.0, 60.0),
    (Recipe::Q4, 8.0, 11.0, 60.0),
    (Recipe::Q4All, 8.0, 8.5, 60.0),
];

fn cosine_and_snr_db(found: &[f32], exact: &[f32]) -> (f64, f64) {
    assert_eq!(found.len(), exact.len());
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        found.iter().zip(exact).map(|(&a, &b)| f(f64::from(a), f64::from(b))).sum()
    };
    let (dot, a, b) = (sum(&|a, b| a * b), sum(&|a, _| a * a), sum(&|_, b| b * b));
    let noise = sum(&|a, b| (a - b) * (a - b));
    (dot / (a * b).sqrt(), 10.0 * (b / noise).log10())
}

#[test]
fn quantised_recipes_stay_within_their_bounds_at_every_stage() {
    println!("{:<6} {:<8} {:<14} {:>9} {:>9}", "pack", "recipe", "stage", "cosine", "SNR dB");
    // The odd one has rows of 256 values, so that its q4 packs hold Q4_K and Q6_K.
    for golden in [Golden::TINY, Golden::ODD] {
        let exact_pack = TinyPack::import_from(golden.checkpoint, Recipe::F32);
        let exact = exact_pack.trace(golden, &[]);
        let exact_pcm = exact_pack.decode(golden, "codec.pcm_long_codes", "1");
        for (recipe, hidden_db, velocity_db, pcm_db) in BOUNDS {
            let pack = TinyPack::import_from(golden.checkpoint, recipe);
            let traced = pack.trace(golden, &["--kv", "f32"]);
            let pcm = pack.decode(golden, "codec.pcm_long_codes", "1");
            let stages = [
                ("frame.hidden", traced.f32("frame.hidden"), exact.f32("frame.hidden"), hidden_db),
                ("frame.logits", traced.f32("frame.logits"), exact.f32("frame.logits"), hidden_db),
                ("frame.v", traced.f32("frame.v"), exact.f32("frame.v"), velocity_db),
                ("codec.pcm", pcm, exact_pcm.clone(), pcm_db),
            ];
            for (stage, found, exact, bound_db) in stages {
                let (cosine, snr_db) = cosine_and_snr_db(&found.values, &exact.values);
                let (pack, recipe) = (golden.checkpoint, recipe.name());
                println!("{pack:<6} {recipe:<8} {stage:<14} {cosine:>9.6} {snr_db:>9.1}");
                assert!(snr_db >= bound_db, "{pack} {recipe} {stage}: {snr_db:.1} dB, bound {bound_db}");
            }
        }
    }
}

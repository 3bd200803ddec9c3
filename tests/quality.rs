//! Promise: a quantised pack stays near the exact one, stage by stage, and its price list says how near. The bounds are
//! what rounding costs on random weights with a margin, so that a wrong scale or a swapped half shows.

mod support;

use serde_json::Value;
use support::{Golden, TinyPack, data, failure, success};
use syrinx_quant::Recipe;
use syrinx_quant::report::Snr;

/// Least signal-to-noise in dB that a recipe may have: hidden state, velocity, samples.
const BOUNDS: [(Recipe, f64, f64, f64); 4] = [
    (Recipe::F16, 55.0, 52.0, 60.0),
    (Recipe::Q8, 23.0, 21.0, 29.0),
    (Recipe::Q4, 8.0, 11.0, 29.0),
    (Recipe::Q4All, 8.0, 8.5, 29.0),
];

fn snr_db(found: &[f32], exact: &[f32]) -> f64 {
    let mut snr = Snr::default();
    snr.add(found, exact);
    snr.db()
}

#[test]
fn quantised_recipes_stay_within_their_bounds_at_every_stage() {
    println!("{:<6} {:<8} {:<14} {:>9}", "pack", "recipe", "stage", "SNR dB");
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
                let snr_db = snr_db(&found.values, &exact.values);
                let (pack, recipe) = (golden.checkpoint, recipe.name());
                println!("{pack:<6} {recipe:<8} {stage:<14} {snr_db:>9.1}");
                assert!(snr_db >= bound_db, "{pack} {recipe} {stage}: {snr_db:.1} dB, bound {bound_db}");
            }
        }
    }
}

fn report(arguments: &[&str]) -> Value {
    let fixed = ["pack", "--json", "--frames", "6"];
    serde_json::from_slice(&success(&[&fixed[..], arguments].concat()).stdout).unwrap()
}

/// A figure of a row; null, which stands for no difference at all, is endless.
fn figure(row: &Value, key: &str) -> f64 {
    if row[key].is_null() { f64::INFINITY } else { row[key].as_f64().unwrap() }
}

#[test]
fn the_price_list_of_recipes_is_exact_for_f32_and_falls_with_the_bits() {
    for golden in [Golden::TINY, Golden::ODD] {
        let checkpoint = data(golden.checkpoint);
        let list = report(&["--report", "--from", checkpoint.to_str().unwrap()]);
        let rows = list["rows"].as_array().unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["f32", "f16", "q8", "q4", "q4-all"]);
        let all = |key: &str| -> Vec<f64> { rows.iter().map(|row| figure(row, key)).collect() };
        let frames = all("frames"); // of the exact run, until it ends: the same for every row
        assert!(frames.iter().all(|&count| count == frames[0] && count > 0.0), "{list}");
        for key in ["hidden_snr_db", "velocity_snr_db", "pcm_snr_db"] {
            assert_eq!(all(key)[0], f64::INFINITY, "{key} of f32");
            assert!(all(key)[1..].iter().all(|db| db.is_finite()), "{key}: {list}");
        }
        for key in ["semantic_agreement", "acoustic_agreement"] {
            assert_eq!(all(key)[0], 1.0, "{key} of f32");
            assert!(all(key).iter().all(|share| (0.0..=1.0).contains(share)), "{key}: {list}");
        }
        assert_eq!((all("levels_off")[0], all("log_mel_db")[0]), (0.0, 0.0));
        assert!(all("bytes").is_sorted_by(|a, b| a > b), "{list}");
        let velocity = all("velocity_snr_db");
        assert!(velocity[1] > velocity[2] + 10.0 && velocity[2] > velocity[4] + 5.0, "{velocity:?}");
        assert!(all("acoustic_agreement")[1] > 0.9, "{list}");
        assert!(all("speed").iter().all(|&speed| speed > 0.0));
    }
}

#[test]
fn the_price_list_of_solvers_begins_with_what_the_model_was_trained_for_and_goes_down_to_one_step() {
    let pack = TinyPack::import(Recipe::F32);
    let list = report(&["--report=solvers", "--from", pack.dir().to_str().unwrap()]);
    let rows = list["rows"].as_array().unwrap();
    // Five numbers of evaluations by three methods with three ways of guidance, and a single one with and without.
    assert_eq!(rows.len(), 5 * 9 + 2);
    assert_eq!(rows[16]["name"], "euler 1");
    assert_eq!(rows[0]["name"], "euler 7 x 1.2");
    assert_eq!((figure(&rows[0], "velocity_snr_db"), figure(&rows[0], "acoustic_agreement")), (f64::INFINITY, 1.0));
    for row in rows {
        // What a solver does not touch: both runs were fed the same codes.
        assert_eq!((figure(row, "hidden_snr_db"), figure(row, "pcm_snr_db")), (f64::INFINITY, f64::INFINITY), "{row}");
        assert_eq!(figure(row, "semantic_agreement"), 1.0, "{row}");
    }
    let velocity = |name: &str| figure(rows.iter().find(|row| row["name"] == name).unwrap(), "velocity_snr_db");
    assert!(velocity("euler 5 x 1.2") > velocity("euler 3 x 1.2"));
    assert!(velocity("euler 7 x 1.2, first half") > velocity("euler 7"));
}

#[test]
fn the_recipes_of_a_pack_are_those_of_its_checkpoint() {
    for golden in [Golden::TINY, Golden::ODD] {
        let exact = TinyPack::import_from(golden.checkpoint, Recipe::F32);
        for recipe in Recipe::ALL {
            let to = exact.beside(recipe.name());
            let arguments = ["--from", exact.dir().to_str().unwrap(), "--to", to.to_str().unwrap()].map(String::from);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            success(&[&["pack", "--recipe", recipe.name()][..], &arguments].concat());
            let manifest = |folder: &std::path::Path| std::fs::read_to_string(folder.join("pack.toml")).unwrap();
            let imported = TinyPack::import_from(golden.checkpoint, recipe);
            assert_eq!(manifest(&to), manifest(&imported.dir()), "{recipe}");
        }
    }
}

#[test]
fn what_a_recipe_has_rounded_off_does_not_come_back() {
    let pack = TinyPack::import(Recipe::Q8);
    let (from, to) = (pack.dir(), pack.beside("again"));
    let stderr = failure(&["pack", "--from", from.to_str().unwrap(), "--to", to.to_str().unwrap(), "--recipe", "f16"]);
    assert!(stderr.contains("recipe q8") && stderr.contains("import the checkpoint"), "{stderr}");
    assert!(!to.exists());
}

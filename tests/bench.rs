//! Promise: `syrinx bench --json` gives the figures under fixed names, and they agree with each other and the pack.

mod support;

use serde_json::Value;
use support::{TinyPack, success};
use syrinx_quant::{GgufFile, Recipe};

const KEYS: [&str; 13] = [
    "bw_share",
    "bytes_per_frame",
    "frame_ms",
    "isa",
    "llama_kernels",
    "load_ms",
    "pack",
    "read_bandwidth_gbs",
    "recipe",
    "rss_peak_mb",
    "rtf",
    "threads",
    "ttfa_ms",
];

/// Bytes of the tensors of a pack's file whose names `read` picks, as often as it says.
fn bytes(pack: &TinyPack, file: &str, read: impl Fn(&str) -> usize) -> usize {
    let file = GgufFile::open(&pack.dir().join(file)).unwrap();
    file.tensors().iter().map(|tensor| read(&tensor.spec.name) * tensor.range.len()).sum()
}

#[test]
fn the_figures_agree_with_each_other_and_with_the_pack() {
    let pack = TinyPack::import(Recipe::Q8);
    let dir = pack.dir();
    let steps = 3;
    let arguments = ["bench", "--json", "--frames", "9", "--steps", "3", "--pack", dir.to_str().unwrap()];
    let report: Value = serde_json::from_slice(&success(&arguments).stdout).unwrap();

    let mut keys: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, KEYS);
    assert_eq!(report["recipe"], "q8");
    assert_eq!(report["threads"], 1);
    assert_eq!(report["llama_kernels"], syrinx::lab::backbone::kernel_set().unwrap());

    // Every frame's total holds its stages, so at every rank the total is at least any stage.
    let ms = |stage: &str, rank: &str| report["frame_ms"][stage][rank].as_f64().unwrap();
    for rank in ["p50", "p95", "p99"] {
        for stage in ["backbone", "flow", "codec"] {
            assert!(0.0 < ms(stage, rank) && ms(stage, rank) <= ms("total", rank), "{stage} {rank}: {report}");
        }
    }
    assert!(ms("total", "p50") <= ms("total", "p95") && ms("total", "p95") <= ms("total", "p99"));
    for key in ["rtf", "ttfa_ms", "load_ms", "read_bandwidth_gbs", "bw_share"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}: {report}");
    }

    let found = report["bytes_per_frame"].as_f64().unwrap();
    let backbone = bytes(&pack, "backbone.gguf", |name| usize::from(name != "token_embd.weight"));
    let speech = bytes(&pack, "speech.gguf", |name| {
        let Some(flow) = name.strip_prefix("acoustic_transformer.") else {
            return usize::from(name.starts_with("audio_tokenizer.") && !name.contains("quantizer"));
        };
        let first = ["wq", "wk", "wv"].iter().any(|part| flow == format!("layers.0.attention.{part}.weight"));
        match flow {
            "llm_projection.weight" => 1,
            "time_projection.weight" => 0,
            _ => steps + usize::from(first),
        }
    });
    let expected = (backbone + speech) as f64;
    // Tiles are padded, and rows are fed back; norms are in the files and not counted by the kernels.
    assert!((0.97..1.1).contains(&(found / expected)), "{found} bytes, the pack's tensors say {expected}");

    let share = found / ms("total", "p50") / 1e6 / report["read_bandwidth_gbs"].as_f64().unwrap();
    let reported = report["bw_share"].as_f64().unwrap();
    assert!((share - reported).abs() <= 0.01 * share + 1e-3, "{share}, reported {reported}");
}

#[test]
fn no_frames_are_refused() {
    let pack = TinyPack::import(Recipe::Q8);
    let message = support::failure(&["bench", "--frames", "0", "--pack", pack.dir().to_str().unwrap()]);
    assert!(message.contains("--frames 0"), "{message}");
}

//! Promises: `syrinx doctor` reports under fixed names and agrees with itself; speech works where nothing can be written;
//! what does not fit into memory is refused before it is loaded, with what to reduce; memory is locked where that is
//! asked for; a board's defaults are used where it is named.

mod support;

use std::path::Path;

use serde_json::Value;
use support::{TinyPack, command, failure, success};
use syrinx_quant::Recipe;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn doctor(more: &[&str]) -> Value {
    let report: Value = serde_json::from_slice(&success(&[&["doctor", "--json"], more].concat()).stdout).unwrap();
    report
}

const KEYS: [&str; 17] = [
    "available_mb",
    "board",
    "built_for",
    "expected_of_board",
    "findings",
    "gpu",
    "int8_gmacs",
    "kernels",
    "llama_kernels",
    "machine",
    "pack",
    "power_mode",
    "read_bandwidth_gbs",
    "real_time",
    "sound",
    "temperatures_c",
    "threads",
];

#[test]
fn the_doctor_predicts_and_measures_every_part() {
    let pack = TinyPack::import(Recipe::Q8);
    let dir = pack.dir();
    let report = doctor(&["--frames", "9", "--threads", "1", "--pack", text(&dir)]);
    let mut keys: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let mut expected = KEYS.to_vec();
    expected.sort_unstable();
    assert_eq!(keys, expected);

    let number = |value: &Value| value.as_f64().filter(|x| x.is_finite()).unwrap_or_else(|| panic!("{report}"));
    let frame = &report["pack"]["frame"];
    let mut sum = 0.0;
    for stage in ["backbone", "flow", "codec"] {
        let (predicted, measured) = (number(&frame[stage]["predicted_ms"]), number(&frame[stage]["measured_ms"]));
        assert!(predicted > 0.0 && measured > 0.0, "{stage}: {report}");
        assert!((number(&frame[stage]["measured_rtf"]) - measured / 80.0).abs() < 2e-4, "{stage}: {report}");
        sum += predicted;
    }
    assert!((number(&frame["total"]["predicted_ms"]) - sum).abs() < 2e-3, "{report}");
    assert!(number(&report["int8_gmacs"]) > 0.0 && number(&report["read_bandwidth_gbs"][0]) > 0.0);
    assert_eq!(report["threads"], 1);
    let about = |what: &str| report["findings"].as_array().unwrap().iter().any(|finding| finding["about"] == what);
    for what in ["GPU", "real time", "sound", "speed", "memory", "licence"] {
        assert!(about(what), "{what}: {report}");
    }
}

#[test]
fn a_named_board_gives_its_defaults_and_its_expectations() {
    let pack = TinyPack::import(Recipe::Q8);
    let dir = pack.dir();
    let report = doctor(&["--frames", "4", "--board", "raspberry-pi-5", "--pack", text(&dir)]);
    assert_eq!((&report["board"], &report["threads"]), (&"raspberry-pi-5".into(), &2.into()));
    assert!(report["expected_of_board"][0]["rtf"][0].as_f64().unwrap() > 0.0);
    // What is given goes before what the board says.
    let report = doctor(&["--frames", "4", "--board", "raspberry-pi-5", "--threads", "1", "--pack", text(&dir)]);
    assert_eq!(report["threads"], 1);
    let message = failure(&["doctor", "--board", "no-such-board", "--pack", text(&dir)]);
    assert!(message.contains("no-such-board") && message.contains("jetson-orin-nano"), "{message}");
}

#[test]
fn a_profile_of_ones_own_is_read_from_its_file() {
    let pack = TinyPack::import(Recipe::Q8);
    let profile =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("boards/raspberry-pi-5.toml")).unwrap();
    let path = pack.beside("mine.toml");
    std::fs::write(&path, profile.replace("threads = 2", "threads = 1")).unwrap();
    let (dir, out) = (pack.dir(), pack.beside("out.wav"));
    let say = ["say", "hello", "--max-seconds", "0.2", "--pack", text(&dir), "-o", text(&out), "--board"];
    success(&[&say[..], &[text(&path)]].concat());
    std::fs::write(&path, profile.replace("threads = 2", "threads = 30")).unwrap();
    let message = failure(&[&say[..], &[text(&path)]].concat());
    assert!(message.contains("mine.toml") && message.contains("threads"), "{message}");
}

#[test]
fn speech_is_the_same_where_nothing_can_be_written() {
    let pack = TinyPack::import(Recipe::Q8);
    let dir = pack.dir();
    let say = |cache: &[(&str, &str)], out: &str| {
        let mut command = command(&["say", "hello", "--max-seconds", "0.4", "--pack", text(&dir), "-o", out]);
        for name in ["HOME", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        let output = command.envs(cache.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    let (usual, _) = say(&[("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))], "-");
    let (nowhere, stderr) = say(&[], "-"); // no folder is known
    assert_eq!(usual, nowhere);
    assert!(!stderr.contains("not kept"), "{stderr}");
    // No folder can be made here, whoever asks.
    let (read_only, stderr) = say(&[("XDG_CACHE_HOME", "/proc")], "-");
    assert_eq!(usual, read_only);
    assert!(stderr.contains("voice prefix not kept"), "{stderr}");
    let output =
        command(&["doctor", "--json", "--frames", "2", "--pack", text(&dir)]).env("XDG_CACHE_HOME", "/proc").output();
    let report: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    assert!(report["findings"].as_array().unwrap().iter().any(|f| f["about"] == "cache" && f["weight"] == "note"));
}

#[test]
fn a_pack_that_does_not_fit_is_refused_with_what_each_part_takes() {
    let pack = TinyPack::import(Recipe::F32);
    let (dir, out) = (pack.dir(), pack.beside("out.wav"));
    let say = ["say", "hello", "--pack", text(&dir), "-o", text(&out), "--memory-mb", "20"];
    let message = failure(&say);
    for part in ["not enough memory", "backbone", "flow head", "codec", "key/value cache", "--context 512 saves", "q4"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    let lines = message.lines().filter(|line| !line.starts_with("[WARN")); // the licence of the pack
    assert_eq!(lines.count(), 1, "{message}");
    assert!(!out.exists());
    success(&["say", "hello", "--max-seconds", "0.2", "--pack", text(&dir), "-o", text(&out), "--memory-mb", "2000"]);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_locked_or_the_limit_is_named() {
    let pack = TinyPack::import(Recipe::Q8);
    let (dir, out) = (pack.dir(), pack.beside("out.wav"));
    let say = ["say", "hello", "--max-seconds", "0.2", "--pack", text(&dir), "-o", text(&out), "--mlock"];
    let output = support::syrinx(&say);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() || stderr.contains("memlock"), "{stderr}");
}

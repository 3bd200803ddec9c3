//! Promise: every board profile in the program can be read, contradicts neither itself nor its formula, and is found on
//! the machine that it describes.

use std::path::Path;

use syrinx::lab::board::predict::roofline;
use syrinx::lab::board::profile::{PackSize, Packs};
use syrinx::lab::board::{Machine, Profile};
use syrinx::lab::kernel::Isa;
use syrinx::lab::model::work::Work;
use syrinx::lab::pack::{OpenOptions, Pack};
use syrinx_quant::synthetic::Preset;
use syrinx_quant::{Recipe, Shape};

fn profiles() -> Vec<Profile> {
    Profile::names().map(|name| Profile::load(name).unwrap()).collect()
}

/// The sizes of `models/train/wren/sizes.py`, and the solver of the pack in the repository.
fn wren() -> Shape {
    let mut shape = Preset::Tiny.shape();
    (shape.model.dim, shape.model.vocab_size) = (256, 320);
    let b = &mut shape.backbone;
    (b.layers, b.heads, b.kv_heads, b.head_dim, b.hidden_dim) = (12, 4, 2, 64, 768);
    let f = &mut shape.flow;
    (f.dim, f.input_dim, f.layers, f.heads, f.kv_heads, f.head_dim, f.hidden_dim) = (256, 256, 3, 4, 2, 64, 768);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en");
    let pack = Pack::open(&folder, OpenOptions { verify: false, commercial: false }).unwrap();
    let defaults = &pack.manifest().defaults;
    (f.steps, f.guidance) = (defaults.steps as usize, defaults.guidance);
    let c = &mut shape.codec;
    (c.dim, c.hidden_dim, c.heads, c.kv_heads, c.head_dim) = (256, 768, 8, 8, 32);
    (c.semantic_dim, c.acoustic_dim, c.lengths) = (76, 20, vec![2, 1, 2, 4]);
    let a = &mut shape.audio;
    (a.semantic_codebook_size, a.n_acoustic) = (1022, 20);
    a.audio_rows = a.used_rows().next_multiple_of(128);
    a.head_rows = a.semantic_rows().next_multiple_of(128);
    shape
}

fn work(pack: &str) -> Work {
    let (model, recipe) = pack.split_once("-q").unwrap();
    let shape = if model == "wren" { wren() } else { model.parse::<Preset>().unwrap().shape() };
    Work::of_recipe(&shape, format!("q{recipe}").parse::<Recipe>().unwrap())
}

/// As the files round: to three digits.
fn rounded(value: f64) -> f64 {
    let scale = 10f64.powf(2.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

#[test]
fn sizes_of_packs_are_what_their_shapes_ask_for() {
    let packs = Packs::built_in().unwrap();
    for pack in &packs.packs {
        let work = work(&pack.name);
        assert!((work.frame_seconds * 1e3 - packs.frame_ms).abs() < 1e-6);
        let expected = PackSize {
            name: pack.name.clone(),
            weights_mb: rounded(work.bytes() as f64 / 1e6),
            frame_mb: rounded(work.frame_bytes() as f64 / 1e6),
            frame_mmac: rounded(work.frame_macs() as f64 / 1e6),
        };
        assert_eq!(*pack, expected);
    }
}

#[test]
fn predictions_follow_from_the_figures_beside_them() {
    let packs = Packs::built_in().unwrap();
    for profile in profiles() {
        assert_eq!(profile.packs.len(), packs.packs.len(), "{}", profile.name);
        // The fastest power mode that the file knows.
        let mut fastest =
            profile.power.iter().filter(|mode| mode.bandwidth_gbs.is_some()).map(|mode| mode.name.as_str());
        let sustained = profile.sustained(fastest.next_back());
        for fit in &profile.packs {
            assert!(packs.packs.iter().any(|pack| pack.name == fit.pack), "{}: {}", profile.name, fit.pack);
            let work = work(&fit.pack);
            let expected = sustained.map(|[worst, best]| [best, worst].map(|s| rounded(roofline(&work, s))));
            let close = match (fit.rtf, expected) {
                (Some(found), Some(expected)) => found.iter().zip(&expected).all(|(f, e)| (f / e - 1.0).abs() < 0.01),
                (found, expected) => found == expected,
            };
            assert!(close, "{}: {}: rtf = {expected:?}, the file says {:?}", profile.name, fit.pack, fit.rtf);
        }
    }
}

#[test]
fn a_pack_is_sensible_where_it_can_be_real_time_at_best() {
    for profile in profiles() {
        for fit in &profile.packs {
            if let Some([best, _]) = fit.rtf.filter(|_| fit.sensible) {
                assert!(best < 1.0, "{}: {} at {best}", profile.name, fit.pack);
            }
        }
        assert!(profile.packs.iter().any(|fit| fit.sensible), "{}", profile.name);
    }
}

#[test]
fn names_are_those_of_the_files_and_of_kernel_sets() {
    let known = Isa::ALL.map(Isa::name);
    for (name, profile) in Profile::names().zip(profiles()) {
        assert_eq!(profile.name, name);
        assert!(profile.cpu.isa.iter().all(|isa| known.contains(&isa.as_str())), "{name}: {:?}", profile.cpu.isa);
        assert!(profile.estimate.basis.starts_with("published") || profile.estimate.basis.starts_with("assumed"));
    }
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("boards")).unwrap();
    let files = files.filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".toml")?.to_owned()));
    let mut files: Vec<String> = files.filter(|name| name != "packs").collect();
    let mut names: Vec<String> = Profile::names().map(str::to_owned).collect();
    files.sort();
    names.sort();
    assert_eq!(files, names, "boards/*.toml and the program's list");
}

#[test]
fn what_a_profile_does_not_know_is_refused_with_its_place() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("boards/rk3588.toml")).unwrap();
    let fault = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Profile::parse(&text.replace(from, to), "my board").unwrap_err().message().to_owned()
    };
    assert!(fault("period_ms = 10", "periods_ms = 10").contains("periods_ms"));
    assert!(fault("threads = 3", "threads = 9").contains("threads"));
    assert!(fault("recipe = \"q4\"", "recipe = \"q5\"").contains("recipe"));
    assert!(fault("hot_c = 76.0", "hot_c = 90.0").contains("hot_c"));
    assert!(fault("bandwidth_share = [0.5, 0.8]", "bandwidth_share = [0.8, 0.5]").contains("bandwidth_share"));
    assert!(fault("flow_engine = \"native\"", "flow_engine = \"gpu\"").contains("flow_engine"));
    assert!(Profile::load("no-such-board").unwrap_err().message().contains("raspberry-pi-5"));
}

/// A root with a device tree, or with DMI.
fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

fn recognised(arch: &str, os: &str, files: &[(&str, &str)]) -> String {
    let root = system(files);
    let machine = Machine { arch: arch.into(), os: os.into(), ..Machine::under(root.path()) };
    machine.profile().unwrap().name
}

#[test]
fn boards_are_recognised_by_what_they_say_of_themselves() {
    let tree = |model, compatible| [("proc/device-tree/model", model), ("proc/device-tree/compatible", compatible)];
    let arm = |model, compatible| recognised("aarch64", "linux", &tree(model, compatible));
    let orin = "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0";
    assert_eq!(arm("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0", orin), "jetson-orin-nano");
    let nx = "nvidia,p3768-0000+p3767-0000\0nvidia,p3767-0000\0nvidia,tegra234\0";
    assert_eq!(arm("NVIDIA Orin NX Developer Kit\0", nx), "jetson-orin-nx");
    let agx = "nvidia,p3737-0000+p3701-0005\0nvidia,tegra234\0";
    assert_eq!(arm("NVIDIA Jetson AGX Orin Developer Kit\0", agx), "jetson-agx-orin");
    assert_eq!(arm("NVIDIA Jetson AGX Thor Developer Kit\0", "nvidia,tegra264\0"), "jetson-agx-thor");
    assert_eq!(arm("Raspberry Pi 5 Model B Rev 1.0\0", "raspberrypi,5-model-b\0brcm,bcm2712\0"), "raspberry-pi-5");
    assert_eq!(arm("Raspberry Pi 4 Model B Rev 1.4\0", "raspberrypi,4-model-b\0brcm,bcm2711\0"), "raspberry-pi-4");
    assert_eq!(arm("Radxa ROCK 5B\0", "radxa,rock-5b\0rockchip,rk3588\0"), "rk3588");
    assert_eq!(arm("NXP i.MX8MPlus EVK board\0", "fsl,imx8mp-evk\0fsl,imx8mp\0"), "imx8mp");
    assert_eq!(arm("A board of ours\0", "ours,board\0"), "generic-aarch64");
    assert_eq!(recognised("aarch64", "macos", &[]), "apple-silicon");
    let n100 = [("proc/cpuinfo", "processor\t: 0\nmodel name\t: Intel(R) N100\n")];
    assert_eq!(recognised("x86_64", "linux", &n100), "x86-kiosk");
    assert_eq!(recognised("x86_64", "linux", &[("sys/class/dmi/id/product_name", "Ours\n")]), "generic-x86-64");
}

#[test]
fn this_machine_has_a_profile() {
    let machine = Machine::here();
    assert!(machine.cores > 0 && !machine.describe().is_empty());
    assert!(machine.profile().unwrap().recognise.arch == machine.arch);
}

//! Boards that are known. In: `boards/*.toml`, built into the program, or a file of the user's. Out: a [`Profile`]: what
//! a board is made of, what to choose on it, and what to expect.
//!
//! A fact that no source gives is left out of the file, and `None` here.

use std::path::Path;

use serde::Deserialize;
use syrinx_quant::Recipe;

use super::Limits;
use super::predict::Sustained;
use crate::error::{Error, ErrorKind, Result};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The profiles in the program: name and text.
        const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/boards/", $name, ".toml")))),*];
    };
}

// In the order in which a machine is compared with them; the generic ones come last.
built_in![
    "jetson-orin-nano",
    "jetson-orin-nx",
    "jetson-agx-orin",
    "jetson-agx-thor",
    "jetson-xavier-nx",
    "raspberry-pi-5",
    "raspberry-pi-4",
    "rk3588",
    "imx95",
    "imx8mp",
    "sa8155p",
    "sa8295p",
    "apple-silicon",
    "x86-kiosk",
    "generic-aarch64",
    "generic-x86-64",
];

/// What a frame of a usual pack needs: the figures of `boards/packs.toml`.
const PACKS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/boards/packs.toml"));

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// As in `--board`.
    pub name: String,
    pub title: String,
    /// Documents that the facts are taken from.
    pub sources: Vec<String>,
    /// What else one should know.
    #[serde(default)]
    pub notes: Vec<String>,
    pub recognise: Recognise,
    pub cpu: Cpu,
    pub gpu: Option<Gpu>,
    pub memory: Memory,
    #[serde(default)]
    pub power: Vec<PowerMode>,
    pub defaults: Defaults,
    pub thermal: Thermal,
    pub estimate: Estimate,
    pub packs: Vec<PackFit>,
}

/// By what a board is known: the architecture, and one of the names. A generic profile has no names.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Recognise {
    /// As Rust calls it: `aarch64`, `x86_64`.
    pub arch: String,
    /// As Rust calls it; `linux` where it is left out.
    pub os: Option<String>,
    /// Entries of the device tree's `compatible`.
    #[serde(default)]
    pub compatible: Vec<String>,
    /// Parts of the device tree's `model`.
    #[serde(default)]
    pub model: Vec<String>,
    /// Parts of the DMI product or board name, or of the processor's name.
    #[serde(default)]
    pub product: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    pub clusters: Vec<Cluster>,
    /// Kernel sets of `kernel::Isa`, the best last.
    pub isa: Vec<String>,
}

/// Like cores.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    pub core: String,
    /// `None`: models differ.
    pub count: Option<usize>,
    /// Fast cores: the backbone and the flow head belong on them.
    pub big: bool,
    /// Their numbers in Linux, where a source gives them.
    #[serde(default)]
    pub numbers: Vec<usize>,
    pub max_mhz: Option<u32>,
    /// 8-bit multiply-adds per cycle of the best kernel set.
    pub macs_per_cycle: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    pub name: String,
    /// Compute capability, as CMake wants it: `87`.
    pub cuda_arch: Option<String>,
    /// Feature of this crate that uses it; without one it is not used.
    pub feature: Option<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Sizes that are sold.
    #[serde(default)]
    pub sizes_mb: Vec<u64>,
    pub kind: Option<String>,
    /// Peak, of the slowest variant.
    pub bandwidth_gbs: Option<f64>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PowerMode {
    /// As `nvpmodel` calls it.
    pub name: String,
    pub watts: Option<u32>,
    /// Where it is another than `memory.bandwidth_gbs`.
    pub bandwidth_gbs: Option<f64>,
}

/// What to choose.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    pub recipe: String,
    /// `auto`, `native`, `ggml`.
    pub flow_engine: String,
    pub threads: usize,
    /// `f32`, `f16`, `q8_0`.
    pub kv: String,
    pub context: Option<usize>,
    /// Speech that the sample ring holds: the largest start buffer.
    pub ring_ms: u32,
    pub period_ms: u32,
    /// As in `--device`; `default` is the system's.
    pub sink: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Thermal {
    /// Types of the zones that count; none: all.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Where the governor begins to give up, and where the board slows itself down.
    pub hot_c: f32,
    pub critical_c: f32,
}

/// What is expected to be left of the peaks, from worst to best.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    pub bandwidth_share: [f64; 2],
    pub compute_share: Option<[f64; 2]>,
    /// `published: …` with the source, or `assumed: …`.
    pub basis: String,
}

/// Whether a pack makes sense here.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PackFit {
    /// Of `boards/packs.toml`.
    pub pack: String,
    pub sensible: bool,
    /// Predicted real-time factor, best and worst (`board/predict.rs`: roofline); left out where a peak is not known.
    pub rtf: Option<[f64; 2]>,
    /// Where it is not the board's.
    pub flow_engine: Option<String>,
}

/// What a pack's frame needs.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PackSize {
    pub name: String,
    /// Bytes of the matrices, of what a frame reads, and its multiply-adds, all in millions.
    pub weights_mb: f64,
    pub frame_mb: f64,
    pub frame_mmac: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Packs {
    pub frame_ms: f64,
    pub packs: Vec<PackSize>,
}

impl Packs {
    /// Errors: `BadOption`; never of the file in the program, which a test reads.
    pub fn built_in() -> Result<Self> {
        toml::from_str(PACKS).map_err(|e| bad("boards/packs.toml", &e.to_string()))
    }
}

fn bad(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::BadOption, format!("board profile {name}: {}: correct it", why.trim().replace('\n', " ")))
}

impl Profile {
    /// The profiles in the program, in the order in which a machine is compared with them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// One of the program's profiles by name, or else a file. Errors: `BadOption`, `Io`.
    pub fn load(name_or_path: &str) -> Result<Self> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(text, name);
        }
        let path = Path::new(name_or_path);
        if !path.is_file() {
            let known: Vec<&str> = Self::names().collect();
            let message = format!("no board \"{name_or_path}\": give a file, or one of {}", known.join(", "));
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&text, name_or_path)
    }

    /// Errors: `BadOption` for unknown, missing or contradictory fields, with their place.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let profile: Self = toml::from_str(text).map_err(|e| bad(origin, &e.to_string()))?;
        match profile.fault() {
            Some(fault) => Err(bad(origin, &fault)),
            None => Ok(profile),
        }
    }

    /// What contradicts itself.
    fn fault(&self) -> Option<String> {
        let share = |[worst, best]: [f64; 2]| 0.0 < worst && worst <= best && best <= 1.0;
        let d = &self.defaults;
        let engines = ["auto", "native", "ggml"];
        let fault = |wrong: bool, what: &str| wrong.then(|| what.to_owned());
        let cores: Option<usize> = self.cpu.clusters.iter().map(|c| c.count).sum();
        fault(self.sources.is_empty(), "sources are missing")
            .or(fault(!self.cpu.clusters.iter().any(|c| c.big), "no cluster is big"))
            .or(fault(d.threads == 0 || cores.is_some_and(|n| d.threads > n), "threads: more than there are cores"))
            .or(fault(d.recipe.parse::<Recipe>().is_err(), "recipe: unknown"))
            .or(fault(!engines.contains(&d.flow_engine.as_str()), "flow_engine: auto, native or ggml"))
            .or(fault(!["f32", "f16", "q8_0"].contains(&d.kv.as_str()), "kv: f32, f16 or q8_0"))
            .or(fault(!(1..=500).contains(&d.period_ms), "period_ms: 1 to 500"))
            .or(fault(!(500..=20_000).contains(&d.ring_ms), "ring_ms: 500 to 20000"))
            .or(fault(!share(self.estimate.bandwidth_share), "bandwidth_share: worst and best, between 0 and 1"))
            .or(fault(self.estimate.compute_share.is_some_and(|s| !share(s)), "compute_share: as bandwidth_share"))
            .or(fault(self.thermal.hot_c >= self.thermal.critical_c, "hot_c must be below critical_c"))
            .or(fault(self.memory.bandwidth_gbs.is_some_and(|gbs| gbs <= 0.0), "bandwidth_gbs: above 0"))
    }

    /// Peak of the memory in a power mode.
    pub fn bandwidth_gbs(&self, power_mode: Option<&str>) -> Option<f64> {
        let mode = self.power.iter().find(|mode| Some(mode.name.as_str()) == power_mode);
        mode.and_then(|mode| mode.bandwidth_gbs).or(self.memory.bandwidth_gbs)
    }

    /// What the board sustains, worst and best; `None` where its bandwidth is not known. With a GPU that is used, the
    /// processor's arithmetic does not count.
    pub fn sustained(&self, power_mode: Option<&str>) -> Option<[Sustained; 2]> {
        let gbs = self.bandwidth_gbs(power_mode)?;
        let peak = |cluster: &Cluster| {
            Some(cluster.count? as f64 * f64::from(cluster.max_mhz?) * f64::from(cluster.macs_per_cycle?) / 1e3)
        };
        let big: Option<f64> = self.cpu.clusters.iter().filter(|c| c.big).map(peak).sum();
        let gmacs = big.filter(|_| !self.uses_gpu()).zip(self.estimate.compute_share);
        Some([0, 1].map(|i| {
            let of = |shares: [f64; 2]| shares.get(i).copied().unwrap_or_default();
            Sustained {
                gbs: gbs * of(self.estimate.bandwidth_share),
                gmacs: gmacs.map(|(peak, shares)| peak * of(shares)),
            }
        }))
    }

    /// Whether a GPU is meant to compute.
    pub fn uses_gpu(&self) -> bool {
        self.gpu.as_ref().is_some_and(|gpu| gpu.feature.is_some())
    }

    /// Cores that speech can do without: those of the clusters that are not big.
    pub fn spare_cores(&self) -> Vec<usize> {
        self.cpu.clusters.iter().filter(|c| !c.big).flat_map(|c| c.numbers.iter().copied()).collect()
    }

    /// Where the governor acts.
    pub fn limits(&self) -> Limits {
        Limits::at(self.thermal.hot_c, self.thermal.critical_c)
    }
}

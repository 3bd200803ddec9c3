//! `syrinx doctor`: is this machine fit for speech? In: a pack, where there is one. Out: what the machine is, what was
//! predicted of it and what was measured, and what to change.
//!
//! Predicted from two seconds of measuring products and memory, before and after the frames, since a shared machine
//! changes its speed by the second; measured as `syrinx bench` does, by speaking. Neither knows of the other.

mod findings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use syrinx::lab::backbone::{kernel_set, kv_type, positions};
use syrinx::lab::board::system::{RealTime, real_time};
use syrinx::lab::board::{self, Machine, Prediction, Profile, Rates, Reading, SysThermal, Thermal};
use syrinx::lab::device;
use syrinx::lab::flow::Solver;
use syrinx::lab::kernel::{Isa, Pool};
use syrinx::lab::model::budget::{Need, available_bytes};
use syrinx::lab::model::work::Work;
use syrinx::lab::pack::Pack;
use syrinx::{Error, ErrorKind, Model, Result};
use syrinx_quant::Recipe;
use syrinx_quant::synthetic::Preset;

use self::findings::{Examined, Finding, findings};
use super::bench::frames::{measure, median};
use crate::cli::arguments::{MachineArguments, Options, PackArguments, SpeechArguments};
use crate::cli::output::outln;

/// Time that speaking takes where --frames says nothing, and how many frames that may be.
const SPEAKING: Duration = Duration::from_secs(3);
const FRAMES: std::ops::RangeInclusive<f64> = 8.0..=300.0;
/// Features of this build that put work on a GPU.
const GPU_FEATURE: Option<&str> = if cfg!(feature = "cuda-no-vmm") {
    Some("cuda-no-vmm")
} else if cfg!(feature = "cuda") {
    Some("cuda")
} else if cfg!(feature = "vulkan") {
    Some("vulkan")
} else {
    None
};

#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Frames to speak. Without it: some seconds of computing.
    #[arg(long)]
    frames: Option<u64>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pack: PackArguments,
    #[command(flatten)]
    speech: SpeechArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

/// A pack on this machine.
struct Spoken {
    name: String,
    recipe: String,
    licence: String,
    commercial: bool,
    need: Need,
    solver: Solver,
    frame_ms: f64,
    predicted: Prediction,
    /// Medians, by stage and in all.
    measured_ms: Vec<(&'static str, f64)>,
    first_audio_ms: f64,
    load_ms: f64,
    flow_device: String,
}

impl Doctor {
    pub fn run(self) -> Result<()> {
        if self.frames == Some(0) {
            return Err(Error::new(ErrorKind::BadOption, "--frames 0 leaves nothing to measure: give at least 1"));
        }
        let machine = Machine::here();
        let profile = self.machine.profile()?.map_or_else(|| machine.profile(), Ok)?;
        let pack = match self.pack.open() {
            Ok(pack) => Some(pack),
            // Nobody asked for a pack, and there is none: the machine can be examined without.
            Err(_) if self.pack.pack.is_none() && crate::cli::arguments::default_pack().is_err() => None,
            Err(e) => return Err(e),
        };
        let options = self.machine.options_with(Some(&profile.defaults))?;
        let pool = Pool::new(options.model.threads);
        let thermal = SysThermal::new(&profile.thermal.zones).read();
        let (spoken, rates) = match &pack {
            Some(pack) => {
                let (spoken, rates) = self.speak(pack, &profile, &pool)?;
                (Some(spoken), rates)
            }
            None => (None, Rates::measure(&Work::of_recipe(&Preset::Mid.shape(), Recipe::Q8), &pool)?),
        };
        let (gpu, real_time) = (board::gpu()?, real_time());
        let sound = device::list().into_iter().find(|device| device.is_default && device.format.is_ok());
        let available_bytes = available_bytes();
        let found = findings(&Examined {
            machine: &machine,
            profile: &profile,
            built_for: GPU_FEATURE,
            gpu: gpu.as_deref(),
            flow_device: spoken.as_ref().map(|spoken| spoken.flow_device.as_str()),
            real_time: &real_time,
            thermal: &thermal,
            sound: sound.as_ref(),
            threads: options.model.threads,
            solver: spoken.as_ref().map(|spoken| spoken.solver),
            huge_pages: text("/sys/kernel/mm/transparent_hugepage/enabled"),
            frequency_governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            cache_folder: options.model.prefix_folder.as_deref(),
            commercial: spoken.as_ref().map(|spoken| spoken.commercial),
            need_bytes: spoken.as_ref().map(|spoken| spoken.need.sum()),
            available_bytes,
            predicted_ms: spoken.as_ref().map_or_else(Vec::new, |s| s.predicted.stages_ms().to_vec()),
            measured_ms: spoken.as_ref().map_or_else(Vec::new, |s| s.measured_ms.clone()),
            frame_ms: spoken.as_ref().map_or(80.0, |spoken| spoken.frame_ms),
        });
        let kernels = Kernels { own: Isa::detect().name(), llama: kernel_set()? };
        let report =
            Report { machine, profile, thermal, rates, kernels, real_time, gpu, spoken, sound, available_bytes, found };
        if self.json { outln!("{}", report.json()) } else { report.print() }
    }

    fn speak(&self, pack: &Arc<Pack>, profile: &Profile, pool: &Pool) -> Result<(Spoken, Rates)> {
        let Options { model, session } = self.machine.options_with(Some(&profile.defaults))?;
        let need = Need::of(pack, positions(pack, session.context)?, kv_type(pack, session.kv))?;
        let speak = self.speech.options(pack)?;
        let begun = Instant::now();
        let model = Model::load(pack, model)?;
        let mut session = model.session(session)?;
        let load = begun.elapsed();
        self.machine.lock_memory()?;
        let solver = session.solver(&speak);
        let work = Work::of_pack(pack, solver)?;
        let before = Rates::measure(&work, pool)?;
        let expected = Prediction::here(&work, &before).real_time_factor * work.frame_seconds;
        let fitting = (SPEAKING.as_secs_f64() / expected.max(1e-9)).clamp(*FRAMES.start(), *FRAMES.end());
        let frames = self.frames.unwrap_or(fitting as u64);
        let measured = measure(&mut session, &speak, load, frames, pool.threads())?;
        let rates = before.mean(&Rates::measure(&work, pool)?);
        let manifest = pack.manifest();
        let spoken = Spoken {
            name: manifest.name.clone(),
            recipe: manifest.recipe.clone(),
            licence: manifest.licence.spdx.clone(),
            commercial: manifest.licence.commercial,
            need,
            solver,
            frame_ms: work.frame_seconds * 1e3,
            predicted: Prediction::here(&work, &rates),
            measured_ms: measured.stages().into_iter().map(|(name, ms, _)| (name, median(&ms))).collect(),
            first_audio_ms: median(&measured.starts_ms),
            load_ms: load.as_secs_f64() * 1e3,
            flow_device: model.flow_device().to_owned(),
        };
        Ok((spoken, rates))
    }
}

fn text(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

/// The kernel sets in use: of the flow head and codec, and of llama.cpp.
struct Kernels {
    own: &'static str,
    llama: &'static str,
}

struct Report {
    machine: Machine,
    profile: Profile,
    thermal: Reading,
    rates: Rates,
    kernels: Kernels,
    real_time: RealTime,
    gpu: Option<String>,
    spoken: Option<Spoken>,
    sound: Option<device::Device>,
    available_bytes: Option<u64>,
    found: Vec<Finding>,
}

impl Spoken {
    /// Stage, predicted and measured; the total last.
    fn rows(&self) -> Vec<(&'static str, f64, f64)> {
        let sum: f64 = self.predicted.stages_ms().iter().map(|(_, ms)| ms).sum();
        let predicted = self.predicted.stages_ms().into_iter().chain([("total", sum)]);
        let measured = |name| self.measured_ms.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, ms)| *ms);
        predicted.map(|(name, ms)| (name, ms, measured(name))).collect()
    }
}

impl Report {
    fn json(&self) -> Value {
        let profile = &self.profile;
        let pack = self.spoken.as_ref().map(|spoken| {
            let rows: serde_json::Map<_, _> = (spoken.rows().into_iter())
                .map(|(name, predicted, measured)| {
                    let value = json!({
                        "predicted_ms": round(predicted),
                        "measured_ms": round(measured),
                        "predicted_rtf": round(predicted / spoken.frame_ms),
                        "measured_rtf": round(measured / spoken.frame_ms),
                    });
                    (name.to_owned(), value)
                })
                .collect();
            json!({
                "name": spoken.name,
                "recipe": spoken.recipe,
                "licence": spoken.licence,
                "commercial": spoken.commercial,
                "memory_mb": spoken.need.sum() >> 20,
                "frame": rows,
                "first_audio_ms": round(spoken.first_audio_ms),
                "load_ms": round(spoken.load_ms),
                "flow_device": spoken.flow_device,
            })
        });
        let expected: Vec<_> = (profile.packs.iter())
            .map(|fit| json!({ "pack": fit.pack, "sensible": fit.sensible, "rtf": fit.rtf }))
            .collect();
        json!({
            "machine": self.machine.describe(),
            "board": profile.name,
            "power_mode": self.thermal.power_mode,
            "temperatures_c": serde_json::Map::from_iter(self.thermal.zones_c.iter().map(|(k, v)| (k.clone(), json!(v)))),
            "threads": self.rates.threads,
            "read_bandwidth_gbs": self.rates.memory_gbs.map(round),
            "int8_gmacs": round(self.rates.int8_gmacs),
            "kernels": self.kernels.own,
            "llama_kernels": self.kernels.llama,
            "gpu": self.gpu,
            "built_for": GPU_FEATURE,
            "real_time": { "granted": self.real_time.granted(), "limit": self.real_time.limit },
            "sound": self.sound.as_ref().map(|device| {
                let format = device.format.as_ref().ok();
                json!({
                    "id": device.id,
                    "sample_rate_hz": format.map(|format| format.sample_rate_hz),
                    "period_frames": format.map(|format| format.period_frames),
                })
            }),
            "available_mb": self.available_bytes.map(|bytes| bytes >> 20),
            "pack": pack,
            "expected_of_board": expected,
            "findings": self.found.iter().map(Finding::json).collect::<Vec<_>>(),
        })
    }

    fn print(&self) -> Result<()> {
        let (profile, rates) = (&self.profile, &self.rates);
        let row = |name: &str, value: String| outln!("{name:<13}{value}");
        row("machine", self.machine.describe())?;
        row("board", format!("{} ({})", profile.title, profile.name))?;
        let heat = self.thermal.hottest().map(|(zone, celsius)| format!("{celsius:.1} C ({zone})"));
        row("temperature", heat.unwrap_or_else(|| "no sensor".to_owned()))?;
        if let Some(mode) = &self.thermal.power_mode {
            row("power mode", mode.clone())?;
        }
        let [small, huge] = rates.memory_gbs;
        let peak = profile.bandwidth_gbs(self.thermal.power_mode.as_deref());
        let peak = peak.map_or(String::new(), |gbs| format!("; the board's peak is {gbs:.0}"));
        row("memory reads", format!("{small:.1} GB/s with small pages, {huge:.1} with huge ones{peak}"))?;
        row("int8", format!("{:.0} billion multiply-adds per second, from a cache", rates.int8_gmacs))?;
        row("threads", rates.threads.to_string())?;
        row("kernels", format!("{}; in llama.cpp {}", self.kernels.own, self.kernels.llama))?;
        row("GPU", self.gpu.clone().unwrap_or_else(|| "none that this build uses".to_owned()))?;
        let sound = self.sound.as_ref().and_then(|device| Some((device, device.format.as_ref().ok()?)));
        let sound = sound.map(|(device, format)| {
            let ms = 1e3 * format.period_frames as f64 / f64::from(format.sample_rate_hz.max(1));
            format!("{}: {} Hz, periods of {ms:.1} ms", device.id, format.sample_rate_hz)
        });
        row("sound", sound.unwrap_or_else(|| "no device opens".to_owned()))?;
        if let Some(spoken) = &self.spoken {
            row("pack", format!("{} {}, licence {}", spoken.name, spoken.recipe, spoken.licence))?;
            let parts: Vec<String> =
                spoken.need.parts().iter().map(|(name, bytes)| format!("{name} {} MB", bytes >> 20)).collect();
            let need = parts.join(", ");
            let available =
                self.available_bytes.map_or(String::new(), |bytes| format!("; {} MB available", bytes >> 20));
            row("needs", format!("{} MB ({need}){available}", spoken.need.sum() >> 20))?;
            row("flow head", spoken.flow_device.clone())?;
            outln!(
                "\n{:<13}{:>12}{:>12}{:>15}{:>14}",
                "per frame",
                "predicted",
                "measured",
                "real-time",
                "predicted /"
            )?;
            outln!("{:<13}{:>12}{:>12}{:>15}{:>14}", "", "ms", "ms", "factor", "measured")?;
            for (name, predicted, measured) in spoken.rows() {
                let share = if measured > 0.0 { predicted / measured } else { 0.0 };
                let factor = measured / spoken.frame_ms;
                outln!("{name:<13}{predicted:>12.3}{measured:>12.3}{factor:>15.3}{share:>14.2}")?;
            }
            outln!("\nfirst audio {:.0} ms, loaded in {:.0} ms", spoken.first_audio_ms, spoken.load_ms)?;
        }
        let known = profile.packs.iter().filter_map(|fit| Some((fit, fit.rtf?)));
        for (n, (fit, [best, worst])) in known.enumerate() {
            if n == 0 {
                outln!("\nexpected of this board, by its peak figures ({}):", profile.estimate.basis)?;
            }
            let sense = if fit.sensible { "sensible" } else { "not sensible here" };
            outln!("  {:<20} real-time factor {best:.2} to {worst:.2}, {sense}", fit.pack)?;
        }
        outln!()?;
        for finding in &self.found {
            outln!("{finding}")?;
        }
        Ok(())
    }
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

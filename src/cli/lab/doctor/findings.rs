//! What is wrong with a machine, and what to do. In: what was examined. Out: findings, the loud ones first.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};
use syrinx::lab::board::system::RealTime;
use syrinx::lab::board::{Machine, Profile, Reading};
use syrinx::lab::device;
use syrinx::lab::flow::Solver;

/// Below this real-time factor there is time for an uneven frame.
const COMFORTABLE: f64 = 0.8;
/// A measured time beyond these shares of the predicted one says that something else is going on.
const EXPECTED: std::ops::RangeInclusive<f64> = 0.75..=1.25;
/// A board's GPU that is slower than its worst prediction by so much is not at work.
const FALLBACK: f64 = 2.0;
/// Flow steps that cost little of what more of them say.
const FEW_STEPS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Speech will suffer.
    Warning,
    /// Something to know, or to do at leisure.
    Note,
    Fine,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub weight: Weight,
    pub about: &'static str,
    pub text: String,
}

/// All that is looked at.
pub struct Examined<'a> {
    pub machine: &'a Machine,
    pub profile: &'a Profile,
    /// The GPU feature of this build.
    pub built_for: Option<&'a str>,
    pub gpu: Option<&'a str>,
    pub flow_device: Option<&'a str>,
    pub real_time: &'a RealTime,
    pub thermal: &'a Reading,
    pub sound: Option<&'a device::Device>,
    pub threads: usize,
    /// What frames were solved with, where any was.
    pub solver: Option<Solver>,
    pub huge_pages: Option<String>,
    pub frequency_governor: Option<String>,
    pub cache_folder: Option<&'a Path>,
    pub commercial: Option<bool>,
    pub need_bytes: Option<u64>,
    pub available_bytes: Option<u64>,
    pub predicted_ms: Vec<(&'static str, f64)>,
    pub measured_ms: Vec<(&'static str, f64)>,
    pub frame_ms: f64,
}

impl Finding {
    fn new(weight: Weight, about: &'static str, text: impl Into<String>) -> Self {
        Self { weight, about, text: text.into() }
    }

    pub fn json(&self) -> Value {
        let weight = match self.weight {
            Weight::Warning => "warning",
            Weight::Note => "note",
            Weight::Fine => "fine",
        };
        json!({ "weight": weight, "about": self.about, "text": self.text })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.weight {
            Weight::Warning => "WARNING",
            Weight::Note => "note",
            Weight::Fine => "fine",
        };
        write!(f, "{mark:<8} {}: {}", self.about, self.text)
    }
}

pub fn findings(examined: &Examined<'_>) -> Vec<Finding> {
    let mut all = vec![gpu(examined), real_time(examined.real_time), sound(examined.sound)];
    all.extend(speed(examined));
    all.extend(memory(examined));
    all.extend(heat(examined));
    all.extend(system(examined));
    all.sort_by_key(|finding| finding.weight);
    all
}

/// Is the GPU at work where the board has one? A fallback to the processor is silent in ggml.
fn gpu(examined: &Examined<'_>) -> Finding {
    let wanted = examined.profile.gpu.as_ref().and_then(|gpu| Some((gpu, gpu.feature.as_deref()?)));
    let on_gpu = examined.flow_device.is_none_or(|device| device != "native");
    match (wanted, examined.built_for, examined.gpu) {
        (Some((gpu, feature)), None, _) => {
            let arch = gpu.cuda_arch.as_deref().unwrap_or("native");
            let text = format!("this board has a GPU ({}) and this build does not use it: build with", gpu.name);
            let how = format!("CMAKE_CUDA_ARCHITECTURES={arch} cargo build --release --features {feature}");
            Finding::new(Weight::Warning, "GPU", format!("{text} {how}"))
        }
        (_, Some(feature), None) => {
            let text =
                format!("this build is for a GPU ({feature}), and ggml finds none: EVERYTHING RUNS ON THE PROCESSOR");
            Finding::new(
                Weight::Warning,
                "GPU",
                format!("{text}: check the driver, /dev/nvhost*, and the user's groups"),
            )
        }
        (_, Some(_), Some(name)) if !on_gpu => {
            let text = format!("{name} is there, and the flow head runs on the processor: choose --flow-engine auto");
            Finding::new(Weight::Warning, "GPU", text)
        }
        (Some(_), Some(_), Some(name)) if is_fallback(examined) => {
            let text = format!("{name} is there, and a frame takes as long as on the processor: it is NOT AT WORK");
            Finding::new(Weight::Warning, "GPU", format!("{text}; RUST_LOG=trace says where ggml puts the weights"))
        }
        (_, Some(_), Some(name)) => Finding::new(Weight::Fine, "GPU", format!("{name} is used")),
        (None, None, _) => Finding::new(Weight::Fine, "GPU", "none is expected here"),
    }
}

/// Whether a frame takes longer by far than the board's GPU would at worst.
fn is_fallback(examined: &Examined<'_>) -> bool {
    let worst = examined.profile.packs.iter().filter_map(|fit| fit.rtf).map(|[_, worst]| worst).fold(0.0, f64::max);
    let total = examined.measured_ms.iter().find(|(name, _)| *name == "total");
    worst > 0.0 && total.is_some_and(|(_, ms)| ms / examined.frame_ms > FALLBACK * worst)
}

fn real_time(real_time: &RealTime) -> Finding {
    match &real_time.refusal {
        None => Finding::new(Weight::Fine, "real time", "threads may have real-time priority"),
        Some(why) => {
            let limit = real_time.limit.map_or("unknown".to_owned(), |limit| limit.to_string());
            let text = format!("refused ({why}; limit {limit}): sound may break off under load");
            let how = "join the group audio with the package's limits.conf, or set LimitRTPRIO=40 in the service";
            Finding::new(Weight::Note, "real time", format!("{text}: {how}"))
        }
    }
}

fn sound(device: Option<&device::Device>) -> Finding {
    match device.and_then(|device| Some((device, device.format.as_ref().ok()?))) {
        None => Finding::new(
            Weight::Note,
            "sound",
            "no default device opens: `syrinx devices` says why; files can be written",
        ),
        Some((device, format)) => {
            let ms = 1e3 * format.period_frames as f64 / f64::from(format.sample_rate_hz.max(1));
            let weight = if ms > 40.0 { Weight::Note } else { Weight::Fine };
            let text = format!("{} gives periods of {ms:.1} ms; a cancel is heard one period later", device.name);
            Finding::new(weight, "sound", text)
        }
    }
}

fn speed(examined: &Examined<'_>) -> Vec<Finding> {
    let Some((_, total_ms)) = examined.measured_ms.iter().find(|(name, _)| *name == "total") else { return Vec::new() };
    let mut all = Vec::new();
    let factor = total_ms / examined.frame_ms;
    if factor > COMFORTABLE {
        let weight = if factor > 1.0 { Weight::Warning } else { Weight::Note };
        all.push(Finding::new(weight, "speed", format!("real-time factor {factor:.2}: {}", faster(examined))));
    } else {
        all.push(Finding::new(Weight::Fine, "speed", format!("real-time factor {factor:.3}")));
    }
    if examined.gpu.is_none_or(|_| examined.built_for.is_none()) {
        for (name, predicted) in &examined.predicted_ms {
            let measured = examined.measured_ms.iter().find(|(known, _)| known == name).map_or(0.0, |(_, ms)| *ms);
            let share = measured / predicted.max(f64::EPSILON);
            if !EXPECTED.contains(&share) && (measured - predicted).abs() > 0.02 * total_ms {
                let text = format!("{name} takes {measured:.2} ms, predicted were {predicted:.2}");
                let why = if share > 1.0 {
                    "something else uses this machine, or it slows itself down"
                } else {
                    "the prediction is too careful"
                };
                all.push(Finding::new(Weight::Note, "prediction", format!("{text}: {why}")));
            }
        }
    }
    all
}

/// What would make it faster, by what was seen.
fn faster(examined: &Examined<'_>) -> String {
    let mut ways = Vec::new();
    let free = examined.machine.cores.saturating_sub(1).max(1);
    if examined.threads < free {
        ways.push(format!("--threads {free} (now {})", examined.threads));
    }
    let best = examined.profile.power.iter().filter(|mode| mode.bandwidth_gbs.is_some());
    if let Some(mode) =
        best.max_by(|a, b| a.bandwidth_gbs.partial_cmp(&b.bandwidth_gbs).unwrap_or(std::cmp::Ordering::Equal))
        && examined.thermal.power_mode.as_deref().is_some_and(|now| now != mode.name)
    {
        ways.push(format!("power mode {} (sudo nvpmodel -q lists them)", mode.name));
    }
    let sensible: Vec<&str> =
        examined.profile.packs.iter().filter(|fit| fit.sensible).map(|fit| fit.pack.as_str()).collect();
    ways.push(format!("a pack that is sensible here ({})", sensible.join(", ")));
    let losses = |solver: Solver| {
        let steps = (solver.steps > FEW_STEPS).then(|| format!("--steps {FEW_STEPS}"));
        let unguided = (solver.guidance != 1.0).then(|| "--guidance 1".to_owned());
        [steps, unguided].into_iter().flatten().collect::<Vec<_>>().join(", then ")
    };
    if let Some(losses) = examined.solver.map(losses).filter(|losses| !losses.is_empty()) {
        ways.push(format!("declared losses: {losses}"));
    }
    ways.join("; ")
}

fn memory(examined: &Examined<'_>) -> Option<Finding> {
    let (need, available) = (examined.need_bytes?, examined.available_bytes?);
    // It is loaded already, so what is available is what is left.
    let left = available >> 20;
    let weight = if left < (need >> 20) / 10 { Weight::Warning } else { Weight::Fine };
    Some(Finding::new(weight, "memory", format!("the pack takes {} MB, {left} MB are left", need >> 20)))
}

fn heat(examined: &Examined<'_>) -> Option<Finding> {
    let (zone, celsius) = examined.thermal.hottest()?;
    let limits = &examined.profile.thermal;
    let text = format!("{zone} has {celsius:.0} C; the governor acts from {:.0} C", limits.hot_c);
    Some(match celsius {
        c if c >= limits.critical_c => {
            Finding::new(Weight::Warning, "heat", format!("{text}: cool it, or lower the power mode"))
        }
        c if c >= limits.hot_c => Finding::new(Weight::Note, "heat", text),
        _ => Finding::new(Weight::Fine, "heat", text),
    })
}

fn system(examined: &Examined<'_>) -> Vec<Finding> {
    let mut all = Vec::new();
    if examined.huge_pages.as_deref().is_some_and(|modes| modes.contains("[never]")) {
        let how = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
        all.push(Finding::new(Weight::Note, "huge pages", format!("they are off, reading weights is slower: {how}")));
    }
    if let Some(governor) = examined.frequency_governor.as_deref().filter(|governor| *governor == "powersave") {
        let text = format!("the frequency governor is {governor}: choose schedutil or performance");
        all.push(Finding::new(Weight::Note, "clock", text));
    }
    if examined.threads >= examined.machine.cores && examined.machine.cores > 1 {
        let text = "every core computes, and llama.cpp's threads wait by spinning: leave one to sound (--threads)";
        all.push(Finding::new(Weight::Note, "threads", text));
    }
    match examined.cache_folder {
        Some(folder) if !is_writable(folder) => {
            let text = format!("{} cannot be written: a voice is prepared anew at each start", folder.display());
            all.push(Finding::new(Weight::Note, "cache", format!("{text}: name a folder with --cache")));
        }
        Some(folder) => {
            all.push(Finding::new(Weight::Fine, "cache", format!("voices are kept in {}", folder.display())))
        }
        None => {}
    }
    match examined.commercial {
        Some(false) => all.push(Finding::new(Weight::Note, "licence", "this pack may not be used commercially")),
        Some(true) => all.push(Finding::new(Weight::Fine, "licence", "commercial use is allowed")),
        None => all.push(Finding::new(Weight::Note, "pack", "none was found: name one with --pack to measure speech")),
    }
    all
}

fn is_writable(folder: &Path) -> bool {
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b""));
    let _ = std::fs::remove_file(&probe); // it may not have been written
    written.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(examined: &Examined<'_>, what: &str) -> Vec<Finding> {
        findings(examined).into_iter().filter(|finding| finding.about == what).collect()
    }

    /// Looks at an Orin Nano with what `change` changes.
    fn orin(change: impl FnOnce(&mut Examined<'_>), check: impl FnOnce(&Examined<'_>)) {
        let profile = Profile::load("jetson-orin-nano").unwrap();
        let machine = Machine { cores: 6, ..Machine::default() };
        let thermal = Reading { zones_c: vec![("tj-thermal".into(), 55.0)], power_mode: Some("15W".into()) };
        let real_time = RealTime { limit: Some(40), refusal: None };
        let mut examined = Examined {
            machine: &machine,
            profile: &profile,
            built_for: Some("cuda-no-vmm"),
            gpu: Some("CUDA0 (Orin)"),
            flow_device: Some("ggml on CUDA0 (Orin)"),
            real_time: &real_time,
            thermal: &thermal,
            sound: None,
            threads: 4,
            solver: Some(Solver::euler(7, 1.2)),
            huge_pages: None,
            frequency_governor: None,
            cache_folder: None,
            commercial: Some(true),
            need_bytes: Some(3000 << 20),
            available_bytes: Some(3000 << 20),
            predicted_ms: Vec::new(),
            measured_ms: vec![("total", 72.0)],
            frame_ms: 80.0,
        };
        change(&mut examined);
        check(&examined);
    }

    #[test]
    fn a_gpu_that_is_not_used_is_a_loud_warning_and_comes_first() {
        let loud = |examined: &Examined<'_>, part: &str| {
            let found = about(examined, "GPU");
            assert_eq!((found.len(), found[0].weight), (1, Weight::Warning), "{found:?}");
            assert!(found[0].text.contains(part), "{found:?}");
            assert_eq!(findings(examined)[0].weight, Weight::Warning);
        };
        orin(|x| x.built_for = None, |x| loud(x, "--features cuda-no-vmm"));
        orin(|x| x.gpu = None, |x| loud(x, "RUNS ON THE PROCESSOR"));
        orin(|x| x.flow_device = Some("native"), |x| loud(x, "--flow-engine auto"));
        orin(|x| x.measured_ms = vec![("total", 1000.0)], |x| loud(x, "NOT AT WORK"));
        orin(|_| {}, |x| assert_eq!(about(x, "GPU")[0].weight, Weight::Fine));
    }

    #[test]
    fn slow_speech_comes_with_what_would_make_it_faster() {
        orin(
            |x| x.measured_ms = vec![("total", 100.0)],
            |x| {
                let found = about(x, "speed");
                assert_eq!(found[0].weight, Weight::Warning);
                for way in ["--threads 5", "power mode", "voxtral-4b-q4", "--steps 4, then --guidance 1"] {
                    assert!(found[0].text.contains(way), "{way}: {found:?}");
                }
            },
        );
        let cheapest = |x: &mut Examined<'_>| {
            (x.measured_ms, x.solver) = (vec![("total", 100.0)], Some(Solver::euler(1, 1.0)));
        };
        orin(cheapest, |x| assert!(!about(x, "speed")[0].text.contains("declared losses")));
        orin(|_| {}, |x| assert_eq!(about(x, "speed")[0].weight, Weight::Note));
        orin(|x| x.measured_ms = vec![("total", 8.0)], |x| assert_eq!(about(x, "speed")[0].weight, Weight::Fine));
    }

    #[test]
    fn a_prediction_that_was_missed_says_so() {
        let on_processor = |x: &mut Examined<'_>, flow: f64| {
            (x.gpu, x.built_for) = (None, None);
            x.predicted_ms = vec![("backbone", 10.0), ("flow", 20.0)];
            x.measured_ms = vec![("backbone", 10.5), ("flow", flow), ("total", 11.0 + flow)];
        };
        orin(|x| on_processor(x, 40.0), |x| assert!(about(x, "prediction")[0].text.contains("flow takes 40.00 ms")));
        orin(|x| on_processor(x, 21.0), |x| assert!(about(x, "prediction").is_empty()));
    }

    #[test]
    fn refusals_and_heat_say_what_to_do() {
        let refused = RealTime { limit: Some(0), refusal: Some("Operation not permitted".into()) };
        let found = real_time(&refused);
        assert!(found.weight == Weight::Note && found.text.contains("LimitRTPRIO"), "{found:?}");
        let hot = Reading { zones_c: vec![("tj-thermal".into(), 95.0)], power_mode: None };
        orin(
            |_| {},
            |x| {
                let x = Examined {
                    thermal: &hot,
                    predicted_ms: Vec::new(),
                    measured_ms: Vec::new(),
                    huge_pages: None,
                    frequency_governor: None,
                    ..*x
                };
                assert_eq!(about(&x, "heat")[0].weight, Weight::Warning);
            },
        );
        assert_eq!(sound(None).weight, Weight::Note);
        orin(|x| x.available_bytes = Some(100 << 20), |x| assert_eq!(about(x, "memory")[0].weight, Weight::Warning));
        orin(|x| x.huge_pages = Some("always madvise [never]".into()), |x| assert_eq!(about(x, "huge pages").len(), 1));
        orin(
            |x| x.cache_folder = Some(Path::new("/proc/none")),
            |x| assert_eq!(about(x, "cache")[0].weight, Weight::Note),
        );
        orin(|x| x.commercial = Some(false), |x| assert_eq!(about(x, "licence")[0].weight, Weight::Note));
    }
}

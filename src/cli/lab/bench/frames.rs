//! `syrinx bench`: what a frame costs on this machine. In: a pack. Out: the time of each stage, bytes, memory, and how
//! much of what the memory can give was reached.
//!
//! The frames are those of `syrinx say`, and the stages note their times themselves. Readings of the memory take turns
//! with the frames, since the speed of a shared machine changes by the second.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use syrinx::lab::backbone::{instruction_sets, kernel_set};
use syrinx::lab::kernel::{Bandwidth, Isa, Pages, Pool};
use syrinx::lab::speak::{FrameBytes, FrameTimes};
use syrinx::{Error, ErrorKind, Result, Session, SpeakOptions};

use super::{next_block, resident_peak_kb, spread};
use crate::cli::arguments::{MachineArguments, PackArguments, SpeechArguments};
use crate::cli::output::outln;

/// Times that the first block of a text is waited for.
const STARTS: usize = 5;
/// Readings of the memory, spread over the frames.
const READINGS: usize = 12;
const TEXT: &str = "In three hundred metres, turn left into Harbour Street. The next train to the airport leaves at ten \
                    past four from platform two. It will rain in the afternoon, so you may want to take an umbrella.";

#[derive(Debug, clap::Args)]
pub struct Frames {
    /// Frames to measure (80 ms each in a Voxtral pack).
    #[arg(long, default_value_t = 100)]
    frames: u64,
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

/// What was measured.
pub struct Measured {
    load: Duration,
    pub starts_ms: Vec<f64>,
    rss_peak_kb: Option<u64>,
    /// Of each frame, with the time of its whole block.
    frames: Vec<(FrameTimes, Duration)>,
    /// Length of a frame's sound.
    frame: Duration,
    bytes: FrameBytes,
    /// GB/s with small pages and with huge ones.
    memory_gbs: [Vec<f64>; 2],
}

impl Frames {
    pub fn run(self) -> Result<()> {
        if self.frames == 0 {
            return Err(Error::new(ErrorKind::BadOption, "--frames 0 leaves nothing to measure: give at least 1"));
        }
        let pack = self.pack.open()?;
        let started = Instant::now();
        let (model, session) = self.machine.load(&pack)?;
        let mut session = model.session(session)?;
        let load = started.elapsed();
        self.machine.lock_memory()?;
        let options = self.speech.options(&pack)?;
        let measured = measure(&mut session, &options, load, self.frames, self.machine.threads())?;
        let manifest = pack.manifest();
        let isa = format!("{}, llama.cpp: {}", Isa::detect().name(), instruction_sets());
        let kernels = kernel_set()?;
        if self.json {
            let named = [
                ("pack", json!(manifest.name)),
                ("recipe", json!(manifest.recipe)),
                ("isa", json!(isa)),
                ("llama_kernels", json!(kernels)),
            ];
            let mut report = measured.report(self.machine.threads());
            named.into_iter().for_each(|(key, value)| report[key] = value);
            outln!("{report}")?;
        } else {
            outln!("pack {} {}, {} threads, {isa}", manifest.name, manifest.recipe, self.machine.threads())?;
            outln!("kernels in llama.cpp: {kernels}\n")?;
            measured.print()?;
        }
        Ok(())
    }
}

/// Speaks so many frames; on as many threads the memory is read between them.
pub fn measure(
    session: &mut Session,
    options: &SpeakOptions,
    load: Duration,
    count: u64,
    threads: usize,
) -> Result<Measured> {
    let mut pcm = vec![0.0; session.model().info().samples_per_frame];
    let frame = Duration::from_secs_f64(pcm.len() as f64 / f64::from(session.model().info().sample_rate_hz));
    session.warm(options.voice.as_deref())?;
    let mut starts_ms = Vec::new();
    // One more than is counted: the first start is not a warm one.
    for _ in 0..=STARTS {
        let started = Instant::now();
        next_block(&mut session.speak(TEXT, options)?, &mut pcm)?;
        starts_ms.push(started.elapsed().as_secs_f64() * 1e3);
    }
    starts_ms.remove(0);
    let rss_peak_kb = resident_peak_kb(); // before there is memory to be read
    let pool = Pool::new(threads);
    let mut memory = [Bandwidth::new(Pages::Ordinary)?, Bandwidth::new(Pages::Huge)?];
    let mut memory_gbs = [Vec::new(), Vec::new()];
    let mut frames = Vec::new();
    let between = (count / READINGS as u64).max(1);
    while (frames.len() as u64) < count {
        let left = count - frames.len() as u64;
        let mut speech = session.speak(TEXT, &options.clone().max_frames(left))?;
        loop {
            if (frames.len() as u64).is_multiple_of(between) {
                memory.iter_mut().zip(&mut memory_gbs).for_each(|(memory, all)| all.push(memory.read_gbs(&pool)));
            }
            let started = Instant::now();
            if !next_block(&mut speech, &mut pcm)? {
                break;
            }
            frames.push((speech.times(), started.elapsed()));
        }
    }
    Ok(Measured { load, starts_ms, rss_peak_kb, frames, frame, bytes: session.frame_bytes(options)?, memory_gbs })
}

impl Measured {
    /// Milliseconds of what a frame within a clause costs; the first of a clause has a prompt instead of a step.
    fn stage_ms(&self, part: impl Fn(&(FrameTimes, Duration)) -> Duration) -> Vec<f64> {
        let within =
            |f: &&(FrameTimes, Duration)| !f.0.begins_clause() || self.frames.iter().all(|f| f.0.begins_clause());
        self.frames.iter().filter(within).map(|f| part(f).as_secs_f64() * 1e3).collect()
    }

    pub fn stages(&self) -> [(&'static str, Vec<f64>, usize); 4] {
        [
            ("backbone", self.stage_ms(|f| f.0.backbone), self.bytes.backbone),
            ("flow", self.stage_ms(|f| f.0.flow), self.bytes.flow),
            ("codec", self.stage_ms(|f| f.0.codec), self.bytes.codec),
            ("total", self.stage_ms(|f| f.1), self.bytes.sum()),
        ]
    }

    /// Computing time over speech time: prompts and codec included, loading excluded.
    pub fn real_time_factor(&self) -> f64 {
        let took: Duration = self.frames.iter().map(|f| f.1).sum();
        took.as_secs_f64() / (self.frame.as_secs_f64() * self.frames.len() as f64)
    }

    /// GB/s with small pages, which is what an ordinary program gets, and with huge ones.
    fn memory_gbs(&self) -> [f64; 2] {
        [0, 1].map(|i| median(&self.memory_gbs[i]))
    }

    fn report(&self, threads: usize) -> Value {
        let [small_gbs, _] = self.memory_gbs();
        let stages = self.stages();
        let share = stages.last().map(|(_, ms, bytes)| gbs(*bytes, median(ms)) / small_gbs);
        let frame_ms: serde_json::Map<_, _> =
            stages.into_iter().map(|(name, ms, _)| (name.to_owned(), spread(ms))).collect();
        json!({
            "rtf": round(self.real_time_factor()),
            "frame_ms": frame_ms,
            "ttfa_ms": round(median(&self.starts_ms)),
            "load_ms": round(self.load.as_secs_f64() * 1e3),
            "rss_peak_mb": self.rss_peak_kb.map(|kb| round(kb as f64 * 1024.0 / 1e6)),
            "bytes_per_frame": self.bytes.sum(),
            "read_bandwidth_gbs": round(small_gbs),
            "bw_share": share.map(round),
            "threads": threads,
        })
    }

    fn print(&self) -> Result<()> {
        let [small_gbs, huge_gbs] = self.memory_gbs();
        outln!("{:<10}{:>9}{:>9}{:>9}{:>9}{:>8}{:>10}", "ms/frame", "p50", "p95", "p99", "MB", "GB/s", "of memory")?;
        for (name, ms, bytes) in self.stages() {
            let speed_gbs = gbs(bytes, median(&ms));
            let spread = spread(ms);
            let at = |key: &str| spread[key].as_f64().unwrap_or_default();
            let (p50, p95, p99, mb) = (at("p50"), at("p95"), at("p99"), bytes as f64 / 1e6);
            let share = 100.0 * speed_gbs / small_gbs;
            outln!("{name:<10}{p50:>9.3}{p95:>9.3}{p99:>9.3}{mb:>9.1}{speed_gbs:>8.1}{share:>8.0} %")?;
        }
        let total_ms = self.stages().last().map_or(0.0, |(_, ms, _)| median(ms));
        outln!("\nreal-time factor    {:>9.3}", self.real_time_factor())?;
        outln!("first audio, warm   {:>9.1} ms", median(&self.starts_ms))?;
        outln!("load                {:>9.0} ms", self.load.as_secs_f64() * 1e3)?;
        if let Some(kb) = self.rss_peak_kb {
            outln!("peak memory         {:>9.0} MB", kb as f64 * 1024.0 / 1e6)?;
        }
        outln!("memory, small pages {small_gbs:>9.1} GB/s; huge pages {huge_gbs:.1} GB/s")?;
        outln!(
            "frame ms x GB/s     {:>9.0} with small pages; huge pages {:.0}",
            total_ms * small_gbs,
            total_ms * huge_gbs
        )
    }
}

fn gbs(bytes: usize, ms: f64) -> f64 {
    bytes as f64 / ms.max(f64::EPSILON) / 1e6
}

/// The lower of the two in the middle, as the median of [`spread`].
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

//! `syrinx bench realtime`: what a listener waits for, and what he misses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use syrinx::lab::pack::Pack;
use syrinx::{Error, ErrorKind, Event, Live, LiveOptions, Result, SpeakOptions, Utterance};

use super::allocation;
use super::ear::Ear;
use super::steal::Thief;
use super::{resident_kb, spread};
use crate::cli::arguments::{MachineArguments, PackArguments, SpeechArguments};
use crate::cli::output::outln;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const PERIOD_MS: u32 = 10;
/// Tokens per second of the feeders.
const FEEDERS: [u32; 3] = [10, 20, 40];
/// How often memory is looked at.
const LOOKS: usize = 240;
/// Characters per token of a usual language model.
const TOKEN_CHARS: usize = 4;
const SENTENCES: [&str; 6] = [
    "In three hundred metres, turn left into Harbour Street.",
    "The next train to the airport leaves at ten past four from platform two.",
    "It will rain in the afternoon, so you may want to take an umbrella.",
    "I have found four restaurants nearby, and the first one is open until eleven.",
    "Your table is ready, please follow the lights along the wall.",
    "The battery is at forty per cent, which is enough for about two hours.",
];

#[derive(Debug, clap::Args)]
pub struct Realtime {
    /// Times that first audio is measured, per kind of start.
    #[arg(long, default_value_t = 30)]
    runs: usize,
    /// Cancels at random times.
    #[arg(long, default_value_t = 1000)]
    cancels: usize,
    /// Minutes of continuous speech, per share of a core that is stolen.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Shares of one core that another process takes, in percent.
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_values_t = [0, 50, 90])]
    load: Vec<u32>,
    /// Minutes of speech over which memory is watched, on a clock that runs faster than time.
    #[arg(long, value_name = "MINUTES", default_value_t = 60.0)]
    memory_minutes: f64,
    /// How many times as fast.
    #[arg(long, value_name = "TIMES", default_value_t = 10.0)]
    memory_speed: f64,
    /// Lower the quality where the machine cannot keep up.
    #[arg(long)]
    governor: bool,
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

/// Live speech and who listens to it.
struct Bench {
    live: Live,
    ear: Arc<Ear>,
    options: SpeakOptions,
    random: u64,
}

impl Realtime {
    pub fn run(self) -> Result<()> {
        let pack = self.pack.open()?;
        let rate_hz = pack.manifest().sample_rate_hz;
        let ear = Ear::new();
        let (model, session) = self.machine.load(&pack)?;
        let options = LiveOptions::default().session(session).governor(self.governor);
        let period = (rate_hz * PERIOD_MS / 1000) as usize;
        let live = Live::open_with(&model, options.clone(), ear.sink(rate_hz, period, 1.0))?;
        let mut bench = Bench { live, ear, options: self.speech.options(&pack)?, random: 1 };
        bench.ttfa(0)?; // the first start is not a warm one
        let allocations = bench.allocations()?;

        let ttfa = bench.repeat(self.runs, |bench, i| bench.ttfa(i))?;
        let mut ftts = serde_json::Map::new();
        for rate in FEEDERS {
            ftts.insert(rate.to_string(), spread(bench.repeat(self.runs, |bench, i| bench.ftts(i, rate))?));
        }
        let cancel = bench.repeat(self.cancels, |bench, i| bench.cancel(i))?;
        let underruns: Vec<Value> = match self.minutes > 0.0 {
            true => self.load.iter().map(|&percent| bench.long(self.minutes, percent)).collect::<Result<_>>()?,
            false => Vec::new(),
        };
        let memory = match self.memory_minutes > 0.0 {
            true => {
                let Bench { live, options: speak, .. } = bench;
                drop(live); // one session in memory is enough to watch
                let ear = Ear::new();
                let live = Live::open_with(&model, options, ear.sink(rate_hz, period, self.memory_speed))?;
                let bench = Bench { live, ear, options: speak, random: 1 };
                bench.memory(rate_hz, self.memory_minutes, self.memory_speed)?
            }
            false => Value::Null,
        };
        let report = json!({
            "pack": pack.manifest().name,
            "recipe": pack.manifest().recipe,
            "threads": self.machine.threads(),
            "period_ms": PERIOD_MS,
            "ttfa_ms": spread(ttfa),
            "ftts_ms": ftts,
            "cancel_ms": spread(cancel),
            "allocations": allocations,
            "underruns": underruns,
            "memory": memory,
        });
        if self.json {
            outln!("{report}")?;
        } else {
            print_table(&report, &pack)?;
        }
        Ok(())
    }
}

impl Bench {
    fn sentence(&self, i: usize) -> String {
        format!("{} ", SENTENCES.get(i % SENTENCES.len()).copied().unwrap_or_default())
    }

    fn repeat(&mut self, runs: usize, run: impl Fn(&mut Self, usize) -> Result<f64>) -> Result<Vec<f64>> {
        (0..runs).map(|i| run(self, i)).collect()
    }

    /// Speaks until the first sound.
    fn start(&self, text: &str) -> Result<(Utterance, f64)> {
        self.ear.listen();
        let begun = Instant::now();
        let utterance = self.live.speak(text, &self.options)?;
        let first_ms = self.first_sound(begun)?;
        Ok((utterance, first_ms))
    }

    fn first_sound(&self, since: Instant) -> Result<f64> {
        while since.elapsed() < PATIENCE {
            if let Some(ms) = self.ear.first_ms(since) {
                return Ok(ms);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(Error::new(ErrorKind::Backend, format!("no sound came in {} s: see the log", PATIENCE.as_secs())))
    }

    fn stop(&self, utterance: &Utterance) -> Result<()> {
        utterance.cancel();
        match utterance.wait(PATIENCE) {
            Some(Event::Failed { message, .. }) => Err(Error::new(ErrorKind::Backend, message)),
            _ => Ok(()),
        }
    }

    /// From the call to the first sample that is not zero, the whole text being known.
    fn ttfa(&mut self, i: usize) -> Result<f64> {
        let (utterance, ms) = self.start(&self.sentence(i))?;
        self.stop(&utterance)?;
        Ok(ms)
    }

    /// From the first token to the first sample that is not zero, at so many tokens per second.
    fn ftts(&mut self, i: usize, tokens_per_second: u32) -> Result<f64> {
        let text: Vec<char> = (i..i + 3).flat_map(|i| self.sentence(i).chars().collect::<Vec<_>>()).collect();
        let utterance = self.live.utterance(&self.options)?;
        self.ear.listen();
        let begun = Instant::now();
        for (n, token) in (0..).zip(text.chunks(TOKEN_CHARS)) {
            let due = begun + Duration::from_secs(1) * n / tokens_per_second;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.ear.first_ms(begun).is_some() {
                break;
            }
            utterance.push(&token.iter().collect::<String>())?;
        }
        utterance.finish();
        let ms = self.first_sound(begun)?;
        self.stop(&utterance)?;
        Ok(ms)
    }

    /// From the call of a cancel to the end of the last sample that is not zero.
    fn cancel(&mut self, i: usize) -> Result<f64> {
        let (utterance, _) = self.start(&self.sentence(i))?;
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((self.random >> 33) % 400_000));
        let begun = Instant::now();
        self.stop(&utterance)?;
        std::thread::sleep(Duration::from_millis(u64::from(2 * PERIOD_MS)));
        Ok(self.ear.last_ms(begun).unwrap_or_default().max(0.0))
    }

    /// Allocations of the callback in all, and of the other threads per frame in the midst of a clause: what a longer
    /// piece of the same clause takes beyond a shorter one.
    fn allocations(&mut self) -> Result<Value> {
        const SHORT: u64 = 8;
        const LONG: u64 = 32;
        let text = SENTENCES.concat().replace(['.', ','], " ");
        let counts = || ["syrinx-clock", "syrinx-generator", "syrinx-codec"].map(allocation::of_thread);
        let spent = |max_frames: u64| -> Result<[Option<u64>; 3]> {
            let before = counts();
            let utterance = self.live.speak(&text, &self.options.clone().max_frames(max_frames))?;
            if let Some(Event::Failed { message, .. }) = utterance.wait(PATIENCE) {
                return Err(Error::new(ErrorKind::Backend, message));
            }
            let after = counts();
            Ok([0, 1, 2].map(|i| Some(after.get(i).copied()?? - before.get(i).copied()??)))
        };
        spent(LONG)?; // what grows once has grown
        let ([clock, generator, codec], [clock_long, generator_long, codec_long]) = (spent(SHORT)?, spent(LONG)?);
        let each = |short: Option<u64>, long: Option<u64>| Some((long? as f64 - short? as f64) / (LONG - SHORT) as f64);
        Ok(json!({
            "callback": clock.zip(clock_long).map(|(short, long)| short + long),
            "generator_per_frame": each(generator, generator_long),
            "codec_per_frame": each(codec, codec_long),
            "frames": LONG - SHORT,
        }))
    }

    /// Speech without an end while memory is looked at; the slope leaves out the first fifth. What is seen has its room
    /// from the beginning on, so as not to be seen itself.
    fn memory(&self, rate_hz: u32, minutes: f64, speed: f64) -> Result<Value> {
        let utterance = self.live.utterance(&self.options)?;
        let heard = || self.ear.samples.load(Ordering::Relaxed) as f64 / f64::from(rate_hz) / 60.0;
        let (mut pushed, mut i, mut seen) = (0, 0, vec![(0.0, 0.0); LOOKS]);
        seen.clear();
        while heard() < minutes {
            while pushed < utterance.position() + 600 {
                let text = self.sentence(i);
                utterance.push(&text)?;
                (pushed, i) = (pushed + text.chars().count(), i + 1);
            }
            if let Some(Event::Failed { message, .. }) = utterance.next_event(Duration::from_millis(20)) {
                return Err(Error::new(ErrorKind::Backend, message));
            }
            let due = minutes * (0.2 + 0.8 * seen.len() as f64 / LOOKS as f64);
            if seen.len() < LOOKS
                && heard() >= due
                && let Some(kb) = resident_kb()
            {
                seen.push((heard(), kb as f64));
            }
        }
        let characters = utterance.position();
        self.stop(&utterance)?;
        Ok(json!({
            "minutes": minutes,
            "speed": speed,
            "characters_heard": characters,
            "resident_kb": { "warm": seen.first().map(|at| at.1), "end": seen.last().map(|at| at.1) },
            "slope_kb_per_hour": slope(&seen).map(|kb_per_minute| (kb_per_minute * 60.0).round()),
        }))
    }

    /// Continuous speech while another process takes a share of a core.
    fn long(&mut self, minutes: f64, stolen: u32) -> Result<Value> {
        let _thief = (stolen > 0).then(|| Thief::start(stolen)).transpose()?;
        let (before, rss_before) = (self.live.underruns(), resident_kb());
        self.ear.listen();
        let begun = Instant::now();
        let length = Duration::from_secs_f64(minutes * 60.0);
        let utterance = self.live.utterance(&self.options)?;
        let (mut pushed, mut events, mut i) = (0, serde_json::Map::new(), 0);
        let mut rss_warm = rss_before;
        while begun.elapsed() < length {
            while pushed < utterance.position() + 600 {
                let text = self.sentence(i);
                utterance.push(&text)?;
                (pushed, i) = (pushed + text.chars().count(), i + 1);
            }
            match utterance.next_event(Duration::from_millis(200)) {
                Some(Event::Failed { message, .. }) => return Err(Error::new(ErrorKind::Backend, message)),
                Some(event @ (Event::Guard { .. } | Event::Quality { .. })) => {
                    let count = events.entry(format!("{event:?}")).or_insert(json!(0));
                    *count = json!(count.as_u64().unwrap_or_default() + 1);
                }
                _ => {}
            }
            if begun.elapsed() < length / 5 {
                rss_warm = resident_kb();
            }
        }
        let heard = utterance.position();
        let (gaps, longest, clicks) = (&self.ear.gaps, &self.ear.longest_gap_ms, &self.ear.clicks);
        let (gaps, longest, clicks) =
            (gaps.load(Ordering::Relaxed), longest.load(Ordering::Relaxed), clicks.load(Ordering::Relaxed));
        self.stop(&utterance)?;
        Ok(json!({
            "stolen_percent": stolen,
            "minutes": minutes,
            "underruns": self.live.underruns() - before,
            "gaps": gaps,
            "longest_gap_ms": longest,
            "clicks": clicks,
            "characters_heard": heard,
            "events": events,
            "resident_kb": { "warm": rss_warm, "end": resident_kb() },
        }))
    }
}

/// Of the straight line through these points that fits best.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x_mean, y_mean) = (mean(|p| p.0), mean(|p| p.1));
    let square: f64 = points.iter().map(|p| (p.0 - x_mean).powi(2)).sum();
    let product: f64 = points.iter().map(|p| (p.0 - x_mean) * (p.1 - y_mean)).sum();
    (square > 0.0).then(|| product / square)
}

fn print_table(report: &Value, pack: &Pack) -> Result<()> {
    outln!("pack {} {}, period {PERIOD_MS} ms", pack.manifest().name, pack.manifest().recipe)?;
    outln!("{:<24}{:>9}{:>9}{:>9}{:>9}", "ms", "p50", "p95", "p99", "max")?;
    let row = |name: &str, value: &Value| {
        let cell = |key: &str| value[key].as_f64().map_or("-".to_owned(), |ms| format!("{ms:.1}"));
        outln!("{name:<24}{:>9}{:>9}{:>9}{:>9}", cell("p50"), cell("p95"), cell("p99"), cell("max"))
    };
    row("first audio", &report["ttfa_ms"])?;
    for rate in FEEDERS {
        row(&format!("{rate} tokens/s, first audio"), &report["ftts_ms"][rate.to_string()])?;
    }
    row("cancel to silence", &report["cancel_ms"])?;
    outln!("allocations {}", report["allocations"])?;
    outln!("memory {}", report["memory"])?;
    for long in report["underruns"].as_array().into_iter().flatten() {
        outln!(
            "{} min with {} % of a core stolen: {} underruns, {} gaps (longest {} ms), {} clicks, memory {} kB to {} kB",
            long["minutes"],
            long["stolen_percent"],
            long["underruns"],
            long["gaps"],
            long["longest_gap_ms"],
            long["clicks"],
            long["resident_kb"]["warm"],
            long["resident_kb"]["end"],
        )?;
    }
    Ok(())
}

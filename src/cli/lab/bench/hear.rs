//! `syrinx bench hear`: what a token of listening costs, stage by stage.

use std::time::Instant;

use serde_json::json;
use syrinx::lab::hear::realtime::Recogniser;
use syrinx::lab::kernel::{Bandwidth, Pages, Pool};
use syrinx::lab::pack::{EarsPack, OpenOptions};
use syrinx::{Error, ErrorKind, Result};

use super::{resident_kb, resident_peak_kb, spread};
use crate::cli::output::outln;

#[derive(Debug, clap::Args)]
pub struct Hear {
    /// Folder of a pack that listens.
    #[arg(long, value_name = "DIR")]
    pack: std::path::PathBuf,
    /// Seconds of noise that are heard, after the silence that every stream begins with.
    #[arg(long, default_value_t = 20)]
    seconds: usize,
    /// Threads that compute.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// From the end of a word to its text.
    #[arg(long, value_name = "MS")]
    delay_ms: Option<u32>,
    /// Do not compare the files with their hashes.
    #[arg(long)]
    no_verify: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Hear {
    pub fn run(self) -> Result<()> {
        if self.seconds == 0 {
            return Err(Error::new(ErrorKind::BadOption, "--seconds 0 measures nothing"));
        }
        let begun = Instant::now();
        let open = OpenOptions { verify: !self.no_verify, commercial: false };
        let ears = Recogniser::open(&EarsPack::open(&self.pack, open)?, self.threads)?;
        let loaded_s = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let mut stream = ears.stream(ears.delay(self.delay_ms)?, None)?;
        let first_start_s = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        stream.restart()?;
        let start_ms = 1e3 * begun.elapsed().as_secs_f64();

        let token = ears.shape().samples_per_token();
        let tokens = (self.seconds * ears.shape().front.sampling_rate).div_ceil(token);
        let mut noise = Noise(1);
        let mut stages: [Vec<f64>; 5] = Default::default();
        let mut answers = Vec::new();
        let mut resident = Vec::new();
        for _ in 0..tokens {
            let samples: Vec<f32> = (0..token).map(|_| noise.next()).collect();
            let before = stream.times();
            stream.push(&samples, &mut answers)?;
            let spent = stream.times().since(before);
            let all = [spent.front, spent.encoder, spent.adapter, spent.decoder, spent.total()];
            for (stage, spent) in stages.iter_mut().zip(all) {
                stage.push(1e3 * spent.as_secs_f64());
            }
            resident.extend(resident_kb());
            if stream.has_ended() {
                stream.restart()?;
            }
        }
        let bytes = ears.token_bytes();
        let read_gb_s = Bandwidth::new(Pages::Huge)?.median_gbs(&Pool::new(self.threads));
        let names = ["front", "encoder", "adapter", "decoder", "token"];
        let figures: serde_json::Map<String, serde_json::Value> =
            names.into_iter().map(str::to_owned).zip(stages.clone().into_iter().map(spread)).collect();
        let median = |stage: usize| {
            let mut values = stages[stage].clone();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let share = |bytes: u64, ms: f64| bytes as f64 / 1e6 / ms / read_gb_s;
        let result = json!({
            "threads": self.threads, "tokens": tokens, "loaded_s": loaded_s, "first_start_s": first_start_s,
            "start_ms": start_ms, "ms": figures, "real_time_factor": median(4) / ears.token_ms(),
            "encoder_bytes": bytes.encoder, "decoder_bytes": bytes.decoder, "read_gb_s": read_gb_s,
            "encoder_share_of_bandwidth": share(bytes.encoder, median(1)),
            "decoder_share_of_bandwidth": share(bytes.decoder, median(3)),
            "resident_kb": resident.last(), "resident_growth_kb": growth(&resident), "resident_peak_kb": resident_peak_kb(),
        });
        if self.json {
            return outln!("{result}");
        }
        outln!("loaded in {loaded_s:.1} s, first start {first_start_s:.2} s, then {start_ms:.1} ms")?;
        outln!("{:<10} {:>9} {:>9} {:>9}", "stage", "p50 ms", "p95 ms", "max ms")?;
        for name in names {
            let of = &figures[name];
            outln!("{name:<10} {:>9} {:>9} {:>9}", of["p50"], of["p95"], of["max"])?;
        }
        outln!("real-time factor {:.3}, of tokens of {} ms", median(4) / ears.token_ms(), ears.token_ms())?;
        outln!(
            "decoder reads {:.2} GB per token, {:.0} % of the {read_gb_s:.1} GB/s measured beside it",
            bytes.decoder as f64 / 1e9,
            100.0 * share(bytes.decoder, median(3))
        )?;
        outln!("memory {} kB, peak {} kB", resident.last().unwrap_or(&0), resident_peak_kb().unwrap_or(0))
    }
}

/// Between the middle of the run and its end.
fn growth(resident: &[u64]) -> Option<i64> {
    let middle = *resident.get(resident.len() / 2)?;
    Some(*resident.last()? as i64 - middle as i64)
}

/// White, some -20 dBFS.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.35
    }
}

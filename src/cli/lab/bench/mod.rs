//! `syrinx bench`: figures, as a table or as JSON.

mod allocation;
mod ear;
pub(super) mod frames;
mod hear;
mod realtime;
mod sessions;
mod steal;

pub use allocation::Counting;
use serde_json::{Value, json};
use syrinx::{ErrorKind, Next, Result, Speech};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    frames: frames::Frames,
}

#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Latencies, cancels and underruns of live speech, on a clock without sound.
    Realtime(Box<realtime::Realtime>),
    /// Several clients on one model, taking turns by the frame.
    Sessions(Box<sessions::Sessions>),
    /// A pack that listens: the time of each stage of a token, memory, and what this machine can read beside it.
    Hear(hear::Hear),
    /// Keep a share of a core busy, until standard input closes.
    #[command(hide = true)]
    Steal(steal::Steal),
}

impl Bench {
    pub fn run(self) -> Result<()> {
        match self.other {
            None => self.frames.run(),
            Some(Other::Realtime(command)) => command.run(),
            Some(Other::Sessions(command)) => command.run(),
            Some(Other::Hear(command)) => command.run(),
            Some(Other::Steal(command)) => command.run(),
        }
    }
}

/// Computes the next block. False at the end, which a budget may have brought.
fn next_block(speech: &mut Speech, pcm: &mut [f32]) -> Result<bool> {
    match speech.next_into(pcm) {
        Ok(next) => Ok(matches!(next, Next::Audio(_))),
        Err(e) if e.kind() == ErrorKind::OutOfBudget => Ok(false),
        Err(e) => Err(e),
    }
}

/// Median and tail of some times.
fn spread(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let i = (share * values.len() as f64).ceil() as usize;
        values.get(i.saturating_sub(1)).map(|ms| (ms * 1000.0).round() / 1000.0)
    };
    json!({ "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0), "n": values.len() })
}

/// Memory that this process holds, where the system says so.
fn resident_kb() -> Option<u64> {
    status_kb("VmRSS:")
}

/// The most memory that this process has held.
fn resident_peak_kb() -> Option<u64> {
    status_kb("VmHWM:")
}

fn status_kb(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

//! What listening costs and what it hears, on recordings: `cargo bench --bench hear -- turns WAV...` writes where speech begins
//! and ends, `-- texts PACK WAV...` what Whisper makes of each, both as lines for the scripts in `benches/hear`. The pace of one
//! thread goes to standard error, in time of a processor.

use std::path::Path;
use std::time::{Duration, Instant};

use syrinx::Result;
use syrinx::lab::hear::turn::{TurnEvent, TurnOptions, Turns};
use syrinx::lab::hear::wav::{RATE_HZ, Recording};
use syrinx::lab::hear::whisper::{Options, Whisper, WhisperWeights};
use syrinx::lab::pack::{EarsPack, OpenOptions};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["turns", files @ ..] => turns(files),
        ["texts", pack, files @ ..] => texts(Path::new(pack), files),
        _ => {
            eprintln!("usage: hear turns WAV... | hear texts PACK WAV...");
            Ok(())
        }
    }
}

fn turns(files: &[&str]) -> Result<()> {
    let mut pace = Pace::default();
    for file in files {
        let samples = Recording::open(Path::new(file))?.read_all()?;
        let mut events = Vec::new();
        pace.measure(samples.len(), || {
            let mut turns = Turns::new(TurnOptions::default())?;
            turns.feed(&samples, |event| events.push(event));
            turns.flush(|event| events.push(event));
            Ok(())
        })?;
        let line = events.iter().map(|event| match event {
            TurnEvent::Started { from, onset } => format!("S{onset}/{from}"),
            TurnEvent::Ended { to, offset, .. } => format!("E{offset}/{to}"),
        });
        println!("{file}\t{}", line.collect::<Vec<_>>().join(" "));
    }
    pace.print();
    Ok(())
}

/// What is said in each file: its turns by voice activity, one after the other.
fn texts(pack: &Path, files: &[&str]) -> Result<()> {
    let weights = WhisperWeights::open(&EarsPack::open(pack, OpenOptions::default())?)?;
    let mut ears = Whisper::new(&weights, 1)?;
    let mut pace = Pace::default();
    for file in files {
        let samples = Recording::open(Path::new(file))?.read_all()?;
        let mut texts = Vec::new();
        pace.measure(samples.len(), || {
            for part in parts(&samples)? {
                texts.push(ears.transcribe(&samples[part], &Options::default())?.text);
            }
            Ok(())
        })?;
        println!("{file}\t{}", texts.join(" "));
    }
    pace.print();
    Ok(())
}

fn parts(samples: &[f32]) -> Result<Vec<std::ops::Range<usize>>> {
    let mut turns = Turns::new(TurnOptions::default())?;
    let (mut parts, mut begun) = (Vec::new(), 0);
    let mut event = |event| match event {
        TurnEvent::Started { from, .. } => begun = from as usize,
        TurnEvent::Ended { to, .. } => parts.push(begun..to as usize),
    };
    turns.feed(samples, &mut event);
    turns.flush(&mut event);
    Ok(parts)
}

/// How long this thread has had a processor, so that others on the machine do not count; where the system does not say, the
/// time of day.
fn busy(since: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).map_or_else(|| since.elapsed(), Duration::from_nanos)
}

#[derive(Default)]
struct Pace {
    sound: Duration,
    each: Vec<Duration>,
}

impl Pace {
    fn measure(&mut self, samples: usize, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let now = Instant::now();
        let begun = busy(now);
        work()?;
        self.each.push(busy(now).saturating_sub(begun));
        self.sound += Duration::from_secs_f64(samples as f64 / f64::from(RATE_HZ));
        Ok(())
    }

    fn print(mut self) {
        self.each.sort();
        let (sound, taken) = (self.sound.as_secs_f64(), self.each.iter().sum::<Duration>().as_secs_f64());
        let at = |part: usize| self.each.get(self.each.len() * part / 100).copied().unwrap_or_default();
        let each = format!("each {:.0?}, of a hundred the longest but five {:.0?}", at(50), at(95));
        eprintln!("{sound:.1} s of sound in {taken:.2} s of a processor: {:.4}; {each}", taken / sound);
    }
}

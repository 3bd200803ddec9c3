//! What listening costs and what it hears, on recordings: `cargo bench --bench hear -- turns WAV...` writes where speech begins
//! and ends, `-- voice WAV...` the probability of a voice in every frame, `-- texts PACK WAV...` what Whisper makes of each with
//! how sure it is and what it cost, all as lines for the scripts in `benches/hear`. The pace of one thread goes to standard
//! error, in time of a processor. `-- delays PACK WAV...` measures by the clock how long a listener takes from the end of a turn
//! to its text.

use std::path::Path;
use std::time::{Duration, Instant};

use syrinx::lab::hear::turn::{TurnEvent, TurnOptions, Turns};
use syrinx::lab::hear::vad::Vad;
use syrinx::lab::hear::wav::{RATE_HZ, Recording};
use syrinx::lab::hear::whisper::{Options, Whisper, WhisperWeights};
use syrinx::lab::pack::{EarsPack, OpenOptions};
use syrinx::{Ears, EarsOptions, Error, ErrorKind, ListenOptions, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["turns", files @ ..] => turns(files),
        ["voice", files @ ..] => voice(files),
        ["texts", pack, rest @ ..] => texts(Path::new(pack), rest),
        ["delays", pack, files @ ..] => delays(Path::new(pack), files),
        _ => {
            eprintln!(
                "usage: hear turns WAV... | voice WAV... | texts PACK [padding_ms=8000...] WAV... | delays PACK WAV..."
            );
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
            TurnEvent::Paused { to } => format!("P{to}"),
            TurnEvent::Ended { to, offset, .. } => format!("E{offset}/{to}"),
        });
        println!("{file}\t{}", line.collect::<Vec<_>>().join(" "));
    }
    pace.print();
    Ok(())
}

/// Voice activity's probability of each frame of each file.
fn voice(files: &[&str]) -> Result<()> {
    for file in files {
        let samples = Recording::open(Path::new(file))?.read_all()?;
        let mut vad = Vad::new()?;
        let each = samples.chunks_exact(vad.frame_samples()).map(|frame| format!("{:.7}", vad.step(frame)));
        println!("{file}\t{}", each.collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

/// What is said in each file: its turns by voice activity, one after the other. Behind the text: how sure the least sure of them
/// was, the highest temperature, and milliseconds of a processor.
fn texts(pack: &Path, rest: &[&str]) -> Result<()> {
    let weights = WhisperWeights::open(&EarsPack::open(pack, OpenOptions::default())?)?;
    let mut ears = Whisper::new(&weights, 1)?;
    let (mut options, mut turns, mut pace) = (Options::default(), TurnOptions::default(), Pace::default());
    for argument in rest {
        if let Some((name, value)) = argument.split_once('=') {
            set(&mut options, &mut turns, name, value)?;
            continue;
        }
        let samples = Recording::open(Path::new(argument))?.read_all()?;
        let (mut said, mut least, mut temperature) = (Vec::new(), 0f32, 0f32);
        pace.measure(samples.len(), || {
            for part in parts(&samples, turns)? {
                let heard = ears.transcribe(&samples[part], &options)?;
                (least, temperature) = (least.min(heard.log_probability), temperature.max(heard.temperature));
                said.push(heard.text);
            }
            Ok(())
        })?;
        let taken = pace.each.last().copied().unwrap_or_default().as_secs_f64() * 1000.0;
        println!("{argument}\t{}\t{least:.4}\t{temperature}\t{taken:.1}", said.join(" "));
    }
    pace.print();
    Ok(())
}

fn set(options: &mut Options, turns: &mut TurnOptions, name: &str, value: &str) -> Result<()> {
    match (name, value.parse()) {
        ("padding_ms", Ok(ms)) => options.padding_ms = ms,
        ("preroll_ms", Ok(ms)) => turns.preroll_ms = ms,
        ("postroll_ms", Ok(ms)) => turns.postroll_ms = ms,
        _ => {
            let message = format!("{name}={value}: choose padding_ms, preroll_ms or postroll_ms, and milliseconds");
            return Err(Error::new(ErrorKind::BadOption, message));
        }
    }
    Ok(())
}

/// From the moment when a turn is known to have ended to its text, on one thread, of turns whose speech lasts five seconds at
/// most. Each recording, with a second of silence behind it, is heard as if it came in its own time.
fn delays(pack: &Path, files: &[&str]) -> Result<()> {
    const FRAME: usize = 512;
    const LONGEST_MS: u64 = 5_000;
    const SILENCE_MS: usize = 1_000;
    let ears = Ears::open(pack, EarsOptions::default().threads(1usize))?;
    let hz = ears.info().sample_rate_hz as usize;
    let mut all = Vec::new();
    for file in files {
        let mut samples = Recording::open(Path::new(file))?.read_all()?;
        samples.resize(samples.len() + SILENCE_MS * hz / 1000, 0.0);
        let mut listener = ears.listener(ListenOptions::default())?;
        let (mut came, mut done) = (Duration::ZERO, Duration::ZERO);
        // The last call is a flush.
        for frame in samples.chunks(FRAME).map(Some).chain([None]) {
            came += Duration::from_secs_f64(frame.map_or(0, <[f32]>::len) as f64 / hz as f64);
            let begun = Instant::now();
            let heard = match frame {
                Some(frame) => listener.feed(frame)?,
                None => listener.flush()?,
            };
            done = done.max(came) + begun.elapsed();
            for heard in heard {
                let (ms, late) = (heard.end_ms - heard.start_ms, done - came);
                println!("{file}\t{}\t{ms}\t{:.1}", heard.text, late.as_secs_f64() * 1000.0);
                if ms <= LONGEST_MS {
                    all.push(late);
                }
            }
        }
    }
    all.sort();
    let at = |part: usize| all.get(all.len() * part / 100).copied().unwrap_or_default();
    eprintln!(
        "{} turns of 5 s at most: median {:.0?}, of a hundred the longest but five {:.0?}",
        all.len(),
        at(50),
        at(95)
    );
    Ok(())
}

fn parts(samples: &[f32], options: TurnOptions) -> Result<Vec<std::ops::Range<usize>>> {
    let mut turns = Turns::new(options)?;
    let (mut parts, mut begun) = (Vec::new(), 0);
    let mut event = |event| match event {
        TurnEvent::Started { from, .. } => begun = from as usize,
        TurnEvent::Paused { .. } => {}
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

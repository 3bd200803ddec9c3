//! `syrinx say`: text in, speech out.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use syrinx::lab::device::wav::{self, WavFile};
use syrinx::engine::{Ending, Session};
use syrinx::lab::pack::Pack;
use syrinx::{Error, ErrorKind, Result};

use super::arguments::{MachineArguments, PackArguments, SpeechArguments};

#[derive(Debug, clap::Args)]
pub struct Say {
    /// What to say. Without it: --file, or standard input.
    text: Option<String>,
    /// Read the text from a file.
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// Write a WAV file; `-` writes to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What `-o -` writes.
    #[arg(long, value_enum, default_value_t = StdoutFormat::S16le)]
    format: StdoutFormat,
    #[command(flatten)]
    play: super::play::PlayArguments,
    #[command(flatten)]
    pack: PackArguments,
    #[command(flatten)]
    speech: SpeechArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StdoutFormat {
    /// Raw 16-bit little-endian samples, as they are made.
    S16le,
    /// A WAV file, when it is complete.
    Wav,
}

impl Say {
    pub fn run(self) -> Result<()> {
        if self.play.is_wanted() {
            return self.play();
        }
        let text = self.text()?;
        let pack = self.pack.open()?;
        let started = Instant::now();
        let mut session = Session::open(&pack, &self.machine.options()?)?;
        let loaded = started.elapsed();
        self.machine.lock_memory()?;
        let options = self.speech.options(&pack)?;
        let mut sink = Sink::open(self.output.as_deref(), self.format, session.sample_rate_hz())?;
        let canceller = session.canceller();
        // A second handler cannot be set in one process; the program sets its only one here.
        let _ = ctrlc::set_handler(move || canceller.cancel());

        let progress = Progress::new();
        let rate = session.sample_rate_hz();
        let mut block = vec![0.0; session.samples_per_frame()];
        let frame = Duration::from_secs_f64(block.len() as f64 / f64::from(rate));
        let started = Instant::now();
        let mut first = None;
        let mut synthesis = session.speak(&text, &options)?;
        let outcome = loop {
            match synthesis.next_block(&mut block) {
                Ok(true) => {
                    first.get_or_insert_with(|| started.elapsed());
                    sink.write(&block)?;
                    progress.show(frame * synthesis.summary().frames as u32);
                }
                Ok(false) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        progress.clear();
        let summary = synthesis.summary();
        if summary.frames > 0 {
            sink.finish()?; // what was made is kept, also where the rest failed
        }
        outcome?;
        let audio = frame * summary.frames as u32;
        match summary.ending {
            Some(Ending::Budget) => log::warn!(
                "cut after {:.1} s: the frame budget is used up (raise --max-seconds, or give shorter text)",
                audio.as_secs_f64()
            ),
            Some(Ending::Cancelled) => log::warn!("cancelled after {:.1} s", audio.as_secs_f64()),
            _ => {}
        }
        if summary.ends_withheld > 0 {
            log::info!("the end was withheld on {} first frames", summary.ends_withheld);
        }
        print_summary(&pack, audio, started.elapsed(), first, loaded);
        Ok(())
    }

    /// Speaks through the sound device: the text as a whole, or standard input as it arrives.
    fn play(self) -> Result<()> {
        let text = if self.play.is_stream() { None } else { Some(self.text()?) };
        let pack = Arc::new(self.pack.open()?);
        let options = self.speech.options(&pack)?;
        self.play.run(&pack, &self.machine, &options, text)
    }

    fn text(&self) -> Result<String> {
        let bad = |from: &str| Error::new(ErrorKind::BadText, format!("{from} is not valid UTF-8: convert it first"));
        match (&self.text, &self.file) {
            (Some(text), _) => Ok(text.clone()),
            (None, Some(path)) => {
                let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
                String::from_utf8(bytes).map_err(|_| bad(&path.display().to_string()))
            }
            (None, None) => {
                let mut bytes = Vec::new();
                let limit = Session::MAX_TEXT_BYTES as u64 + 1;
                let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
                read.map_err(|e| Error::io("read", Path::new("standard input"), e))?;
                String::from_utf8(bytes).map_err(|_| bad("standard input"))
            }
        }
    }
}

/// Where the blocks go.
enum Sink {
    Nowhere,
    File(WavFile),
    Raw,
    /// Samples for a WAV file on standard output, whose header comes first and names the length.
    Wav {
        samples: Vec<f32>,
        sample_rate_hz: u32,
    },
}

impl Sink {
    fn open(output: Option<&Path>, format: StdoutFormat, sample_rate_hz: u32) -> Result<Self> {
        Ok(match (output, format) {
            (None, _) => Self::Nowhere,
            (Some(path), StdoutFormat::S16le) if path == Path::new("-") => Self::Raw,
            (Some(path), StdoutFormat::Wav) if path == Path::new("-") => {
                Self::Wav { samples: Vec::new(), sample_rate_hz }
            }
            (Some(path), _) => Self::File(WavFile::create(path, sample_rate_hz)?),
        })
    }

    fn write(&mut self, block: &[f32]) -> Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::File(file) => file.write(block),
            Self::Raw => wav::write_s16le(&mut std::io::stdout().lock(), block).map_err(stdout_error),
            Self::Wav { samples, .. } => {
                samples.extend_from_slice(block);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Nowhere | Self::Raw => Ok(()),
            Self::File(file) => file.finish(),
            Self::Wav { samples, sample_rate_hz } => {
                let bytes = wav::wav_bytes(&samples, sample_rate_hz)?;
                std::io::stdout().lock().write_all(&bytes).map_err(stdout_error)
            }
        }
    }
}

fn stdout_error(e: std::io::Error) -> Error {
    Error::io("write", Path::new("standard output"), e)
}

/// Seconds spoken, rewritten in place on a terminal and left out elsewhere.
struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(indicatif::ProgressBar::new_spinner))
    }

    fn show(&self, audio: Duration) {
        if let Some(bar) = &self.0 {
            bar.set_message(format!("{:.1} s", audio.as_secs_f64()));
            bar.tick();
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn print_summary(pack: &Pack, audio: Duration, took: Duration, first: Option<Duration>, loaded: Duration) {
    let manifest = pack.manifest();
    let note = if manifest.synthetic { " (synthetic weights: this is noise, not speech)" } else { "" };
    eprintln!(
        "{:.2} s of speech, real-time factor {:.3}, first audio after {:.0} ms, loaded in {:.0} ms, pack {} {}{note}",
        audio.as_secs_f64(),
        took.as_secs_f64() / audio.as_secs_f64().max(f64::EPSILON),
        first.unwrap_or_default().as_secs_f64() * 1e3,
        loaded.as_secs_f64() * 1e3,
        manifest.name,
        manifest.recipe,
    );
}

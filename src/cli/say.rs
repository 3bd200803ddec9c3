//! `syrinx say`: text in, speech out.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use syrinx::lab::device::wav::{self, WavFile};
use syrinx::lab::pack::Pack;
use syrinx::{Error, ErrorKind, Next, Result, Speech};

use super::arguments::{MachineArguments, PackArguments, SpeechArguments};
use super::interrupt;
use super::output::{self, errln};

#[derive(Debug, clap::Args)]
pub struct Say {
    /// What to say. Without it: --file, or standard input.
    text: Option<String>,
    /// Read the text from a file; `-` is standard input.
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
        if let Some(path) = self.output.as_deref().or(self.play.tape()) {
            check_extension(path)?;
        }
        if self.play.is_wanted() {
            return self.play();
        }
        let text = self.text()?;
        let pack = self.pack.open()?;
        let started = Instant::now();
        let (model, session) = self.machine.load(&pack)?;
        let mut session = model.session(session)?;
        let loaded = started.elapsed();
        self.machine.lock_memory()?;
        let options = self.speech.options(&pack)?;
        interrupt::watch();
        let rate = model.info().sample_rate_hz;
        let mut sink = Sink::open(self.output.as_deref(), self.format, rate)?;

        let progress = Progress::new();
        let mut block = vec![0.0; model.info().samples_per_frame];
        let seconds = |samples: u64| Duration::from_secs_f64(samples as f64 / f64::from(rate));
        let mut samples = 0;
        let started = Instant::now();
        let mut first = None;
        let mut speech = session.speak(&text, &options)?;
        let outcome = loop {
            if interrupt::has_come() {
                break Ok(());
            }
            match speech.next_into(&mut block) {
                Ok(Next::Audio(made)) => {
                    first.get_or_insert_with(|| started.elapsed());
                    sink.write(block.get(..made.samples).unwrap_or_default())?;
                    samples += made.samples as u64;
                    progress.show(seconds(samples));
                }
                Ok(Next::Mark { name, sample }) => log::info!("mark {name} at {:.3} s", seconds(sample).as_secs_f64()),
                Ok(_) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        progress.clear();
        if interrupt::is_final() {
            return Ok(());
        }
        let summary = speech.summary();
        if samples > 0 {
            sink.finish()?; // what was made is kept, also where the rest failed
        }
        let audio = seconds(samples);
        match outcome {
            // As it was asked for; what was left unsaid is said.
            Err(e) if e.kind() == ErrorKind::OutOfBudget && options.max_frames.is_some() => {
                log::warn!("--max-seconds: {e}")
            }
            outcome => outcome?,
        }
        if summary.ending.is_none() && interrupt::has_come() {
            log::warn!("cancelled after {:.1} s", audio.as_secs_f64());
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
        let pack = self.pack.open()?;
        let options = self.speech.options(&pack)?;
        self.play.run(&pack, &self.machine, &options, text)
    }

    fn text(&self) -> Result<String> {
        if let Some(text) = &self.text {
            return Ok(text.clone());
        }
        match self.file.as_deref().filter(|path| *path != Path::new("-")) {
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
                read_text(file, path)
            }
            None => read_text(std::io::stdin().lock(), Path::new("standard input")),
        }
    }
}

/// Never reads more than may be spoken. Errors: `BadText`, `Io`.
fn read_text(from: impl Read, name: &Path) -> Result<String> {
    let (limit, name_text) = (Speech::MAX_WAITING_BYTES, name.display());
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::io("read", name, e))?;
    if bytes.len() > limit {
        let message = format!("{name_text} has more than {limit} bytes of text, the limit: split it");
        return Err(Error::new(ErrorKind::BadText, message));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::BadText, format!("{name_text} is not valid UTF-8: convert it first")))
}

/// Where the blocks go.
enum Sink {
    Nowhere,
    File(WavFile),
    Raw(Box<dyn Write + Send>),
}

impl Sink {
    fn open(output: Option<&Path>, format: StdoutFormat, sample_rate_hz: u32) -> Result<Self> {
        Ok(match (output, format) {
            (None, _) => Self::Nowhere,
            (Some(path), StdoutFormat::S16le) if path == Path::new("-") => {
                Self::Raw(wav::standard_output().map_err(output::failed)?)
            }
            (Some(path), StdoutFormat::Wav) if path == Path::new("-") => {
                Self::File(WavFile::standard_output(sample_rate_hz)?)
            }
            (Some(path), _) => Self::File(WavFile::create(path, sample_rate_hz)?),
        })
    }

    fn write(&mut self, block: &[f32]) -> Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::File(file) => file.write(block),
            Self::Raw(out) => wav::write_s16le(out, block).map_err(output::failed),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Nowhere | Self::Raw(_) => Ok(()),
            Self::File(file) => file.finish(),
        }
    }
}

/// Refuses a name that promises another format than what is written.
fn check_extension(path: &Path) -> Result<()> {
    let other = path.extension().filter(|e| !e.eq_ignore_ascii_case("wav"));
    let Some(other) = other else { return Ok(()) };
    let message = format!("cannot write {}: what is written is WAV, not {}", path.display(), other.display());
    Err(Error::new(ErrorKind::BadOption, format!("{message}: name it .wav")))
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
    errln!(
        "{:.2} s of speech, real-time factor {:.3}, first audio after {:.0} ms, loaded in {:.0} ms, pack {} {}{note}",
        audio.as_secs_f64(),
        took.as_secs_f64() / audio.as_secs_f64().max(f64::EPSILON),
        first.unwrap_or_default().as_secs_f64() * 1e3,
        loaded.as_secs_f64() * 1e3,
        manifest.name,
        manifest.recipe,
    );
}

//! `syrinx say`: text in, speech out.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use syrinx::backbone::KvType;
use syrinx::board::profile::Defaults;
use syrinx::board::{Machine, Profile, system};
use syrinx::device::wav::{self, WavFile};
use syrinx::engine::{Ending, Session, SessionOptions, SpeakOptions};
use syrinx::flow::FlowEngine;
use syrinx::pack::Pack;
use syrinx::{Error, ErrorKind, Result};

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
    pack: super::PackArguments,
    #[command(flatten)]
    speech: SpeechArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

/// How it is spoken.
#[derive(Debug, clap::Args)]
pub struct SpeechArguments {
    /// Voice by name; `syrinx voices` lists them.
    #[arg(long)]
    voice: Option<String>,
    /// Seed of the flow's noise: the same seed gives the same samples.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    solver: super::solver::SolverArguments,
    /// Cut the speech after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    max_seconds: Option<f64>,
}

/// How the machine is used.
#[derive(Debug, clap::Args)]
pub struct MachineArguments {
    /// Threads; leave one core for sound. Without it: 1, or the board's.
    #[arg(long)]
    threads: Option<usize>,
    /// Positions for voice, text and frames of one sentence.
    #[arg(long, value_name = "POSITIONS")]
    context: Option<usize>,
    /// Type of the key/value cache.
    #[arg(long, value_enum)]
    kv: Option<Kv>,
    /// What computes the flow head. Without it: auto, or the board's.
    #[arg(long, value_enum)]
    flow_engine: Option<Engine>,
    /// Most memory that weights, key/value cache and buffers may take.
    #[arg(long, value_name = "MB")]
    memory_mb: Option<u64>,
    /// Folder for voice prefixes; without it the user's cache folder.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Choose what is not given as this board's profile does: `auto` for the board that this is, a name, or a file.
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// Keep what is in memory there: nothing of it is swapped out.
    #[arg(long)]
    mlock: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Kv {
    F32,
    F16,
    #[value(name = "q8_0")]
    Q8_0,
}

impl From<Kv> for KvType {
    fn from(kv: Kv) -> Self {
        match kv {
            Kv::F32 => Self::F32,
            Kv::F16 => Self::F16,
            Kv::Q8_0 => Self::Q8_0,
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Engine {
    /// The GPU where this build and machine have one, else native.
    Auto,
    /// Syrinx's kernels, on the processor.
    Native,
    /// ggml, on the GPU or, without one, on the processor.
    Ggml,
}

impl From<Engine> for FlowEngine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Auto => Self::Auto,
            Engine::Native => Self::Native,
            Engine::Ggml => Self::Ggml,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StdoutFormat {
    /// Raw 16-bit little-endian samples, as they are made.
    S16le,
    /// A WAV file, when it is complete.
    Wav,
}

impl SpeechArguments {
    pub fn options(&self, pack: &Pack) -> Result<SpeakOptions> {
        let frames = |seconds: f64| {
            let samples = pack.shape().codec.samples_per_frame();
            let frame_seconds = samples as f64 / f64::from(pack.manifest().sample_rate_hz);
            (seconds / frame_seconds).ceil()
        };
        let max_frames = match self.max_seconds.map(frames) {
            Some(frames) if !(1.0..1e9).contains(&frames) => {
                return Err(Error::new(ErrorKind::BadOption, "--max-seconds: give a number above 0"));
            }
            frames => frames.map(|frames| frames as u64),
        };
        let Self { voice, seed, solver, .. } = self;
        Ok(SpeakOptions { voice: voice.clone(), seed: *seed, max_frames, ..solver.options() })
    }
}

impl MachineArguments {
    /// Threads of [`MachineArguments::options`], which reports what is wrong with them.
    pub fn threads(&self) -> usize {
        self.options().map_or(1, |options| options.threads)
    }

    /// The profile that was asked for.
    pub fn profile(&self) -> Result<Option<Profile>> {
        match self.board.as_deref() {
            None => Ok(None),
            Some("auto") => Machine::here().profile().map(Some),
            Some(name) => Profile::load(name).map(Some),
        }
    }

    /// Locks memory if that was asked for; to be called when the weights are loaded.
    pub fn lock_memory(&self) -> Result<()> {
        if self.mlock { system::lock_memory() } else { Ok(()) }
    }

    pub fn options(&self) -> Result<SessionOptions> {
        let profile = self.profile()?;
        self.options_with(profile.as_ref().map(|profile| &profile.defaults))
    }

    /// As [`MachineArguments::options`], with this board's defaults.
    pub fn options_with(&self, board: Option<&Defaults>) -> Result<SessionOptions> {
        // A profile's words were checked when it was read.
        let kv = |board: &Defaults| <Kv as clap::ValueEnum>::from_str(&board.kv, false).ok();
        let engine = |board: &Defaults| <Engine as clap::ValueEnum>::from_str(&board.flow_engine, false).ok();
        let threads = self.threads.or(board.map(|board| board.threads)).unwrap_or(1);
        if threads == 0 || threads > 256 {
            return Err(Error::new(ErrorKind::BadOption, "--threads: choose 1 to 256"));
        }
        Ok(SessionOptions {
            threads,
            context: self.context.or(board.and_then(|board| board.context)),
            kv: self.kv.or(board.and_then(kv)).map(KvType::from),
            flow_engine: self.flow_engine.or(board.and_then(engine)).unwrap_or(Engine::Auto).into(),
            memory_budget_bytes: self.memory_mb.map(|mb| mb << 20),
            prefix_folder: self.cache.clone().or_else(syrinx::backbone::user_cache_folder),
            ..Default::default()
        })
    }
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

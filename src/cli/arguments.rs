//! What several commands take: which pack, how it is spoken, how the machine is used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use syrinx::lab::backbone::KvType;
use syrinx::lab::board::profile::Defaults;
use syrinx::lab::board::{Machine, Profile, system};
use syrinx::lab::flow::FlowEngine;
use syrinx::lab::kernel::allowed_threads;
use syrinx::lab::pack::{OpenOptions, Pack};
use syrinx::options::{Lexicon, Ssml};
use syrinx::{Error, ErrorKind, Model, ModelOptions, Phrase, Result, SessionOptions, SpeakOptions};

/// Which pack, and how strictly it is opened.
#[derive(Debug, clap::Args)]
pub struct PackArguments {
    /// Folder of the pack. Without it: $SYRINX_PACK, then models/wren-en beside the program or here.
    #[arg(long, value_name = "DIR")]
    pub pack: Option<PathBuf>,
    /// Do not compare the files with their hashes (only for very slow media).
    #[arg(long)]
    no_verify: bool,
    /// Refuse packs whose licence forbids commercial use.
    #[arg(long)]
    commercial: bool,
}

impl PackArguments {
    pub fn open(&self) -> Result<Arc<Pack>> {
        Pack::open(&self.folder()?, self.options()).map(Arc::new)
    }

    /// Where it is.
    pub fn folder(&self) -> Result<PathBuf> {
        self.pack.clone().map_or_else(default_pack, Ok)
    }

    /// How strictly it is opened.
    pub fn options(&self) -> OpenOptions {
        OpenOptions { verify: !self.no_verify, commercial: self.commercial }
    }
}

/// The pack of somebody who named none.
pub fn default_pack() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("SYRINX_PACK") {
        return Ok(dir.into());
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("../share/syrinx/wren-en")));
    let candidates = [beside, Some(Path::new("models/wren-en").to_owned())];
    candidates.into_iter().flatten().find(|dir| dir.join("pack.toml").is_file()).ok_or_else(|| {
        let message = "no pack: name one with --pack DIR or $SYRINX_PACK, or make one with `syrinx pack`";
        Error::new(ErrorKind::BadPack, message)
    })
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
    /// Cut the speech after this many seconds, before --speed.
    #[arg(long, value_name = "SECONDS")]
    max_seconds: Option<f64>,
    /// How fast, 0.5 to 4; the pitch stays.
    #[arg(long, value_name = "TIMES")]
    speed: Option<f32>,
    /// How loud, 0 to 4 times.
    #[arg(long, value_name = "TIMES")]
    volume: Option<f32>,
    /// Language of the text, as `de` or `en-US`. Without it: the pack's.
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Whether numbers, dates and the like are read by rules. Without it: as the pack says.
    #[arg(long, value_enum)]
    normalise: Option<Rules>,
    #[command(flatten)]
    written: WrittenArguments,
}

/// How the text is written, and its words are said.
#[derive(Debug, clap::Args)]
pub struct WrittenArguments {
    /// How words are said: a file in W3C's PLS format, or of two columns.
    #[arg(long, value_name = "FILE")]
    lexicon: Option<PathBuf>,
    /// The text is SSML; `--ssml=lenient` passes over what cannot be heard.
    #[arg(long, value_enum, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "strict")]
    ssml: Option<SsmlMode>,
    /// A recording that SSML's `<audio src="NAME"/>` plays, a WAV. As often as there are.
    #[arg(long = "phrase", value_name = "NAME=FILE", value_parser = named_file)]
    phrases: Vec<(String, PathBuf)>,
}

fn named_file(argument: &str) -> std::result::Result<(String, PathBuf), String> {
    let (name, file) = argument.split_once('=').ok_or("write it as NAME=FILE")?;
    Ok((name.to_owned(), file.into()))
}

impl WrittenArguments {
    /// Errors: as [`Lexicon::open`].
    pub fn lexicon(&self) -> Result<Option<Lexicon>> {
        self.lexicon.as_deref().map(Lexicon::open).transpose()
    }

    pub fn ssml(&self) -> Option<Ssml> {
        self.ssml.map(Ssml::from)
    }

    /// Errors: as [`Phrase::open`].
    pub fn phrases(&self) -> Result<BTreeMap<String, Phrase>> {
        self.phrases.iter().map(|(name, file)| Ok((name.clone(), Phrase::open(file, name)?))).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Rules {
    /// By the rules of the language.
    Auto,
    /// As it is written: the model reads it.
    Off,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum SsmlMode {
    Strict,
    Lenient,
}

impl From<SsmlMode> for Ssml {
    fn from(mode: SsmlMode) -> Self {
        match mode {
            SsmlMode::Strict => Self::Strict,
            SsmlMode::Lenient => Self::Lenient,
        }
    }
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
    /// Mark speech as synthetic, so that `syrinx detect` tells.
    #[arg(long, value_enum, default_value_t = Marks::Auto)]
    watermark: Marks,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Marks {
    /// As the pack says.
    Auto,
    On,
    Off,
}

impl From<Marks> for Option<bool> {
    fn from(marks: Marks) -> Self {
        match marks {
            Marks::Auto => None,
            Marks::On => Some(true),
            Marks::Off => Some(false),
        }
    }
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

/// What was asked of the machine.
#[derive(Debug)]
pub struct Options {
    pub model: ModelOptions,
    pub session: SessionOptions,
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
        let options = self.solver.options().voice(self.voice.clone()).seed(self.seed).max_frames(max_frames);
        Ok(options
            .language(self.language.clone())
            .speed(self.speed)
            .volume(self.volume)
            .normalise(self.normalise.map(|rules| rules == Rules::Auto))
            .lexicon(self.written.lexicon()?)
            .ssml(self.written.ssml())
            .phrases(self.written.phrases()?))
    }
}

impl MachineArguments {
    /// Threads of [`MachineArguments::options`], which reports what is wrong with them.
    pub fn threads(&self) -> usize {
        self.options().map_or(1, |options| options.model.threads)
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

    /// Loads a pack's weights.
    pub fn load(&self, pack: &Arc<Pack>) -> Result<(Model, SessionOptions)> {
        let Options { model, session } = self.options()?;
        Ok((Model::load(pack, model)?, session))
    }

    pub fn options(&self) -> Result<Options> {
        let profile = self.profile()?;
        self.options_with(profile.as_ref().map(|profile| &profile.defaults))
    }

    /// As [`MachineArguments::options`], with this board's defaults.
    pub fn options_with(&self, board: Option<&Defaults>) -> Result<Options> {
        // A profile's words were checked when it was read.
        let kv = |board: &Defaults| <Kv as clap::ValueEnum>::from_str(&board.kv, false).ok();
        let engine = |board: &Defaults| <Engine as clap::ValueEnum>::from_str(&board.flow_engine, false).ok();
        let threads = self.threads.or(board.map(|board| board.threads)).unwrap_or(1);
        if threads == 0 || threads > 256 {
            return Err(Error::new(ErrorKind::BadOption, "--threads: choose 1 to 256"));
        }
        let model = ModelOptions::default()
            .threads(allowed_threads(threads))
            .flow_engine(self.flow_engine.or(board.and_then(engine)).unwrap_or(Engine::Auto))
            .memory_budget_bytes(self.memory_mb.map(|mb| mb << 20))
            .watermark(self.watermark)
            .prefix_folder(self.cache.clone().or_else(syrinx::lab::backbone::user_cache_folder));
        let session = SessionOptions::default()
            .context(self.context.or(board.and_then(|board| board.context)))
            .kv(self.kv.or(board.and_then(kv)).map(KvType::from));
        Ok(Options { model, session })
    }
}

//! `syrinx hear`: sound in, text out.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use syrinx::lab::hear::subtitles::Subtitles;
use syrinx::lab::hear::wav::{Encoding, Format, Recording};
use syrinx::{Ears, EarsOptions, Error, ErrorKind, Heard, ListenOptions, Microphone, Result};

use super::interrupt;
use super::output::{out, outln};

#[derive(Debug, clap::Args)]
pub struct Hear {
    /// A WAV file; `-` is standard input.
    #[arg(required_unless_present = "mic")]
    file: Option<PathBuf>,
    /// Listen to the microphone of this identifier of `syrinx devices`, or the system's, until Ctrl-C.
    #[arg(long, value_name = "ID", num_args = 0..=1, conflicts_with_all = ["file", "raw"])]
    mic: Option<Option<String>>,
    /// Folder of a pack that listens. Without it: $SYRINX_EARS.
    #[arg(long, value_name = "DIR")]
    pack: Option<PathBuf>,
    /// The sound is bare 16-bit little-endian samples of one channel at this rate, not a WAV file.
    #[arg(long, value_name = "HZ")]
    raw: Option<u32>,
    /// From the end of a word to its text: 80 to 2400 in steps of 80. Longer is more accurate. Without it: the pack's.
    #[arg(long, value_name = "MS")]
    delay_ms: Option<u32>,
    /// Silence that ends a line.
    #[arg(long, value_name = "MS", default_value_t = 800)]
    pause_ms: u32,
    /// Language that is spoken, such as `en`, for packs that hear turn by turn. Without it: the model tells.
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Phrases that are expected, a line each: names, words of the trade.
    #[arg(long, value_name = "FILE")]
    phrases: Option<PathBuf>,
    /// What a token that continues one is likelier by, in natural logarithms.
    #[arg(long, value_name = "NATS", default_value_t = 2.0, requires = "phrases")]
    phrase_bonus: f32,
    /// What is written.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    /// As `--format json`.
    #[arg(long, conflicts_with_all = ["format", "srt", "vtt"])]
    json: bool,
    /// As `--format srt`.
    #[arg(long, conflicts_with_all = ["format", "vtt"])]
    srt: bool,
    /// As `--format vtt`.
    #[arg(long, conflicts_with = "format")]
    vtt: bool,
    /// Threads that compute.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Do not compare the files with their hashes (only for very slow media).
    #[arg(long)]
    no_verify: bool,
    /// Refuse packs whose licence forbids commercial use.
    #[arg(long)]
    commercial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A line for each text.
    Text,
    /// One JSON object in each line: texts that may still change, then as they stay, with their words and times.
    Json,
    /// Subtitles (SubRip).
    Srt,
    /// Subtitles (WebVTT).
    Vtt,
}

impl Hear {
    pub fn run(self) -> Result<()> {
        let recording = self.recording()?;
        let folder = self.pack.clone().or_else(|| std::env::var_os("SYRINX_EARS").map(PathBuf::from));
        let folder = folder.ok_or_else(|| {
            Error::new(ErrorKind::BadPack, "no pack that listens: name one with --pack DIR or $SYRINX_EARS")
        })?;
        let options = EarsOptions::default().verify(!self.no_verify).commercial(self.commercial).threads(self.threads);
        let ears = Ears::open(folder, options)?;
        let options = ListenOptions::default().delay_ms(self.delay_ms).pause_ms(self.pause_ms);
        let options = options.phrases(self.phrases()?).phrase_bonus(self.phrase_bonus).language(self.language.clone());
        let mut listener = ears.listener(options)?;
        let mut writer = Writer::new(self.form())?;
        interrupt::watch();
        let mut sound = match recording {
            Some(recording) => Sound::Recording(recording),
            // Opened last, so that nothing waits in it.
            None => Sound::Microphone(Microphone::open(self.mic.as_ref().and_then(Option::as_deref))?),
        };
        let started = Instant::now();
        let mut samples = Vec::new();
        let mut count = 0;
        while !interrupt::has_come()
            && let Some(missing) = sound.read(&mut samples)?
        {
            count += samples.len();
            writer.write(&listener.feed(&samples)?)?;
            if missing > 0 {
                writer.write(&listener.skip(missing)?)?;
            }
            samples.clear();
        }
        if !interrupt::is_final() {
            writer.write(&listener.flush()?)?;
        }
        let (seconds, took) = (count as f64 / f64::from(ears.info().sample_rate_hz), started.elapsed().as_secs_f64());
        log::info!("heard {seconds:.1} s in {took:.1} s, {:.2} of its time", took / seconds.max(1e-3));
        Ok(())
    }

    fn phrases(&self) -> Result<Vec<String>> {
        let Some(path) = &self.phrases else { return Ok(Vec::new()) };
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    fn form(&self) -> Form {
        match (self.json, self.srt, self.vtt) {
            (true, ..) => Form::Json,
            (_, true, _) => Form::Srt,
            (.., true) => Form::Vtt,
            _ => self.format,
        }
    }

    /// The file, unless it is a microphone that is to be heard.
    fn recording(&self) -> Result<Option<Recording>> {
        let Some(path) = &self.file else { return Ok(None) };
        let Some(rate_hz) = self.raw else { return Recording::open(path).map(Some) };
        let format = Format { rate_hz, channels: 1, encoding: Encoding::S16 };
        if path == Path::new("-") {
            return Recording::raw("standard input", Box::new(std::io::stdin()), format).map(Some);
        }
        let file = std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
        Recording::raw(&path.display().to_string(), Box::new(file), format).map(Some)
    }
}

/// Where the sound comes from.
enum Sound {
    Recording(Recording),
    Microphone(Microphone),
}

impl Sound {
    /// Appends the next samples, and says how many are missing behind them; `None` at the end.
    fn read(&mut self, out: &mut Vec<f32>) -> Result<Option<u64>> {
        match self {
            Self::Recording(recording) => Ok(recording.read(out)?.then_some(0)),
            Self::Microphone(microphone) => microphone.read(out).map(Some),
        }
    }
}

/// Writes what was heard; on a terminal also what may still change, in a line that is written over.
struct Writer {
    form: Form,
    count: usize,
    shows_open: bool,
}

impl Writer {
    fn new(form: Form) -> Result<Self> {
        if form == Form::Vtt {
            out!("{}", Subtitles::Vtt.head())?;
        }
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Ok(Self { form, count: 0, shows_open: terminal && form == Form::Text })
    }

    fn write(&mut self, all: &[Heard]) -> Result<()> {
        for heard in all {
            match self.form {
                Form::Json => outln!("{}", to_json(heard))?,
                _ if !heard.is_final => self.show(&heard.text),
                Form::Text => {
                    self.show("");
                    outln!("{}", heard.text)?;
                }
                Form::Srt => self.cue(Subtitles::Srt, heard)?,
                Form::Vtt => self.cue(Subtitles::Vtt, heard)?,
            }
        }
        Ok(())
    }

    fn cue(&mut self, subtitles: Subtitles, heard: &Heard) -> Result<()> {
        self.count += 1;
        out!("{}", subtitles.cue(self.count, heard))
    }

    /// Puts a text in place of the one before.
    fn show(&self, text: &str) {
        if self.shows_open {
            let tail: String = text.chars().rev().take(100).collect::<Vec<_>>().into_iter().rev().collect();
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\x1b[K{tail}").and_then(|()| err.flush()); // only a look at what is to come
        }
    }
}

fn to_json(heard: &Heard) -> serde_json::Value {
    let words = heard.words.iter();
    let words = words.map(|w| json!({ "text": w.text, "start_ms": w.start_ms, "end_ms": w.end_ms }));
    json!({
        "final": heard.is_final, "text": heard.text, "start_ms": heard.start_ms, "end_ms": heard.end_ms,
        "words": words.collect::<Vec<_>>(),
    })
}

//! Prepared phrases. In: text, spoken once in advance. Out: its samples, from memory or disk, to be played at any time.
//!
//! A phrase needs no model to be played, so it is heard within one period of the device, also while the model is busy
//! or has failed.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::options::SpeakOptions;
use super::session::Session;
use crate::device::rate::RateConverter;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Solver;
use crate::pack::Pack;
use crate::write::Beside;

/// A phrase at the model's rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    /// What it says.
    pub text: String,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Mono, in -1..1.
    pub samples: Arc<[f32]>,
}

/// Phrases on disk, by text, voice, options and pack.
#[derive(Clone, Debug)]
pub struct PhraseStore {
    folder: PathBuf,
}

impl Phrase {
    /// Speaks `text` into memory. Errors: as [`Session::speak`] and its blocks.
    pub fn render(session: &mut Session, text: &str, options: &SpeakOptions) -> Result<Self> {
        let mut samples = Vec::new();
        let sample_rate_hz = session.model().info().sample_rate_hz;
        for block in session.speak(text, options)? {
            samples.extend(block?);
        }
        Ok(Self { text: text.to_owned(), sample_rate_hz, samples: samples.into() })
    }

    /// A recording: a WAV of integers or floats, of which several channels become one. `text`: what it says.
    ///
    /// Errors: `Io` where it cannot be read.
    pub fn open(path: impl AsRef<Path>, text: &str) -> Result<Self> {
        read(path.as_ref(), text)
    }

    /// Of what is heard of it.
    fn identity(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.sample_rate_hz.to_le_bytes());
        self.samples.iter().for_each(|sample| hasher.update(sample.to_le_bytes()));
        hex(&hasher.finalize())
    }

    /// The samples at another rate. Errors: `BadOption`.
    pub fn at_rate(&self, sample_rate_hz: u32) -> Result<Arc<[f32]>> {
        if self.sample_rate_hz == sample_rate_hz {
            return Ok(self.samples.clone());
        }
        const BLOCK: usize = 1024;
        let mut converter = RateConverter::new(self.sample_rate_hz, sample_rate_hz, BLOCK)?;
        let mut out = Vec::new();
        for block in self.samples.chunks(BLOCK) {
            let mut padded = block.to_vec();
            padded.resize(BLOCK, 0.0);
            out.extend_from_slice(converter.convert(&padded)?);
        }
        out.extend(converter.flush()?);
        let length = self.samples.len() as u64 * u64::from(sample_rate_hz) / u64::from(self.sample_rate_hz.max(1));
        out.truncate(length as usize);
        Ok(out.into())
    }
}

impl PhraseStore {
    /// In `folder`, which is made when the first phrase is kept.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The phrase from disk, or spoken now and kept. A folder that cannot be written is done without.
    ///
    /// Errors: as [`Phrase::render`].
    pub fn prepare(&self, session: &mut Session, text: &str, options: &SpeakOptions) -> Result<Phrase> {
        let path = self.path(session.model().pack(), text, options);
        if let Ok(phrase) = read(&path, text) {
            return Ok(phrase);
        }
        let phrase = Phrase::render(session, text, options)?;
        if let Err(e) = write(&path, &phrase) {
            log::warn!("phrase not kept: {e}");
        }
        Ok(phrase)
    }

    /// The phrase from disk, for a process that has no session. Errors: `Io` where it was never prepared.
    pub fn load(&self, pack: &Pack, text: &str, options: &SpeakOptions) -> Result<Phrase> {
        read(&self.path(pack, text, options), text)
    }

    fn path(&self, pack: &Pack, text: &str, options: &SpeakOptions) -> PathBuf {
        let voice = options.voice.as_deref().or(pack.voices().first().map(String::as_str));
        let Solver { method, steps, guidance, guided } = options.solver(Solver::of(&pack.manifest().defaults));
        let phrase = |(name, phrase): (&String, &Phrase)| format!(" {name} {}", phrase.identity());
        let phrases: String = options.phrases.iter().map(phrase).collect();
        // Spelled out, so that a kept phrase is found again until what is in it would be another.
        let key = [
            concat!("syrinx-phrase-2 ", env!("CARGO_PKG_VERSION")).to_owned(),
            pack.identity(),
            voice.unwrap_or_default().to_owned(),
            options.seed.unwrap_or(pack.manifest().defaults.seed).to_string(),
            format!("{} {steps} {} {}", method.name(), guidance.to_bits(), guided.name()),
            options.max_frames.map_or_else(String::new, |frames| frames.to_string()),
            format!("{:?} {:?} {:?}", options.language, options.normalise, options.ssml),
            format!("{:?} {:?}{phrases}", options.speed, options.volume),
            options.lexicon.as_ref().map_or_else(String::new, |lexicon| lexicon.identity().to_owned()),
            text.to_owned(),
        ];
        let digest = Sha256::digest(key.join("\0"));
        self.folder.join(format!("{}.wav", hex(&digest)))
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().take(16).map(|b| format!("{b:02x}")).collect()
}

fn damaged(path: &Path, e: hound::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot read phrase {}: {e}", path.display())).with_source(e)
}

fn read(path: &Path, text: &str) -> Result<Phrase> {
    let reader = hound::WavReader::open(path).map_err(|e| damaged(path, e))?;
    let spec = reader.spec();
    let samples: std::result::Result<Vec<f32>, _> = match spec.sample_format {
        hound::SampleFormat::Float => reader.into_samples::<f32>().collect(),
        hound::SampleFormat::Int => {
            let scale = 1.0 / (1_i64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            reader.into_samples::<i32>().map(|sample| Ok(sample? as f32 * scale)).collect()
        }
    };
    let samples = samples.map_err(|e| damaged(path, e))?;
    let channels = usize::from(spec.channels).max(1);
    let samples = samples.chunks(channels).map(|frame| frame.iter().sum::<f32>() / frame.len() as f32).collect();
    Ok(Phrase { text: text.to_owned(), sample_rate_hz: spec.sample_rate, samples })
}

/// As 32-bit floats, so that a kept phrase is the rendered one. There whole or not at all.
fn write(path: &Path, phrase: &Phrase) -> Result<()> {
    let failed =
        |e: hound::Error| Error::new(ErrorKind::Io, format!("cannot write {}: {e}", path.display())).with_source(e);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make", folder, e))?;
    }
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: phrase.sample_rate_hz,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let (beside, file) = Beside::create(path).map_err(|e| Error::io("write", path, e))?;
    let write = || {
        let mut writer = hound::WavWriter::new(BufWriter::new(file), spec)?;
        phrase.samples.iter().try_for_each(|&sample| writer.write_sample(sample))?;
        writer.finalize()
    };
    write().map_err(failed)?;
    beside.publish().map_err(|e| Error::io("write", path, e))
}

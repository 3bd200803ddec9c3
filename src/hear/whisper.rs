//! Whisper (Radford et al. 2022): what is said in a window of up to 30 s. In: samples at 16 kHz, from where somebody begins to
//! speak to where they end. Out: the text, with its language and how sure it is.
//!
//! It was made to see 30 s of sound, most of it silence, and pays for all of them. Here the encoder gets as many rows as there
//! is sound, and of silence behind it as many as it takes to hear well. Whisper invents words where nobody
//! speaks, and goes round in circles: the first is bounded by who calls (a voice was heard) and by its own doubt, the second by
//! a bound on repetition and on tokens for the time.

mod choose;
mod decoder;
mod encoder;
mod layers;
mod spectra;

use std::sync::Arc;

use syrinx_quant::manifest::WHISPER;
use syrinx_quant::shape::Whisper as Shape;
use tokenizers::Tokenizer;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Pool, ops};
use crate::pack::EarsPack;
use choose::{Chance, Specials, TIME_MS, choose, largest, repeated};
use decoder::{DecoderWeights, Said};
use encoder::EncoderWeights;
use layers::Scratch;
use spectra::Spectra;

/// Columns that go through a product together.
const COLUMNS: usize = 64;
/// Tokens that nobody says in a second, and some for the times and the end.
const TOKENS_PER_SECOND: usize = 14;
const SPARE_TOKENS: usize = 12;
/// Silence that a window has room for behind the longest sound, where as much is wanted.
const LEAST_PADDING_MS: u32 = 2_000;
/// The end of a window that may be cut off, and what its loudness is taken of.
const CUT_MS: usize = 5_000;
const QUIET_MS: usize = 100;

/// How a text is heard.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tag of the language that is spoken, such as `en`. `None`: the model decides.
    pub language: Option<String>,
    /// The text comes in segments with times. The model ends better with them: without, every fourth of the commands goes round
    /// in circles, since there is less silence behind it than the model was made for.
    pub times: bool,
    /// Silence behind the sound that the encoder sees, as far as the window reaches. Without it the model takes the end of the
    /// window for a cut, and goes on. More of it costs time and is heard better by, up to a point: with 8 s the commands come
    /// as with the whole window, of which the model was made.
    pub padding_ms: u32,
    /// Rising temperatures: the next is tried where a text repeats itself or is too improbable.
    pub temperatures: Vec<f32>,
    /// Mean logarithm of a token's probability below which the next temperature is tried.
    pub least_log_probability: f32,
    /// Probability of no speech above which an improbable text is none.
    pub most_no_speech: f32,
    /// Of what is chosen by chance.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            language: None,
            times: true,
            padding_ms: 8_000,
            temperatures: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
            least_log_probability: -1.0,
            most_no_speech: 0.6,
            seed: 0,
        }
    }
}

/// What was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    pub text: String,
    /// Tag of the language.
    pub language: String,
    /// The text in parts; one, where no times were asked for.
    pub segments: Vec<Segment>,
    /// Mean logarithm of a token's probability.
    pub log_probability: f32,
    /// Probability that nobody spoke, of the window where it was least.
    pub no_speech: f32,
    /// Highest temperature that was needed.
    pub temperature: f32,
}

/// A part of a text. Times in milliseconds from the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub text: String,
    pub start_ms: u32,
    pub end_ms: u32,
}

/// The weights of a pack. Nobody writes them after they are read.
#[derive(Debug)]
pub struct WhisperWeights {
    shape: Shape,
    encoder: EncoderWeights,
    decoder: DecoderWeights,
    tokenizer: Tokenizer,
    specials: Specials,
}

impl WhisperWeights {
    /// Errors: `BadPack`, `Unsupported`, `OutOfMemory`.
    pub fn open(pack: &EarsPack) -> Result<Arc<Self>> {
        let manifest = pack.manifest();
        if manifest.family != WHISPER {
            let (name, family) = (&manifest.name, &manifest.family);
            let message = format!("pack {name} is of the family \"{family}\", not {WHISPER}: choose another pack");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let file = pack.hear();
        let shape = Shape::from_metadata(file)?;
        let path = pack.tokenizer_path();
        let tokenizer = Tokenizer::from_file(&path)
            .map_err(|e| Error::new(ErrorKind::BadPack, format!("{}: {e}: copy the pack again", path.display())))?;
        Ok(Arc::new(Self {
            encoder: EncoderWeights::open(file, &shape)?,
            decoder: DecoderWeights::open(file, &shape)?,
            specials: Specials::find(&tokenizer, &shape)?,
            tokenizer,
            shape,
        }))
    }

    /// Tags of the languages that it knows.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.specials.languages.iter().map(|(tag, _)| tag.as_str())
    }
}

/// Who hears with them.
#[derive(Debug)]
pub struct Whisper {
    weights: Arc<WhisperWeights>,
    pool: Pool,
    spectra: Spectra,
    frames: Vec<f32>,
    scratch: Scratch,
}

/// A text of one window, and how it came about.
struct Attempt {
    tokens: Vec<u32>,
    log_probability: f32,
    temperature: f32,
    repeats: bool,
}

impl Whisper {
    /// Errors: `BadPack`.
    pub fn new(weights: &Arc<WhisperWeights>, threads: usize) -> Result<Self> {
        let shape = &weights.shape;
        Ok(Self {
            pool: Pool::new(threads),
            spectra: Spectra::new(shape)?,
            frames: Vec::new(),
            scratch: Scratch::new(shape.dim, shape.hidden_dim, COLUMNS),
            weights: weights.clone(),
        })
    }

    /// What is said in samples, mono at 16 kHz, full scale ±1. Longer ones than a window are divided where it is quiet.
    ///
    /// Errors: `BadOption` for an unknown language; `BadPack`.
    pub fn transcribe(&mut self, samples: &[f32], options: &Options) -> Result<Transcript> {
        let shape = &self.weights.shape;
        let rate = shape.sampling_rate;
        let padding = options.padding_ms.min(LEAST_PADDING_MS) as usize * rate / 1000;
        let most = shape.window_samples().saturating_sub(padding).max(rate);
        let mut all = Transcript { no_speech: 1.0, ..Transcript::default() };
        let (mut at, mut tokens, mut log_probability) = (0, 0, 0.0);
        while at < samples.len() {
            let left = &samples[at..];
            let len = if left.len() <= most { left.len() } else { quietest(&left[..most], rate) };
            let first_ms = (at * 1000 / rate) as u32;
            let (window, count) = self.window(&left[..len], options, &mut all)?;
            log_probability += window.log_probability * count as f32;
            tokens += count;
            all.temperature = all.temperature.max(window.temperature);
            self.weights.write(&window.tokens, first_ms, (len * 1000 / rate) as u32, &mut all.segments);
            at += len;
        }
        all.text = all.segments.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ");
        all.log_probability = if tokens > 0 { log_probability / tokens as f32 } else { 0.0 };
        Ok(all)
    }

    /// One window: its text, and how many tokens that took.
    fn window(&mut self, samples: &[f32], options: &Options, all: &mut Transcript) -> Result<(Attempt, usize)> {
        let weights = self.weights.clone();
        let (shape, specials) = (&weights.shape, &weights.specials);
        let rows = self.encode(samples, options.padding_ms)?;
        let mut said = weights.decoder.begin(&rows, &mut self.scratch, &self.pool);

        let logits = weights.decoder.step(&[specials.start], &mut said, &mut self.scratch, &self.pool)?;
        let (language, tag) = specials.language(logits, options.language.as_deref())?;
        all.language = tag;
        ops::softmax(logits);
        let no_speech = logits.get(specials.no_speech as usize).copied().unwrap_or(0.0);
        all.no_speech = all.no_speech.min(no_speech);

        let most = samples.len() * TOKENS_PER_SECOND / shape.sampling_rate + SPARE_TOKENS;
        let mut prompt = vec![language, specials.transcribe];
        if !options.times {
            prompt.push(specials.no_times);
        }
        let mut best: Option<Attempt> = None;
        for (i, &temperature) in options.temperatures.iter().enumerate() {
            said.truncate(1);
            let mut chance = Chance::new(options.seed.wrapping_add(i as u64));
            let attempt = self.attempt(&prompt, most, options.times, temperature, &mut chance, &mut said)?;
            let silent = no_speech > options.most_no_speech && attempt.log_probability < options.least_log_probability;
            if silent {
                return Ok((Attempt { tokens: Vec::new(), ..attempt }, 0));
            }
            let good = !attempt.repeats && attempt.log_probability >= options.least_log_probability;
            let better =
                |best: &Attempt| (!attempt.repeats, attempt.log_probability) > (!best.repeats, best.log_probability);
            if good || best.as_ref().is_none_or(better) {
                best = Some(attempt);
            }
            if good {
                break;
            }
        }
        let Some(best) = best else {
            return Err(Error::new(ErrorKind::BadOption, "temperatures is empty: give 0 at least"));
        };
        let count = best.tokens.len() + 1;
        Ok((best, count))
    }

    /// The encoder's rows of samples with silence behind them. Errors: `OutOfMemory`.
    fn encode(&mut self, samples: &[f32], padding_ms: u32) -> Result<Vec<f32>> {
        let shape = &self.weights.shape;
        let padded = samples.len() + padding_ms as usize * shape.sampling_rate / 1000;
        let rows = padded.div_ceil(shape.samples_per_row()).clamp(1, shape.audio_rows);
        self.spectra.compute(samples, rows * shape.samples_per_row() / shape.hop, &mut self.frames);
        self.weights.encoder.run(&self.frames, rows, &mut self.scratch, &self.pool)
    }

    fn attempt(
        &mut self,
        prompt: &[u32],
        most: usize,
        times: bool,
        temperature: f32,
        chance: &mut Chance,
        said: &mut Said,
    ) -> Result<Attempt> {
        let Self { weights, pool, scratch, .. } = self;
        let specials = &weights.specials;
        let mut tokens: Vec<u32> = Vec::new();
        let mut probabilities = Vec::new();
        let (mut sum, mut repeats) = (0.0, false);
        let mut logits = weights.decoder.step(prompt, said, scratch, pool)?;
        loop {
            specials.forbid(logits, &tokens, times);
            let (id, log) = choose(logits, temperature, chance, &mut probabilities);
            sum += log;
            if id == specials.end {
                break;
            }
            tokens.push(id);
            if let Some(surplus) = repeated(&tokens) {
                tokens.truncate(tokens.len() - surplus);
                repeats = true;
                break;
            }
            if tokens.len() >= most || weights.decoder.room(said) == 0 {
                break;
            }
            logits = weights.decoder.step(&[id], said, scratch, pool)?;
        }
        let log_probability = sum / (tokens.len() + 1) as f32;
        Ok(Attempt { tokens, log_probability, temperature, repeats })
    }
}

impl Specials {
    /// The language that is asked for, or the most probable. Errors: `BadOption`, with the languages that there are.
    fn language(&self, logits: &[f32], wanted: Option<&str>) -> Result<(u32, String)> {
        let found = match wanted {
            Some(wanted) => self.languages.iter().find(|(tag, _)| tag == wanted),
            None => {
                let of = |(_, id): &(String, u32)| logits.get(*id as usize).copied().unwrap_or(f32::NEG_INFINITY);
                let each: Vec<f32> = self.languages.iter().map(of).collect();
                self.languages.get(largest(&each))
            }
        };
        found.map(|(tag, id)| (*id, tag.clone())).ok_or_else(|| {
            let known = self.languages.iter().map(|(tag, _)| tag.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("unknown language \"{}\": choose {known}", wanted.unwrap_or_default());
            Error::new(ErrorKind::BadOption, message)
        })
    }
}

impl WhisperWeights {
    /// Appends the segments of a window's tokens, which begins at `first_ms` and lasts `len_ms`.
    fn write(&self, tokens: &[u32], first_ms: u32, len_ms: u32, segments: &mut Vec<Segment>) {
        let specials = &self.specials;
        let mut start_ms = 0;
        let mut words = Vec::new();
        let mut close = |words: &mut Vec<u32>, start_ms: u32, end_ms: u32| {
            let text = self.tokenizer.decode(words, true).unwrap_or_default();
            words.clear();
            if !text.trim().is_empty() {
                let at = |ms: u32| first_ms + ms.min(len_ms);
                segments.push(Segment { text: text.trim().to_owned(), start_ms: at(start_ms), end_ms: at(end_ms) });
            }
        };
        for &token in tokens {
            if specials.is_time(token) {
                let ms = (token - specials.first_time()) * TIME_MS;
                close(&mut words, start_ms, ms);
                start_ms = ms;
            } else {
                words.push(token);
            }
        }
        close(&mut words, start_ms, len_ms);
    }
}

/// Where a window is best cut: behind the middle of the quietest tenth of a second of its end.
fn quietest(window: &[f32], rate: usize) -> usize {
    let (end, quiet) = (CUT_MS * rate / 1000, QUIET_MS * rate / 1000);
    let first = window.len().saturating_sub(end.min(window.len() / 2));
    let loudness = |part: &[f32]| ops::dot(part, part);
    let parts = window[first..].chunks_exact(quiet).map(loudness).enumerate();
    let quietest = parts.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(i, _)| i);
    first + quietest * quiet + quiet / 2
}

#[cfg(test)]
pub(super) mod tests;

//! Ears, and who listens with them. In: a pack; samples at 16 kHz. Out: texts as they come, and as they stay.

use std::path::Path;
use std::sync::Arc;

use syrinx_quant::Manifest;
use syrinx_quant::manifest::WHISPER;

use super::by_turns::ByTurns;
use super::realtime::Recogniser;
use super::streaming::Streaming;
use super::whisper::WhisperWeights;
use super::{EarsInfo, EarsOptions, Heard, ListenOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::pack::{EarsPack, OpenOptions};

/// The weights of a pack that listens, opened once, shared by whoever has a clone.
#[derive(Clone, Debug)]
pub struct Ears {
    family: Family,
    threads: usize,
    info: Arc<EarsInfo>,
}

/// What the pack's `family` says that it is.
#[derive(Clone, Debug)]
enum Family {
    Realtime(Arc<Recogniser>),
    Whisper(Arc<WhisperWeights>),
}

impl Ears {
    /// Opens a pack, a folder, and loads its weights.
    ///
    /// Errors: `BadPack` (absent, truncated, wrong hash, contradictory sizes), `NewerPack`, `Licence`, `Io`, `Unsupported`
    /// (a pack that speaks; a family or a type that this build does not know), `OutOfMemory`, `Backend`.
    pub fn open(folder: impl AsRef<Path>, options: EarsOptions) -> Result<Self> {
        let open = OpenOptions { verify: options.verify, commercial: options.commercial };
        let pack = EarsPack::open(folder.as_ref(), open)?;
        let Manifest { name, version, family, languages, licence, .. } = pack.manifest();
        let (delay_ms, longest_delay_ms, opened) = match family.as_str() {
            WHISPER => (0, 0, Family::Whisper(WhisperWeights::open(&pack)?)),
            _ => {
                let recogniser = Recogniser::open(&pack, options.threads)?;
                let schedule = &recogniser.shape().schedule;
                let ms = |tokens: usize| (recogniser.token_ms() * tokens as f64).round() as u32;
                (ms(schedule.delay), ms(schedule.longest_delay), Family::Realtime(recogniser))
            }
        };
        let info = EarsInfo {
            name: name.clone(),
            version: version.clone(),
            family: family.clone(),
            languages: languages.clone(),
            licence: licence.spdx.clone(),
            commercial: licence.commercial,
            sample_rate_hz: pack.manifest().sample_rate_hz,
            delay_ms,
            longest_delay_ms,
        };
        Ok(Self { family: opened, threads: crate::kernel::allowed_threads(options.threads), info: Arc::new(info) })
    }

    /// What it is.
    pub fn info(&self) -> &EarsInfo {
        &self.info
    }

    /// One stream of sound. The first of a delay computes what all of them begin with.
    ///
    /// Errors: `BadOption`, `BadPack`, `Backend`.
    pub fn listener(&self, options: ListenOptions) -> Result<Listener> {
        Ok(Listener(match &self.family {
            Family::Realtime(ears) => Way::Streaming(Streaming::new(ears, self.info.sample_rate_hz, &options)?.into()),
            Family::Whisper(weights) => Way::ByTurns(ByTurns::new(weights, self.threads, &options)?.into()),
        }))
    }
}

/// One stream of sound, and all its state.
#[derive(Debug)]
pub struct Listener(Way);

#[derive(Debug)]
enum Way {
    Streaming(Box<Streaming>),
    ByTurns(Box<ByTurns>),
}

impl Listener {
    /// Hears samples, mono at [`EarsInfo::sample_rate_hz`], full scale ±1, in pieces of any length, and gives what came of
    /// it: each text that was ended, then the one that is open, if it has changed. A pack that hears turn by turn, such as
    /// Whisper's, gives texts that were ended alone, and computes each of them when its turn has ended.
    ///
    /// Errors: `Backend`, `BadPack`.
    pub fn feed(&mut self, samples: &[f32]) -> Result<Vec<Heard>> {
        match &mut self.0 {
            Way::Streaming(stream) => stream.feed(samples),
            Way::ByTurns(turns) => turns.feed(samples),
        }
    }

    /// What was said has an end here: answers at once, without waiting for the delay, and ends the text. Sound that follows
    /// is heard afresh. Errors: as [`Listener::feed`].
    pub fn flush(&mut self) -> Result<Vec<Heard>> {
        match &mut self.0 {
            Way::Streaming(stream) => stream.flush(),
            Way::ByTurns(turns) => turns.flush(),
        }
    }

    /// So many samples are missing here, as where a [`super::Microphone`] lost some: what was said has an end, as with
    /// [`Listener::flush`], and the times of what follows are those behind the hole. Errors: as [`Listener::feed`].
    pub fn skip(&mut self, samples: u64) -> Result<Vec<Heard>> {
        match &mut self.0 {
            Way::Streaming(stream) => stream.skip(samples),
            Way::ByTurns(turns) => turns.skip(samples),
        }
    }

    /// What was said has an end here, as with [`Listener::flush`]; what follows is told another delay after it. Errors:
    /// `BadOption`, also where the pack hears turn by turn; as [`Listener::feed`].
    pub fn set_delay_ms(&mut self, delay_ms: u32) -> Result<Vec<Heard>> {
        match &mut self.0 {
            Way::Streaming(stream) => stream.set_delay_ms(delay_ms),
            Way::ByTurns(_) => Err(Error::new(
                ErrorKind::BadOption,
                "this pack hears turn by turn and has no delay to be set: leave it",
            )),
        }
    }

    /// Forgets what was heard and not ended. Times go on. Errors: `Backend`.
    pub fn reset(&mut self) -> Result<()> {
        match &mut self.0 {
            Way::Streaming(stream) => stream.reset(),
            Way::ByTurns(turns) => {
                turns.reset();
                Ok(())
            }
        }
    }
}

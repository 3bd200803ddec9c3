//! A microphone. In: a device's identifier. Out: 16 kHz mono as it comes, and how much of it did not.
//!
//! The device's callback writes to a ring ([`capture`](crate::device::capture)) that whoever listens empties. What was lost,
//! because nobody emptied it or because the device was away, is said in samples at its place, so that the times of what is
//! heard stay true. How long a device was away, only the clock can tell: it counts from when the ring was last seen empty.

use std::time::{Duration, Instant};

use super::intake::Intake;
use super::wav::RATE_HZ;
use crate::device::capture::{Captured, Piece, capture_path};
use crate::device::{Source, open_microphone};
use crate::error::Result;

/// Sound that waits for a listener who computes; beyond it, sound is lost.
const RING_S: usize = 30;
/// How often the ring is looked at: its writer must not wake anybody, which would be a call of the system.
const LOOK: Duration = Duration::from_millis(5);
/// How long one read waits.
const WAIT: Duration = Duration::from_millis(100);
/// How often a lost device is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Samples that one read gives, about: so that a listener who is behind can be asked to stop.
const ENOUGH: usize = RATE_HZ as usize / 2;
/// A device that gives one value for so long is mute.
const MUTE_S: u64 = 5;

/// Opens the device: the first time, and when it has come back.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source>> + Send>;

/// A microphone, with what a [`Listener`](crate::Listener) takes: 16 kHz, mono, full scale ±1.
///
/// It takes whatever rate, format and number of channels the device has. A device that goes away is waited for.
pub struct Microphone {
    name: String,
    open: OpenSource,
    stream: Option<Stream>,
    /// When a device that is away was last tried.
    tried: Instant,
    /// Somebody was told that it is away.
    away: bool,
    /// Samples told so far, heard or missing, at 16 kHz.
    told: u64,
    clock: Clock,
    mute: Mute,
    piece: Vec<f32>,
}

/// A device that is there.
#[derive(Debug)]
struct Stream {
    source: Box<dyn Source>,
    captured: Captured,
    intake: Intake,
    rate_hz: u64,
    /// It has given nothing yet.
    fresh: bool,
}

impl std::fmt::Debug for Microphone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Microphone").field("name", &self.name).field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Microphone {
    /// Opens the device of this identifier, as `syrinx devices` lists it, or the system's. It hears from now on.
    ///
    /// Errors: `Device` where it is missing, busy, or gives no sound; `Unsupported` in a build without the feature `sound`.
    pub fn open(id: Option<&str>) -> Result<Self> {
        let (name, id) = (id.unwrap_or("the default microphone").to_owned(), id.map(str::to_owned));
        with(&name, Box::new(move || open_microphone(id.as_deref(), RATE_HZ)))
    }

    /// Appends the next samples to `out`, some half a second of them at most, and gives how many are missing behind them:
    /// hand those to [`Listener::feed`](crate::Listener::feed), these to [`Listener::skip`](crate::Listener::skip). Waits a tenth
    /// of a second where there are none. Call it at least every 30 s: what is older is lost.
    ///
    /// Errors: none that a device could cause.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<u64> {
        let (before, asked) = (out.len(), Instant::now());
        loop {
            let missing = self.hear(out)?;
            let told = (out.len() - before) as u64 + missing;
            if told > 0 {
                self.told += told;
                return Ok(missing);
            }
            if asked.elapsed() >= WAIT {
                let is_away = self.stream.as_ref().is_none_or(|stream| stream.fresh);
                let missing = if is_away { self.clock.overdue(self.told) } else { 0 };
                self.told += missing;
                return Ok(missing);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Appends what the ring has, up to where samples are missing, and says how many are.
    fn hear(&mut self, out: &mut Vec<f32>) -> Result<u64> {
        let Some(stream) = &mut self.stream else {
            self.try_again();
            return Ok(0);
        };
        if stream.fresh && stream.captured.waiting() > 0 {
            return Ok(self.begin());
        }
        let (before, mut took) = (out.len(), false);
        while out.len() - before < ENOUGH {
            match stream.captured.take(&mut self.piece) {
                Piece::Sound(0) => {
                    if took {
                        let told = self.told + (out.len() - before) as u64 + stream.intake.owed();
                        self.clock.see_empty(told);
                    } else if stream.source.is_lost() {
                        stream.intake.finish(out)?;
                        self.lose();
                    }
                    return Ok(0);
                }
                Piece::Sound(count) => {
                    took = true;
                    let sound = self.piece.get(..count).unwrap_or_default();
                    if self.mute.hears_nothing_in(sound, stream.rate_hz) {
                        log::warn!("{} gives nothing but silence: unmute it, or let this program hear it", self.name);
                    }
                    stream.intake.push(sound, out)?;
                }
                Piece::Missing(samples) => {
                    stream.intake.finish(out)?;
                    let seconds = samples as f64 / stream.rate_hz as f64;
                    log::warn!("{seconds:.1} s were not heard: this machine is too slow for the pack, or too busy");
                    return Ok(samples * u64::from(RATE_HZ) / stream.rate_hz);
                }
            }
        }
        Ok(0)
    }

    /// The stream has its first samples; so many are missing before them.
    fn begin(&mut self) -> u64 {
        let overdue = self.clock.overdue(self.told);
        let Some(stream) = &mut self.stream else { return 0 };
        stream.fresh = false;
        let waiting = stream.captured.waiting() as u64 * u64::from(RATE_HZ) / stream.rate_hz;
        let missing = overdue.saturating_sub(waiting);
        self.clock.set(self.told + missing + waiting);
        if std::mem::take(&mut self.away) {
            log::warn!("{} is back", self.name);
        }
        missing
    }

    fn lose(&mut self) {
        self.stream = None;
        self.tried = Instant::now();
        if !std::mem::replace(&mut self.away, true) {
            log::warn!("{} is gone: nothing is heard until it is back", self.name);
        }
    }

    fn try_again(&mut self) {
        if self.tried.elapsed() < RETRY {
            return;
        }
        let opened = (self.open)().and_then(start);
        self.tried = Instant::now();
        match opened {
            Ok(stream) => self.stream = Some(stream),
            Err(e) => log::debug!("{e}"),
        }
    }
}

/// A microphone that is whatever `open` gives, each time anew; `name` is for people. Errors: as `open` has them.
pub fn with(name: &str, mut open: OpenSource) -> Result<Microphone> {
    let stream = Some(start(open()?)?);
    let (name, tried, piece) = (name.to_owned(), Instant::now(), vec![0.0; 1024]);
    let (clock, mute) = (Clock { known: None, looked: tried }, Mute::default());
    Ok(Microphone { name, open, stream, tried, away: false, told: 0, clock, mute, piece })
}

fn start(mut source: Box<dyn Source>) -> Result<Stream> {
    let rate_hz = source.format().sample_rate_hz;
    let intake = Intake::new(rate_hz)?;
    let (capture, captured) = capture_path(RING_S * rate_hz as usize);
    source.start(capture)?;
    Ok(Stream { source, captured, intake, rate_hz: u64::from(rate_hz), fresh: true })
}

/// What the clock says about sound that never came. Samples are those of 16 kHz, from the beginning.
#[derive(Debug)]
struct Clock {
    /// When there had been so many, told or about to be; `None` before the first.
    known: Option<(Instant, u64)>,
    /// When the ring was last seen empty.
    looked: Instant,
}

impl Clock {
    fn set(&mut self, told: u64) {
        let now = Instant::now();
        (self.known, self.looked) = (Some((now, told)), now);
    }

    /// Somebody has emptied the ring. Where he had been away for a while, the device may have gone meanwhile, and what was
    /// known before is more than what he sees.
    fn see_empty(&mut self, told: u64) {
        match self.looked.elapsed() < 2 * WAIT {
            true => self.set(told),
            false => self.looked = Instant::now(),
        }
    }

    /// Samples that there would have been since, and that nobody was told of.
    fn overdue(&self, told: u64) -> u64 {
        let Some((at, known)) = self.known else { return 0 };
        let since = (at.elapsed().as_secs_f64() * f64::from(RATE_HZ)) as u64;
        (known + since).saturating_sub(told)
    }
}

/// Looks for a device that is there and hears nothing: real ones have at least some noise.
#[derive(Debug, Default)]
struct Mute {
    value: f32,
    samples: u64,
    told: bool,
}

impl Mute {
    /// True once, when the same value has come for long.
    fn hears_nothing_in(&mut self, sound: &[f32], rate_hz: u64) -> bool {
        match sound.iter().all(|&sample| sample == self.value) {
            true => self.samples += sound.len() as u64,
            false => (self.value, self.samples) = (sound.last().copied().unwrap_or_default(), 0),
        }
        self.samples >= MUTE_S * rate_hz && !std::mem::replace(&mut self.told, true)
    }
}

#[cfg(test)]
mod tests;

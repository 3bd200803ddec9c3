//! A device that is only a clock. In: the callback. Out: a period of samples per period of time, to nobody, to a tap,
//! or to a WAV file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::callback::Callback;
use super::wav::WavFile;
use super::{Format, Sink};
use crate::error::{Error, ErrorKind, Result};

/// Sees every period, and when it began.
pub type Tap = Box<dyn FnMut(&[f32], Instant) + Send>;

pub struct ClockedSink {
    format: Format,
    /// Seconds of samples per second.
    speed: f64,
    tap: Option<Tap>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(Callback, Option<Tap>)>>,
}

impl std::fmt::Debug for ClockedSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClockedSink").field("format", &self.format).finish_non_exhaustive()
    }
}

impl ClockedSink {
    /// Samples go nowhere.
    pub fn null(sample_rate_hz: u32, period_frames: usize) -> Self {
        Self::new(sample_rate_hz, period_frames, None)
    }

    /// Samples go to `tap` on the clock's thread.
    pub fn tapped(sample_rate_hz: u32, period_frames: usize, tap: Tap) -> Self {
        Self::new(sample_rate_hz, period_frames, Some(tap))
    }

    fn new(sample_rate_hz: u32, period_frames: usize, tap: Option<Tap>) -> Self {
        let format = Format { sample_rate_hz, channels: 1, period_frames: period_frames.max(1) };
        Self { format, speed: 1.0, tap, stop: Arc::default(), thread: None }
    }

    /// A clock that runs so many times as fast as time, to see in minutes what comes of hours.
    pub fn at_speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// What a device would have played, silence included, as a file. A write that fails ends the file there.
    ///
    /// Errors: `Io`.
    pub fn wav(path: &Path, sample_rate_hz: u32, period_frames: usize) -> Result<Self> {
        let mut tape = Tape(Some(WavFile::create(path, sample_rate_hz)?));
        let tap = move |samples: &[f32], _| tape.write(samples);
        Ok(Self::tapped(sample_rate_hz, period_frames, Box::new(tap)))
    }
}

/// A file that is complete when the sink goes.
struct Tape(Option<WavFile>);

impl Tape {
    fn write(&mut self, samples: &[f32]) {
        if let Some(file) = &mut self.0
            && let Err(e) = file.write(samples)
        {
            log::error!("{e}: the recording ends here");
            self.0 = None;
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if let Some(Err(e)) = self.0.take().map(WavFile::finish) {
            log::error!("{e}");
        }
    }
}

impl Sink for ClockedSink {
    fn format(&self) -> Format {
        self.format
    }

    fn start(&mut self, callback: Callback) -> Result<()> {
        let Format { sample_rate_hz, period_frames, .. } = self.format;
        let (stop, mut tap, speed) = (self.stop.clone(), self.tap.take(), self.speed.max(f64::MIN_POSITIVE));
        stop.store(false, Ordering::Relaxed);
        let run = move || {
            let mut callback = callback;
            let mut period = vec![0.0; period_frames];
            callback.control().set_latency(period_frames as u64);
            let step = Duration::from_secs_f64(period_frames as f64 / f64::from(sample_rate_hz.max(1)) / speed);
            let mut due = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                callback.fill(&mut period);
                if let Some(tap) = &mut tap {
                    tap(&period, due);
                }
                due += step;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            (callback, tap)
        };
        let thread = std::thread::Builder::new().name("syrinx-clock".into()).spawn(run);
        self.thread = Some(thread.map_err(|e| {
            Error::new(ErrorKind::Device, format!("cannot start the clock's thread: {e}")).with_source(e)
        })?);
        Ok(())
    }

    fn stop(&mut self) -> Option<Callback> {
        self.stop.store(true, Ordering::Relaxed);
        let (callback, tap) = self.thread.take()?.join().ok()?;
        self.tap = tap;
        Some(callback)
    }

    fn is_lost(&self) -> bool {
        false
    }
}

impl Drop for ClockedSink {
    fn drop(&mut self) {
        self.stop();
    }
}

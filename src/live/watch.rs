//! The thread that looks after the others. In: what the callback reports, the device's health. Out: events, and a new
//! stream where the device has gone and come back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::heat::Heat;
use super::packet::Signs;
use super::shared::Shared;
use crate::device::Sink;
use crate::device::callback::Callback;
use crate::device::clocked::ClockedSink;
use crate::error::Result;

/// How often it looks while somebody speaks, and while nobody does.
const BUSY: Duration = Duration::from_millis(4);
const IDLE: Duration = Duration::from_millis(20);
/// How often a lost device is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Opens the device: the first time, and when it has come back.
pub type OpenSink = Box<dyn FnMut() -> Result<Box<dyn Sink>> + Send>;

pub(super) struct WatchThread {
    shared: Arc<Shared>,
    sink: Box<dyn Sink>,
    open: OpenSink,
    signs: Arc<Signs>,
    stuck_ms: u64,
    /// Since when the device is away, or was last tried.
    lost: Option<Instant>,
    heat: Option<Heat>,
}

impl WatchThread {
    pub fn new(
        shared: Arc<Shared>,
        sink: Box<dyn Sink>,
        open: OpenSink,
        signs: Arc<Signs>,
        stuck_ms: u64,
        heat: Option<Heat>,
    ) -> Self {
        Self { shared, sink, open, signs, stuck_ms, lost: None, heat }
    }

    /// Works until the engine closes. A panic, of code of the caller's (sink, sensors) too, ends speech for good. In the
    /// end everybody hears how far it came.
    pub fn run(mut self) {
        let why = match catch_unwind(AssertUnwindSafe(|| self.work())) {
            Ok(()) => None,
            Err(_) => Some("the thread that looks after the device panicked"),
        };
        if let Some(why) = why {
            self.shared.fail(why, true);
        }
        // Nobody plays once the sink has stopped, and nobody reports once this thread has.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(self.sink.stop())));
        self.shared.abandon(why);
        while why.is_some() && !self.signs.is_closing() {
            std::thread::park_timeout(IDLE);
            self.shared.abandon(why);
        }
    }

    fn work(&mut self) {
        while !self.signs.is_closing() {
            self.shared.report();
            self.watch_generator();
            self.watch_device();
            if let Some(heat) = &mut self.heat {
                heat.look(&self.signs);
            }
            std::thread::park_timeout(if self.shared.is_busy() { BUSY } else { IDLE });
        }
    }

    fn watch_generator(&self) {
        if self.signs.busy_ms() > self.stuck_ms {
            let what = format!("the model has taken more than {} ms for a frame or a piece of a prompt", self.stuck_ms);
            self.shared.fail(&what, false);
        }
    }

    fn watch_device(&mut self) {
        match self.lost {
            None if self.sink.is_lost() => {
                log::warn!("the sound device is gone: speech waits for it");
                self.shared.device(false);
                let format = self.sink.format();
                let callback = self.sink.stop();
                self.replace(Box::new(ClockedSink::null(format.sample_rate_hz, format.period_frames)), callback);
                self.lost = Some(Instant::now());
            }
            Some(tried) if tried.elapsed() >= RETRY => {
                self.lost = Some(Instant::now());
                if let Ok(sink) = (self.open)() {
                    self.take_back(sink);
                }
            }
            _ => {}
        }
    }

    /// Moves from the clock to the device; where that fails, back to the clock.
    fn take_back(&mut self, mut sink: Box<dyn Sink>) {
        let Some(mut callback) = self.sink.stop() else { return };
        callback.set_sample_rate(sink.format().sample_rate_hz);
        match sink.start(callback) {
            Ok(()) => {
                self.signs.device_hz.store(sink.format().sample_rate_hz, Ordering::Release);
                self.signs.new_device.store(true, Ordering::Relaxed);
                self.sink = sink;
                self.lost = None;
                self.shared.device(true);
            }
            Err(e) => {
                log::debug!("{e}");
                let format = self.sink.format();
                let clock = ClockedSink::null(format.sample_rate_hz, format.period_frames);
                self.replace(Box::new(clock), sink.stop());
            }
        }
    }

    fn replace(&mut self, mut sink: Box<dyn Sink>, callback: Option<Callback>) {
        let started = match callback {
            Some(mut callback) => {
                callback.set_sample_rate(sink.format().sample_rate_hz);
                sink.start(callback).map_err(|e| e.message().to_owned())
            }
            None => Err("the lost device has kept its callback".to_owned()),
        };
        if let Err(why) = started {
            self.shared.fail(&why, true);
        }
        self.sink = sink;
    }
}

//! The thread that looks after the others. In: what the callback reports, the device's health. Out: events, and a new
//! stream where the device has gone and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;

use super::desk::Desk;
use super::generator_thread::Signs;
use super::heat::Heat;
use crate::device::Sink;
use crate::device::callback::{Callback, Cut};
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
    pub desk: Arc<Desk>,
    pub cuts: HeapCons<Cut>,
    pub sink: Box<dyn Sink>,
    pub open: OpenSink,
    pub device_hz: Arc<AtomicU32>,
    pub signs: Arc<Signs>,
    pub stuck_ms: u64,
    pub opened: Instant,
    pub closing: Arc<AtomicBool>,
    /// Since when the device is away, or was last tried.
    pub lost: Option<Instant>,
    pub heat: Option<Heat>,
}

impl WatchThread {
    /// Works until the engine closes.
    pub fn run(mut self) {
        while !self.closing.load(Ordering::Acquire) {
            while let Some(cut) = self.cuts.try_pop() {
                self.desk.apply(cut);
            }
            self.desk.report();
            self.watch_generator();
            self.watch_device();
            if let Some(heat) = &mut self.heat {
                heat.look(&self.signs);
            }
            std::thread::park_timeout(if self.desk.is_busy() { BUSY } else { IDLE });
        }
        self.sink.stop();
    }

    fn watch_generator(&self) {
        let since = self.signs.busy_since_ms.load(Ordering::Relaxed);
        let now_ms = self.opened.elapsed().as_millis() as u64 + 1;
        if since > 0 && now_ms.saturating_sub(since) > self.stuck_ms {
            self.desk.fail(&format!("the model has taken more than {} ms for a frame", self.stuck_ms), false);
        }
    }

    fn watch_device(&mut self) {
        match self.lost {
            None if self.sink.is_lost() => {
                log::warn!("the sound device is gone: speech waits for it");
                self.desk.device(false);
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
                self.device_hz.store(sink.format().sample_rate_hz, Ordering::Release);
                self.signs.new_device.store(true, Ordering::Relaxed);
                self.sink = sink;
                self.lost = None;
                self.desk.device(true);
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
            self.desk.fail(&why, true);
        }
        self.sink = sink;
    }
}

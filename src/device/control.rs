//! What a device callback and the rest of the engine tell each other. In: pause, volume, duck, cancel. Out: how far the
//! callback is. All of it atomics: nobody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::ring::gate::Gate;
use crate::ring::tickets::SLOTS;

#[derive(Debug)]
pub struct Control {
    gate: Arc<Gate>,
    paused: AtomicBool,
    keep_alive: AtomicBool,
    /// `f32` bits.
    volume: AtomicU32,
    duck: AtomicU32,
    /// Prepared phrases up to this number are to stop.
    phrases_cut: AtomicU64,
    /// Samples of silence since the last one of speech.
    trailing: AtomicU64,
    /// Samples between the callback's return and the ear.
    latency: AtomicU64,
    /// Samples handed to the device.
    written: AtomicU64,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            gate: Arc::new(Gate::new(SLOTS)),
            paused: AtomicBool::new(false),
            keep_alive: AtomicBool::new(false),
            volume: AtomicU32::new(1f32.to_bits()),
            duck: AtomicU32::new(1f32.to_bits()),
            phrases_cut: AtomicU64::new(0),
            trailing: AtomicU64::new(0),
            latency: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }
    }
}

impl Control {
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Speech stops where it is, and goes on from there.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Release);
    }

    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Silence is given inaudible pulses, for sinks that sleep when they get nothing but zeros.
    pub fn set_keep_alive(&self, keep_alive: bool) {
        self.keep_alive.store(keep_alive, Ordering::Relaxed);
    }

    pub fn keeps_awake(&self) -> bool {
        self.keep_alive.load(Ordering::Relaxed)
    }

    /// Volume in 0..=1, reached by a ramp.
    pub fn set_volume(&self, volume: f32) {
        self.volume.store(clean_gain(volume).to_bits(), Ordering::Relaxed);
    }

    /// A second volume, for whoever lowers speech under something else.
    pub fn set_duck(&self, gain: f32) {
        self.duck.store(clean_gain(gain).to_bits(), Ordering::Relaxed);
    }

    pub(super) fn gain(&self) -> f32 {
        let read = |gain: &AtomicU32| f32::from_bits(gain.load(Ordering::Relaxed));
        read(&self.volume) * read(&self.duck)
    }

    /// Stops prepared phrases up to this number.
    pub fn cut_phrases(&self, up_to: u64) {
        self.phrases_cut.fetch_max(up_to, Ordering::Relaxed);
    }

    pub(super) fn phrases_cut(&self) -> u64 {
        self.phrases_cut.load(Ordering::Relaxed)
    }

    /// Samples of speech that wait in the device. Silence written since the last one has pushed speech out already.
    pub(super) fn waiting(&self) -> u64 {
        self.latency.load(Ordering::Relaxed).saturating_sub(self.trailing.load(Ordering::Relaxed))
    }

    /// Samples handed to the device, silence included.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Samples of silence since the last one of speech.
    pub fn trailing(&self) -> u64 {
        self.trailing.load(Ordering::Relaxed)
    }

    /// Samples between the callback's return and the ear.
    pub fn latency(&self) -> u64 {
        self.latency.load(Ordering::Relaxed)
    }

    pub fn set_latency(&self, samples: u64) {
        self.latency.store(samples, Ordering::Relaxed);
    }

    pub(super) fn count(&self, written: usize, trailing: usize) {
        if trailing < written {
            self.trailing.store(trailing as u64, Ordering::Relaxed);
        } else {
            self.trailing.fetch_add(trailing as u64, Ordering::Relaxed);
        }
        self.written.fetch_add(written as u64, Ordering::Relaxed);
    }
}

/// A gain that cannot hurt, whatever the caller gave.
fn clean_gain(gain: f32) -> f32 {
    if gain.is_nan() { 0.0 } else { gain.clamp(0.0, 1.0) }
}

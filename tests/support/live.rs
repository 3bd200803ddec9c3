//! What tests of live speech need: an engine on the tiny pack whose device is a clock with a recorder.

#![allow(dead_code)] // each test binary uses its own part

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use syrinx::device::clocked::ClockedSink;
use syrinx::engine::{Engine, EngineOptions, Guards, SpeakOptions};
use syrinx::pack::{OpenOptions, Pack};
use syrinx_quant::Recipe;

use super::support::TinyPack;

pub const RATE_HZ: u32 = 24_000;
pub const PERIOD: usize = 240;
/// Longer than any wait of a test that passes.
pub const LONG: Duration = Duration::from_secs(120);

/// Everything that the device was given.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<f32>>>);

impl Recorder {
    pub fn samples(&self) -> Vec<f32> {
        self.0.lock().unwrap().clone()
    }

    /// Recorded samples from the first that is not zero.
    pub fn speech(&self) -> Vec<f32> {
        from_first_sound(&self.samples())
    }

    /// Samples up to the last that is not zero.
    pub fn length(&self) -> usize {
        self.samples().iter().rposition(|&x| x != 0.0).map_or(0, |i| i + 1)
    }
}

pub fn from_first_sound(samples: &[f32]) -> Vec<f32> {
    samples.iter().copied().skip_while(|&x| x == 0.0).collect()
}

pub fn tiny() -> (TinyPack, Arc<Pack>) {
    let files = TinyPack::import(Recipe::Q8);
    let pack = Arc::new(Pack::open(&files.dir(), OpenOptions::default()).unwrap());
    (files, pack)
}

/// The tiny model never ends a clause and repeats itself, so it is only watched where a test says so.
pub fn unwatched() -> Option<Guards> {
    Some(Guards { most_frames_per_char: 0.0, repetition_frames: 0, silence_frames: 0, ..Guards::default() })
}

pub fn options() -> EngineOptions {
    EngineOptions { guards: unwatched(), whole_sentences: true, ..EngineOptions::default() }
}

pub fn engine(pack: &Arc<Pack>, options: EngineOptions) -> (Engine, Recorder) {
    engine_at(pack, options, RATE_HZ)
}

pub fn engine_at(pack: &Arc<Pack>, options: EngineOptions, rate_hz: u32) -> (Engine, Recorder) {
    let recorder = Recorder::default();
    let record = recorder.clone();
    let open = move || {
        let record = record.clone();
        let tap = move |samples: &[f32], _: Instant| record.0.lock().unwrap().extend_from_slice(samples);
        Ok(Box::new(ClockedSink::tapped(rate_hz, PERIOD, Box::new(tap))) as _)
    };
    (Engine::open_with(pack, options, Box::new(open)).unwrap(), recorder)
}

/// So many frames in a voice of the pack.
pub fn frames(max_frames: u64) -> SpeakOptions {
    SpeakOptions { seed: Some(7), max_frames: Some(max_frames), ..SpeakOptions::default() }
}

/// Waits until `what` holds.
pub fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !what() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

//! What tests of live speech need: the tiny pack whose device is a clock with a recorder.

#![allow(dead_code)] // each test binary uses its own part

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use syrinx::lab::device::clocked::ClockedSink;
use syrinx::lab::speak::Guards;
use syrinx::{Event, Live, LiveOptions, Model, ModelOptions, SessionOptions, SpeakOptions, Utterance};
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

    pub fn record(&self, samples: &[f32]) {
        self.0.lock().unwrap().extend_from_slice(samples);
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

pub fn tiny() -> (TinyPack, Model) {
    let files = TinyPack::import(Recipe::Q8);
    let model = Model::open(files.dir(), ModelOptions::default()).unwrap();
    (files, model)
}

/// The voice in the repository, which knows when to stop.
pub fn wren() -> Model {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en");
    Model::open(folder, ModelOptions::default()).unwrap()
}

/// The tiny model never ends a clause and repeats itself, so it is only watched where a test says so.
pub fn unwatched() -> SessionOptions {
    let guards = Guards { most_frames_per_char: 0.0, repetition_frames: 0, silence_frames: 0, ..Guards::default() };
    SessionOptions::default().guards(guards)
}

pub fn options() -> LiveOptions {
    LiveOptions::default().session(unwatched())
}

pub fn live(model: &Model, options: LiveOptions) -> (Live, Recorder) {
    live_at(model, options, RATE_HZ)
}

pub fn live_at(model: &Model, options: LiveOptions, rate_hz: u32) -> (Live, Recorder) {
    let recorder = Recorder::default();
    let record = recorder.clone();
    let open = move || {
        let record = record.clone();
        let tap = move |samples: &[f32], _: Instant| record.0.lock().unwrap().extend_from_slice(samples);
        Ok(Box::new(ClockedSink::tapped(rate_hz, PERIOD, Box::new(tap))) as _)
    };
    (Live::open_with(model, options, Box::new(open)).unwrap(), recorder)
}

/// Speaks so many frames of a text: the tiny model does not come to an end by itself.
pub fn speak(live: &Live, text: &str, max_frames: u64) -> Utterance {
    live.speak(text, &frames(max_frames)).unwrap()
}

/// Waits for an utterance to be heard to the end of its budget.
pub fn heard_to_the_end(utterance: &Utterance) {
    let last = utterance.wait(LONG);
    assert!(matches!(last, Some(Event::OutOfBudget { .. })), "{last:?}");
}

/// So many frames in a voice of the pack.
pub fn frames(max_frames: u64) -> SpeakOptions {
    SpeakOptions::default().seed(7).max_frames(max_frames).whole_sentences(true)
}

/// Waits until `what` holds.
pub fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !what() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

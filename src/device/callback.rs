//! The device callback. In: samples of the ring, prepared phrases, [`Control`]. Out: every sample that a device asks
//! for.
//!
//! It runs on a thread that must never wait: no allocation, lock, system call, log or panic. Speech that is cut or
//! paused fades within [`FADE_MS`]; where samples run out, the last one decays as fast, so that nothing clicks.

use std::sync::Arc;

use super::control::Control;
use super::overlay::Overlay;
use crate::ring::SampleReader;
use crate::ring::gate::Run;

/// Length of a fade.
pub const FADE_MS: u32 = 5;
/// Time in which the volume goes from 0 to 1.
const VOLUME_MS: u32 = 40;
/// Time between two pulses of a kept-alive silence, and their height: one step of 16-bit samples, so that they are the
/// least that is not zero. They alternate, so that nothing drifts.
const PULSE_MS: u32 = 20;
const PULSE: f32 = 1.0 / 32767.0;
/// Samples that are converted at a time.
const CHUNK: usize = 256;

/// Where the gain of speech is to go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    /// Speech stops where it is, by a fade.
    Hold,
    Gain(f32),
}

pub struct Callback {
    reader: SampleReader,
    overlay: Overlay,
    control: Arc<Control>,
    gain: f32,
    /// Speech begins at rest, so no ramp leads to it.
    at_rest: bool,
    /// The last sample heard, and how many samples it has left to decay.
    last: f32,
    decay: u32,
    fade: u32,
    volume_step: f32,
    /// Samples between two pulses, samples until the next, and its value.
    pulse_every: u32,
    pulse_in: u32,
    pulse: f32,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}

impl Callback {
    pub fn new(reader: SampleReader, overlay: Overlay, control: Arc<Control>, sample_rate_hz: u32) -> Self {
        let mut callback = Self {
            reader,
            overlay,
            control,
            gain: 1.0,
            at_rest: true,
            last: 0.0,
            decay: 0,
            fade: 1,
            volume_step: 1.0,
            pulse_every: 1,
            pulse_in: 0,
            pulse: PULSE,
        };
        callback.set_sample_rate(sample_rate_hz);
        callback
    }

    /// Before the first period of a stream.
    pub fn set_sample_rate(&mut self, sample_rate_hz: u32) {
        self.fade = (sample_rate_hz * FADE_MS / 1000).max(1);
        self.pulse_every = (sample_rate_hz * PULSE_MS / 1000).max(1);
        self.volume_step = 1000.0 / (sample_rate_hz * VOLUME_MS).max(1) as f32;
    }

    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Writes interleaved samples, the same on every channel. A last incomplete group of channels stays untouched.
    pub fn write<T>(&mut self, out: &mut [T], channels: usize, convert: impl Fn(f32) -> T + Copy) {
        let mut mono = [0f32; CHUNK];
        for groups in out.chunks_mut(CHUNK * channels.max(1)) {
            let frames = groups.len() / channels.max(1);
            self.fill(&mut mono[..frames]);
            for (group, &sample) in groups.chunks_exact_mut(channels.max(1)).zip(&mono) {
                group.fill_with(|| convert(sample));
            }
        }
    }

    /// Writes mono samples.
    pub fn fill(&mut self, out: &mut [f32]) {
        let duck = self.overlay.next(&self.control);
        let target = match self.control.is_paused() || duck == 0.0 {
            true => Target::Hold,
            false => Target::Gain(self.control.gain() * duck),
        };
        let (heard, dry) = self.speech(out, target);
        let silence = out.get_mut(heard..).unwrap_or_default();
        for sample in silence.iter_mut() {
            *sample = self.last * self.decay as f32 / self.fade as f32;
            self.decay = self.decay.saturating_sub(1);
        }
        let trailing = silence.len();
        self.overlay.mix(out, &self.control, self.fade);
        if self.control.keeps_awake() {
            self.keep_awake(out);
        }
        self.control.count(out.len(), trailing);
        self.reader.publish(dry, self.control.waiting());
    }

    /// Puts a pulse into silence now and then.
    fn keep_awake(&mut self, out: &mut [f32]) {
        for sample in out.iter_mut() {
            self.pulse_in = self.pulse_in.checked_sub(1).unwrap_or(self.pulse_every - 1);
            if self.pulse_in == 0 && *sample == 0.0 {
                *sample = self.pulse;
                self.pulse = -self.pulse;
            }
        }
    }

    /// As much speech as there is for `out`, and whether there should have been more.
    fn speech(&mut self, out: &mut [f32], target: Target) -> (usize, bool) {
        let fast = 1.0 / self.fade as f32;
        let mut at = 0;
        while let Some(rest) = out.get_mut(at..).filter(|rest| !rest.is_empty()) {
            match self.reader.next_run() {
                // A fade plays the beginning of what is cut; where nothing of it was heard yet, there is nothing to fade.
                Run::Cut(count) if count > 0 && self.gain > 0.0 && !self.at_rest && self.reader.is_begun() => {
                    at += self.play(rest, count, 0.0, fast);
                }
                Run::Cut(count) => {
                    self.reader.silence();
                    self.at_rest = true;
                    if count == 0 {
                        break;
                    }
                    self.reader.skip(count);
                }
                Run::Fresh(count) => {
                    let (gain, step) = match target {
                        Target::Hold if self.gain == 0.0 || self.at_rest => break,
                        Target::Hold => (0.0, fast),
                        Target::Gain(gain) if std::mem::take(&mut self.at_rest) => (gain, f32::INFINITY),
                        Target::Gain(gain) if self.gain == 0.0 => (gain, fast),
                        Target::Gain(gain) => (gain, self.volume_step),
                    };
                    at += self.play(rest, count, gain, step);
                }
                Run::Held => break,
                Run::Dry => {
                    self.gain = 0.0; // speech breaks off, and comes back by a ramp
                    return (at, true);
                }
            }
        }
        (at, false)
    }

    /// Plays up to `count` samples with a gain that goes to `target`, and stops where it arrives there.
    fn play(&mut self, out: &mut [f32], count: usize, target: f32, step: f32) -> usize {
        let ramp = ((target - self.gain).abs() / step).ceil() as usize;
        let count = if ramp == 0 { count } else { count.min(ramp) }.min(out.len());
        let out = out.get_mut(..count).unwrap_or_default();
        let count = self.reader.pop(out);
        let Some(heard) = out.get_mut(..count).filter(|heard| !heard.is_empty()) else { return 0 };
        for sample in heard.iter_mut() {
            self.gain += (target - self.gain).clamp(-step, step);
            *sample *= self.gain;
        }
        self.last = heard.last().copied().unwrap_or(self.last);
        self.decay = self.fade;
        count
    }
}

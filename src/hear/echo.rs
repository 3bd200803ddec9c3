//! One's own voice out of the microphone. In: what the loudspeaker plays, and what the microphone hears, 16 kHz mono. Out: the
//! microphone without the loudspeaker.
//!
//! The canceller is WebRTC's AEC3, in its port to Rust (`sonora`). It works in frames of 10 ms and finds out by itself how late
//! the echo comes, within some 500 ms of what it is told. Where the system cancels echo already, as PipeWire's and PulseAudio's
//! `echo-cancel` and most telephones do, a second canceller harms: [`Bypass`].

use std::time::Duration;

use super::wav::RATE_HZ;

/// Samples that are computed at a time.
pub const FRAME: usize = RATE_HZ as usize / 100;

/// Takes an echo away.
pub trait EchoCanceller: Send + std::fmt::Debug {
    /// The loudspeaker was given these samples, in pieces of any length, before their echo is heard.
    fn far(&mut self, samples: &[f32]);

    /// The microphone heard these samples, in pieces of any length; the echo in them is taken away. What comes out may be late
    /// by up to 20 ms.
    fn near(&mut self, samples: &mut [f32]);

    /// Time from [`EchoCanceller::far`] to the ear, and from the microphone to [`EchoCanceller::near`], together.
    fn set_latency(&mut self, latency: Duration);

    /// By how many dB the microphone was made lower while the loudspeaker was heard in it, of late: in the last second of that.
    /// Less than the echo's own share where somebody spoke at the same time. `None` before the first echo.
    fn reduction_db(&self) -> Option<f32>;
}

/// Leaves the sound as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bypass;

impl EchoCanceller for Bypass {
    fn far(&mut self, _: &[f32]) {}

    fn near(&mut self, _: &mut [f32]) {}

    fn set_latency(&mut self, _: Duration) {}

    fn reduction_db(&self) -> Option<f32> {
        None
    }
}

#[cfg(feature = "echo")]
pub use aec3::Aec3;

#[cfg(feature = "echo")]
mod aec3 {
    use sonora::config::EchoCanceller as EchoOptions;
    use sonora::{AudioProcessing, Config, StreamConfig};

    use super::{Duration, EchoCanceller, FRAME, RATE_HZ};

    /// WebRTC's.
    pub struct Aec3 {
        apm: AudioProcessing,
        far: Frame,
        near: Frame,
        /// The last frame that was computed, whose samples leave as others enter.
        clean: [f32; FRAME],
        left: Left,
    }

    /// How much of the echo is left.
    #[derive(Debug, Default)]
    struct Left {
        /// The loudest that the loudspeaker was of late, as the mean square of a frame.
        far: f32,
        /// Mean squares of what the microphone heard of it, and of what was left.
        heard: f32,
        left: f32,
    }

    /// Mean square below which the loudspeaker is silent: −50 dB of full scale.
    const SILENT: f32 = 1e-5;
    /// Per frame, the share of a loudness that stays: an echo dies away within some 200 ms.
    const DECAY: f32 = 0.8;
    /// Per frame, the share of what was measured before: of the last second.
    const MEMORY: f32 = 0.99;

    impl Left {
        fn play(&mut self, far: &[f32]) {
            self.far = (self.far * DECAY).max(mean_square(far));
        }

        fn hear(&mut self, near: &[f32], clean: &[f32]) {
            if self.far > SILENT {
                self.heard = self.heard * MEMORY + mean_square(near);
                self.left = self.left * MEMORY + mean_square(clean);
            }
        }
    }

    fn mean_square(samples: &[f32]) -> f32 {
        samples.iter().map(|x| x * x).sum::<f32>() / samples.len().max(1) as f32
    }

    impl std::fmt::Debug for Aec3 {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Aec3").finish_non_exhaustive()
        }
    }

    impl Default for Aec3 {
        fn default() -> Self {
            let mono = StreamConfig::new(RATE_HZ, 1);
            let config = Config { echo_canceller: Some(EchoOptions::default()), ..Config::default() };
            let apm = AudioProcessing::builder().config(config).capture_config(mono).render_config(mono).build();
            let mut canceller =
                Self { apm, far: Frame::new(), near: Frame::new(), clean: [0.0; FRAME], left: Left::default() };
            canceller.set_latency(Duration::ZERO);
            canceller
        }
    }

    impl EchoCanceller for Aec3 {
        fn far(&mut self, samples: &[f32]) {
            for &sample in samples {
                if let Some(frame) = self.far.push(sample) {
                    // Refuses frames of another length alone.
                    let refused = self.apm.process_render_f32(&[frame], &mut [&mut [0.0; FRAME]]).is_err();
                    debug_assert!(!refused);
                    self.left.play(frame);
                }
            }
        }

        fn near(&mut self, samples: &mut [f32]) {
            for sample in samples {
                let clean = self.clean.get(self.near.filled).copied().unwrap_or_default();
                if let Some(frame) = self.near.push(*sample) {
                    if self.apm.process_capture_f32(&[frame], &mut [&mut self.clean]).is_err() {
                        self.clean.copy_from_slice(frame);
                    }
                    self.left.hear(frame, &self.clean);
                }
                *sample = clean;
            }
        }

        fn set_latency(&mut self, latency: Duration) {
            let ms = i32::try_from(latency.as_millis()).unwrap_or(i32::MAX);
            let _ = self.apm.set_stream_delay_ms(ms); // says that it was clamped
        }

        fn reduction_db(&self) -> Option<f32> {
            let Left { heard, left, .. } = self.left;
            (heard > 0.0).then(|| 10.0 * (heard / left.max(f32::MIN_POSITIVE)).log10())
        }
    }

    /// Samples that are not a whole frame yet.
    struct Frame {
        samples: [f32; FRAME],
        filled: usize,
    }

    impl Frame {
        fn new() -> Self {
            Self { samples: [0.0; FRAME], filled: 0 }
        }

        /// The frame, when this sample completes it.
        fn push(&mut self, sample: f32) -> Option<&[f32]> {
            let place = self.samples.get_mut(self.filled)?;
            *place = sample;
            self.filled += 1;
            if self.filled < FRAME {
                return None;
            }
            self.filled = 0;
            Some(&self.samples)
        }
    }
}

#[cfg(test)]
mod tests;

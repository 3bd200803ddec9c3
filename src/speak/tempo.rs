//! How fast speech is. In: samples of one rate, and a speed. Out: the same speech at the same pitch in less or more time; at
//! speed 1 what comes in, bit for bit.
//!
//! Sonic does it (Bill Cox: whole periods of a voice are overlapped and added), which stays clear up to four times the speed. It
//! holds back two of the longest periods, 31 ms; a clause's end gives them out, so that no clause has samples of another.

use std::ops::RangeInclusive;

use libsonic::SonicStream;

use crate::error::{Error, ErrorKind, Result};
use crate::text::ssml::SPEEDS;

/// The loudest that a speech can be made.
pub(crate) const VOLUMES: RangeInclusive<f32> = 0.0..=4.0;

/// Errors: `BadOption` outside of [`SPEEDS`].
pub(super) fn check_speed(speed: f32) -> Result<f32> {
    if SPEEDS.contains(&speed) {
        return Ok(speed);
    }
    let message = format!("speed {speed}: choose {} to {}", SPEEDS.start(), SPEEDS.end());
    Err(Error::new(ErrorKind::BadOption, message))
}

/// Errors: `BadOption` outside of [`VOLUMES`].
pub(super) fn check_volume(volume: f32) -> Result<f32> {
    if VOLUMES.contains(&volume) {
        return Ok(volume);
    }
    let message =
        format!("volume {volume}: choose {} to {}, of which 1 changes nothing", VOLUMES.start(), VOLUMES.end());
    Err(Error::new(ErrorKind::BadOption, message))
}

/// State from block to block of a clause.
#[derive(Debug)]
pub(crate) struct Tempo {
    speed: f32,
    /// `None` at speed 1.
    stream: Option<SonicStream>,
    out: Vec<f32>,
}

impl Tempo {
    pub fn new() -> Self {
        Self { speed: 1.0, stream: None, out: Vec::new() }
    }

    /// A clause begins, at this speed of [`SPEEDS`] and rate; what was held back of another is forgotten. Errors:
    /// `Unsupported` for a rate at which periods of a voice are not looked for.
    pub fn begin(&mut self, speed: f32, rate_hz: u32) -> Result<()> {
        self.speed = speed;
        self.stream = None;
        if self.speed != 1.0 {
            let refused = |e| Error::new(ErrorKind::Unsupported, format!("speed {speed} at {rate_hz} Hz: {e}"));
            let mut stream = SonicStream::new(rate_hz, 1).map_err(refused)?;
            stream.set_speed(self.speed);
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Whether samples pass as they are.
    pub fn is_plain(&self) -> bool {
        self.stream.is_none()
    }

    /// How long so many samples become.
    pub fn length(&self, samples: u64) -> u64 {
        match self.stream {
            None => samples,
            Some(_) => (samples as f64 / f64::from(self.speed)).round() as u64,
        }
    }

    /// What can be given out once these samples are there as well.
    pub fn through<'s>(&'s mut self, samples: &'s [f32]) -> &'s [f32] {
        let Some(stream) = &mut self.stream else { return samples };
        stream.write_f32(samples);
        self.out = stream.read_f32(stream.available_frames());
        &self.out
    }

    /// What was held back, at the end of a clause.
    pub fn flush(&mut self) -> &[f32] {
        self.out.clear();
        if let Some(stream) = &mut self.stream {
            stream.flush();
            self.out = stream.read_f32(stream.available_frames());
        }
        &self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 24_000;

    /// A voice of 120 Hz that moves, in blocks of frames.
    fn voice(samples: usize) -> Vec<f32> {
        let at = |i: usize| i as f32 / RATE_HZ as f32;
        let phase = |t: f32| std::f32::consts::TAU * (120.0 * t + 2.0 * (3.0 * t).sin());
        (0..samples).map(|i| (1..6).map(|k| (phase(at(i)) * k as f32).sin() * 0.3 / k as f32).sum()).collect()
    }

    fn spoken(input: &[f32], speed: f32, block: usize) -> Vec<f32> {
        let mut tempo = Tempo::new();
        tempo.begin(speed, RATE_HZ).unwrap();
        let mut out = Vec::new();
        input.chunks(block).for_each(|block| out.extend_from_slice(tempo.through(block)));
        out.extend_from_slice(tempo.flush());
        out
    }

    /// Of the signal: how often it rises through zero in a second.
    fn pitch_hz(samples: &[f32]) -> f32 {
        let rises = samples.windows(2).filter(|pair| pair[0] <= 0.0 && pair[1] > 0.0).count();
        rises as f32 * RATE_HZ as f32 / samples.len() as f32
    }

    #[test]
    fn at_speed_one_every_bit_passes() {
        let input = voice(5 * 1920);
        assert_eq!(spoken(&input, 1.0, 1920), input);
    }

    #[test]
    fn another_speed_takes_its_time_at_the_same_pitch() {
        let input = voice(3 * RATE_HZ as usize);
        for speed in [0.5, 0.8, 1.25, 2.0, 4.0] {
            let out = spoken(&input, speed, 1920);
            let expected = input.len() as f32 / speed;
            assert!(
                (out.len() as f32 - expected).abs() < 0.02 * RATE_HZ as f32,
                "{speed}: {} of {expected}",
                out.len()
            );
            let (was, is) = (pitch_hz(&input), pitch_hz(&out));
            assert!((is / was - 1.0).abs() < 0.05, "{speed}: {was} Hz became {is} Hz");
        }
    }

    #[test]
    fn no_join_is_steeper_than_the_voice_itself() {
        let input = voice(3 * RATE_HZ as usize);
        let steepest = |samples: &[f32]| samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        for speed in [0.5, 0.9, 1.1, 2.0, 4.0] {
            let out = spoken(&input, speed, 1920);
            assert!(steepest(&out[..out.len() - 800]) < 1.3 * steepest(&input), "{speed}");
        }
    }

    #[test]
    fn what_is_held_back_is_two_of_the_longest_periods() {
        let mut tempo = Tempo::new();
        tempo.begin(1.5, RATE_HZ).unwrap();
        let first = tempo.through(&voice(1920)).len();
        assert!(first >= (1920 - 2 * RATE_HZ as usize / 65 - 400) * 2 / 3, "{first}");
    }

    #[test]
    fn a_speed_or_volume_that_cannot_be_followed_is_refused_by_its_range() {
        for speed in [0.0, 0.49, 4.1, -1.0, f32::NAN, f32::INFINITY] {
            assert!(check_speed(speed).unwrap_err().message().contains("0.5 to 4"), "{speed}");
        }
        for volume in [-0.1, 4.1, f32::NAN] {
            assert!(check_volume(volume).unwrap_err().message().contains("0 to 4"), "{volume}");
        }
    }
}

//! Log-mel distance. In: two sounds of the same length. Out: how far their spectra are apart for an ear, in dB.
//!
//! Windows of 1024 samples (Hann), every 256; 80 triangular bands on the mel scale `2595 log10(1 + f / 700)` from 0 to half
//! the sampling rate, of power. What lies more than 80 dB below the loudest band of the exact sound is silence in both.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

const WINDOW: usize = 1024;
const HOP: usize = 256;
const BANDS: usize = 80;
const FLOOR_DB: f64 = 80.0;

/// Spectra of sounds of one sampling rate.
pub struct LogMel {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// First bin and weights of each band.
    bands: Vec<(usize, Vec<f32>)>,
    samples: Vec<f32>,
    bins: Vec<Complex32>,
}

impl std::fmt::Debug for LogMel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogMel").field("bands", &self.bands.len()).finish_non_exhaustive()
    }
}

impl LogMel {
    pub fn new(sample_rate_hz: u32) -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(WINDOW);
        let turn = |i: usize| std::f32::consts::TAU * i as f32 / WINDOW as f32;
        Self {
            window: (0..WINDOW).map(|i| 0.5 - 0.5 * turn(i).cos()).collect(),
            bands: bands(f64::from(sample_rate_hz)),
            samples: fft.make_input_vec(),
            bins: fft.make_output_vec(),
            fft,
        }
    }

    /// Mean over windows and bands of the difference of levels, and the number of windows. Of different lengths, the
    /// shorter counts.
    pub fn distance_db(&mut self, found: &[f32], exact: &[f32]) -> (f64, usize) {
        let samples = found.len().min(exact.len());
        let (found, exact) = (self.powers(&found[..samples]), self.powers(&exact[..samples]));
        let loudest = exact.iter().fold(f64::MIN_POSITIVE, |loudest, &power| loudest.max(power));
        let floor = loudest * 10f64.powf(-FLOOR_DB / 10.0);
        let level_db = |power: f64| 10.0 * power.max(floor).log10();
        let sum: f64 = found.iter().zip(&exact).map(|(&a, &b)| (level_db(a) - level_db(b)).abs()).sum();
        (sum / exact.len().max(1) as f64, exact.len() / BANDS)
    }

    /// `[windows][BANDS]`; the last window is filled up with silence.
    fn powers(&mut self, sound: &[f32]) -> Vec<f64> {
        let mut powers = Vec::new();
        for start in (0..sound.len()).step_by(HOP) {
            let piece = &sound[start..sound.len().min(start + WINDOW)];
            self.samples.fill(0.0);
            for ((sample, x), weight) in self.samples.iter_mut().zip(piece).zip(&self.window) {
                *sample = x * weight;
            }
            // The lengths are the plan's own, which is all that can be wrong.
            if self.fft.process(&mut self.samples, &mut self.bins).is_err() {
                self.bins.fill(Complex32::new(0.0, 0.0));
            }
            let band = |(first, weights): &(usize, Vec<f32>)| -> f64 {
                let bins = self.bins[*first..].iter().zip(weights);
                bins.map(|(bin, weight)| f64::from(bin.norm_sqr() * weight)).sum()
            };
            powers.extend(self.bands.iter().map(band));
        }
        powers
    }
}

/// Triangles whose corners are evenly spaced in mel.
fn bands(sample_rate_hz: f64) -> Vec<(usize, Vec<f32>)> {
    let top = 2595.0 * (1.0 + sample_rate_hz / 2.0 / 700.0).log10();
    let corner_hz = |i: usize| 700.0 * (10f64.powf(top * i as f64 / (BANDS + 1) as f64 / 2595.0) - 1.0);
    let bin_hz = sample_rate_hz / WINDOW as f64;
    let bins = 0..=WINDOW / 2;
    let band = |i: usize| {
        let (low, middle, high) = (corner_hz(i), corner_hz(i + 1), corner_hz(i + 2));
        let weight = |bin: usize| {
            let hz = bin as f64 * bin_hz;
            ((hz - low) / (middle - low)).min((high - hz) / (high - middle)).max(0.0) as f32
        };
        let weights: Vec<f32> = bins.clone().map(weight).collect();
        match weights.iter().position(|&w| w > 0.0) {
            Some(first) => (first, weights[first..].iter().copied().take_while(|&w| w > 0.0).collect()),
            // Narrower than a bin, at the bottom of the scale: the nearest bin.
            None => ((middle / bin_hz).round() as usize, vec![1.0]),
        }
    };
    (0..BANDS).map(band).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 24_000;

    fn tone(hz: f32, gain: f32) -> Vec<f32> {
        let turn = std::f32::consts::TAU * hz / RATE_HZ as f32;
        (0..RATE_HZ).map(|i| gain * (turn * i as f32).sin()).collect()
    }

    /// White, from a plain generator.
    fn noise(gain: f32) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            gain * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..RATE_HZ).map(|_| next()).collect()
    }

    #[test]
    fn a_sound_is_no_distance_from_itself_and_one_of_half_the_size_is_6_db_away() {
        let mut mel = LogMel::new(RATE_HZ);
        assert_eq!(mel.distance_db(&noise(0.5), &noise(0.5)).0, 0.0);
        let (db, windows) = mel.distance_db(&noise(0.25), &noise(0.5));
        assert!((db - 6.02).abs() < 0.01, "{db}");
        assert_eq!(windows, RATE_HZ.div_ceil(HOP as u32) as usize);
    }

    #[test]
    fn the_loudest_band_is_that_of_the_tone() {
        let mut mel = LogMel::new(RATE_HZ);
        for hz in [200.0, 1000.0, 5000.0] {
            let powers = mel.powers(&tone(hz, 0.5));
            let window = &powers[20 * BANDS..21 * BANDS];
            let loudest = (0..BANDS).max_by(|&a, &b| window[a].total_cmp(&window[b])).unwrap();
            let top = 2595.0 * (1.0f64 + 12_000.0 / 700.0).log10();
            let expected = 2595.0 * (1.0 + f64::from(hz) / 700.0).log10() / top * (BANDS + 1) as f64 - 1.0;
            assert!((loudest as f64 - expected).abs() <= 1.0, "{hz} Hz in band {loudest}, expected {expected:.1}");
        }
    }

    #[test]
    fn silence_counts_to_the_floor_and_no_further() {
        let mut mel = LogMel::new(RATE_HZ);
        let (db, _) = mel.distance_db(&vec![0.0; RATE_HZ as usize], &noise(0.5));
        assert!((60.0..=FLOOR_DB).contains(&db), "{db}");
        assert_eq!(mel.distance_db(&[0.0; 100], &[0.0; 100]), (0.0, 1));
        assert_eq!(mel.distance_db(&[], &[]), (0.0, 0));
    }

    #[test]
    fn every_band_hears_something() {
        for rate_hz in [16_000.0, 24_000.0, 48_000.0] {
            for (first, weights) in bands(rate_hz) {
                assert!(first + weights.len() <= WINDOW / 2 + 1);
                assert!(weights.iter().sum::<f32>() > 0.0);
            }
        }
    }
}

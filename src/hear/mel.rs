//! Mel spectra, which every recogniser here begins with. In: a window of samples. Out: the logarithm of the power in each
//! band.
//!
//! Periodic Hann window, power of the real transform, triangles on Slaney's scale with Slaney's norm, base-10 logarithm
//! (Whisper's `log_mel_spectrogram`; `voxtral-realtime.md`, section 3). What differs between models is left to them: where
//! a window begins, the floor beneath the logarithms (a constant, or the recording's maximum less 8), and their scale.
//! Computed in `f64`: a frame costs some microseconds either way, and a quiet band beside a loud one keeps its digits.

use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::error::{Error, ErrorKind, Result};

/// Power below which a band is silent.
const LEAST_POWER: f64 = 1e-10;

/// What a spectrum is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MelSizes {
    /// Samples per second. The bands reach from 0 to half of it.
    pub rate_hz: usize,
    /// Samples of a window.
    pub window: usize,
    pub bands: usize,
}

/// Makes spectra. Allocates when it is made, never afterwards.
pub struct Mel {
    fft: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    filters: Vec<Filter>,
    input: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    power: Vec<f64>,
}

/// One band: its bins, and the weight of each.
struct Filter {
    bins: Range<usize>,
    weights: Vec<f64>,
}

impl std::fmt::Debug for Mel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mel({} samples, {} bands)", self.window.len(), self.filters.len())
    }
}

impl Mel {
    /// Errors: `BadPack` for sizes that no spectrum has.
    pub fn new(sizes: MelSizes) -> Result<Self> {
        let MelSizes { rate_hz, window, bands } = sizes;
        if rate_hz < 2 || !(2..=1 << 16).contains(&window) || !(1..=window).contains(&bands) {
            let message = format!("{bands} bands of {window} samples at {rate_hz} Hz are no spectrum");
            return Err(Error::new(ErrorKind::BadPack, format!("{message}: import the pack again")));
        }
        let fft = RealFftPlanner::new().plan_fft_forward(window);
        let turn = std::f64::consts::TAU / window as f64;
        Ok(Self {
            window: (0..window).map(|k| 0.5 - 0.5 * (turn * k as f64).cos()).collect(),
            filters: filters(sizes),
            input: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            power: vec![0.0; window / 2 + 1],
            fft,
        })
    }

    /// Samples that a frame is made of.
    pub fn window(&self) -> usize {
        self.window.len()
    }

    pub fn bands(&self) -> usize {
        self.filters.len()
    }

    /// `out[band] = log10(max(power, 1e-10))` of one window of samples.
    ///
    /// # Panics
    /// Where `samples` are not [`Mel::window`], or `out` is not [`Mel::bands`].
    pub fn frame(&mut self, samples: &[f32], out: &mut [f32]) {
        assert_eq!((samples.len(), out.len()), (self.window.len(), self.filters.len()));
        if samples.iter().all(|&sample| sample == 0.0) {
            return out.fill(LEAST_POWER.log10() as f32); // silence is most of a window that is filled up
        }
        for ((to, &sample), w) in self.input.iter_mut().zip(samples).zip(&self.window) {
            *to = f64::from(sample) * w;
        }
        let done = self.fft.process_with_scratch(&mut self.input, &mut self.spectrum, &mut self.scratch);
        debug_assert!(done.is_ok(), "its buffers are the planner's own");
        for (power, value) in self.power.iter_mut().zip(&self.spectrum) {
            *power = value.norm_sqr();
        }
        for (out, Filter { bins, weights }) in out.iter_mut().zip(&self.filters) {
            let power: f64 = self.power[bins.clone()].iter().zip(weights).map(|(p, w)| p * w).sum();
            *out = power.max(LEAST_POWER).log10() as f32;
        }
    }

    /// The weights of all bands, `[bands][window / 2 + 1]`: for comparison with a reference.
    pub fn filters(&self) -> Vec<f32> {
        let bins = self.power.len();
        let mut all = vec![0.0; self.filters.len() * bins];
        for (row, Filter { bins, weights }) in all.chunks_exact_mut(bins).zip(&self.filters) {
            row[bins.clone()].iter_mut().zip(weights).for_each(|(to, &w)| *to = w as f32);
        }
        all
    }
}

/// Slaney's scale: linear up to 1 kHz, then 27 steps for each factor of 6.4.
fn to_mel(hz: f64) -> f64 {
    if hz >= 1000.0 { 15.0 + (hz / 1000.0).ln() * (27.0 / 6.4f64.ln()) } else { hz * 3.0 / 200.0 }
}

fn to_hz(mel: f64) -> f64 {
    if mel >= 15.0 { 1000.0 * ((mel - 15.0) * (6.4f64.ln() / 27.0)).exp() } else { mel * 200.0 / 3.0 }
}

/// Triangles between the centres of neighbouring bands, each with the area one (in hertz).
fn filters(sizes: MelSizes) -> Vec<Filter> {
    let MelSizes { rate_hz, window, bands } = sizes;
    let highest = rate_hz as f64 / 2.0;
    let point = |i: usize| to_hz(to_mel(highest) * i as f64 / (bands + 1) as f64);
    let filter = |band: usize| {
        let (low, centre, high) = (point(band), point(band + 1), point(band + 2));
        let weight = |bin: usize| {
            let hz = bin as f64 * rate_hz as f64 / window as f64;
            let height = ((hz - low) / (centre - low)).min((high - hz) / (high - centre));
            height.max(0.0) * 2.0 / (high - low)
        };
        let used = |bin: &usize| weight(*bin) > 0.0;
        let first = (0..=window / 2).find(used).unwrap_or(0);
        let end = (first..=window / 2).rfind(used).map_or(first, |last| last + 1);
        Filter { bins: first..end, weights: (first..end).map(weight).collect() }
    };
    (0..bands).map(filter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: MelSizes = MelSizes { rate_hz: 16_000, window: 400, bands: 80 };

    #[test]
    fn a_tone_is_loudest_in_the_band_around_it() {
        let mut mel = Mel::new(SIZES).unwrap();
        let mut out = vec![0.0; 80];
        for hz in [200.0, 1000.0, 5000.0] {
            let tone: Vec<f32> = (0..400).map(|i| (i as f32 * hz * std::f32::consts::TAU / 16_000.0).sin()).collect();
            mel.frame(&tone, &mut out);
            let loudest = (0..80).max_by(|&a, &b| out[a].total_cmp(&out[b])).unwrap();
            let centre = to_hz(to_mel(8000.0) * (loudest + 1) as f64 / 81.0);
            assert!((centre / f64::from(hz) - 1.0).abs() < 0.1, "{hz} Hz is in the band at {centre} Hz");
        }
    }

    #[test]
    fn silence_is_the_least_power_in_every_band() {
        let mut out = vec![0.0; 80];
        Mel::new(SIZES).unwrap().frame(&[0.0; 400], &mut out);
        assert!(out.iter().all(|&v| v == -10.0), "{out:?}");
    }

    #[test]
    fn sizes_without_a_spectrum_are_refused() {
        for sizes in [MelSizes { bands: 0, ..SIZES }, MelSizes { window: 1, ..SIZES }, MelSizes { rate_hz: 0, ..SIZES }]
        {
            assert_eq!(Mel::new(sizes).unwrap_err().kind(), ErrorKind::BadPack, "{sizes:?}");
        }
    }
}

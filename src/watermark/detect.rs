//! Finding the mark. In: sound at 16 kHz, in pieces of any length. Out: whether speech with the mark of
//! [`super::Watermark`] is in it.
//!
//! Echoes are lines in the cepstrum: the spectrum of the logarithm of a spectrum, where what a filter has done to a sound is
//! added to it. The cepstra of all windows with sound in them are averaged, each brought to one spread and clipped, so that no
//! vowel's pitch outweighs the rest, and correlated with the pattern of the echoes. What the same pattern gives at other places,
//! where it is not, is the yardstick. Nothing has to be aligned: a filter is the same wherever a recording is cut.
//!
//! Long recordings are judged as a whole and in overlapping pieces of six seconds, as the machine may say one sentence in a talk
//! of an hour; the more pieces, the higher the threshold.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::{HIGHER, LOWER};

/// Samples per second of what is judged; a unit of the echoes' delays is two of them.
pub const RATE_HZ: u32 = 16_000;
const SAMPLES_PER_UNIT: usize = 2;
/// A window and the step to the next, in samples: 128 and 32 ms.
const WINDOW: usize = 2048;
const STEP: usize = 512;
/// The bins that are judged, 300 to 7,000 Hz.
const FIRST_BIN: usize = 38;
const END_BIN: usize = 896;
/// What a bin has at least, against the mean of its window: less is noise, or was taken away by a telephone.
const FLOOR: f64 = 0.03;
/// Windows that are quieter than the loudest by more than this (35 dB) are none of speech.
const QUIET: f64 = 3.2e-4;
/// Places of the cepstrum that are judged; below them is what a throat does.
const FIRST: usize = 28;
const END: usize = 480;
/// To each side of a place whose mean is taken away.
const AROUND: usize = 10;
/// How far a place may stand out of its window, in mean magnitudes.
const CLIP: f64 = 1.5;
/// How far from its own place the pattern is tried, as a yardstick.
const BESIDE: std::ops::Range<usize> = 8..140;
/// Windows of half a piece: three seconds.
const HALF: usize = 94;
/// What less than one in a thousand pieces of unmarked sound reaches.
const THRESHOLD: f64 = 4.0;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// Whether the mark is there.
    pub is_marked: bool,
    /// How clearly, in standard deviations of chance: about 0 without the mark.
    pub score: f64,
    /// What the score has to reach; more in a longer recording, which has more chances.
    pub threshold: f64,
    /// Sound loud enough to be judged. Of less than two seconds the mark may be missed.
    pub sound_seconds: f64,
}

/// Judges one recording or stream. It takes no more memory for an hour than for seconds.
pub struct Detector {
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    hann: Vec<f64>,
    taper: Vec<f64>,
    pattern: Vec<f64>,
    waiting: Vec<f32>,
    input: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    cepstrum: Vec<f64>,
    /// Power of the loudest window so far.
    loudest: f64,
    /// The windows of the present half piece: their powers, and their cepstra one after another.
    powers: Vec<f64>,
    cepstra: Vec<f64>,
    last: Sum,
    whole: Sum,
    halves: usize,
    best: f64,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").field("best", &self.best).finish_non_exhaustive()
    }
}

/// The sum of some windows' cepstra.
#[derive(Clone, Debug)]
struct Sum {
    windows: usize,
    places: Vec<f64>,
}

impl Sum {
    fn new() -> Self {
        Self { windows: 0, places: vec![0.0; END] }
    }

    fn add(&mut self, other: &Sum) {
        self.windows += other.windows;
        self.places.iter_mut().zip(&other.places).for_each(|(sum, place)| *sum += place);
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// One that has heard nothing.
    pub fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(WINDOW), planner.plan_fft_inverse(WINDOW));
        let turn = std::f64::consts::TAU / WINDOW as f64;
        let half_turn = std::f64::consts::PI / (END_BIN - FIRST_BIN) as f64;
        Self {
            hann: (0..WINDOW).map(|k| 0.5 - 0.5 * (turn * k as f64).cos()).collect(),
            taper: (FIRST_BIN..END_BIN).map(|k| (half_turn * ((k - FIRST_BIN) as f64 + 0.5)).sin().sqrt()).collect(),
            pattern: pattern(),
            waiting: Vec::new(),
            input: forward.make_input_vec(),
            spectrum: forward.make_output_vec(),
            cepstrum: inverse.make_output_vec(),
            forward,
            inverse,
            loudest: 0.0,
            powers: Vec::new(),
            cepstra: Vec::new(),
            last: Sum::new(),
            whole: Sum::new(),
            halves: 0,
            best: 0.0,
        }
    }

    /// Takes sound: 16 kHz, mono, in pieces of any length.
    pub fn push(&mut self, samples: &[f32]) {
        self.waiting.extend_from_slice(samples);
        let mut at = 0;
        while self.waiting.len() - at >= WINDOW {
            self.window(at);
            at += STEP;
        }
        self.waiting.drain(..at);
    }

    /// The sound is complete.
    pub fn finish(mut self) -> Detection {
        if self.halves == 0 && self.powers.is_empty() && !self.waiting.is_empty() {
            self.waiting.resize(WINDOW, 0.0);
            self.window(0);
        }
        self.half();
        let whole = self.score(&self.whole);
        let score = self.best.max(whole);
        // A normal deviate exceeds this about as often as one of so many pieces exceeds the usual threshold.
        let pieces = self.halves.saturating_sub(1).max(1) as f64;
        let threshold = (THRESHOLD * THRESHOLD + 2.0 * pieces.ln()).sqrt();
        let sound_seconds = (self.whole.windows * STEP) as f64 / f64::from(RATE_HZ);
        Detection { is_marked: score >= threshold, score, threshold, sound_seconds }
    }

    /// Takes in the window that begins `at` a waiting sample.
    fn window(&mut self, at: usize) {
        for ((input, &sample), hann) in self.input.iter_mut().zip(&self.waiting[at..]).zip(&self.hann) {
            *input = f64::from(sample) * hann;
        }
        // The lengths are the plan's own: neither transform can refuse them.
        let transformed = self.forward.process(&mut self.input, &mut self.spectrum);
        debug_assert!(transformed.is_ok());
        let bins = &mut self.spectrum[FIRST_BIN..END_BIN];
        let power = bins.iter().map(|bin| bin.norm_sqr()).sum::<f64>() / bins.len() as f64;
        if !(power.is_finite() && power > f64::MIN_POSITIVE) {
            return; // silence, or no sound at all
        }
        bins.iter_mut().for_each(|bin| *bin = Complex::new((bin.norm_sqr() + FLOOR * power).ln(), 0.0));
        let mean = bins.iter().map(|bin| bin.re).sum::<f64>() / bins.len() as f64;
        bins.iter_mut().zip(&self.taper).for_each(|(bin, taper)| bin.re = (bin.re - mean) * taper);
        self.spectrum[..FIRST_BIN].fill(Complex::default());
        self.spectrum[END_BIN..].fill(Complex::default());
        let transformed = self.inverse.process(&mut self.spectrum, &mut self.cepstrum);
        debug_assert!(transformed.is_ok());

        self.powers.push(power);
        self.loudest = self.loudest.max(power);
        let places = self.cepstra.len();
        self.cepstra.extend(without_mean(&self.cepstrum));
        let places = &mut self.cepstra[places..];
        let spread = places.iter().map(|place| place.abs()).sum::<f64>() / places.len() as f64;
        let scale = if spread > 0.0 { spread.recip() } else { 0.0 };
        places.iter_mut().for_each(|place| *place = (*place * scale).clamp(-CLIP, CLIP));
        if self.powers.len() == HALF {
            self.half();
        }
    }

    /// Ends a half piece: judges it with the one before it.
    fn half(&mut self) {
        if self.powers.is_empty() {
            return;
        }
        let mut half = Sum::new();
        for (&power, places) in self.powers.iter().zip(self.cepstra.chunks_exact(END - FIRST)) {
            if power > self.loudest * QUIET {
                half.windows += 1;
                half.places[FIRST..].iter_mut().zip(places).for_each(|(sum, place)| *sum += place);
            }
        }
        self.powers.clear();
        self.cepstra.clear();
        self.whole.add(&half);
        self.last.add(&half);
        self.halves += 1;
        if self.halves > 1 {
            self.best = self.best.max(self.score(&self.last));
        }
        self.last = half;
    }

    /// The pattern at its place, against itself at places beside it.
    fn score(&self, sum: &Sum) -> f64 {
        let at = |shift: isize| -> f64 {
            let of = |i: usize| i.checked_add_signed(shift).and_then(|i| sum.places.get(i)).copied().unwrap_or(0.0);
            self.pattern.iter().enumerate().map(|(i, value)| value * of(i)).sum()
        };
        let beside = BESIDE.map(|shift| shift as isize).flat_map(|shift| [at(shift), at(-shift)]);
        let square = beside.map(|value| value * value).sum::<f64>() / (2 * BESIDE.len()) as f64;
        if square > 0.0 { at(0) / square.sqrt() } else { 0.0 }
    }
}

/// The places that are judged, without the mean around each.
fn without_mean(cepstrum: &[f64]) -> impl Iterator<Item = f64> {
    let mean = |place: usize| cepstrum[place - AROUND..=place + AROUND].iter().sum::<f64>() / (2 * AROUND + 1) as f64;
    (FIRST..END).map(move |place| cepstrum[place] - mean(place))
}

/// What the echoes leave in a cepstrum.
fn pattern() -> Vec<f64> {
    let mut lines = vec![0.0; END + AROUND + 1];
    for (delays, sign) in [(HIGHER, 1.0), (LOWER, -1.0)] {
        for delay in delays.iter().map(|&delay| usize::from(delay) * SAMPLES_PER_UNIT) {
            lines[delay - 1] += sign / 2.0;
            lines[delay] += sign;
            lines[delay + 1] += sign / 2.0;
        }
    }
    let mut pattern = vec![0.0; END];
    for (place, value) in pattern.iter_mut().enumerate().skip(AROUND) {
        let around = &lines[place - AROUND..=place + AROUND];
        *value = lines[place] - around.iter().sum::<f64>() / around.len() as f64;
    }
    pattern
}

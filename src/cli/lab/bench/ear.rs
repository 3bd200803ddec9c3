//! Listens to a clock's tap. In: periods. Out: when sound began and ended, gaps, clicks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use syrinx::lab::device::clocked::ClockedSink;
use syrinx::lab::live::OpenSink;

/// A step from or to silence that is larger than this is a click.
const CLICK: f32 = 0.02;
/// Silence within speech that is longer counts as a gap.
const GAP_MS: u64 = 60;
const NEVER: i64 = i64::MIN;

#[derive(Debug)]
pub struct Ear {
    born: Instant,
    /// In microseconds since `born`: the first sound since [`Ear::listen`], and the end of the last one.
    first_us: AtomicI64,
    last_us: AtomicI64,
    pub samples: AtomicU64,
    pub gaps: AtomicU64,
    pub longest_gap_ms: AtomicU64,
    pub clicks: AtomicU64,
}

impl Ear {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            first_us: AtomicI64::new(NEVER),
            last_us: AtomicI64::new(NEVER),
            samples: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            longest_gap_ms: AtomicU64::new(0),
            clicks: AtomicU64::new(0),
        })
    }

    /// A clock at `rate_hz`, so many times as fast as time, that this ear listens to.
    pub fn sink(self: &Arc<Self>, rate_hz: u32, period_frames: usize, speed: f64) -> OpenSink {
        let ear = self.clone();
        Box::new(move || {
            let (ear, mut last, mut silent) = (ear.clone(), 0f32, 0u64);
            let tap = move |samples: &[f32], _: Instant| ear.hear(samples, rate_hz, &mut last, &mut silent);
            Ok(Box::new(ClockedSink::tapped(rate_hz, period_frames, Box::new(tap)).at_speed(speed)))
        })
    }

    fn hear(&self, samples: &[f32], rate_hz: u32, last: &mut f32, silent: &mut u64) {
        let now_us = self.born.elapsed().as_micros() as i64;
        let us = |count: usize| count as i64 * 1_000_000 / i64::from(rate_hz);
        for &sample in samples {
            let edge = (sample == 0.0) != (*last == 0.0);
            if edge && (sample - *last).abs() > CLICK {
                self.clicks.fetch_add(1, Ordering::Relaxed);
            }
            if sample == 0.0 {
                *silent += 1;
            } else if *silent > 0 {
                let ms = *silent * 1000 / u64::from(rate_hz);
                if ms >= GAP_MS && self.first_us.load(Ordering::Relaxed) != NEVER {
                    self.gaps.fetch_add(1, Ordering::Relaxed);
                    self.longest_gap_ms.fetch_max(ms, Ordering::Relaxed);
                }
                *silent = 0;
            }
            *last = sample;
        }
        if let Some(end) = samples.iter().rposition(|&x| x != 0.0) {
            let _ = self.first_us.compare_exchange(NEVER, now_us, Ordering::Relaxed, Ordering::Relaxed);
            self.last_us.store(now_us + us(end + 1), Ordering::Relaxed);
        }
        self.samples.fetch_add(samples.len() as u64, Ordering::Relaxed);
    }

    /// Forgets what was heard.
    pub fn listen(&self) {
        self.first_us.store(NEVER, Ordering::Relaxed);
        self.last_us.store(NEVER, Ordering::Relaxed);
        self.gaps.store(0, Ordering::Relaxed);
        self.longest_gap_ms.store(0, Ordering::Relaxed);
        self.clicks.store(0, Ordering::Relaxed);
    }

    /// When the callback took the first sample that is not zero, in ms after `since`.
    pub fn first_ms(&self, since: Instant) -> Option<f64> {
        self.after(self.first_us.load(Ordering::Relaxed), since)
    }

    /// When the last sample that is not zero was over, in ms after `since`; negative where it was before.
    pub fn last_ms(&self, since: Instant) -> Option<f64> {
        self.after(self.last_us.load(Ordering::Relaxed), since)
    }

    fn after(&self, at_us: i64, since: Instant) -> Option<f64> {
        let since_us = since.saturating_duration_since(self.born).as_micros() as i64;
        (at_us != NEVER).then(|| (at_us - since_us) as f64 / 1e3)
    }
}

//! What a cheaper way of computing costs. In: what an exact run and another one made of the same frames
//! (teacher-forced: both were fed the exact run's codes, so that a frame's error is its own). Out: a [`Price`].
//!
//! Nothing here computes speech: the runtime runs, this compares.

mod mel;

pub use mel::LogMel;
use serde_json::{Value, json};

/// What a run made. Frames lie one after the other.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// `[frames][codes]`: the semantic code first, then the acoustic ones.
    pub codes: Vec<u16>,
    /// Backbone states, `[frames][dim]`.
    pub hidden: Vec<f32>,
    /// Mean velocities over the flow's time, the end point less the noise: `[frames][acoustic codes]`.
    pub velocity: Vec<f32>,
    /// Samples of the codes that were fed back: those of the exact run.
    pub pcm: Vec<f32>,
    /// Samples of the run's own codes.
    pub spoken: Vec<f32>,
    /// Milliseconds of backbone, flow head and codec for each frame that had all three.
    pub frame_ms: Vec<[f64; 3]>,
}

/// Signal and noise, summed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snr {
    signal: f64,
    noise: f64,
}

impl Snr {
    /// Of one pair of values after the other.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn add(&mut self, found: &[f32], exact: &[f32]) {
        assert_eq!(found.len(), exact.len(), "values of two runs");
        for (&found, &exact) in found.iter().zip(exact) {
            self.signal += f64::from(exact).powi(2);
            self.noise += (f64::from(found) - f64::from(exact)).powi(2);
        }
    }

    /// Signal-to-noise ratio in dB; infinite without a difference.
    pub fn db(&self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }
}

/// What one way of computing costs and gives, against the exact one.
#[derive(Clone, Debug)]
pub struct Price {
    pub name: String,
    /// Bytes of the pack's files.
    pub bytes: u64,
    codes_per_frame: usize,
    frames: usize,
    semantic_equal: usize,
    acoustic_equal: usize,
    /// Sum over acoustic codes of how many levels they are off.
    levels_off: u64,
    hidden: Snr,
    velocity: Snr,
    pcm: Snr,
    /// Of each utterance, with the windows that it has.
    mel_db: Vec<(f64, usize)>,
    frame_ms: Vec<[f64; 3]>,
    exact_ms: Vec<[f64; 3]>,
}

impl Price {
    pub fn new(name: impl Into<String>, bytes: u64, codes_per_frame: usize) -> Self {
        Self {
            name: name.into(),
            bytes,
            codes_per_frame: codes_per_frame.max(1),
            frames: 0,
            semantic_equal: 0,
            acoustic_equal: 0,
            levels_off: 0,
            hidden: Snr::default(),
            velocity: Snr::default(),
            pcm: Snr::default(),
            mel_db: Vec::new(),
            frame_ms: Vec::new(),
            exact_ms: Vec::new(),
        }
    }

    /// Counts an utterance.
    ///
    /// # Panics
    /// Where the runs are not of the same frames.
    pub fn add(&mut self, found: &Run, exact: &Run, mel: &mut LogMel) {
        assert_eq!(found.codes.len(), exact.codes.len(), "codes of two runs");
        let width = self.codes_per_frame;
        for (found, exact) in found.codes.chunks_exact(width).zip(exact.codes.chunks_exact(width)) {
            self.frames += 1;
            self.semantic_equal += usize::from(found.first() == exact.first());
            for (&found, &exact) in found.iter().zip(exact).skip(1) {
                self.acoustic_equal += usize::from(found == exact);
                self.levels_off += u64::from(found.abs_diff(exact));
            }
        }
        self.hidden.add(&found.hidden, &exact.hidden);
        self.velocity.add(&found.velocity, &exact.velocity);
        self.pcm.add(&found.pcm, &exact.pcm);
        self.mel_db.push(mel.distance_db(&found.spoken, &exact.spoken));
        self.frame_ms.extend(&found.frame_ms);
        self.exact_ms.extend(&exact.frame_ms);
    }

    /// Frames compared.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Share of frames whose semantic code is the exact run's.
    pub fn semantic_agreement(&self) -> f64 {
        self.semantic_equal as f64 / self.frames as f64
    }

    /// Share of acoustic codes that are the exact run's.
    pub fn acoustic_agreement(&self) -> f64 {
        self.acoustic_equal as f64 / self.acoustic() as f64
    }

    /// Levels that an acoustic code is off, on average.
    pub fn levels_off(&self) -> f64 {
        self.levels_off as f64 / self.acoustic() as f64
    }

    fn acoustic(&self) -> usize {
        self.frames * (self.codes_per_frame - 1)
    }

    pub fn hidden_snr_db(&self) -> f64 {
        self.hidden.db()
    }

    pub fn velocity_snr_db(&self) -> f64 {
        self.velocity.db()
    }

    /// Of the codec alone: from the same codes.
    pub fn pcm_snr_db(&self) -> f64 {
        self.pcm.db()
    }

    /// Between the speech of the run's own codes and that of the exact run's ([`LogMel::distance_db`]).
    pub fn log_mel_db(&self) -> f64 {
        let windows: usize = self.mel_db.iter().map(|(_, windows)| windows).sum();
        self.mel_db.iter().map(|(db, windows)| db * *windows as f64).sum::<f64>() / windows as f64
    }

    /// Medians of backbone, flow head, codec, and their sum, in ms per frame.
    pub fn frame_ms(&self) -> [f64; 4] {
        medians(&self.frame_ms)
    }

    /// How many times as fast as the exact runs that it took turns with.
    pub fn speed(&self) -> f64 {
        medians(&self.exact_ms)[3] / medians(&self.frame_ms)[3]
    }

    /// Keys: `name`, `bytes`, `frames`, `semantic_agreement`, `acoustic_agreement`, `levels_off`, `hidden_snr_db`,
    /// `velocity_snr_db`, `pcm_snr_db` (null: no difference), `log_mel_db`, `frame_ms` (`backbone`, `flow`, `codec`,
    /// `total`), `speed`.
    pub fn to_json(&self) -> Value {
        let [backbone, flow, codec, total] = self.frame_ms();
        json!({
            "name": self.name,
            "bytes": self.bytes,
            "frames": self.frames,
            "semantic_agreement": self.semantic_agreement(),
            "acoustic_agreement": self.acoustic_agreement(),
            "levels_off": self.levels_off(),
            "hidden_snr_db": self.hidden_snr_db(),
            "velocity_snr_db": self.velocity_snr_db(),
            "pcm_snr_db": self.pcm_snr_db(),
            "log_mel_db": self.log_mel_db(),
            "frame_ms": { "backbone": backbone, "flow": flow, "codec": codec, "total": total },
            "speed": self.speed(),
        })
    }
}

fn medians(frame_ms: &[[f64; 3]]) -> [f64; 4] {
    let median = |part: &dyn Fn(&[f64; 3]) -> f64| {
        let mut values: Vec<f64> = frame_ms.iter().map(part).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    [median(&|ms| ms[0]), median(&|ms| ms[1]), median(&|ms| ms[2]), median(&|ms| ms.iter().sum())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            codes: vec![7, 3, 4, 8, 5, 6],
            hidden: vec![1.0, -2.0],
            velocity: vec![0.5, 0.25, -1.0, 0.0],
            pcm: (0..4800).map(|i| (i as f32 * 0.05).sin() * 0.3).collect(),
            spoken: (0..4800).map(|i| (i as f32 * 0.05).sin() * 0.3).collect(),
            frame_ms: vec![[2.0, 4.0, 1.0]; 2],
        }
    }

    fn price(found: &Run) -> Price {
        let mut price = Price::new("x", 10, 3);
        price.add(found, &run(), &mut LogMel::new(24_000));
        price
    }

    #[test]
    fn a_run_costs_nothing_against_itself() {
        let price = price(&run());
        assert_eq!((price.semantic_agreement(), price.acoustic_agreement(), price.levels_off()), (1.0, 1.0, 0.0));
        assert_eq!((price.velocity_snr_db(), price.log_mel_db(), price.speed()), (f64::INFINITY, 0.0, 1.0));
        assert_eq!(price.to_json()["pcm_snr_db"], Value::Null);
        assert_eq!(price.frame_ms(), [2.0, 4.0, 1.0, 7.0]);
    }

    #[test]
    fn each_figure_counts_what_its_name_says() {
        let exact = run();
        let mut found = Run { codes: vec![7, 3, 6, 9, 5, 6], frame_ms: vec![[1.0, 2.0, 0.5]; 2], ..run() };
        found.velocity.iter_mut().for_each(|v| *v *= 1.1);
        found.pcm.iter_mut().for_each(|v| *v *= 0.99);
        found.spoken.iter_mut().for_each(|v| *v *= 0.5);
        let price = price(&found);
        assert_eq!((price.semantic_agreement(), price.acoustic_agreement()), (0.5, 0.75));
        assert_eq!((price.levels_off(), price.speed()), (0.5, 2.0));
        assert!((price.velocity_snr_db() - 20.0).abs() < 1e-3);
        assert!((price.pcm_snr_db() - 40.0).abs() < 1e-2);
        assert!(price.hidden_snr_db().is_infinite());
        let half_db = LogMel::new(24_000).distance_db(&found.spoken, &exact.spoken).0;
        assert!((price.log_mel_db() - half_db).abs() < 1e-9 && half_db > 1.0);
    }
}

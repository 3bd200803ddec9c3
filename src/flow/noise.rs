//! The only randomness of speech: the flow's starting point. In: seed, frame, lane. Out: one standard normal.
//!
//! Counter-based, so that a value depends on its place alone: not on threads, nor on what was drawn or cancelled
//! before.

/// Fills `out` with the normals of one frame; `lane` is the index within it.
pub fn fill(seed: u64, frame: u64, out: &mut [f32]) {
    for (lane, out) in out.iter_mut().enumerate() {
        *out = normal(seed, frame, lane as u64);
    }
}

/// Standard normal by Box and Muller's transform of two uniforms.
pub fn normal(seed: u64, frame: u64, lane: u64) -> f32 {
    let key = mix(mix(mix(seed) ^ frame) ^ lane);
    let radius = (-2.0 * uniform(mix(key ^ 1)).ln()).sqrt();
    let angle = std::f64::consts::TAU * uniform(mix(key ^ 2));
    (radius * angle.cos()) as f32
}

/// In (0, 1): the upper 53 bits, centred so that neither end is reached.
fn uniform(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_zero_and_variance_one() {
        let values: Vec<f64> =
            (0..2000).flat_map(|frame| (0..36).map(move |lane| f64::from(normal(7, frame, lane)))).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }

    #[test]
    fn noise_depends_on_its_place_alone() {
        let mut frame = [0.0; 36];
        fill(3, 14, &mut frame);
        assert_eq!(frame[5], normal(3, 14, 5));
        assert_ne!(normal(3, 14, 5), normal(3, 15, 5));
        assert_ne!(normal(3, 14, 5), normal(4, 14, 5));
        assert_ne!(normal(3, 14, 5), normal(3, 14, 6));
    }
}

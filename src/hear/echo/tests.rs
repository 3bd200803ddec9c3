//! Echo of a made path: direct sound after 25 ms, a tail of 150 ms, a loudspeaker that is mildly overdriven, noise.

use super::*;

/// Numbers from −1 to 1 that nobody has to keep.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// What a loudspeaker plays for ten seconds and a half, a command again and again, and what comes of it in a microphone.
fn far_and_echo() -> (Vec<f32>, Vec<f32>) {
    let command = crate::hear::vad::tests::command();
    let loud = command.iter().fold(0f32, |a, x| a.max(x.abs()));
    let far: Vec<f32> = command.iter().map(|x| 0.4 * x / loud).cycle().take(168_000).collect();
    let mut random = noise(1);
    let tail: Vec<f32> = (0..2400).map(|i| 0.25 * random() * (-(i as f32) / 560.0).exp()).collect();
    let echo = |at: usize| {
        let sound = |delay: usize| at.checked_sub(delay).map_or(0.0, |at| far[at]);
        let tail: f32 = tail.iter().enumerate().map(|(i, gain)| gain * sound(480 + i)).sum();
        (1.5 * (sound(400) + tail)).tanh() / 1.5 * 0.7
    };
    let mic = (0..far.len()).map(|at| echo(at) + 0.001 * random()).collect();
    (far, mic)
}

#[cfg(feature = "echo")]
fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|x| x * x).sum()
}

#[test]
fn a_bypass_leaves_the_sound_as_it_is() {
    let (far, mic) = far_and_echo();
    let mut near = mic.clone();
    let mut bypass = Bypass;
    bypass.far(&far);
    bypass.near(&mut near);
    assert_eq!(near, mic);
    assert_eq!(bypass.reduction_db(), None);
}

#[cfg(feature = "echo")]
fn cancelled(far: &[f32], mic: &[f32], piece: usize) -> (Vec<f32>, Aec3) {
    let mut canceller = Aec3::default();
    let mut near = mic.to_vec();
    for (far, near) in far.chunks(piece).zip(near.chunks_mut(piece)) {
        canceller.far(far);
        canceller.near(near);
    }
    (near, canceller)
}

#[cfg(feature = "echo")]
#[test]
fn an_echo_is_25_db_lower_after_3_seconds() {
    let (far, mic) = far_and_echo();
    let (near, canceller) = cancelled(&far, &mic, 640);
    let from = 3 * RATE_HZ as usize;
    let db = 10.0 * (energy(&mic[from..]) / energy(&near[from..])).log10();
    let said = canceller.reduction_db().unwrap();
    println!("{db:.1} dB less after 3 s; it says {said:.1} of the last second of sound");
    assert!(db >= 25.0, "{db:.1} dB");
    // The sound ends softly, and the less of an echo there is, the less can be taken away.
    assert!((15.0..db + 3.0).contains(&said), "{said:.1} dB, {db:.1} were measured");
}

#[cfg(feature = "echo")]
#[test]
fn who_speaks_alone_is_as_loud_as_before_and_no_echo_is_told_of() {
    let (speech, _) = far_and_echo();
    let (near, canceller) = cancelled(&vec![0.0; speech.len()], &speech, 640);
    let db = 10.0 * (energy(&near) / energy(&speech)).log10();
    assert!(db.abs() < 1.5, "{db:.1} dB");
    assert_eq!(canceller.reduction_db(), None);
}

#[cfg(feature = "echo")]
#[test]
fn pieces_of_whole_frames_and_of_others_give_the_same() {
    let (far, mic) = far_and_echo();
    let (far, mic) = (&far[..48_000], &mic[..48_000]);
    let whole = cancelled(far, mic, FRAME).0;
    for piece in [1, 40, 80] {
        assert!(cancelled(far, mic, piece).0 == whole, "pieces of {piece}");
    }
}

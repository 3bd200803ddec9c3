//! What a microphone's callback does. In: a device's samples, of any format and number of channels. Out: one channel, in a
//! ring; what does not fit is counted, and said where it is missing.
//!
//! The callback runs on a thread that must never wait: no allocation, lock, system call, log or panic. Losses take a ring of
//! their own beside the samples: each enters it before the first sample behind it, so that whoever sees the sample sees the
//! loss. After one, sound is taken again when half of the ring is free: to somebody who is too slow, speech with few long
//! holes is worth more than one with many short ones.

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// Losses that wait to be seen; where one does not fit, the sound behind it is lost as well.
const LOSSES: usize = 64;
/// Frames that are made mono at a time.
const CHUNK: usize = 256;

/// So many samples are missing in front of this one, counted without those that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loss {
    index: u64,
    samples: u64,
}

/// The device's end.
pub struct Capture {
    samples: HeapProd<f32>,
    losses: HeapProd<Loss>,
    pushed: u64,
    /// Samples lost since the last one that was pushed.
    lost: u64,
}

/// The listener's end.
pub struct Captured {
    samples: HeapCons<f32>,
    losses: HeapCons<Loss>,
    taken: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many samples, 0 where there are none yet.
    Sound(usize),
    /// So many samples are missing here.
    Missing(u64),
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captured").finish_non_exhaustive()
    }
}

/// A path for `capacity` samples.
pub fn capture_path(capacity: usize) -> (Capture, Captured) {
    let (samples_in, samples_out) = HeapRb::new(capacity.max(2)).split();
    let (losses_in, losses_out) = HeapRb::new(LOSSES).split();
    let capture = Capture { samples: samples_in, losses: losses_in, pushed: 0, lost: 0 };
    (capture, Captured { samples: samples_out, losses: losses_out, taken: 0 })
}

impl Capture {
    /// Takes interleaved samples; what is kept is the mean of the channels, and 0 for what is no number. A last incomplete
    /// group of channels is left out.
    pub fn write<T: Copy>(&mut self, input: &[T], channels: usize, convert: impl Fn(T) -> f32) {
        let channels = channels.max(1);
        let mut mono = [0f32; CHUNK];
        for groups in input.chunks(CHUNK * channels) {
            for (group, sample) in groups.chunks_exact(channels).zip(&mut mono) {
                let mean = group.iter().map(|&sample| convert(sample)).sum::<f32>() / channels as f32;
                *sample = if mean.is_finite() { mean } else { 0.0 };
            }
            self.push(mono.get(..groups.len() / channels).unwrap_or_default());
        }
    }

    fn push(&mut self, mono: &[f32]) {
        if self.lost > 0 {
            let loss = Loss { index: self.pushed, samples: self.lost };
            let waits = self.samples.vacant_len() < self.samples.capacity().get() / 2;
            if mono.is_empty() || waits || self.losses.try_push(loss).is_err() {
                self.lost += mono.len() as u64;
                return;
            }
        }
        let count = self.samples.push_slice(mono);
        self.pushed += count as u64;
        self.lost = (mono.len() - count) as u64;
    }
}

impl Captured {
    /// Takes what comes next, as far as it fits.
    pub fn take(&mut self, out: &mut [f32]) -> Piece {
        // In this order: a loss is in its ring before the samples behind it are in theirs.
        let there = self.samples.occupied_len();
        let loss = self.losses.first().copied();
        if let Some(Loss { samples, .. }) = loss.filter(|loss| loss.index == self.taken) {
            self.losses.skip(1);
            return Piece::Missing(samples);
        }
        let until_loss = loss.map_or(u64::MAX, |loss| loss.index - self.taken);
        let count = there.min(out.len()).min(usize::try_from(until_loss).unwrap_or(usize::MAX));
        let count = self.samples.pop_slice(out.get_mut(..count).unwrap_or_default());
        self.taken += count as u64;
        Piece::Sound(count)
    }

    /// Samples that wait here, up to the next loss or beyond it.
    pub fn waiting(&self) -> usize {
        self.samples.occupied_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(captured: &mut Captured) -> Vec<f32> {
        let mut out = [0.0; 1000];
        match captured.take(&mut out) {
            Piece::Sound(count) => out[..count].to_vec(),
            Piece::Missing(samples) => panic!("{samples} are missing"),
        }
    }

    #[test]
    fn any_number_of_frames_and_channels_becomes_their_mean() {
        for frames in [0, 1, 255, 256, 257, 900] {
            for channels in [1, 2, 3, 8] {
                let (mut capture, mut captured) = capture_path(1000);
                let input: Vec<f32> =
                    (0..frames * channels).map(|i| (i / channels) as f32 + (i % channels) as f32).collect();
                capture.write(&[&input[..], &vec![7.0; channels - 1]].concat(), channels, |x| x);
                let mean = (channels - 1) as f32 / 2.0;
                let expected: Vec<f32> = (0..frames).map(|i| i as f32 + mean).collect();
                let heard = all(&mut captured);
                assert!(heard.len() == frames && heard.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_silence() {
        let (mut capture, mut captured) = capture_path(10);
        capture.write(&[f32::NAN, f32::INFINITY, 0.5], 1, |x| x);
        capture.write(&[i16::MIN, 0], 1, |x| f32::from(x) / 32_768.0);
        assert_eq!(all(&mut captured), [0.0, 0.0, 0.5, -1.0, 0.0]);
    }

    #[test]
    fn what_does_not_fit_is_missing_at_its_place_and_sound_comes_back_when_half_is_free() {
        let (mut capture, mut captured) = capture_path(8);
        let sound: Vec<f32> = (0..40).map(|i| i as f32).collect();
        capture.write(&sound[..10], 1, |x| x); // 8 and 9 are lost
        let mut out = [0.0; 3];
        assert_eq!(captured.take(&mut out), Piece::Sound(3));
        capture.write(&sound[10..12], 1, |x| x); // three places are too few
        assert_eq!(captured.take(&mut out), Piece::Sound(3));
        capture.write(&sound[12..14], 1, |x| x);
        assert_eq!(captured.take(&mut out), Piece::Sound(2), "no farther than the loss");
        assert_eq!(out[..2], [6.0, 7.0]);
        assert_eq!(captured.take(&mut out), Piece::Missing(4));
        assert_eq!(captured.take(&mut out), Piece::Sound(2));
        assert_eq!(out[..2], [12.0, 13.0]);
        assert_eq!(captured.take(&mut out), Piece::Sound(0));
    }

    /// Each sample is its own place in what the device gave, on threads that race.
    #[test]
    fn samples_and_losses_add_up_to_all_that_the_device_gave() {
        const ALL: usize = 400_000; // exact as an f32
        let (mut capture, mut captured) = capture_path(700);
        let device = std::thread::spawn(move || {
            let sound: Vec<f32> = (0..ALL).map(|i| i as f32).collect();
            for (i, piece) in sound.chunks(97).enumerate() {
                capture.write(piece, 1, |x| x);
                if i % 16 == 0 {
                    std::thread::yield_now();
                }
            }
            capture.lost
        });
        let (mut place, mut losses) = (0, 0);
        let mut out = [0.0; 300];
        loop {
            let ended = device.is_finished();
            match captured.take(&mut out) {
                Piece::Sound(0) if ended => break,
                Piece::Sound(count) => {
                    for &sample in &out[..count] {
                        assert_eq!(sample as usize, place);
                        place += 1;
                    }
                }
                Piece::Missing(samples) => {
                    losses += 1;
                    place += samples as usize;
                }
            }
        }
        assert_eq!(place + device.join().unwrap() as usize, ALL);
        assert!(losses > 0, "the ring was never full");
    }
}

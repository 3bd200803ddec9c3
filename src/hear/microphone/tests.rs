//! A microphone whose device is the test.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::device::Format;
use crate::device::capture::Capture;
use crate::error::{Error, ErrorKind};

/// A device that gives what it is told to.
#[derive(Clone, Debug, Default)]
struct Hand {
    rate_hz: Arc<AtomicU32>,
    capture: Arc<Mutex<Option<Capture>>>,
    lost: Arc<AtomicBool>,
    absent: Arc<AtomicBool>,
}

impl Source for Hand {
    fn format(&self) -> Format {
        Format { sample_rate_hz: self.rate_hz.load(Ordering::Relaxed), channels: 1, period_frames: 160 }
    }

    fn start(&mut self, capture: Capture) -> Result<()> {
        self.lost.store(false, Ordering::Relaxed);
        *self.capture.lock().unwrap() = Some(capture);
        Ok(())
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Hand {
    fn at(rate_hz: u32) -> (Self, Microphone) {
        let hand = Self { rate_hz: Arc::new(rate_hz.into()), ..Self::default() };
        let device = hand.clone();
        let open = move || match device.absent.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Device, "no such microphone")),
            false => Ok(Box::new(device.clone()) as Box<dyn Source>),
        };
        let microphone = with("the test", Box::new(open)).unwrap();
        (hand, microphone)
    }

    fn give(&self, sound: &[f32]) {
        self.capture.lock().unwrap().as_mut().unwrap().write(sound, 1, |x| x);
    }
}

/// Reads until nothing comes: what was heard, and what is missing behind how much of it.
fn all(microphone: &mut Microphone) -> (Vec<f32>, Vec<(usize, u64)>) {
    let (mut out, mut holes) = (Vec::new(), Vec::new());
    loop {
        let before = out.len();
        let missing = microphone.read(&mut out).unwrap();
        if missing > 0 {
            holes.push((out.len(), missing));
        }
        if out.len() == before && missing == 0 {
            return (out, holes);
        }
    }
}

fn tone(rate_hz: u32, samples: usize) -> Vec<f32> {
    (0..samples).map(|i| 0.5 * (i as f32 * 440.0 * std::f32::consts::TAU / rate_hz as f32).sin()).collect()
}

#[test]
fn any_rate_becomes_16_khz() {
    for rate_hz in [8_000, 16_000, 44_100, 48_000, 192_000] {
        let (hand, mut microphone) = Hand::at(rate_hz);
        tone(rate_hz, rate_hz as usize).chunks(333).for_each(|sound| hand.give(sound));
        let (heard, holes) = all(&mut microphone);
        assert!(holes.is_empty() && heard.len() > 14_000, "{rate_hz} Hz: {} samples", heard.len());
        let expected = tone(RATE_HZ, heard.len());
        let inner = 400..heard.len() - 400;
        let worst = inner.map(|i| (heard[i] - expected[i]).abs()).fold(0.0, f32::max);
        assert!(worst < 0.01 + 0.5 * 440.0 * std::f32::consts::PI / rate_hz.min(RATE_HZ) as f32, "{rate_hz}: {worst}");
    }
}

#[test]
fn what_a_listener_was_too_slow_for_is_missing_at_its_place() {
    for rate_hz in [8_000, 16_000, 48_000] {
        let (hand, mut microphone) = Hand::at(rate_hz);
        let seconds = |s: usize| s * rate_hz as usize;
        hand.give(&tone(rate_hz, seconds(RING_S + 2)));
        let (first, holes) = all(&mut microphone);
        assert!(holes.is_empty() && first.len() > 16_000 * RING_S - 1_600, "{holes:?}");
        hand.give(&tone(rate_hz, seconds(1)));
        let (second, holes) = all(&mut microphone);
        let [(at, missing)] = holes[..] else { panic!("{rate_hz} Hz: {holes:?}") };
        assert_eq!(missing, 32_000);
        assert_eq!(first.len() + at, 16_000 * RING_S, "all of what fitted comes before what is missing");
        assert!(second.len() - at > 14_000);
    }
}

#[test]
fn a_device_that_was_away_comes_back_at_its_time_with_any_rate() {
    let (hand, mut microphone) = Hand::at(48_000);
    let began = Instant::now();
    let (mut out, mut missing) = (Vec::new(), 0);
    let mut next = Duration::ZERO;
    let mut place = |microphone: &mut Microphone, until_ms: u64, given: &mut dyn FnMut()| {
        while began.elapsed() < Duration::from_millis(until_ms) {
            while next <= began.elapsed() {
                given();
                next += Duration::from_millis(20);
            }
            missing += microphone.read(&mut out).unwrap();
        }
        out.len() as u64 + missing
    };
    let ms = |samples: u64| samples / 16;
    let near = |samples: u64, at: Instant| {
        let truth = at.elapsed().as_millis() as u64;
        assert!(ms(samples).abs_diff(truth) < 150, "{} ms of sound in {truth} ms", ms(samples));
    };
    near(place(&mut microphone, 400, &mut || hand.give(&[0.1; 960])), began);
    hand.absent.store(true, Ordering::Relaxed);
    hand.lost.store(true, Ordering::Relaxed);
    let (mut looks, before) = (0, Instant::now());
    near(place(&mut microphone, 1_200, &mut || looks += 1), began);
    assert!(before.elapsed() > Duration::from_millis(500) && looks > 10);
    hand.rate_hz.store(16_000, Ordering::Relaxed);
    hand.absent.store(false, Ordering::Relaxed);
    near(place(&mut microphone, 2_400, &mut || hand.give(&[0.1; 320])), began);
    assert!(out.len() > 16_000, "of a second and more it was there: {}", out.len());
    assert!(missing > 16_000 / 2, "{missing}");
}

#[test]
fn a_device_that_dies_while_the_listener_computes_leaves_no_hole_in_time() {
    let (hand, mut microphone) = Hand::at(16_000);
    let began = Instant::now();
    let mut out = Vec::new();
    for _ in 0..10 {
        hand.give(&[0.1; 1600]);
        assert_eq!(microphone.read(&mut out).unwrap(), 0);
        std::thread::sleep(Duration::from_millis(100).saturating_sub(Duration::from_millis(5)));
    }
    hand.give(&[0.1; 1600]);
    hand.lost.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(600)); // somebody transcribes
    let mut missing = 0;
    for _ in 0..3 {
        missing += microphone.read(&mut out).unwrap();
    }
    let told_ms = (out.len() as u64 + missing) / 16;
    let truth = began.elapsed().as_millis() as u64;
    assert!(told_ms.abs_diff(truth) < 200, "{told_ms} ms in {truth} ms");
}

#[test]
fn a_mute_device_is_told_of_once_and_a_quiet_one_never() {
    let rate_hz = 1000;
    let mut mute = Mute::default();
    let told = (0..20).filter(|_| mute.hears_nothing_in(&[0.0; 1000], rate_hz)).count();
    assert_eq!(told, 1);
    let mut quiet = Mute::default();
    let noise: Vec<f32> = (0..1000).map(|i| if i == 500 { 1.0 / 32_768.0 } else { 0.0 }).collect();
    assert!((0..20).all(|_| !quiet.hears_nothing_in(&noise, rate_hz)));
    let mut stuck = Mute::default();
    assert!((0..20).any(|_| stuck.hears_nothing_in(&[-0.3; 1000], rate_hz)), "a constant is no sound either");
}

#[test]
fn a_microphone_that_is_not_there_is_refused_as_whoever_opens_it_says() {
    let open = || Err(Error::new(ErrorKind::Device, "no such microphone"));
    assert_eq!(with("none", Box::new(open)).unwrap_err().message(), "no such microphone");
}

//! Devices that go, are busy, sleep, and come back as another.

use super::*;
use crate::live::Preroll;

#[test]
fn speech_waits_for_a_lost_device_and_resumes_at_its_clause() {
    let stage = stage(options());
    let utterance = speak(&stage, Lane::Answer, THREE);
    wait_for(&utterance, |event| *event == Event::Clause { chars: 22..46 });
    stage.socket.gone.store(true, Ordering::Relaxed);
    wait_for(&utterance, |event| *event == Event::DeviceLost);
    let before = stage.recorder.samples().len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(stage.recorder.samples().len(), before, "nothing is given to a lost device");
    stage.socket.gone.store(false, Ordering::Relaxed);
    let rest = events(&utterance);
    assert_eq!(rest.first(), Some(&Event::DeviceBack));
    assert_eq!(clauses(&rest), [22..46, 46..69]);
    assert_eq!(rest.last(), Some(&Event::Finished));
}

#[test]
fn a_cancel_without_a_device_ends_the_utterance() {
    let stage = stage(options());
    let utterance = speak(&stage, Lane::Answer, THREE);
    wait_for(&utterance, |event| *event == Event::Started);
    stage.socket.gone.store(true, Ordering::Relaxed);
    wait_for(&utterance, |event| *event == Event::DeviceLost);
    utterance.cancel();
    assert!(matches!(utterance.wait(LONG), Some(Event::Cancelled { position: 0..=22 })));
}

#[test]
fn a_device_that_is_busy_is_refused_by_name() {
    let recorder = Recorder::default();
    let socket = Arc::<Socket>::default();
    socket.busy.store(1, Ordering::Relaxed);
    let open = || Ok(Fake::default());
    let refused = Live::assemble(&MODEL.1, options(), recorder.open(&socket), Box::new(open), codec(&MODEL.1).unwrap())
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Device, "{refused}");
}

#[test]
fn a_device_that_comes_back_busy_is_tried_again() {
    let stage = stage(options());
    let utterance = speak(&stage, Lane::Answer, THREE);
    wait_for(&utterance, |event| *event == Event::Clause { chars: 22..46 });
    stage.socket.busy.store(2, Ordering::Relaxed);
    stage.socket.gone.store(true, Ordering::Relaxed);
    wait_for(&utterance, |event| *event == Event::DeviceLost);
    stage.socket.gone.store(false, Ordering::Relaxed);
    let rest = events(&utterance);
    assert_eq!(stage.socket.busy.load(Ordering::Relaxed), 0, "it was refused twice");
    assert_eq!(rest.iter().filter(|&event| *event == Event::DeviceBack).count(), 1, "{rest:?}");
    assert_eq!(clauses(&rest), [22..46, 46..69]);
    assert_eq!(rest.last(), Some(&Event::Finished));
}

#[test]
fn a_device_that_comes_back_with_another_rate_gets_speech_at_that_rate() {
    let stage = stage(options());
    let utterance = speak(&stage, Lane::Answer, THREE);
    wait_for(&utterance, |event| *event == Event::Clause { chars: 22..46 });
    stage.socket.gone.store(true, Ordering::Relaxed);
    wait_for(&utterance, |event| *event == Event::DeviceLost);
    let before = stage.recorder.sounding();
    stage.socket.rate_hz.store(2 * RATE_HZ, Ordering::Relaxed);
    stage.socket.gone.store(false, Ordering::Relaxed);
    let rest = events(&utterance);
    assert_eq!(clauses(&rest), [22..46, 46..69]);
    assert_eq!(rest.last(), Some(&Event::Finished));
    assert_eq!(stage.live.device_hz(), 2 * RATE_HZ);
    let sounding = stage.recorder.sounding() - before;
    assert!(sounding.abs_diff(2 * 2 * CLAUSE_FRAMES * FRAME) < 1200, "{sounding} samples for two clauses");
}

/// Samples that left the ring: silence that was put before speech is among them, that of an idle device is not.
fn taken(stage: &Stage) -> usize {
    stage.live.control.gate().taken() as usize
}

#[test]
fn a_sink_that_sleeps_gets_silence_before_the_first_word_and_not_before_the_next() {
    let (silence, clause) = (RATE_HZ as usize / 5, CLAUSE_FRAMES * FRAME);
    for (after_ms, second) in [(600_000, clause), (0, clause + silence)] {
        let preroll = Preroll { silence_ms: 200, after_ms };
        let stage = stage(options().preroll(preroll));
        assert_eq!(speak(&stage, Lane::Answer, "The first one is here.").wait(LONG), Some(Event::Finished));
        assert_eq!(taken(&stage), silence + clause);
        assert_eq!(speak(&stage, Lane::Answer, "The second one is here.").wait(LONG), Some(Event::Finished));
        assert_eq!(taken(&stage), silence + clause + second, "awake for {after_ms} ms");
    }
}

#[test]
fn a_sink_that_is_kept_awake_gets_inaudible_pulses_and_no_second_preroll() {
    let preroll = Preroll { silence_ms: 200, after_ms: 0 };
    let stage = stage(options().preroll(preroll).keep_alive(true));
    for text in ["The first one is here.", "The second one is here."] {
        assert_eq!(speak(&stage, Lane::Answer, text).wait(LONG), Some(Event::Finished));
    }
    assert_eq!(taken(&stage), RATE_HZ as usize / 5 + 2 * CLAUSE_FRAMES * FRAME);
    let samples = stage.recorder.samples();
    let idle = &samples[..RATE_HZ as usize / 10]; // before the first word
    let pulses: Vec<f32> = idle.iter().copied().filter(|&x| x != 0.0).collect();
    assert_eq!(pulses.len(), 5, "one in 20 ms");
    assert!(pulses.iter().all(|x| crate::device::wav::to_i16(*x).abs() == 1), "{pulses:?}");
    assert_eq!(pulses[0], -pulses[1], "nothing drifts");
}

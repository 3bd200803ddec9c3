//! Promise: a hot board gives up what costs least first, takes it back when it has been cool for long, and does not
//! swing; live speech follows, and says so.

#[path = "support/live.rs"]
mod live;
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use live::{LONG, live, options, speak, tiny};
use syrinx::Event;
use syrinx::lab::board::{Cooling, Ladder, Limits, Reading, Rung, Thermal};
use syrinx::lab::flow::Quality;

const HOT_C: f32 = 80.0;
const CRITICAL_C: f32 = 90.0;

fn seconds(at: u64) -> Duration {
    Duration::from_secs(at)
}

/// Reads a script, second by second, and notes each change.
fn play(ladder: &mut Ladder, from_s: u64, script: impl IntoIterator<Item = Option<f32>>) -> Vec<(u64, Rung)> {
    let at = |(i, celsius): (u64, Option<f32>)| Some((from_s + i, ladder.observe(seconds(from_s + i), celsius)?));
    (0..).zip(script).filter_map(at).collect()
}

fn steady(celsius: f32, for_s: usize) -> Vec<Option<f32>> {
    vec![Some(celsius); for_s]
}

fn ladder() -> Ladder {
    Ladder::new(Limits::at(HOT_C, CRITICAL_C), true)
}

#[test]
fn a_cool_board_gives_up_nothing() {
    assert!(play(&mut ladder(), 0, steady(HOT_C - 0.5, 3600)).is_empty());
}

#[test]
fn a_hot_board_goes_down_rung_by_rung_with_time_for_each_to_help() {
    let changes = play(&mut ladder(), 0, steady(HOT_C + 1.0, 120));
    let expected = [(0, Rung::Buffer), (8, Rung::SpareCores), (16, Rung::FewerSteps), (24, Rung::ShortForm)];
    assert_eq!(changes, expected);
}

#[test]
fn a_board_about_to_slow_itself_down_goes_four_times_as_fast() {
    let changes = play(&mut ladder(), 0, steady(CRITICAL_C, 60));
    assert_eq!(changes.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 2, 4, 6]);
    assert_eq!(changes.last().unwrap().1, Rung::ShortForm);
}

#[test]
fn what_helps_is_kept_and_nothing_more_is_given_up() {
    let mut ladder = ladder();
    // Two rungs bring the board down to just below hot, and there it stays.
    let script = steady(HOT_C + 2.0, 10).into_iter().chain(steady(HOT_C - 2.0, 3600));
    let changes = play(&mut ladder, 0, script);
    assert_eq!(changes, [(0, Rung::Buffer), (8, Rung::SpareCores)]);
}

#[test]
fn a_board_that_has_been_cool_for_long_takes_everything_back_one_by_one() {
    let mut ladder = ladder();
    play(&mut ladder, 0, steady(HOT_C + 1.0, 60));
    let changes = play(&mut ladder, 60, steady(HOT_C - 20.0, 200));
    let expected = [(90, Rung::FewerSteps), (120, Rung::SpareCores), (150, Rung::Buffer), (180, Rung::Full)];
    assert_eq!(changes, expected);
}

#[test]
fn a_temperature_that_swings_does_not_make_speech_swing() {
    let mut ladder = ladder();
    // Ten seconds hot, twenty cool, for an hour: never cool for long enough to take a rung back.
    let cycle = || steady(HOT_C + 1.0, 10).into_iter().chain(steady(HOT_C - 10.0, 20));
    let changes = play(&mut ladder, 0, (0..120).flat_map(|_| cycle()));
    assert!(changes.is_sorted_by_key(|(_, rung)| *rung), "{changes:?}");
    assert!(changes.len() <= 4, "{changes:?}");
    // Between the two temperatures nothing happens at all.
    let rung = ladder.rung();
    assert!(play(&mut ladder, 3600, steady(HOT_C - 1.0, 3600)).is_empty());
    assert_eq!(ladder.rung(), rung);
}

#[test]
fn a_sensor_that_says_nothing_changes_nothing() {
    let mut ladder = ladder();
    play(&mut ladder, 0, steady(HOT_C + 1.0, 12));
    assert_eq!(ladder.rung(), Rung::SpareCores);
    assert!(play(&mut ladder, 12, vec![None; 600]).is_empty());
}

#[test]
fn a_board_without_spare_cores_leaves_that_rung_out() {
    let mut ladder = Ladder::new(Limits::at(HOT_C, CRITICAL_C), false);
    let changes = play(&mut ladder, 0, steady(HOT_C + 1.0, 60));
    assert_eq!(
        changes.iter().map(|(_, rung)| *rung).collect::<Vec<_>>(),
        [Rung::Buffer, Rung::FewerSteps, Rung::ShortForm]
    );
}

#[test]
fn each_rung_keeps_what_the_ones_before_it_gave_up() {
    for pair in Rung::ALL.windows(2) {
        assert!(pair[0].reserve_frames() <= pair[1].reserve_frames());
        assert!(pair[0].spares_cores() <= pair[1].spares_cores());
        assert!(pair[0].quality() <= pair[1].quality());
        assert_eq!(Rung::from_index(pair[1].index()), pair[1]);
    }
    assert_eq!(Rung::ShortForm.quality(), Quality::NoGuidance);
}

/// A board whose temperature the test sets.
#[derive(Clone, Debug)]
struct Scripted(Arc<Mutex<f32>>);

impl Thermal for Scripted {
    fn read(&mut self) -> Reading {
        Reading { zones_c: vec![("scripted".into(), *self.0.lock().unwrap())], power_mode: None }
    }
}

#[test]
fn live_speech_follows_the_ladder_and_reports_each_rung() {
    let (_files, model) = tiny();
    let celsius = Arc::new(Mutex::new(HOT_C + 5.0));
    let every = Duration::from_millis(50);
    let limits = Limits { dwell: every, rest: every, ..Limits::at(HOT_C, CRITICAL_C) };
    let thermal = Arc::new(Mutex::new(Scripted(celsius.clone())));
    let cooling = Cooling { thermal, limits, every, spare_cores: vec![0] };
    let (live, _) = live(&model, options().cooling(cooling));

    let (mut rungs, mut qualities) = (Vec::new(), Vec::new());
    let mut speak_until = |end: Rung| {
        while rungs.last() != Some(&end) {
            let utterance = speak(&live, "hello there", 3);
            loop {
                match utterance.next_event(LONG).expect("an event") {
                    Event::Heat { rung } => rungs.push(rung),
                    Event::Quality { quality } => qualities.push(quality),
                    event if event.is_last() => {
                        assert!(matches!(event, Event::OutOfBudget { .. }), "{event:?}");
                        break;
                    }
                    _ => {}
                }
            }
        }
    };
    speak_until(Rung::ShortForm);
    *celsius.lock().unwrap() = HOT_C - 30.0;
    speak_until(Rung::Full);
    let top = rungs.iter().position(|&rung| rung == Rung::ShortForm).unwrap();
    assert!(rungs[..=top].is_sorted() && rungs[top..].iter().rev().is_sorted(), "{rungs:?}");
    assert!(qualities.contains(&Quality::NoGuidance), "{qualities:?}");
    assert_eq!(qualities.last(), Some(&Quality::Full), "{qualities:?}");
}

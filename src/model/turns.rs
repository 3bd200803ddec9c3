//! Several sessions on one machine. In: sessions that have a frame to make. Out: whose turn it is.
//!
//! A turn is a frame, or a bounded piece of a prompt. The most important lane goes first. Within a lane: who is heard and
//! about to run dry, then who is not heard yet (or has run dry), then whoever runs dry soonest. A session that nobody
//! else wants to get past never waits.
//! Where everybody is well ahead, whoever has computed goes on: another session's state would have to come into the
//! caches first, which costs a tenth of a small model's frame.

use std::cmp::Reverse;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Who runs dry within this time goes before who has not begun: longer than a turn.
const SOON: Duration = Duration::from_millis(100);
/// Who runs dry within this time is not passed by who runs dry later.
const HURRY: Duration = Duration::from_millis(250);
/// How soon the first of those who can wait looks for a turn that nobody has come back for.
const WATCH: Duration = Duration::from_millis(10);

/// Importance of a speech; a later one in this list goes before an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Lane {
    /// What nobody waits for.
    Chatter,
    /// What somebody asked for.
    #[default]
    Answer,
    /// What is about the next moment.
    Navigation,
    /// What cannot wait.
    Alert,
}

/// How many may compute at a time, and who waits.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    waiting: Vec<Waiting>,
    last_number: u64,
}

#[derive(Debug)]
struct Waiting {
    lane: Lane,
    dry_at: Instant,
    /// The order in which they came.
    number: u64,
    thread: Thread,
}

/// How far somebody's speech has come, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    RunsDrySoon,
    Silent,
    Ahead,
}

/// Who goes first: the least.
fn rank(lane: Lane, dry_at: Instant, now: Instant) -> (Reverse<Lane>, Urgency, Instant) {
    let urgency = match dry_at {
        _ if dry_at <= now => Urgency::Silent,
        _ if dry_at <= now + SOON => Urgency::RunsDrySoon,
        _ => Urgency::Ahead,
    };
    (Reverse(lane), urgency, dry_at)
}

impl State {
    fn first(&self, now: Instant) -> Option<&Waiting> {
        self.waiting.iter().min_by_key(|waiting| (rank(waiting.lane, waiting.dry_at, now), waiting.number))
    }

    /// Nobody waits who would go first and cannot wait longer.
    fn lets(&self, lane: Lane, dry_at: Instant) -> bool {
        let now = Instant::now();
        self.first(now).is_none_or(|first| {
            let patient = first.lane == lane && first.dry_at > now + HURRY;
            patient || rank(lane, dry_at, now) < rank(first.lane, first.dry_at, now)
        })
    }

    /// The first who waits looks whether there is a turn for it.
    fn wake(&self) {
        if let Some(first) = self.first(Instant::now()) {
            first.thread.unpark();
        }
    }
}

/// A turn; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'t>(&'t Turns);

impl Turns {
    pub fn new(parallel: usize) -> Self {
        Self(Mutex::new(State { free: parallel.max(1), waiting: Vec::new(), last_number: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn. `dry_at`: when the speech made so far has been played.
    pub fn take(&self, lane: Lane, dry_at: Instant) -> Turn<'_> {
        let mut state = self.lock();
        if state.free > 0 && state.lets(lane, dry_at) {
            state.free -= 1;
            return Turn(self);
        }
        state.last_number += 1;
        let number = state.last_number;
        state.waiting.push(Waiting { lane, dry_at, number, thread: std::thread::current() });
        loop {
            let is_first = state.first(Instant::now()).is_none_or(|first| first.number == number);
            if is_first && state.free > 0 {
                break;
            }
            if state.free > 0 {
                state.wake();
            }
            drop(state);
            match is_first {
                true => std::thread::park_timeout(WATCH),
                false => std::thread::park(),
            }
            state = self.lock();
        }
        state.waiting.retain(|waiting| waiting.number != number);
        state.free -= 1;
        state.wake(); // another one is the first now, and watches
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    /// Who waits is not given the turn, since who has just computed may go on; and is not even woken where it can wait:
    /// on few cores that takes one from those that compute.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.free += 1;
        let now = Instant::now();
        if state.first(now).is_some_and(|first| first.dry_at <= now + HURRY) {
            state.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_more_important_go_first_and_then_who_runs_dry_soonest() {
        let turns = Turns::new(1);
        let order = Mutex::new(Vec::new());
        let now = Instant::now();
        let later = |ms: u64| now + Duration::from_millis(ms);
        let those = [("ahead", Lane::Answer, 500), ("new", Lane::Answer, 0), ("alert", Lane::Alert, 900)];
        std::thread::scope(|scope| {
            let busy = turns.take(Lane::Chatter, now);
            for (name, lane, ms) in those {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let _turn = turns.take(lane, later(ms));
                    order.lock().unwrap().push(name);
                });
            }
            while turns.lock().waiting.len() < those.len() {
                std::thread::yield_now();
            }
            drop(busy);
        });
        assert_eq!(*order.lock().unwrap(), ["alert", "new", "ahead"]);
        assert_eq!(turns.lock().free, 1);
    }

    #[test]
    fn who_is_about_to_run_dry_goes_before_who_has_not_begun() {
        let now = Instant::now();
        let at = |ms: u64| now + Duration::from_millis(ms);
        let waiting = |dry_at, number| Waiting { lane: Lane::Answer, dry_at, number, thread: std::thread::current() };
        let mut state = State { free: 0, waiting: Vec::new(), last_number: 0 };
        state.waiting.extend([waiting(at(300), 1), waiting(now, 2), waiting(at(80), 3)]);
        assert_eq!(state.first(now).map(|w| w.number), Some(3), "a gap is worse than a later beginning");
        state.waiting.pop();
        assert_eq!(state.first(now).map(|w| w.number), Some(2));
        state.waiting.pop();
        assert_eq!(state.first(at(320)).map(|w| w.number), Some(1));
    }

    #[test]
    fn who_has_computed_goes_on_while_those_who_wait_are_well_ahead() {
        let turns = Turns::new(1);
        let later = |ms: u64| Instant::now() + Duration::from_millis(ms);
        let waits = |dry_at: Instant, again: Instant| {
            std::thread::scope(|scope| {
                let turn = turns.take(Lane::Answer, later(1000));
                let other = scope.spawn(|| drop(turns.take(Lane::Answer, dry_at)));
                while turns.lock().waiting.is_empty() {
                    std::thread::yield_now();
                }
                let goes_on = turns.lock().lets(Lane::Answer, again);
                let lower = turns.lock().lets(Lane::Chatter, again);
                drop(turn);
                other.join().unwrap();
                assert!(!lower, "a lower lane passes nobody");
                goes_on
            })
        };
        assert!(waits(later(5000), later(9000)), "nobody is in a hurry");
        assert!(!waits(later(200), later(9000)), "the other one is");
        assert!(!waits(later(0), later(9000)), "the other one has not begun");
        assert!(waits(later(0), later(50)), "this one would be silent first");
    }

    #[test]
    fn whoever_waits_has_a_turn_in_the_end() {
        for parallel in [1, 2, 3] {
            let turns = Turns::new(parallel);
            let now = Instant::now();
            std::thread::scope(|scope| {
                for speaker in 0..8u64 {
                    let turns = &turns;
                    scope.spawn(move || {
                        let lane = [Lane::Chatter, Lane::Answer][speaker as usize % 2];
                        (0..2000).for_each(|frame| {
                            drop(turns.take(lane, now + Duration::from_micros((frame * 97 + speaker * 5003) % 400_000)))
                        });
                    });
                }
            });
            let state = turns.lock();
            assert_eq!((state.free, state.waiting.len()), (parallel, 0));
        }
    }

    #[test]
    fn as_many_compute_at_a_time_as_may() {
        let turns = Turns::new(2);
        let now = Instant::now();
        let (_one, two) = (turns.take(Lane::Answer, now), turns.take(Lane::Answer, now));
        assert_eq!(turns.lock().free, 0);
        drop(two);
        assert_eq!(turns.lock().free, 1);
    }
}

//! Several sessions on one machine. In: sessions that have a frame to make. Out: whose turn it is.
//!
//! A turn is a frame, or a bounded piece of a prompt. The most important lane goes first, then whoever runs dry
//! soonest: who has just begun before who is well ahead. A session that nobody else wants to get past never waits.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Instant;

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
    granted: Arc<AtomicBool>,
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
        if state.free > 0 {
            state.free -= 1;
            return Turn(self);
        }
        state.last_number += 1;
        let granted = Arc::new(AtomicBool::new(false));
        let (number, thread) = (state.last_number, std::thread::current());
        state.waiting.push(Waiting { lane, dry_at, number, thread, granted: granted.clone() });
        drop(state);
        while !granted.load(Ordering::Acquire) {
            std::thread::park();
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let first = state.waiting.iter().enumerate().min_by_key(|(_, w)| (Reverse(w.lane), w.dry_at, w.number));
        match first.map(|(i, _)| i) {
            None => state.free += 1,
            Some(i) => {
                let next = state.waiting.swap_remove(i);
                next.granted.store(true, Ordering::Release);
                next.thread.unpark();
            }
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
    fn as_many_compute_at_a_time_as_may() {
        let turns = Turns::new(2);
        let now = Instant::now();
        let (_one, two) = (turns.take(Lane::Answer, now), turns.take(Lane::Answer, now));
        assert_eq!(turns.lock().free, 0);
        drop(two);
        assert_eq!(turns.lock().free, 1);
    }
}

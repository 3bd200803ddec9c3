//! Heat, beside the threads that make it. In: what a board says of its temperature. Out: the rung that generator and
//! codec keep to, in [`Signs`].

use std::sync::PoisonError;
use std::time::Instant;

use super::packet::Signs;
use crate::board::{Cooling, Ladder};

#[derive(Debug)]
pub(super) struct Heat {
    cooling: Cooling,
    ladder: Ladder,
    opened: Instant,
    next: Instant,
}

impl Heat {
    pub fn new(cooling: Cooling) -> Self {
        let opened = Instant::now();
        let ladder = Ladder::new(cooling.limits, !cooling.spare_cores.is_empty());
        Self { cooling, ladder, opened, next: opened }
    }

    /// Reads the sensors where it is time to.
    pub fn look(&mut self, signs: &Signs) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + self.cooling.every;
        let reading = self.cooling.thermal.lock().unwrap_or_else(PoisonError::into_inner).read();
        let hottest = reading.hottest();
        if let Some(rung) = self.ladder.observe(now - self.opened, hottest.map(|(_, celsius)| celsius)) {
            log::info!("{rung:?}: {hottest:?}");
            signs.set_rung(rung);
        }
    }
}

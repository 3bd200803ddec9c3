//! Who speaks first. In: utterances on lanes. Out: which of them has the floor.
//!
//! Speech is never put over speech: two voices at once hide each other, and a driver understands neither. A higher lane
//! goes before a lower one, now or at the next clause or utterance; on the same lane, the first to come goes first.
//! What is lowered instead: speech under a prepared phrase ([`super::Live::play`]) or under a sound of the caller's
//! ([`super::Live::set_duck`]), and the caller's music under speech ([`super::Live::wait_lane`]).

use crate::speak::Lane;

/// What an utterance does to one of a lower lane that is being spoken. The interrupted one resumes at its clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// Speaks now.
    Interrupt,
    /// Speaks when the clause that is being heard is over.
    AfterClause,
    /// Speaks when the utterance that is being heard is over.
    AfterUtterance,
}

/// The policy of each lane. By default alerts and navigation speak at once, as they are about the next moment; an answer lets
/// chatter finish its clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Of alerts.
    pub alert: Arrival,
    /// Of navigation.
    pub navigation: Arrival,
    /// Of answers; there is nothing below chatter.
    pub answer: Arrival,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { alert: Arrival::Interrupt, navigation: Arrival::Interrupt, answer: Arrival::AfterClause }
    }
}

impl Lanes {
    pub(super) fn arrival(&self, lane: Lane) -> Arrival {
        match lane {
            Lane::Alert => self.alert,
            Lane::Navigation => self.navigation,
            Lane::Answer => self.answer,
            Lane::Chatter => Arrival::AfterUtterance, // there is no lower lane
        }
    }
}

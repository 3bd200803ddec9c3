//! Who speaks first. In: utterances on lanes. Out: which of them has the floor.

/// Importance of an utterance; a later one in this list goes before an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Chatter,
    #[default]
    Answer,
    Navigation,
    Alert,
}

/// What an utterance does to one of a lower lane that is being spoken. The interrupted one resumes at its clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Speaks now.
    Interrupt,
    /// Speaks when the clause being spoken is over.
    AfterClause,
    /// Speaks when the utterance being spoken is over.
    AfterUtterance,
}

/// The policy of each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    pub alert: Arrival,
    pub navigation: Arrival,
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

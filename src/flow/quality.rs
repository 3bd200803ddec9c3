//! Cheaper ways to solve a frame, by declared steps. In: how a frame was asked for. Out: how it is solved meanwhile.

use super::Solver;

/// A declared way to save time, from the best to the cheapest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// As asked for.
    #[default]
    Full,
    /// Half of the flow steps, at least 3.
    FewerSteps,
    /// Half of the flow steps, no guidance.
    NoGuidance,
}

impl Quality {
    pub(crate) fn solver(self, asked: Solver) -> Solver {
        let steps = asked.steps.div_ceil(2).max(3).min(asked.steps);
        match self {
            Self::Full => asked,
            Self::FewerSteps => Solver { steps, ..asked },
            Self::NoGuidance => Solver { steps, guidance: 1.0, ..asked },
        }
    }

    /// The best quality that solves a frame as this one does: where one step is asked for, nothing can be given up.
    pub(crate) fn felt(self, asked: Solver) -> Self {
        let same = |better: &Self| better.solver(asked) == self.solver(asked);
        [Self::Full, Self::FewerSteps].into_iter().find(same).unwrap_or(self)
    }

    /// What to use next, given the slowest recent real-time factor. It returns where twice the work would still be in
    /// time.
    pub(crate) fn next(self, slowest: f32) -> Self {
        match self {
            Self::Full if slowest > 0.95 => Self::FewerSteps,
            Self::FewerSteps if slowest > 0.95 => Self::NoGuidance,
            Self::FewerSteps if slowest < 0.45 => Self::Full,
            Self::NoGuidance if slowest < 0.45 => Self::FewerSteps,
            same => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Guided, Method};

    #[test]
    fn quality_falls_by_declared_steps_and_returns() {
        let asked = Solver::euler(7, 1.2);
        let mut quality = Quality::Full;
        for (slowest, steps, guidance) in [(1.1, 4, 1.2), (1.1, 4, 1.0), (0.7, 4, 1.0), (0.3, 4, 1.2), (0.3, 7, 1.2)] {
            quality = quality.next(slowest);
            assert_eq!(quality.solver(asked), Solver::euler(steps, guidance));
        }
    }

    #[test]
    fn a_quality_is_called_by_what_it_changes() {
        let felt = |steps, guidance| {
            let asked = Solver::euler(steps, guidance);
            [Quality::Full, Quality::FewerSteps, Quality::NoGuidance].map(|quality| quality.felt(asked))
        };
        assert_eq!(felt(7, 1.2), [Quality::Full, Quality::FewerSteps, Quality::NoGuidance]);
        assert_eq!(felt(7, 1.0), [Quality::Full, Quality::FewerSteps, Quality::FewerSteps]);
        assert_eq!(felt(2, 1.2), [Quality::Full, Quality::Full, Quality::NoGuidance]);
        assert_eq!(felt(1, 1.0), [Quality::Full; 3]);
    }

    #[test]
    fn quality_keeps_the_method_that_was_asked_for() {
        let asked = Solver { method: Method::Heun, guided: Guided::FirstHalf, ..Solver::euler(7, 1.2) };
        assert_eq!(Quality::FewerSteps.solver(asked), Solver { steps: 4, ..asked });
        assert_eq!(Quality::NoGuidance.solver(asked), Solver { steps: 4, guidance: 1.0, ..asked });
    }
}

//! How a frame is solved. In: what a pack or a caller asks for. Out: at which times of the flow a velocity is evaluated,
//! and with which weight of guidance.
//!
//! The price of a frame is the number of its evaluations, whatever the method: each reads all of the flow head's weights.

use syrinx_quant::manifest::{Defaults, MAX_GUIDANCE, MAX_STEPS};

use crate::error::{Error, ErrorKind, Result};

/// How velocities become a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// One evaluation per step, as the model was released.
    #[default]
    Euler,
    /// A trial step to the middle; the velocity there makes the step. Two evaluations.
    Midpoint,
    /// A trial step to the end; the mean of the velocities at both ends makes the step. Two evaluations.
    Heun,
}

impl Method {
    /// As keys and people spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::Midpoint => "midpoint",
            Self::Heun => "heun",
        }
    }
}

/// Where guidance is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Guided {
    #[default]
    Always,
    /// In the first half of the flow's time alone.
    FirstHalf,
}

impl Guided {
    /// As keys and people spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::FirstHalf => "first-half",
        }
    }
}

/// How a frame is solved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solver {
    pub method: Method,
    /// Velocities evaluated per frame, on a grid of as many parts: the steps of Euler, twice those of the other methods,
    /// which end an odd number with a step of Euler's. The default is the pack's: 7 of the released model, 1 of
    /// wren.
    pub steps: usize,
    /// Weight of the conditional velocity; 1 turns guidance off and halves the arithmetic. The default is the pack's:
    /// 1.2 of the released model, 1 of wren.
    pub guidance: f32,
    pub guided: Guided,
}

impl Solver {
    pub const MAX_STEPS: usize = MAX_STEPS as usize;

    /// The model's own way: Euler, guided throughout.
    pub const fn euler(steps: usize, guidance: f32) -> Self {
        Self { method: Method::Euler, steps, guidance, guided: Guided::Always }
    }

    /// The solver that a pack asks for.
    pub fn of(defaults: &Defaults) -> Self {
        Self::euler(defaults.steps as usize, defaults.guidance)
    }

    /// Errors: `BadOption` for steps outside 1..=64 or a guidance that is not a number in 0..=10.
    pub fn validate(&self) -> Result<()> {
        if self.steps == 0 || self.steps > Self::MAX_STEPS {
            let message = format!("{} flow steps: choose 1 to {}", self.steps, Self::MAX_STEPS);
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        if !(0.0..=MAX_GUIDANCE).contains(&self.guidance) {
            return Err(Error::new(
                ErrorKind::BadOption,
                format!("guidance {}: choose 0 to {MAX_GUIDANCE}", self.guidance),
            ));
        }
        Ok(())
    }

    /// Branches that go through the weights together, where guidance is on.
    pub(crate) fn branches(&self) -> usize {
        if self.guidance == 1.0 { 1 } else { 2 }
    }

    /// The weight of the conditional velocity at time `at / steps`; 1 needs no other.
    pub(super) fn guidance_at(&self, at: usize) -> f32 {
        match self.guided {
            Guided::FirstHalf if 2 * at >= self.steps => 1.0,
            Guided::Always | Guided::FirstHalf => self.guidance,
        }
    }

    /// Where a step that begins at time `at / steps` evaluates a second velocity, if it does.
    pub(super) fn second_evaluation(&self, at: usize) -> Option<usize> {
        let second = match self.method {
            Method::Euler => return None,
            Method::Midpoint => at + 1,
            Method::Heun => at + 2,
        };
        (at + 2 <= self.steps).then_some(second)
    }
}

/// `euler 7 x 1.2`, `heun 4 x 1.2, first half`, `midpoint 5`.
impl std::fmt::Display for Solver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let method = match self.method {
            Method::Euler => "euler",
            Method::Midpoint => "midpoint",
            Method::Heun => "heun",
        };
        write!(f, "{method} {}", self.steps)?;
        match (self.guidance == 1.0, self.guided) {
            (true, _) => Ok(()),
            (false, Guided::Always) => write!(f, " x {}", self.guidance),
            (false, Guided::FirstHalf) => write!(f, " x {}, first half", self.guidance),
        }
    }
}

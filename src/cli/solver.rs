//! How a frame is solved, on the command line.

use syrinx::SpeakOptions;
use syrinx::lab::flow;

#[derive(Debug, clap::Args)]
pub struct SolverArguments {
    /// Flow steps per frame, in evaluations of the flow head (fewer are faster and change the prosody).
    #[arg(long)]
    steps: Option<usize>,
    /// Weight of the text-conditioned flow; 1 turns guidance off.
    #[arg(long)]
    guidance: Option<f32>,
    /// How evaluations become steps; midpoint and heun take two for each.
    #[arg(long, value_enum)]
    solver: Option<Method>,
    /// Where guidance is applied.
    #[arg(long, value_enum)]
    guided: Option<Guided>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Method {
    Euler,
    Midpoint,
    Heun,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Guided {
    Always,
    FirstHalf,
}

impl SolverArguments {
    /// How to solve a frame, for a pack that asks for `default`.
    pub fn solver(&self, default: flow::Solver) -> flow::Solver {
        self.options().solver(default)
    }

    /// Options that say nothing else.
    pub fn options(&self) -> SpeakOptions {
        let method = self.solver.map(|method| match method {
            Method::Euler => flow::Method::Euler,
            Method::Midpoint => flow::Method::Midpoint,
            Method::Heun => flow::Method::Heun,
        });
        let guided = self.guided.map(|guided| match guided {
            Guided::Always => flow::Guided::Always,
            Guided::FirstHalf => flow::Guided::FirstHalf,
        });
        SpeakOptions::default().steps(self.steps).guidance(self.guidance).method(method).guided(guided)
    }
}

//! `syrinx bench`: figures, as a table or as JSON.

mod ear;
mod realtime;
mod steal;

use syrinx::Result;

#[derive(Debug, clap::Subcommand)]
pub enum Bench {
    /// Latencies, cancels and underruns of live speech, on a clock without sound.
    Realtime(Box<realtime::Realtime>),
    /// Keep a share of a core busy, until standard input closes.
    #[command(hide = true)]
    Steal(steal::Steal),
}

impl Bench {
    pub fn run(self) -> Result<()> {
        match self {
            Self::Realtime(command) => command.run(),
            Self::Steal(command) => command.run(),
        }
    }
}

//! A process that takes a share of one core away.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use syrinx::{Error, ErrorKind, Result};

/// Busy and idle parts add up to this.
const CYCLE: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub struct Steal {
    /// Share of the core, in percent.
    #[arg(value_parser = clap::value_parser!(u32).range(0..=100))]
    percent: u32,
}

impl Steal {
    pub fn run(self) -> Result<()> {
        std::thread::spawn(|| {
            let _ = std::io::stdin().read(&mut [0]); // closes when the parent ends, however it ends
            std::process::exit(0);
        });
        loop {
            let busy = CYCLE * self.percent / 100;
            let begun = Instant::now();
            while begun.elapsed() < busy {
                std::hint::spin_loop();
            }
            std::thread::sleep(CYCLE - busy);
        }
    }
}

/// The stealing process; it ends with this.
#[derive(Debug)]
pub struct Thief(Child);

impl Thief {
    /// Errors: `Io`.
    pub fn start(percent: u32) -> Result<Self> {
        let start = || {
            let exe = std::env::current_exe()?;
            let percent = percent.to_string();
            Command::new(exe).args(["bench", "steal", percent.as_str()]).stdin(Stdio::piped()).spawn()
        };
        start().map(Self).map_err(|e| {
            Error::new(ErrorKind::Io, format!("cannot start the process that steals time: {e}")).with_source(e)
        })
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended already
        let _ = self.0.wait();
    }
}

//! `syrinx detect`: a recording in; whether it is marked as synthetic out, as a line and as the exit status.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use syrinx::lab::hear::wav::Recording;
use syrinx::{Detection, Detector, Result};

use super::output::{self, outln};

/// Sound of which the mark may be missed.
const SHORT_SECONDS: f64 = 2.0;
/// What cannot be judged, as of `grep`: 0 and 1 are answers.
const FAILED: u8 = 2;

/// The exit status is 0 where the mark was found, 1 where it was not, 2 where the file could not be read.
#[derive(Debug, clap::Args)]
pub struct Detect {
    /// A WAV file; `-` is standard input.
    file: PathBuf,
    /// Write the answer as a JSON object.
    #[arg(long)]
    json: bool,
}

impl Detect {
    pub fn run(self) -> Result<ExitCode> {
        let found = match self.detection() {
            Ok(found) => found,
            Err(e) => {
                output::note(format_args!("syrinx: {e}"));
                return Ok(ExitCode::from(FAILED));
            }
        };
        let Detection { is_marked, score, threshold, sound_seconds, .. } = found;
        let short = sound_seconds < SHORT_SECONDS;
        if self.json {
            outln!(
                "{}",
                json!({
                    "marked": is_marked,
                    "score": score,
                    "threshold": threshold,
                    "sound_seconds": sound_seconds,
                    "short": short,
                })
            )?;
        } else {
            let answer = if is_marked { "marked: yes" } else { "no mark found" };
            let short = if short { ": too short to be sure" } else { "" };
            outln!("{answer} (score {score:.1}, {threshold:.1} is needed; {sound_seconds:.1} s of sound{short})")?;
        }
        Ok(if is_marked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn detection(&self) -> Result<Detection> {
        let mut recording = Recording::open(&self.file)?;
        let mut detector = Detector::new();
        let mut samples = Vec::new();
        while recording.read(&mut samples)? {
            detector.push(&samples);
            samples.clear();
        }
        Ok(detector.finish())
    }
}

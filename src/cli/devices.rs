//! `syrinx devices`: what `say --device` takes.

use syrinx::lab::device;
use syrinx::{Error, ErrorKind, Result};

use super::output::outln;

#[derive(Debug, clap::Args)]
pub struct Devices {
    /// One JSON array.
    #[arg(long)]
    json: bool,
    /// Only the default device; fails where there is none that opens.
    #[arg(long, conflicts_with = "json")]
    default: bool,
}

impl Devices {
    pub fn run(self) -> Result<()> {
        let mut devices = device::list();
        if self.default {
            devices.retain(|device| device.is_default && device.format.is_ok());
            if devices.is_empty() {
                return Err(Error::new(ErrorKind::Device, "no default sound device opens here: see `syrinx devices`"));
            }
        }
        if self.json {
            let rows = devices.iter().map(|device| {
                serde_json::json!({
                    "id": device.id,
                    "name": device.name,
                    "default": device.is_default,
                    "sample_rate_hz": device.format.as_ref().ok().map(|format| format.sample_rate_hz),
                    "channels": device.format.as_ref().ok().map(|format| format.channels),
                    "period_frames": device.format.as_ref().ok().map(|format| format.period_frames),
                    "error": device.format.as_ref().err(),
                })
            });
            outln!("{}", serde_json::Value::from_iter(rows))?;
            return Ok(());
        }
        for device in &devices {
            let mark = if device.is_default { "*" } else { " " };
            match &device.format {
                Ok(format) => outln!(
                    "{mark} {}\t{}\t{} Hz, {} channels, {} samples per period",
                    device.id,
                    device.name,
                    format.sample_rate_hz,
                    format.channels,
                    format.period_frames
                )?,
                Err(why) => outln!("{mark} {}\t{}\t{why}", device.id, device.name)?,
            }
        }
        if devices.is_empty() {
            outln!("no sound device; `say --device null` speaks to a clock, `say -o FILE` to a file")?;
        }
        Ok(())
    }
}

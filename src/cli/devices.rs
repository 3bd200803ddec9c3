//! `syrinx devices`: what `say --device` and `hear --mic` take.

use syrinx::lab::device::{self, Device};
use syrinx::{Error, ErrorKind, Result};

use super::output::outln;

#[derive(Debug, clap::Args)]
pub struct Devices {
    /// One JSON array.
    #[arg(long)]
    json: bool,
    /// Only the default device that plays; fails where there is none that opens.
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
            return table(&devices);
        }
        let microphones = device::microphones();
        if self.json {
            let rows = devices.iter().map(|device| to_json(device, "output"));
            let rows = rows.chain(microphones.iter().map(|device| to_json(device, "input")));
            return outln!("{}", serde_json::Value::from_iter(rows));
        }
        table(&devices)?;
        if devices.is_empty() {
            outln!("no sound device; `say --device null` speaks to a clock, `say -o FILE` to a file")?;
        }
        match microphones.is_empty() {
            true => outln!("no microphone; `hear FILE` hears a file"),
            false => {
                outln!("microphones:")?;
                table(&microphones)
            }
        }
    }
}

fn to_json(device: &Device, direction: &str) -> serde_json::Value {
    let format = device.format.as_ref();
    serde_json::json!({
        "id": device.id,
        "name": device.name,
        "direction": direction,
        "default": device.is_default,
        "sample_rate_hz": format.ok().map(|format| format.sample_rate_hz),
        "channels": format.ok().map(|format| format.channels),
        "period_frames": format.ok().map(|format| format.period_frames),
        "error": format.err(),
    })
}

fn table(devices: &[Device]) -> Result<()> {
    for device in devices {
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
    Ok(())
}

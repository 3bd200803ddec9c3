//! Temperatures and the power mode. In: the files in which Linux and JetPack tell them. Out: a [`Reading`].
//!
//! `/sys/class/thermal/thermal_zone*/{type,temp}` (Linux: Documentation/driver-api/thermal/sysfs-api.rst), and of a
//! Jetson `/var/lib/nvpmodel/status` with the names of `/etc/nvpmodel.conf`. What cannot be read is left out.

use std::path::{Path, PathBuf};

/// Temperatures beyond these are a sensor's way of saying that it is off.
const SANE_C: std::ops::RangeInclusive<f32> = -40.0..=150.0;

/// What a board says of its heat and power.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Zones by name.
    pub zones_c: Vec<(String, f32)>,
    /// A Jetson's power mode: `15W`, `MAXN`; the number where it has no name.
    pub power_mode: Option<String>,
}

impl Reading {
    /// The hottest zone.
    pub fn hottest(&self) -> Option<(&str, f32)> {
        let hottest = self.zones_c.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((hottest.0.as_str(), hottest.1))
    }
}

/// Something that knows how hot it is.
pub trait Thermal: Send + std::fmt::Debug {
    fn read(&mut self) -> Reading;
}

/// This machine.
#[derive(Clone, Debug)]
pub struct SysThermal {
    root: PathBuf,
    zones: Vec<String>,
}

impl SysThermal {
    /// The zones with one of these names; all of them where none is named.
    pub fn new(zones: &[String]) -> Self {
        Self::under(Path::new("/"), zones)
    }

    /// As [`SysThermal::new`], of a system whose root is elsewhere.
    pub fn under(root: &Path, zones: &[String]) -> Self {
        Self { root: root.to_owned(), zones: zones.to_owned() }
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    fn power_mode(&self) -> Option<String> {
        let status = self.text("var/lib/nvpmodel/status")?;
        let id = number(status.split_once("pmode:")?.1)?;
        let names = self.text("etc/nvpmodel.conf").unwrap_or_default();
        Some(mode_name(&names, id).unwrap_or_else(|| id.to_string()))
    }
}

impl Thermal for SysThermal {
    fn read(&mut self) -> Reading {
        let zone = |entry: std::fs::DirEntry| {
            let read = |file| std::fs::read_to_string(entry.path().join(file)).ok();
            entry.file_name().to_str()?.strip_prefix("thermal_zone")?;
            let name = read("type")?.trim().to_owned();
            let celsius = read("temp")?.trim().parse::<f32>().ok()? / 1000.0;
            let wanted = self.zones.is_empty() || self.zones.contains(&name);
            (wanted && SANE_C.contains(&celsius)).then_some((name, celsius))
        };
        let zones = std::fs::read_dir(self.root.join("sys/class/thermal"));
        let mut zones_c: Vec<_> = zones.into_iter().flatten().flatten().filter_map(zone).collect();
        zones_c.sort_by(|a, b| a.0.cmp(&b.0));
        Reading { zones_c, power_mode: self.power_mode() }
    }
}

/// The digits that a text begins with.
fn number(text: &str) -> Option<u32> {
    let text = text.trim_start();
    text.get(..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))?.parse().ok()
}

/// Of `< POWER_MODEL ID=1 NAME=25W >` the name that belongs to an ID.
fn mode_name(configuration: &str, id: u32) -> Option<String> {
    configuration.lines().filter(|line| line.trim_start().starts_with("< POWER_MODEL")).find_map(|line| {
        let field = |key: &str| Some(line.split_once(key)?.1.split([' ', '>']).next()?.to_owned());
        (number(&field("ID=")?)? == id).then(|| field("NAME=")).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// As on a Jetson with JetPack 6.
    fn jetson() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let zones = [("0", "cpu-thermal", "52500\n"), ("1", "gpu-thermal", "61250\n"), ("2", "tj-thermal", "61300\n")];
        for (number, name, temperature) in zones {
            let zone = format!("sys/class/thermal/thermal_zone{number}");
            write(root.path(), &format!("{zone}/type"), &format!("{name}\n"));
            write(root.path(), &format!("{zone}/temp"), temperature);
        }
        write(root.path(), "sys/class/thermal/cooling_device0/type", "pwm-fan\n");
        write(root.path(), "var/lib/nvpmodel/status", "pmode:0001");
        let modes = "# comment\n< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME=25W >\n";
        write(root.path(), "etc/nvpmodel.conf", modes);
        root
    }

    #[test]
    fn zones_and_power_mode_of_a_jetson_are_read() {
        let root = jetson();
        let reading = SysThermal::under(root.path(), &[]).read();
        assert_eq!(reading.zones_c.len(), 3);
        assert_eq!(reading.hottest(), Some(("tj-thermal", 61.3)));
        assert_eq!(reading.power_mode.as_deref(), Some("25W"));
        let cpu = SysThermal::under(root.path(), &["cpu-thermal".into()]).read();
        assert_eq!(cpu.hottest(), Some(("cpu-thermal", 52.5)));
    }

    #[test]
    fn a_mode_without_a_name_keeps_its_number() {
        let root = jetson();
        write(root.path(), "var/lib/nvpmodel/status", "pmode:0007 fmode:quiet");
        assert_eq!(SysThermal::under(root.path(), &[]).read().power_mode.as_deref(), Some("7"));
    }

    #[test]
    fn sensors_that_are_off_and_systems_without_any_say_nothing() {
        let root = jetson();
        write(root.path(), "sys/class/thermal/thermal_zone1/temp", "-256000\n");
        write(root.path(), "sys/class/thermal/thermal_zone2/temp", "garbage");
        assert_eq!(SysThermal::under(root.path(), &[]).read().hottest(), Some(("cpu-thermal", 52.5)));
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(SysThermal::under(empty.path(), &[]).read(), Reading::default());
    }
}

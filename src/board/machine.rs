//! Which machine this is. In: the device tree, DMI, the processor's features. Out: what they say, and the profile of
//! the board that fits.

use std::path::Path;

use super::profile::{Profile, Recognise};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::Isa;

/// What a machine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// As Rust calls them.
    pub arch: String,
    pub os: String,
    /// The device tree's name of the board.
    pub model: Option<String>,
    /// The device tree's `compatible`, the most exact first.
    pub compatible: Vec<String>,
    /// DMI's product and board, and the processor's name.
    pub products: Vec<String>,
    /// Cores that this process may use.
    pub cores: usize,
    pub memory_bytes: Option<u64>,
    /// The best kernel set.
    pub isa: &'static str,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        Self {
            arch: std::env::consts::ARCH.into(),
            os: std::env::consts::OS.into(),
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
            isa: Isa::detect().name(),
            ..Self::under(Path::new("/"))
        }
    }

    /// What the files of a system say whose root is elsewhere.
    pub fn under(root: &Path) -> Self {
        let text = |path: &str| {
            let bytes = std::fs::read(root.join(path)).ok()?;
            let text = String::from_utf8_lossy(&bytes).trim_matches(['\0', '\n', ' ']).to_owned();
            (!text.is_empty()).then_some(text)
        };
        let line = |path: &str, key: &str| {
            let text = text(path)?;
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))?;
            Some(value.trim().to_owned())
        };
        let dmi = ["product_name", "board_name", "sys_vendor"].map(|file| text(&format!("sys/class/dmi/id/{file}")));
        let processor = line("proc/cpuinfo", "model name");
        let memory = line("proc/meminfo", "MemTotal");
        let kib = memory.and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok());
        Self {
            model: text("proc/device-tree/model"),
            compatible: text("proc/device-tree/compatible")
                .map(|all| all.split('\0').map(str::to_owned).collect())
                .unwrap_or_default(),
            products: dmi.into_iter().flatten().chain(processor).collect(),
            memory_bytes: kib.map(|kib| kib << 10),
            ..Self::default()
        }
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let name = self.model.clone().unwrap_or_else(|| self.products.join(", "));
        let name = if name.is_empty() { "unnamed machine".to_owned() } else { name };
        let memory = self.memory_bytes.map_or(String::new(), |bytes| format!(", {:.1} GB", bytes as f64 / 1e9));
        format!("{name}: {} {}, {} cores{memory}, kernels {}", self.os, self.arch, self.cores, self.isa)
    }

    /// The first profile of the program that fits. Errors: `Unsupported` for an architecture without one.
    pub fn profile(&self) -> Result<Profile> {
        for name in Profile::names() {
            let profile = Profile::load(name)?;
            if self.is(&profile.recognise) {
                return Ok(profile);
            }
        }
        let message = format!("no board profile for {} on {}: give one with --board FILE", self.arch, self.os);
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn is(&self, board: &Recognise) -> bool {
        if board.arch != self.arch || board.os.as_deref().is_some_and(|os| os != self.os) {
            return false;
        }
        let generic = board.compatible.is_empty() && board.model.is_empty() && board.product.is_empty();
        let part = |parts: &[String], of: &str| parts.iter().any(|part| of.contains(part.as_str()));
        generic
            || board.compatible.iter().any(|name| self.compatible.contains(name))
            || self.model.as_deref().is_some_and(|model| part(&board.model, model))
            || self.products.iter().any(|product| part(&board.product, product))
    }
}

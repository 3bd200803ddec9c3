//! Memory, before it is taken. In: a pack and how it is to be used. Out: what it needs part by part, or what to reduce
//! where that is more than there is.

use syrinx_quant::Recipe;

use crate::backbone::KvType;
use crate::error::{Error, ErrorKind, Result};
use crate::pack::Pack;

use super::work::Work;

/// The program, llama.cpp's buffers, the pages of tables that speech touches, rings: what a small pack takes beyond its
/// parts (`bench` on wren: README).
const OTHER_BYTES: u64 = 32 << 20;
/// A context that holds a voice, a long sentence and twenty seconds of it.
const SHORT_CONTEXT: usize = 512;

/// Bytes that a pack will have in memory, by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub backbone: u64,
    pub flow: u64,
    pub codec: u64,
    pub cache: u64,
    pub other: u64,
}

impl Need {
    /// Of a pack with a key/value cache of so many positions. Tables stay in their file: a sentence touches few rows.
    /// Errors: `Io`.
    pub fn of(pack: &Pack, positions: usize, kv: KvType) -> Result<Self> {
        let path = pack.backbone_path();
        let backbone = std::fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?.len();
        let speech = |prefixes: &[&str]| {
            let part = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
            let tensors = pack.speech().tensors().iter().filter(|tensor| part(&tensor.spec.name));
            tensors.map(|tensor| tensor.range.len() as u64).sum()
        };
        Ok(Self {
            backbone,
            flow: speech(&["acoustic_transformer."]),
            codec: speech(&[
                "audio_tokenizer.decoder",
                "audio_tokenizer.output",
                "audio_tokenizer.quantizer",
                "voice.",
            ]),
            cache: cache_bytes(pack, positions, kv),
            other: OTHER_BYTES,
        })
    }

    pub fn sum(&self) -> u64 {
        self.parts().iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// The parts by name.
    pub fn parts(&self) -> [(&'static str, u64); 5] {
        [
            ("backbone", self.backbone),
            ("flow head", self.flow),
            ("codec and voices", self.codec),
            ("key/value cache", self.cache),
            ("other", self.other),
        ]
    }
}

/// Refuses what does not fit into `budget` bytes, or, without one, into what the system has available.
///
/// Errors: `OutOfMemory`, with what each part takes and what can be saved.
pub fn check(pack: &Pack, positions: usize, kv: KvType, budget: Option<u64>) -> Result<()> {
    let Some(available) = budget.or_else(available_bytes) else { return Ok(()) };
    let need = Need::of(pack, positions, kv)?;
    if need.sum() <= available {
        return Ok(());
    }
    let parts: Vec<String> = need.parts().iter().map(|(name, bytes)| format!("{name} {}", mb(*bytes))).collect();
    let savings = savings(pack, positions, kv, &need);
    let best: u64 = savings.iter().map(|(_, bytes)| bytes).sum();
    let mut advice: Vec<String> =
        savings.iter().map(|(what, bytes)| format!("{what} saves {} MB", mb(*bytes))).collect();
    if need.sum().saturating_sub(best) > available {
        advice.push("all of it is not enough: choose a smaller pack".into());
    }
    let message = format!(
        "not enough memory: {} MB are needed ({}), {} MB are available: {}",
        mb(need.sum()),
        parts.join(", "),
        available >> 20,
        advice.join("; ")
    );
    Err(Error::new(ErrorKind::OutOfMemory, message))
}

/// Keys and values of so many positions, in every layer.
fn cache_bytes(pack: &Pack, positions: usize, kv: KvType) -> u64 {
    let backbone = &pack.shape().backbone;
    let row_bytes = kv.row_bytes(backbone.kv_heads * backbone.head_dim);
    // Sizes come from a file: what is too much for a number is too much for the memory.
    row_bytes.saturating_mul(2 * backbone.layers as u64).saturating_mul(positions as u64)
}

fn mb(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// What can be reduced, and by how many bytes.
fn savings(pack: &Pack, positions: usize, kv: KvType, need: &Need) -> Vec<(String, u64)> {
    let shape = pack.shape();
    let mut all = Vec::new();
    let mut cache = need.cache;
    if positions > SHORT_CONTEXT {
        let short = cache_bytes(pack, SHORT_CONTEXT, kv);
        all.push((format!("--context {SHORT_CONTEXT}"), cache - short));
        cache = short;
    }
    let small = cache_bytes(pack, positions.min(SHORT_CONTEXT), KvType::Q8_0);
    if small < cache {
        all.push(("--kv q8_0".to_owned(), cache - small));
    }
    let q4 = Work::of_recipe(shape, Recipe::Q4).bytes() as u64;
    let weights = need.backbone + need.flow + need.codec;
    // A tenth less is not worth another import.
    if q4 < weights * 9 / 10 {
        all.push(("a pack of the recipe q4".to_owned(), weights - q4));
    }
    all
}

/// What can be had without swapping: of the machine, or of the group of processes that this one is in.
pub fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(group_bytes().map_or(kib << 10, |group| group.min(kib << 10)))
}

/// What a limit on this process's control group leaves (Linux, version 2).
fn group_bytes() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let text = |file: &str| std::fs::read_to_string(std::path::Path::new("/sys/fs/cgroup").join(path).join(file)).ok();
    let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
    let (limit, used) = (number("memory.max")?, number("memory.current")?);
    // Pages of files are given up first.
    let files = text("memory.stat")?.lines().find_map(|line| line.strip_prefix("file ")?.parse::<u64>().ok());
    Some(limit.saturating_sub(used.saturating_sub(files.unwrap_or(0))))
}

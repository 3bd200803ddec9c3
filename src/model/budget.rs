//! Memory, before it is taken. In: a pack and how it is to be used. Out: what the model takes once and what each session
//! takes, part by part, or what to reduce where that is more than there is.

use syrinx_quant::Recipe;
use syrinx_quant::shape::{Codec, Flow, Shape};

use super::work::Work;
use crate::backbone::{KvType, PIECE_ROWS, kv_type, positions};
use crate::error::{Error, ErrorKind, Result};
use crate::pack::Pack;

/// The program, the pages of tables that speech touches, rings: what a small pack takes beyond its parts (`bench` on wren:
/// README).
const OTHER_BYTES: u64 = 32 << 20;
/// A context that holds a voice, a long sentence and twenty seconds of it.
const SHORT_CONTEXT: usize = 512;
/// Tokens that go through the flow head at once: three of each branch.
const FLOW_TOKENS: usize = 6;
const MB: u64 = 1 << 20;

/// Bytes that a pack will have in memory, by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Of the model, once: its weights, and what is there without any.
    pub backbone: u64,
    pub flow: u64,
    pub codec: u64,
    pub other: u64,
    /// Of each session: keys and values, and the buffers of all stages.
    pub cache: u64,
    pub buffers: u64,
}

impl Need {
    /// Of a pack, and of a session whose key/value cache has so many positions. Tables stay in their file: a sentence
    /// touches few rows. Errors: `Io`.
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
            other: OTHER_BYTES,
            cache: cache_bytes(pack, positions, kv),
            buffers: buffer_bytes(pack.shape(), positions, kv),
        })
    }

    /// What the model takes, however many sessions it has.
    pub fn model_bytes(&self) -> u64 {
        sum(&self.model_parts())
    }

    /// What each session takes beside it.
    pub fn session_bytes(&self) -> u64 {
        sum(&self.session_parts())
    }

    /// The model with one session.
    pub fn sum(&self) -> u64 {
        self.model_bytes().saturating_add(self.session_bytes())
    }

    /// The parts of the model with one session, by name.
    pub fn parts(&self) -> Vec<(&'static str, u64)> {
        [&self.model_parts()[..], &self.session_parts()].concat()
    }

    fn model_parts(&self) -> [(&'static str, u64); 4] {
        [("backbone", self.backbone), ("flow head", self.flow), ("codec and voices", self.codec), ("other", self.other)]
    }

    fn session_parts(&self) -> [(&'static str, u64); 2] {
        [("key/value cache", self.cache), ("session's buffers", self.buffers)]
    }
}

fn sum(parts: &[(&str, u64)]) -> u64 {
    parts.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
}

/// Refuses a model that, with the smallest session of use, does not fit into `budget` bytes, or, without a budget, into
/// what the system has available.
///
/// Errors: `OutOfMemory`, with what each part takes in a session as the pack has it and what can be saved; `BadOption`,
/// `Io`.
pub fn check_model(pack: &Pack, budget: Option<u64>) -> Result<()> {
    let Some(available) = budget.or_else(available_bytes) else { return Ok(()) };
    let (positions, kv) = (positions(pack, None)?, kv_type(pack, None));
    if Need::of(pack, positions.min(SHORT_CONTEXT), KvType::Q8_0)?.sum() <= available {
        return Ok(());
    }
    let need = Need::of(pack, positions, kv)?;
    let savings = [session_savings(pack, positions, kv), model_savings(pack, &need)].concat();
    Err(refusal(&need.parts(), &savings, available))
}

/// Refuses a session that does not fit: into what `budget` bytes leave beside the model and the sessions before it, which
/// take `taken` bytes; without a budget, into what the system has available by now.
///
/// Errors: `OutOfMemory`, with what each part takes and what can be saved; `Io`.
pub fn check_session(pack: &Pack, positions: usize, kv: KvType, taken: u64, budget: Option<u64>) -> Result<()> {
    let Some(available) = budget.or_else(available_bytes) else { return Ok(()) };
    let need = Need::of(pack, positions, kv)?;
    let mut parts = need.session_parts().to_vec();
    let mut savings = session_savings(pack, positions, kv);
    if budget.is_some() {
        let before = if taken > 0 { vec![("sessions before", taken)] } else { Vec::new() };
        parts = [&need.model_parts()[..], &before, &parts].concat();
        savings.extend(model_savings(pack, &need));
        if taken > 0 {
            savings.push(("a session fewer".to_owned(), need.session_bytes()));
        }
    }
    if sum(&parts) <= available { Ok(()) } else { Err(refusal(&parts, &savings, available)) }
}

fn refusal(parts: &[(&'static str, u64)], savings: &[(String, u64)], available: u64) -> Error {
    let needed = sum(parts);
    let mb = |bytes: u64| bytes.div_ceil(MB);
    let parts: Vec<String> = parts.iter().map(|(name, bytes)| format!("{name} {}", mb(*bytes))).collect();
    let best: u64 = savings.iter().map(|(_, bytes)| bytes).sum();
    let mut advice: Vec<String> =
        savings.iter().map(|(what, bytes)| format!("{what} saves {} MB", mb(*bytes))).collect();
    if needed.saturating_sub(best) > available {
        advice.push("all of it is not enough: choose a smaller pack".into());
    }
    let message = format!(
        "not enough memory: {} MB are needed ({}), {} MB are available: {}",
        mb(needed),
        parts.join(", "),
        available / MB,
        advice.join("; ")
    );
    Error::new(ErrorKind::OutOfMemory, message)
}

/// Keys and values of so many positions, in every layer.
fn cache_bytes(pack: &Pack, positions: usize, kv: KvType) -> u64 {
    let backbone = &pack.shape().backbone;
    let row_bytes = kv.row_bytes(backbone.kv_heads * backbone.head_dim);
    // Sizes come from a file: what is too much for a number is too much for the memory.
    row_bytes.saturating_mul(2 * backbone.layers as u64).saturating_mul(positions as u64)
}

/// Buffers of all stages, from above.
fn buffer_bytes(shape: &Shape, positions: usize, kv: KvType) -> u64 {
    let floats = flow_floats(&shape.flow).saturating_add(codec_floats(&shape.codec));
    llama_bytes(shape, positions, kv).saturating_add(graph_bytes(shape)).saturating_add(floats.saturating_mul(4))
}

/// What llama.cpp keeps of its graphs beside the compute buffer: three of them (to reserve, the last one, the next one)
/// with a place for eight operations of each tensor, the copies that its scheduler makes, a work buffer, a stack of a thread.
/// Eight sessions of wren, their cache of 12 MB included, take 17.1 MB each; with this, 17.2 are counted.
fn graph_bytes(shape: &Shape) -> u64 {
    const OPERATION_BYTES: u64 = 3 * 416;
    const OTHER_BYTES: u64 = 2 << 20;
    let tensors = 9 * shape.backbone.layers as u64 + 3;
    tensors.saturating_mul(8).max(1024).saturating_mul(OPERATION_BYTES).saturating_add(OTHER_BYTES)
}

/// llama.cpp's compute buffer: for the rows of a piece, SwiGLU's both halves, some states and the logits; the mask; without
/// flash attention, the scores. It says at its start (`RUST_LOG=trace`) 1.13 MiB for wren with 2048 positions, 0.94 with
/// 512, 2.94 with F32; 3.97 for the synthetic `mid`. This gives 1.25, 1.06, 3.25; 4.97.
fn llama_bytes(shape: &Shape, positions: usize, kv: KvType) -> u64 {
    let (backbone, rows) = (&shape.backbone, PIECE_ROWS as u64);
    let width = [2 * backbone.hidden_dim, 4 * shape.dim, shape.audio.audio_rows].map(|n| n as u64 * 4);
    let scores = if kv == KvType::F32 { backbone.heads as u64 * 4 } else { 0 };
    let attention = (positions as u64).saturating_mul(2 + scores);
    rows.saturating_mul(width.iter().fold(attention, |sum, bytes| sum.saturating_add(*bytes)))
}

/// A flow head's: projections of all tokens of a step and of the times, its stream and what a layer computes.
fn flow_floats(flow: &Flow) -> u64 {
    let (q, kv) = (flow.heads * flow.head_dim, flow.kv_heads * flow.head_dim);
    let projected = (FLOW_TOKENS + 4 + flow.steps) * (flow.dim + q + 2 * kv);
    (projected + FLOW_TOKENS * (5 * flow.dim + 2 * q + 4 * flow.hidden_dim)) as u64
}

/// A decoder's: the windows of all layers, and for the positions of a frame what convolutions and a layer compute.
fn codec_floats(codec: &Codec) -> u64 {
    let (q, kv) = (codec.heads * codec.head_dim, codec.kv_heads * codec.head_dim);
    let mut at = 1;
    let mut kept = 0;
    for (s, stride) in codec.strides.iter().enumerate() {
        let part = |all: &[usize]| all.get(s).copied().unwrap_or(0);
        kept += part(&codec.kernels) * codec.dim * (at + 1);
        at *= stride;
        kept += part(&codec.lengths) * 2 * kv * (part(&codec.windows) + at);
    }
    let output = codec.out_kernel * codec.dim * (at + 1);
    (kept + output + at * (5 * codec.dim + 3 * q + 2 * kv + 4 * codec.hidden_dim)) as u64
}

/// What can be reduced of a session, and by how many bytes.
fn session_savings(pack: &Pack, positions: usize, kv: KvType) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut cache = cache_bytes(pack, positions, kv);
    if positions > SHORT_CONTEXT {
        let short = cache_bytes(pack, SHORT_CONTEXT, kv);
        all.push((format!("--context {SHORT_CONTEXT}"), cache - short));
        cache = short;
    }
    let small = cache_bytes(pack, positions.min(SHORT_CONTEXT), KvType::Q8_0);
    if small < cache {
        all.push(("--kv q8_0".to_owned(), cache - small));
    }
    all
}

/// What can be reduced of the model.
fn model_savings(pack: &Pack, need: &Need) -> Vec<(String, u64)> {
    let q4 = Work::of_recipe(pack.shape(), Recipe::Q4).bytes() as u64;
    let weights = need.backbone + need.flow + need.codec;
    // A tenth less is not worth another import.
    if q4 < weights * 9 / 10 { vec![("a pack of the recipe q4".to_owned(), weights - q4)] } else { Vec::new() }
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

//! What a pack holds. In: a [`Shape`]. Out: every tensor of its two files, in order, with its place in the model (for
//! the recipe) and its origin in a checkpoint. Importer and synthetic writer follow the same list, so a pack cannot
//! differ in form by where its numbers come from. Names: voxtral-tts.md, sections 2.3 and 4.5.

use crate::gguf::Value;
use crate::shape::Shape;

/// A tensor of a pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub name: String,
    /// Row-major, outermost dimension first.
    pub shape: Vec<usize>,
    pub role: Role,
    pub origin: Origin,
}

/// A tensor's place in the model: what the recipe decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Norms, scales: anything with one dimension.
    Vector,
    BackboneMatrix,
    /// One of those that llama.cpp's mixed recipe raises in some layers: `attn_v`, `ffn_down`.
    BackboneSensitive {
        layer: usize,
    },
    /// The semantic head.
    BackboneOutput,
    /// Rows that are gathered, not multiplied: text and audio embeddings.
    Table,
    /// Matrices of the flow head's layers.
    FlowMatrix,
    /// Time and hidden-state projections: once per request and per frame.
    FlowCondition,
    /// Between noise and states: few columns or rows, and every error goes straight into the codes.
    FlowBoundary,
    /// Matrices of the codec's layers.
    CodecMatrix,
    /// The codec's convolutions: the last one's errors are heard as they are.
    CodecConvolution,
    /// From the encoder's states to the decoder's, in what listens.
    Adapter,
    /// Convolutions before an encoder, and what conditions on the delay.
    Front,
    Codebook,
    Voice,
    Encoder,
}

/// Where a tensor's values come from in a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// A tensor of `rows` first dimension; rows beyond are zero.
    Tensor { name: String, rows: usize },
    /// A convolution `[out, in, kernel]`, laid out `[out, kernel * in]`.
    Taps { name: String, inputs: usize, kernel: usize },
    /// All values the same.
    Constant { value: f32 },
    /// Weight-normed convolution `[out, in, kernel]`, laid out `[out, kernel * in]`.
    Convolution { base: String, inputs: usize, kernel: usize },
    /// Weight-normed transposed convolution `[in, out, kernel]`, laid out `[stride * out, (kernel / stride) * in]`.
    Transposed { base: String, inputs: usize, outputs: usize, kernel: usize, stride: usize },
    /// `embedding_sum / max(cluster_usage, 1e-5)`.
    Codebook,
    /// A voice's rows.
    Voice { name: String },
}

/// The audio table, in both files of a pack and in a checkpoint.
pub const AUDIO_TABLE: &str = "mm_audio_embeddings.audio_codebook_embeddings.embeddings.weight";
pub const TEXT_TABLE: &str = "mm_audio_embeddings.tok_embeddings.weight";
pub const SEMANTIC_HEAD: &str = "acoustic_transformer.semantic_codebook_output.weight";
pub const CODEBOOK: &str = "audio_tokenizer.quantizer.semantic_codebook";
pub const ENCODER_PREFIX: &str = "audio_tokenizer.encoder.";

/// The tensor that holds a voice's rows.
pub fn voice_tensor(name: &str) -> String {
    format!("voice.{name}")
}

/// A tensor of the codec's encoder, which keeps name and shape.
pub fn encoder_tensor(name: &str, shape: &[usize]) -> Planned {
    Planned {
        name: name.to_owned(),
        shape: shape.to_vec(),
        role: if shape.len() < 2 { Role::Vector } else { Role::Encoder },
        origin: Origin::Tensor { name: name.to_owned(), rows: shape.first().copied().unwrap_or(1) },
    }
}

pub(crate) struct Plan(pub Vec<Planned>);

impl Plan {
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize], role: Role, origin: Origin) {
        self.0.push(Planned { name: name.into(), shape: shape.to_vec(), role, origin });
    }

    /// A tensor that keeps its shape; `from` is its name in the checkpoint.
    pub fn copy(&mut self, name: impl Into<String>, from: impl Into<String>, shape: &[usize], role: Role) {
        let rows = shape.first().copied().unwrap_or(0);
        self.push(name, shape, role, Origin::Tensor { name: from.into(), rows });
    }

    /// A tensor that keeps name and shape.
    pub fn keep(&mut self, name: impl Into<String>, shape: &[usize], role: Role) {
        let name = name.into();
        self.copy(name.clone(), name, shape, role);
    }
}

/// The tensors of `backbone.gguf`, for architecture `llama` of llama.cpp with adjacent-pair rotation.
pub fn backbone(shape: &Shape) -> Vec<Planned> {
    let (dim, b, rows) = (shape.dim, &shape.backbone, shape.audio.audio_rows);
    let (q, kv) = (b.heads * b.head_dim, b.kv_heads * b.head_dim);
    let mut plan = Plan(Vec::new());
    plan.copy("token_embd.weight", AUDIO_TABLE, &[rows, dim], Role::Table);
    let head = Origin::Tensor { name: SEMANTIC_HEAD.into(), rows: shape.audio.head_rows };
    plan.push("output.weight", &[rows, dim], Role::BackboneOutput, head);
    plan.copy("output_norm.weight", "norm.weight", &[dim], Role::Vector);
    for layer in 0..b.layers {
        let sensitive = Role::BackboneSensitive { layer };
        for (to, from, shape, role) in [
            ("attn_norm", "attention_norm", &[dim][..], Role::Vector),
            ("attn_q", "attention.wq", &[q, dim], Role::BackboneMatrix),
            ("attn_k", "attention.wk", &[kv, dim], Role::BackboneMatrix),
            ("attn_v", "attention.wv", &[kv, dim], sensitive),
            ("attn_output", "attention.wo", &[dim, q], Role::BackboneMatrix),
            ("ffn_norm", "ffn_norm", &[dim], Role::Vector),
            ("ffn_gate", "feed_forward.w1", &[b.hidden_dim, dim], Role::BackboneMatrix),
            ("ffn_down", "feed_forward.w2", &[dim, b.hidden_dim], sensitive),
            ("ffn_up", "feed_forward.w3", &[b.hidden_dim, dim], Role::BackboneMatrix),
        ] {
            plan.copy(format!("blk.{layer}.{to}.weight"), format!("layers.{layer}.{from}.weight"), shape, role);
        }
    }
    plan.0
}

/// llama.cpp's metadata of `backbone.gguf`.
pub fn backbone_metadata(shape: &Shape, name: &str) -> Vec<(String, Value)> {
    let b = &shape.backbone;
    let count = |n: usize| Value::U32(u32::try_from(n).unwrap_or(u32::MAX)); // bounded by Shape::validate
    [
        ("general.architecture", Value::Str("llama".into())),
        ("general.name", Value::Str(format!("{name} backbone"))),
        ("general.alignment", count(crate::gguf::ALIGNMENT)),
        ("llama.context_length", count(shape.max_context)),
        ("llama.embedding_length", count(shape.dim)),
        ("llama.block_count", count(b.layers)),
        ("llama.feed_forward_length", count(b.hidden_dim)),
        ("llama.attention.head_count", count(b.heads)),
        ("llama.attention.head_count_kv", count(b.kv_heads)),
        ("llama.attention.key_length", count(b.head_dim)),
        ("llama.attention.value_length", count(b.head_dim)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(b.norm_eps)),
        ("llama.rope.dimension_count", count(b.head_dim)),
        ("llama.rope.freq_base", Value::F32(b.rope_theta)),
        ("llama.vocab_size", count(shape.audio.audio_rows)),
        ("tokenizer.ggml.model", Value::Str("none".into())),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The tensors of `speech.gguf`. `voice_rows` are in the order of `shape.voices`.
pub fn speech(shape: &Shape, voice_rows: &[usize]) -> Vec<Planned> {
    let mut plan = Plan(Vec::new());
    plan.keep(TEXT_TABLE, &[shape.vocab_size, shape.dim], Role::Table);
    plan.keep(AUDIO_TABLE, &[shape.audio.audio_rows, shape.dim], Role::Table);
    flow(shape, &mut plan);
    codec(shape, &mut plan);
    for (name, &rows) in shape.voices.iter().zip(voice_rows) {
        plan.push(voice_tensor(name), &[rows, shape.dim], Role::Voice, Origin::Voice { name: name.clone() });
    }
    plan.0
}

/// A pre-norm transformer layer: attention of `heads` x `head_dim`, gated feed-forward.
struct Layer {
    dim: usize,
    hidden_dim: usize,
    q: usize,
    kv: usize,
    matrix: Role,
}

impl Layer {
    fn plan(&self, prefix: &str, plan: &mut Plan) {
        let Self { dim, hidden_dim, q, kv, matrix } = *self;
        for (name, shape, role) in [
            ("attention_norm.weight", &[dim][..], Role::Vector),
            ("attention.wq.weight", &[q, dim], matrix),
            ("attention.wk.weight", &[kv, dim], matrix),
            ("attention.wv.weight", &[kv, dim], matrix),
            ("attention.wo.weight", &[dim, q], matrix),
            ("ffn_norm.weight", &[dim], Role::Vector),
            ("feed_forward.w1.weight", &[hidden_dim, dim], matrix),
            ("feed_forward.w2.weight", &[dim, hidden_dim], matrix),
            ("feed_forward.w3.weight", &[hidden_dim, dim], matrix),
        ] {
            plan.keep(format!("{prefix}{name}"), shape, role);
        }
    }
}

fn flow(shape: &Shape, plan: &mut Plan) {
    let f = &shape.flow;
    let n = shape.audio.n_acoustic;
    let prefix = "acoustic_transformer.";
    plan.keep(format!("{prefix}input_projection.weight"), &[f.dim, n], Role::FlowBoundary);
    plan.keep(format!("{prefix}time_projection.weight"), &[f.dim, f.dim], Role::FlowCondition);
    plan.keep(format!("{prefix}llm_projection.weight"), &[f.dim, f.input_dim], Role::FlowCondition);
    let layer = Layer {
        dim: f.dim,
        hidden_dim: f.hidden_dim,
        q: f.heads * f.head_dim,
        kv: f.kv_heads * f.head_dim,
        matrix: Role::FlowMatrix,
    };
    for i in 0..f.layers {
        layer.plan(&format!("{prefix}layers.{i}."), plan);
    }
    plan.keep(format!("{prefix}norm.weight"), &[f.dim], Role::Vector);
    plan.keep(format!("{prefix}acoustic_codebook_output.weight"), &[n, f.dim], Role::FlowBoundary);
}

fn codec(shape: &Shape, plan: &mut Plan) {
    let c = &shape.codec;
    let prefix = "audio_tokenizer.";
    let codebook = [shape.audio.semantic_codebook_size, c.semantic_dim];
    plan.push(format!("{CODEBOOK}.embedding"), &codebook, Role::Codebook, Origin::Codebook);
    let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
    let layer = Layer { dim: c.dim, hidden_dim: c.hidden_dim, q, kv, matrix: Role::CodecMatrix };
    for (stage, ((&kernel, &stride), &length)) in c.kernels.iter().zip(&c.strides).zip(&c.lengths).enumerate() {
        let base = format!("{prefix}decoder_blocks.{}", 2 * stage);
        let weight = format!("{base}.conv.weight");
        if stage == 0 {
            let inputs = c.latent_dim();
            let origin = Origin::Convolution { base, inputs, kernel };
            plan.push(weight, &[c.dim, kernel * inputs], Role::CodecConvolution, origin);
        } else {
            let origin = Origin::Transposed { base, inputs: c.dim, outputs: c.dim, kernel, stride };
            plan.push(weight, &[stride * c.dim, kernel / stride * c.dim], Role::CodecConvolution, origin);
        }
        for i in 0..length {
            let block = format!("{prefix}decoder_blocks.{}.layers.{i}.", 2 * stage + 1);
            layer.plan(&block, plan);
            plan.keep(format!("{block}attention.q_norm.weight"), &[q], Role::Vector);
            plan.keep(format!("{block}attention.k_norm.weight"), &[kv], Role::Vector);
            plan.keep(format!("{block}attention_scale"), &[c.dim], Role::Vector);
            plan.keep(format!("{block}ffn_scale"), &[c.dim], Role::Vector);
        }
    }
    let base = format!("{prefix}output_proj");
    let weight = format!("{base}.conv.weight");
    let origin = Origin::Convolution { base, inputs: c.dim, kernel: c.out_kernel };
    plan.push(weight, &[c.patch, c.out_kernel * c.dim], Role::CodecConvolution, origin);
}

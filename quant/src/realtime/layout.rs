//! What a pack that listens holds. In: a [`Realtime`]. Out: every tensor of its three files, in order. Names:
//! voxtral-realtime.md, sections 2.3 and 5.4.
//!
//! The decoder is a plain `llama` of llama.cpp: the delay's conditioning is folded into its `ffn_norm` when it is loaded.
//! The encoder is a `granite_swa`, the one architecture of the pinned llama.cpp that is a `llama` with a window: its scales
//! are one, and its attention sinks so low that they weigh nothing. With a window of the graph's own the rows of one token
//! go through in one batch.

use crate::gguf::Value;
use crate::layout::{Origin, Plan, Planned, Role};
use crate::shape::Realtime;
use crate::shape::realtime::{Stack, TAPS};

const EMBEDDER: &str = "mm_streams_embeddings.embedding_module.";
const ENCODER: &str = "mm_streams_embeddings.embedding_module.whisper_encoder.";

/// Rows of the encoder's table of tokens, which llama.cpp wants and nobody asks for.
const DUMMY_ROWS: usize = 8;
/// e to this is zero.
const NO_SINK: f32 = -1e30;

/// Tensors of `hear.gguf` under the names of the checkpoint, and the two convolutions, `[out, taps * in]`.
pub const CONVOLUTIONS: [&str; 2] = ["conv_layers.0.conv", "conv_layers.1.conv"];
pub const ADAPTER: [&str; 2] = ["audio_language_projection.0.weight", "audio_language_projection.2.weight"];
/// The table of tokens, which is the output too.
pub const TOKEN_TABLE: &str = "token_embd.weight";

/// The two matrices that condition the decoder's layer on the delay.
pub fn conditions(layer: usize) -> [String; 2] {
    [0, 2].map(|i| format!("layers.{layer}.ada_rms_norm_t_cond.{i}.weight"))
}

/// The tensor of the decoder that the conditioning is folded into.
pub fn folded(layer: usize) -> String {
    format!("blk.{layer}.ffn_norm.weight")
}

/// Which of the pack's files, in their order, a tensor is in: both stacks have layers of the same names.
pub(crate) fn place<T>(_: &[T], tensor: &Planned) -> usize {
    let is_layer = tensor.name.starts_with("blk.") || tensor.name == TOKEN_TABLE || tensor.name == "output_norm.weight";
    match &tensor.origin {
        _ if !is_layer => 2,
        Origin::Tensor { name, .. } if !name.starts_with(ENCODER) => 1,
        _ => 0,
    }
}

/// The tensors of `encoder.gguf`.
pub fn encoder(shape: &Realtime) -> Vec<Planned> {
    let mut plan = Plan(Vec::new());
    let dim = shape.encoder.dim;
    plan.push(TOKEN_TABLE, &[DUMMY_ROWS, dim], Role::Vector, Origin::Constant { value: 0.0 });
    plan.copy("output_norm.weight", format!("{ENCODER}transformer.norm.weight"), &[dim], Role::Vector);
    layers(&mut plan, &shape.encoder, &format!("{ENCODER}transformer."), true);
    plan.0
}

/// The tensors of `decoder.gguf`.
pub fn decoder(shape: &Realtime) -> Vec<Planned> {
    let mut plan = Plan(Vec::new());
    let dim = shape.decoder.dim;
    let table = format!("{EMBEDDER}tok_embeddings.weight");
    plan.copy(TOKEN_TABLE, table, &[shape.text.vocab_size, dim], Role::BackboneOutput);
    plan.copy("output_norm.weight", "norm.weight", &[dim], Role::Vector);
    layers(&mut plan, &shape.decoder, "", false);
    plan.0
}

fn layers(plan: &mut Plan, stack: &Stack, prefix: &str, is_encoder: bool) {
    let Stack { dim, heads, hidden_dim, .. } = *stack;
    let (q, kv) = (heads * stack.head_dim, stack.kv_heads * stack.head_dim);
    for layer in 0..stack.layers {
        let sensitive = Role::BackboneSensitive { layer };
        for (to, from, shape, role, has_bias) in [
            ("attn_norm", "attention_norm", &[dim][..], Role::Vector, false),
            ("attn_q", "attention.wq", &[q, dim], Role::BackboneMatrix, true),
            ("attn_k", "attention.wk", &[kv, dim], Role::BackboneMatrix, false),
            ("attn_v", "attention.wv", &[kv, dim], sensitive, true),
            ("attn_output", "attention.wo", &[dim, q], Role::BackboneMatrix, true),
            ("ffn_norm", "ffn_norm", &[dim], Role::Vector, false),
            ("ffn_gate", "feed_forward.w1", &[hidden_dim, dim], Role::BackboneMatrix, false),
            ("ffn_down", "feed_forward.w2", &[dim, hidden_dim], sensitive, true),
            ("ffn_up", "feed_forward.w3", &[hidden_dim, dim], Role::BackboneMatrix, false),
        ] {
            let (to, from) = (format!("blk.{layer}.{to}"), format!("{prefix}layers.{layer}.{from}"));
            plan.copy(format!("{to}.weight"), format!("{from}.weight"), shape, role);
            if is_encoder && has_bias {
                plan.copy(format!("{to}.bias"), format!("{from}.bias"), &shape[..1], Role::Vector);
            }
        }
        if is_encoder {
            let name = format!("blk.{layer}.attn_sinks.weight");
            plan.push(name, &[heads], Role::Vector, Origin::Constant { value: NO_SINK });
        }
    }
}

/// The tensors of `hear.gguf`.
pub fn hear(shape: &Realtime) -> Vec<Planned> {
    let mut plan = Plan(Vec::new());
    let (width, dim, condition) = (shape.encoder.dim, shape.decoder.dim, shape.text.condition_dim);
    for (name, inputs) in CONVOLUTIONS.into_iter().zip([shape.front.mels, width]) {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let origin = Origin::Taps { name: format!("{ENCODER}{weight}"), inputs, kernel: TAPS };
        plan.push(weight, &[width, TAPS * inputs], Role::Front, origin);
        plan.copy(bias.clone(), format!("{ENCODER}{bias}"), &[width], Role::Vector);
    }
    for (name, inputs) in ADAPTER.into_iter().zip([width * shape.schedule.rows_per_token, dim]) {
        plan.copy(name, format!("{EMBEDDER}{name}"), &[dim, inputs], Role::Adapter);
    }
    for layer in 0..shape.decoder.layers {
        let [down, up] = conditions(layer);
        plan.keep(down, &[condition, dim], Role::Front);
        plan.keep(up, &[dim, condition], Role::Front);
    }
    plan.0
}

/// llama.cpp's metadata of `encoder.gguf`.
pub fn encoder_metadata(shape: &Realtime, name: &str) -> Vec<(String, Value)> {
    let stack = &shape.encoder;
    let mut all = metadata(stack, "granite_swa", &format!("{name} encoder"), DUMMY_ROWS);
    let window = Value::U32(u32::try_from(stack.window).unwrap_or(u32::MAX)); // bounded by Realtime::validate
    all.extend([
        ("granite_swa.logit_scale".into(), Value::F32(1.0)),
        ("granite_swa.attention.sliding_window".into(), window),
        ("granite_swa.attention.sliding_window_pattern".into(), Value::bools(&vec![true; stack.layers])),
    ]);
    all
}

/// llama.cpp's metadata of `decoder.gguf`.
pub fn decoder_metadata(shape: &Realtime, name: &str) -> Vec<(String, Value)> {
    metadata(&shape.decoder, "llama", &format!("{name} decoder"), shape.text.vocab_size)
}

fn metadata(stack: &Stack, architecture: &str, name: &str, vocab_size: usize) -> Vec<(String, Value)> {
    let count = |n: usize| Value::U32(u32::try_from(n).unwrap_or(u32::MAX)); // bounded by Realtime::validate
    let mut all = vec![
        ("general.architecture".to_owned(), Value::Str(architecture.into())),
        ("general.name".to_owned(), Value::Str(name.into())),
        ("general.alignment".to_owned(), count(crate::gguf::ALIGNMENT)),
    ];
    let own = [
        // Positions run on; what a row sees is bounded by the window.
        ("context_length", count(stack.window)),
        ("embedding_length", count(stack.dim)),
        ("block_count", count(stack.layers)),
        ("feed_forward_length", count(stack.hidden_dim)),
        ("attention.head_count", count(stack.heads)),
        ("attention.head_count_kv", count(stack.kv_heads)),
        ("attention.key_length", count(stack.head_dim)),
        ("attention.value_length", count(stack.head_dim)),
        ("attention.layer_norm_rms_epsilon", Value::F32(stack.norm_eps)),
        ("rope.dimension_count", count(stack.head_dim)),
        ("rope.freq_base", Value::F32(stack.rope_theta)),
        ("vocab_size", count(vocab_size)),
    ];
    all.extend(own.into_iter().map(|(key, value)| (format!("{architecture}.{key}"), value)));
    all.push(("tokenizer.ggml.model".to_owned(), Value::Str("none".into())));
    all
}

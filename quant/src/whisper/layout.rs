//! What a pack of Whisper holds. In: a [`Whisper`]. Out: every tensor of `hear.gguf`, in order, and its name in CTranslate2.

use super::names::{CONVOLUTIONS, NORMS, POSITIONS, TOKENS};
use crate::layout::{Origin, Plan, Planned, Role};
use crate::shape::Whisper;
use crate::shape::whisper::TAPS;

/// The tensors of `hear.gguf`. A linear layer is a matrix and a vector.
pub(super) fn hear(shape: &Whisper) -> Vec<Planned> {
    let &Whisper { dim, hidden_dim, mels, .. } = shape;
    let mut plan = Plan(Vec::new());
    for (i, inputs) in [mels, dim].into_iter().enumerate() {
        let (to, from) = (CONVOLUTIONS[i], format!("encoder/conv{}", i + 1));
        let origin = Origin::Taps { name: format!("{from}/weight"), inputs, kernel: TAPS };
        plan.push(format!("{to}.weight"), &[dim, TAPS * inputs], Role::Front, origin);
        plan.copy(format!("{to}.bias"), format!("{from}/bias"), &[dim], Role::Vector);
    }
    plan.copy(TOKENS, "decoder/embeddings/weight", &[shape.vocab_size, dim], Role::Table);
    for (name, side, rows) in [(POSITIONS[1], "encoder", shape.audio_rows), (POSITIONS[0], "decoder", shape.text_rows)]
    {
        plan.copy(name, format!("{side}/position_encodings/encodings"), &[rows, dim], Role::Vector);
    }
    for (i, (side, layers)) in
        [("decoder", shape.decoder_layers), ("encoder", shape.encoder_layers)].into_iter().enumerate()
    {
        for layer in 0..layers {
            let (to, from) = (format!("{side}.layers.{layer}"), format!("{side}/layer_{layer}"));
            let mut linear = |name: &str, source: &str, rows: usize, columns: usize| {
                let (to, from) = (format!("{to}.{name}"), format!("{from}/{source}"));
                plan.copy(format!("{to}.weight"), format!("{from}/weight"), &[rows, columns], Role::Adapter);
                plan.copy(format!("{to}.bias"), format!("{from}/bias"), &[rows], Role::Vector);
            };
            linear("self.qkv", "self_attention/linear_0", 3 * dim, dim);
            linear("self.out", "self_attention/linear_1", dim, dim);
            if side == "decoder" {
                linear("cross.q", "attention/linear_0", dim, dim);
                linear("cross.kv", "attention/linear_1", 2 * dim, dim);
                linear("cross.out", "attention/linear_2", dim, dim);
            }
            linear("ffn.up", "ffn/linear_0", hidden_dim, dim);
            linear("ffn.down", "ffn/linear_1", dim, hidden_dim);
            norm(&mut plan, &format!("{to}.self.norm"), &format!("{from}/self_attention/layer_norm"), dim);
            if side == "decoder" {
                norm(&mut plan, &format!("{to}.cross.norm"), &format!("{from}/attention/layer_norm"), dim);
            }
            norm(&mut plan, &format!("{to}.ffn.norm"), &format!("{from}/ffn/layer_norm"), dim);
        }
        norm(&mut plan, NORMS[i], &format!("{side}/layer_norm"), dim);
    }
    plan.0
}

fn norm(plan: &mut Plan, to: &str, from: &str, dim: usize) {
    plan.copy(format!("{to}.weight"), format!("{from}/gamma"), &[dim], Role::Vector);
    plan.copy(format!("{to}.bias"), format!("{from}/beta"), &[dim], Role::Vector);
}

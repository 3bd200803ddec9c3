//! What sizes must satisfy for the runtime's arithmetic to mean what it says. Each failure names the size.

use super::{SPECIAL_CODES, Shape};
use crate::error::{Result, misshapen};
use crate::manifest::{MAX_GUIDANCE, MAX_STEPS};

/// No width, count or table of a model is larger; keeps every product of three sizes within 64 bits.
pub(super) const MAX_SIZE: usize = 1 << 21;
/// No model has more layers: each is named in lists that are made before a tensor of it is looked for.
pub(super) const MAX_LAYERS: usize = 4096;

impl Shape {
    /// Errors: `Shape`, with the name of the first size that does not fit.
    pub fn validate(&self) -> Result<()> {
        self.validate_ranges()?;
        let Self { model, backbone: b, audio: a, flow: f, codec: c, prompt: p } = self;
        for (part, heads, kv_heads, head_dim) in [
            ("backbone", b.heads, b.kv_heads, b.head_dim),
            ("flow", f.heads, f.kv_heads, f.head_dim),
            ("codec", c.heads, c.kv_heads, c.head_dim),
        ] {
            check(heads.is_multiple_of(kv_heads), || {
                format!("{part}: {heads} heads share {kv_heads} key/value heads")
            })?;
            check(head_dim.is_multiple_of(2), || format!("{part}: head_dim {head_dim} is odd"))?;
        }
        check(c.heads.is_power_of_two(), || {
            format!("codec: {} heads are not a power of two, as ALiBi slopes need", c.heads)
        })?;
        check(f.dim.is_multiple_of(2), || format!("flow: dim {} is odd, its time embedding has two halves", f.dim))?;
        check(f.input_dim == model.dim, || {
            format!("flow: input_dim {} is not the backbone's dim {}", f.input_dim, model.dim)
        })?;
        check(a.acoustic_codebook_size >= 2, || "audio: fewer than two acoustic levels".into())?;
        check(a.audio_rows >= a.used_rows(), || {
            format!("audio: {} rows of the audio table cannot hold {} codes", a.audio_rows, a.used_rows())
        })?;
        check((a.semantic_rows()..=a.audio_rows).contains(&a.head_rows), || {
            let (least, most) = (a.semantic_codebook_size + SPECIAL_CODES, a.audio_rows);
            format!("audio: a semantic head of {} rows is not between {least} and {most}", a.head_rows)
        })?;
        check(c.acoustic_dim == a.n_acoustic, || {
            format!("codec: acoustic_dim {} is not the number of acoustic codes {}", c.acoustic_dim, a.n_acoustic)
        })?;
        self.validate_stages()?;
        let rate = c.samples_per_frame() as f64 * f64::from(a.frame_rate);
        check(rate == a.sampling_rate as f64, || {
            let (patch, positions, frames) = (c.patch, c.positions_per_frame(), a.frame_rate);
            format!("codec: {patch} x {positions} samples x {frames} frames/s is not {} Hz", a.sampling_rate)
        })?;
        for (name, id) in [
            ("bos", p.bos),
            ("begin_audio", p.begin_audio),
            ("audio", p.audio),
            ("next_audio_text", p.next_audio_text),
            ("repeat_audio_text", p.repeat_audio_text),
        ] {
            check((id as usize) < model.vocab_size, || {
                format!("prompt: {name} id {id} is outside the vocabulary of {}", model.vocab_size)
            })?;
        }
        self.validate_voices()
    }

    fn validate_ranges(&self) -> Result<()> {
        let Self { model, backbone: b, audio: a, flow: f, codec: c, .. } = self;
        for (name, size) in [
            ("dim", model.dim),
            ("vocab_size", model.vocab_size),
            ("max_context", model.max_context),
            ("backbone.heads", b.heads),
            ("backbone.kv_heads", b.kv_heads),
            ("backbone.head_dim", b.head_dim),
            ("backbone.hidden_dim", b.hidden_dim),
            ("audio.semantic_codebook_size", a.semantic_codebook_size),
            ("audio.acoustic_codebook_size", a.acoustic_codebook_size),
            ("audio.n_acoustic", a.n_acoustic),
            ("audio.audio_rows", a.audio_rows),
            ("audio.head_rows", a.head_rows),
            ("audio.sampling_rate", a.sampling_rate),
            ("flow.dim", f.dim),
            ("flow.input_dim", f.input_dim),
            ("flow.heads", f.heads),
            ("flow.kv_heads", f.kv_heads),
            ("flow.head_dim", f.head_dim),
            ("flow.hidden_dim", f.hidden_dim),
            ("codec.dim", c.dim),
            ("codec.hidden_dim", c.hidden_dim),
            ("codec.heads", c.heads),
            ("codec.kv_heads", c.kv_heads),
            ("codec.head_dim", c.head_dim),
            ("codec.semantic_dim", c.semantic_dim),
            ("codec.acoustic_dim", c.acoustic_dim),
            ("codec.patch", c.patch),
            ("codec.out_kernel", c.out_kernel),
        ] {
            check((1..=MAX_SIZE).contains(&size), || format!("{name} is {size}, expected 1 to {MAX_SIZE}"))?;
        }
        for (name, value) in [
            ("backbone.rope_theta", b.rope_theta),
            ("backbone.norm_eps", b.norm_eps),
            ("audio.frame_rate", a.frame_rate),
            ("flow.norm_eps", f.norm_eps),
            ("flow.time_theta", f.time_theta),
            ("codec.norm_eps", c.norm_eps),
            ("codec.qk_norm_eps", c.qk_norm_eps),
        ] {
            check(value.is_finite() && value > 0.0, || format!("{name} is {value}, expected a positive number"))?;
        }
        for (name, layers) in [("backbone.layers", b.layers), ("flow.layers", f.layers)] {
            let limit = 1..=MAX_LAYERS;
            check(limit.contains(&layers), || format!("{name} is {layers}, expected 1 to {MAX_LAYERS}"))?;
        }
        let steps = 1..=MAX_STEPS as usize;
        check(steps.contains(&f.steps), || format!("flow.steps is {}, expected 1 to {MAX_STEPS}", f.steps))?;
        check((0.0..=MAX_GUIDANCE).contains(&f.guidance), || {
            format!("flow.guidance is {}, expected 0 to {MAX_GUIDANCE}", f.guidance)
        })
    }

    fn validate_stages(&self) -> Result<()> {
        let c = &self.codec;
        let stages = c.lengths.len();
        check(stages > 0 && [&c.kernels, &c.strides, &c.windows].iter().all(|list| list.len() == stages), || {
            format!(
                "codec: {} kernels, {} strides, {} windows for {stages} stages",
                c.kernels.len(),
                c.strides.len(),
                c.windows.len()
            )
        })?;
        check(c.strides.first() == Some(&1), || "codec: the first convolution must have stride 1".into())?;
        for (s, ((&kernel, &stride), (&length, &window))) in
            c.kernels.iter().zip(&c.strides).zip(c.lengths.iter().zip(&c.windows)).enumerate()
        {
            let limit = 1..=4096;
            check([kernel, stride, window].iter().all(|v| limit.contains(v)) && length <= MAX_LAYERS, || {
                format!("codec: stage {s} has kernel {kernel}, stride {stride}, window {window}, {length} layers")
            })?;
            check(kernel.is_multiple_of(stride), || {
                format!("codec: kernel {kernel} of stage {s} is not a multiple of its stride {stride}")
            })?;
        }
        let positions = c.strides.iter().try_fold(1usize, |product, &s| product.checked_mul(s));
        check(positions.is_some_and(|p| p <= MAX_SIZE), || "codec: the strides multiply beyond memory".into())?;
        // Reflect padding of the output convolution takes its first `kernel - 1` rows from the first frame.
        check(c.out_kernel <= c.positions_per_frame(), || {
            let positions = c.positions_per_frame();
            format!("codec: an output kernel of {} needs as many positions in a frame, not {positions}", c.out_kernel)
        })
    }

    fn validate_voices(&self) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        for voice in &self.voices {
            check(!voice.is_empty() && seen.insert(voice), || format!("voice '{voice}' is empty or listed twice"))?;
        }
        Ok(())
    }
}

pub(super) fn check(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(misshapen(message())) }
}

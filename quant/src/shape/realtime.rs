//! Every size of a Voxtral Realtime model, which listens. In: `params.json` and `tekken.json` at import, metadata `syrinx.*`
//! of `hear.gguf` at run time. Out: one [`Realtime`], checked once. Symbols: voxtral-realtime.md, sections 2.2 to 6.

use super::field::Field;
use super::validate::{MAX_LAYERS, MAX_SIZE, check};
use crate::error::Result;
use crate::gguf::{Gguf, Value};

group! {
    /// Samples to mel spectra (section 3).
    Front, "front." {
        sampling_rate: usize,
        /// Bands of a spectrum.
        mels: usize,
        /// Samples between spectra.
        hop: usize,
        /// Samples of a spectrum.
        window: usize,
        /// Logarithms of power are raised to this less 8.
        log_mel_max: f32,
    }
}

/// A causal transformer that llama.cpp runs: rotary angles on adjacent pairs, a window (sections 4 and 5).
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    pub dim: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub hidden_dim: usize,
    pub rope_theta: f32,
    pub norm_eps: f32,
    /// Keys that a row sees, its own among them.
    pub window: usize,
}

group! {
    /// What the decoder has beside its layers (sections 5 and 6).
    Text, "text." {
        /// Rows of the table of tokens, special ones included; also of the output.
        vocab_size: usize,
        /// Ids below this are special; this + rank for the rest.
        special_ids: usize,
        /// Begins every prompt.
        bos: u32,
        /// Ends a segment.
        eos: u32,
        /// Nothing was said, or not yet.
        pad: u32,
        /// A word begins; its tokens follow.
        word: u32,
        /// Values between the two matrices that condition a layer on the delay.
        condition_dim: usize,
    }
}

group! {
    /// The schedule, in tokens (section 6).
    Schedule, "schedule." {
        /// Encoder rows that become one token.
        rows_per_token: usize,
        /// Silence before the first sample.
        left_pad: usize,
        /// From the end of a word to its text, where nobody says otherwise.
        delay: usize,
        /// The longest delay that the model was trained with; the shortest is 1.
        longest_delay: usize,
        /// Silence after the last sample, beside delay + 1.
        right_pad: usize,
    }
}

/// All sizes of a model that listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Realtime {
    pub front: Front,
    pub encoder: Stack,
    pub decoder: Stack,
    pub text: Text,
    pub schedule: Schedule,
}

/// Spectra that the convolutions make into one row of the encoder.
pub const SPECTRA_PER_ROW: usize = 2;
/// Kernel of both convolutions.
pub const TAPS: usize = 3;

impl Stack {
    /// The same keys for two stacks, apart by a prefix.
    fn write_under(&self, prefix: &str, out: &mut Vec<(String, Value)>) {
        let mut put = |field: &str, value: Value| out.push((format!("syrinx.{prefix}.{field}"), value));
        put("dim", self.dim.to_value());
        put("layers", self.layers.to_value());
        put("heads", self.heads.to_value());
        put("kv_heads", self.kv_heads.to_value());
        put("head_dim", self.head_dim.to_value());
        put("hidden_dim", self.hidden_dim.to_value());
        put("rope_theta", self.rope_theta.to_value());
        put("norm_eps", self.norm_eps.to_value());
        put("window", self.window.to_value());
    }

    fn read_under(prefix: &str, gguf: &Gguf) -> Result<Self> {
        let key = |field: &str| format!("syrinx.{prefix}.{field}");
        let size = |field: &str| usize::from_metadata(gguf, &key(field));
        Ok(Self {
            dim: size("dim")?,
            layers: size("layers")?,
            heads: size("heads")?,
            kv_heads: size("kv_heads")?,
            head_dim: size("head_dim")?,
            hidden_dim: size("hidden_dim")?,
            rope_theta: f32::from_metadata(gguf, &key("rope_theta"))?,
            norm_eps: f32::from_metadata(gguf, &key("norm_eps"))?,
            window: size("window")?,
        })
    }

    fn validate(&self, name: &str) -> Result<()> {
        for (size, value) in [
            ("dim", self.dim),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("hidden_dim", self.hidden_dim),
            ("window", self.window),
        ] {
            check((1..=MAX_SIZE).contains(&value), || format!("{name}.{size} is {value}, expected 1 to {MAX_SIZE}"))?;
        }
        for (size, value) in [("rope_theta", self.rope_theta), ("norm_eps", self.norm_eps)] {
            check(value.is_finite() && value > 0.0, || {
                format!("{name}.{size} is {value}, expected a positive number")
            })?;
        }
        let (layers, heads, kv_heads, head_dim) = (self.layers, self.heads, self.kv_heads, self.head_dim);
        check((1..=MAX_LAYERS).contains(&layers), || format!("{name}.layers is {layers}, expected 1 to {MAX_LAYERS}"))?;
        check(heads.is_multiple_of(kv_heads), || format!("{name}: {heads} heads share {kv_heads} key/value heads"))?;
        check(head_dim.is_multiple_of(2), || format!("{name}: head_dim {head_dim} is odd"))
    }
}

impl Realtime {
    /// Reads and validates. Errors: `Missing`, `Corrupt`, `Shape`.
    pub fn from_metadata(gguf: &Gguf) -> Result<Self> {
        let shape = Self {
            front: Front::read(gguf)?,
            encoder: Stack::read_under("encoder", gguf)?,
            decoder: Stack::read_under("decoder", gguf)?,
            text: Text::read(gguf)?,
            schedule: Schedule::read(gguf)?,
        };
        shape.validate()?;
        Ok(shape)
    }

    /// The `syrinx.*` pairs of `hear.gguf`.
    pub fn to_metadata(&self) -> Vec<(String, Value)> {
        let mut out = Vec::new();
        self.front.write(&mut out);
        self.encoder.write_under("encoder", &mut out);
        self.decoder.write_under("decoder", &mut out);
        self.text.write(&mut out);
        self.schedule.write(&mut out);
        out
    }

    /// Spectra that become one token.
    pub fn spectra_per_token(&self) -> usize {
        SPECTRA_PER_ROW * self.schedule.rows_per_token
    }

    /// Samples that become one token.
    pub fn samples_per_token(&self) -> usize {
        self.front.hop * self.spectra_per_token()
    }

    /// Tokens of the prompt: the beginning, then silence for the padding and the delay.
    pub fn prompt_len(&self, delay: usize) -> usize {
        1 + self.schedule.left_pad + delay
    }

    /// Errors: `Shape`, with the name of the first size that does not fit.
    pub fn validate(&self) -> Result<()> {
        let Self { front, encoder, decoder, text, schedule } = self;
        encoder.validate("encoder")?;
        decoder.validate("decoder")?;
        for (name, size) in [
            ("front.sampling_rate", front.sampling_rate),
            ("front.mels", front.mels),
            ("front.hop", front.hop),
            ("front.window", front.window),
            ("text.vocab_size", text.vocab_size),
            ("text.condition_dim", text.condition_dim),
        ] {
            check((1..=MAX_SIZE).contains(&size), || format!("{name} is {size}, expected 1 to {MAX_SIZE}"))?;
        }
        for (name, tokens) in [
            ("rows_per_token", schedule.rows_per_token),
            ("left_pad", schedule.left_pad),
            ("delay", schedule.delay),
            ("longest_delay", schedule.longest_delay),
            ("right_pad", schedule.right_pad),
        ] {
            check((1..=4096).contains(&tokens), || format!("schedule.{name} is {tokens}, expected 1 to 4096"))?;
        }
        let Front { mels, hop, window, log_mel_max, .. } = *front;
        check(window <= 1 << 16 && (hop..=3 * hop).contains(&window) && window.is_multiple_of(2), || {
            format!("front: a window of {window} samples for a hop of {hop}")
        })?;
        check(mels <= window, || format!("front: {mels} bands of {window} samples"))?;
        check(log_mel_max.is_finite(), || format!("front.log_mel_max is {log_mel_max}"))?;
        check(schedule.delay <= schedule.longest_delay, || {
            format!("schedule: a delay of {} tokens, the longest is {}", schedule.delay, schedule.longest_delay)
        })?;
        check(decoder.dim.is_multiple_of(2), || {
            format!("decoder: dim {} is odd, its delay embedding has two halves", decoder.dim)
        })?;
        check(encoder.window >= schedule.rows_per_token, || {
            format!("encoder: a window of {} for tokens of {} rows", encoder.window, schedule.rows_per_token)
        })?;
        check(text.special_ids < text.vocab_size, || {
            format!("text: {} special ids of {}", text.special_ids, text.vocab_size)
        })?;
        for (name, id) in [("bos", text.bos), ("eos", text.eos), ("pad", text.pad), ("word", text.word)] {
            check((id as usize) < text.special_ids, || {
                format!("text: {name} id {id} is not among the {} special ones", text.special_ids)
            })?;
        }
        Ok(())
    }
}

//! One stream. In: samples in any pieces. Out: tokens, and when they were meant (`voxtral-realtime.md`, section 6).
//!
//! Row p of the decoder is the sum of what was heard in token p of the sound and of the row of a text token: of the prompt,
//! which is a beginning and then silence for the padding and the delay, and behind it of the answer before. So an answer
//! follows a word by the delay, and text never runs without sound.

use std::sync::Arc;

use super::front::Front;
use super::weights::{DecoderStart, EncoderStart, Recogniser};
use crate::backbone::{Rows, Variant};
use crate::error::Result;
use crate::kernel::ops;
use crate::pack::Table;

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: u32,
    /// What it tells of ended at this many tokens from the first sample of the stream; it may be before it.
    pub at: i64,
}

/// What every stage computed, for comparison with a reference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// `[spectra][bands]`
    pub mel: Vec<f32>,
    /// `[rows][encoder width]`
    pub conv: Vec<f32>,
    /// `[rows][encoder width]`
    pub encoder: Vec<f32>,
    /// `[tokens][decoder width]`
    pub audio: Vec<f32>,
    /// `[tokens][decoder width]`
    pub hidden: Vec<f32>,
    /// `[answers][vocabulary]`
    pub logits: Vec<f32>,
    pub tokens: Vec<u32>,
}

/// A stream, and all its state.
#[derive(Debug)]
pub struct Stream {
    ears: Arc<Recogniser>,
    delay: usize,
    front: Front,
    encoder: Rows,
    decoder: Rows,
    /// The decoder's vectors for the delay.
    variant: Arc<Variant>,
    table: Table,
    /// States of a token's rows; what the decoder gets of them.
    states: Vec<f32>,
    row: Vec<f32>,
    /// The answer before.
    last: u32,
    /// Samples of the caller's since the start.
    fed: usize,
    ended: bool,
    trace: Option<Box<Trace>>,
}

impl Stream {
    pub(super) fn new(
        ears: Arc<Recogniser>,
        delay: usize,
        front: Front,
        encoder: Rows,
        decoder: Rows,
        variant: Arc<Variant>,
        table: Table,
    ) -> Self {
        let shape = &ears.shape;
        Self {
            states: vec![0.0; shape.schedule.rows_per_token * shape.encoder.dim],
            row: vec![0.0; shape.decoder.dim],
            last: shape.text.bos,
            delay,
            front,
            encoder,
            decoder,
            variant,
            table,
            fed: 0,
            ended: false,
            trace: None,
            ears,
        }
    }

    /// In tokens.
    pub fn delay(&self) -> usize {
        self.delay
    }

    /// Whether the model has ended the text. What follows is not heard before [`Stream::restart`].
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Notes from now on what every stage computes, and computes more for it.
    pub fn begin_trace(&mut self) {
        self.trace = Some(Box::default());
    }

    pub fn take_trace(&mut self) -> Option<Trace> {
        self.trace.take().map(|trace| *trace)
    }

    /// Hears the silence that begins every stream, as if it were sound: in place of [`Stream::restart`] for a stream that
    /// has heard nothing. Errors: `Backend`.
    pub fn hear_padding(&mut self) -> Result<()> {
        let silence = vec![0.0; self.ears.shape.schedule.left_pad * self.ears.shape.samples_per_token()];
        self.push(&silence, &mut Vec::new())?;
        self.fed = 0;
        Ok(())
    }

    /// Forgets everything and begins anew, behind the silence that begins every stream. Errors: `Backend`.
    pub fn restart(&mut self) -> Result<()> {
        let ears = self.ears.clone();
        let (encoder, decoder) = ears.start(self)?;
        self.front.start(&encoder.front);
        self.encoder.start(&encoder.encoder)?;
        self.decoder.start(&decoder.decoder)?;
        self.last = self.ears.shape.text.pad;
        self.fed = 0;
        self.ended = false;
        Ok(())
    }

    /// Hears samples, appends what it answers, and gives how many it has taken: all, unless the model ends the text.
    /// Errors: `Backend`, `BadPack`.
    pub fn push(&mut self, samples: &[f32], answers: &mut Vec<Token>) -> Result<usize> {
        let mut taken = 0;
        while taken < samples.len() && !self.ended {
            taken += self.front.take(&samples[taken..]);
            self.token(answers)?;
        }
        self.fed += taken;
        Ok(taken)
    }

    /// Hears the silence behind the last sample, as fast as it can: the delay, and more where a long word wants it; all that
    /// there may be, if `whole`. Errors: as [`Stream::push`].
    pub fn finish(&mut self, whole: bool, answers: &mut Vec<Token>) -> Result<()> {
        let (token, schedule) = (self.ears.shape.samples_per_token(), &self.ears.shape.schedule);
        let (pad, more) = (self.ears.shape.text.pad, schedule.right_pad);
        let to_end_of_token = self.fed.next_multiple_of(token) - self.fed;
        let silence = vec![0.0; to_end_of_token + (self.delay + 1) * token + self.front.look_ahead()];
        self.push(&silence, answers)?;
        for _ in 0..more {
            if self.ended || (self.last == pad && !whole) {
                break;
            }
            self.push(&silence[..token], answers)?;
        }
        Ok(())
    }

    /// Computes the next token, if all of it has come.
    fn token(&mut self, answers: &mut Vec<Token>) -> Result<()> {
        let Self { front, encoder, states, trace, .. } = self;
        let pool = &self.ears.pool;
        let Some(rows) = front.rows(pool) else { return Ok(()) };
        encoder.step(rows)?;
        if let Some(trace) = trace {
            trace.conv.extend_from_slice(rows);
            trace.mel.extend_from_slice(front.last_spectra());
        }
        let width = self.ears.shape.encoder.dim;
        for (row, state) in states.chunks_exact_mut(width).enumerate() {
            state.copy_from_slice(encoder.output(row)?.hidden);
        }
        front.adapt(states, &mut self.row, pool);
        if let Some(trace) = trace {
            trace.encoder.extend_from_slice(states);
            trace.audio.extend_from_slice(&self.row);
        }
        if let Some(answer) = self.answer()? {
            answers.push(answer);
        }
        Ok(())
    }

    /// Gives the decoder `self.row` with the text token that goes with it.
    fn answer(&mut self) -> Result<Option<Token>> {
        let (shape, decoder) = (&self.ears.shape, &mut self.decoder);
        let (position, prompt) = (decoder.used(), shape.prompt_len(self.delay));
        let with = match position {
            0 => shape.text.bos,
            _ if position < prompt => shape.text.pad,
            _ => self.last,
        };
        ops::add(&mut self.row, self.table.row(with as usize)?);
        let answers = position + 1 >= prompt;
        if !answers && self.trace.is_none() {
            decoder.feed(&self.row)?;
            return Ok(None);
        }
        decoder.step(&self.row)?;
        let output = decoder.output(0)?;
        let id = largest(output.logits);
        if let Some(trace) = &mut self.trace {
            trace.hidden.extend_from_slice(output.hidden);
            if answers {
                trace.logits.extend_from_slice(output.logits);
                trace.tokens.push(id);
            }
        }
        if !answers {
            return Ok(None);
        }
        self.last = id;
        self.ended = id == shape.text.eos;
        let before = shape.schedule.left_pad + self.delay;
        Ok(Some(Token { id, at: position as i64 + 1 - before as i64 }))
    }

    /// Hears the silence with the encoder alone; it has heard nothing yet, or is to forget it.
    pub(super) fn encoder_start(&mut self) -> Result<EncoderStart> {
        let Self { front, encoder, states, row, ears, .. } = self;
        let shape = &ears.shape;
        *front = Front::new(&ears.front, shape)?;
        encoder.clear();
        let silence = vec![0.0; shape.samples_per_token()];
        let mut all = Vec::new();
        for _ in 0..shape.schedule.left_pad {
            let mut rest = silence.as_slice();
            while !rest.is_empty() {
                rest = &rest[front.take(rest)..];
                let Some(rows) = front.rows(&ears.pool) else { continue };
                encoder.step(rows)?;
                for (row, state) in states.chunks_exact_mut(shape.encoder.dim).enumerate() {
                    state.copy_from_slice(encoder.output(row)?.hidden);
                }
                front.adapt(states, row, &ears.pool);
                all.extend_from_slice(row);
            }
        }
        Ok(EncoderStart { front: front.state(), encoder: encoder.state()?, rows: all })
    }

    /// Gives the decoder what the encoder made of the silence.
    pub(super) fn decoder_start(&mut self, rows: &[f32]) -> Result<DecoderStart> {
        self.decoder.clear();
        let trace = self.trace.take();
        for row in rows.chunks_exact(self.ears.shape.decoder.dim) {
            self.row.copy_from_slice(row);
            self.answer()?;
        }
        self.trace = trace;
        Ok(DecoderStart { variant: self.variant.clone(), decoder: self.decoder.state()? })
    }
}

/// The first of the largest; what is no number is not.
fn largest(values: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, &value) in values.iter().enumerate() {
        if value > best.1 {
            best = (id, value);
        }
    }
    best.0 as u32
}

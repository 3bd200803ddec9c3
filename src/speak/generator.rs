//! The frame loop. In: a clause and a voice. Out: one frame at a time, until the model ends the clause.
//!
//! ```text
//! prompt ─► backbone ─► hidden ─┬─► semantic code ─┐
//!              ▲                └─► flow head ─────┴─► Frame ─► out
//!              └───────────── sum of code rows ◄───────┘
//! ```
//!
//! Frame 0 comes of the state at the last prompt position; END there is not allowed, and counted (Voxtral
//! specification sections 4.3 and 5.1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use syrinx_quant::shape::Audio;

use super::cost::FrameTimes;
use super::options::SessionOptions;
use super::sentence::Sentence;
use super::source::{FrameSource, Request};
use crate::backbone::prompt::{PromptRows, Prompter};
use crate::backbone::{Abort, Backbone, FrameEmbedding, Output, PIECE_ROWS};
use crate::error::Result;
use crate::flow::{FlowHead, Solver, noise};
use crate::frame::{Frame, Semantic, choose_semantic, quantise_acoustic};
use crate::kernel::Pool;
use crate::model::{Model, Seat};
use crate::pack::Voice;

/// Makes the frames of one clause after another. It owns a key/value cache and scratch; the weights are its model's.
#[derive(Debug)]
pub struct Generator {
    prompter: Prompter,
    /// Rows of the clause's prompt.
    prompt: PromptRows,
    /// What of the prompt is in the backbone.
    fed: Fed,
    backbone: Backbone,
    flow: FlowHead,
    embedding: FrameEmbedding,
    audio: Audio,
    pool: Arc<Pool>,
    /// Prefix rows of the voice in use.
    prefix: Option<(Arc<Voice>, PromptRows)>,
    /// What has been spoken of the sentence.
    sentence: Sentence,
    /// What the backbone said last.
    hidden: Vec<f32>,
    semantic: Semantic,
    /// The next backbone input, if the last frame has not been fed back yet.
    feedback: Vec<f32>,
    feedback_due: bool,
    x: Vec<f32>,
    request: Request,
    /// The noise number of the next frame.
    frames: u64,
    ends_withheld: u64,
    prompt_time: Duration,
    times: FrameTimes,
    /// Among the sessions that the model may have; free when the memory is.
    _seat: Seat,
}

/// Rows of the prefix, or of the rest of the prompt, that have been fed.
#[derive(Clone, Copy, Debug)]
enum Fed {
    Prefix(usize),
    Text(usize),
}

impl Generator {
    /// Errors: `Busy` where the model has as many sessions as it may, `OutOfMemory`, `BadPack`, `BadOption`, `Backend`.
    pub(crate) fn open(model: &Model, options: &SessionOptions) -> Result<Self> {
        let seat = model.seat(options.context, options.kv)?;
        let (pack, pool) = (model.pack(), model.pool().clone());
        let shape = pack.shape();
        let defaults = &pack.manifest().defaults;
        let solver = Solver::of(defaults);
        let flow = FlowHead::new(model.flow(), solver.steps, &pool)?;
        Ok(Self {
            prompter: model.prompter().clone(),
            prompt: PromptRows::default(),
            fed: Fed::Text(0),
            sentence: Sentence::new(),
            backbone: Backbone::new(model.backbone(), options.context, options.kv)?,
            x: vec![0.0; flow.width()],
            flow,
            embedding: FrameEmbedding::open(pack)?,
            audio: shape.audio.clone(),
            pool,
            prefix: None,
            hidden: vec![0.0; shape.dim],
            semantic: Semantic { code: 0, end_withheld: false },
            feedback: vec![0.0; shape.dim],
            feedback_due: false,
            request: Request { solver, seed: defaults.seed },
            frames: 0,
            ends_withheld: 0,
            prompt_time: Duration::ZERO,
            times: FrameTimes::default(),
            _seat: seat,
        })
    }

    /// What stops a prompt or a step in its midst. llama.cpp asks for it between two operations, on the processor.
    pub(crate) fn set_abort(&mut self, abort: Abort) {
        self.backbone.set_abort(abort);
    }

    /// Brings the rows of a voice's prefix about, and into the backbone if they are kept. Errors: `OutOfBudget`,
    /// `Backend`.
    fn take_voice(&mut self, voice: &Arc<Voice>) -> Result<usize> {
        let rows = match self.prefix.take() {
            Some((known, rows)) if Arc::ptr_eq(&known, voice) => rows,
            _ => self.prompter.prefix(voice)?,
        };
        let restored = self.backbone.start(voice, &rows.embeds);
        let (_, rows) = self.prefix.insert((voice.clone(), rows));
        self.fed = if restored? { Fed::Text(0) } else { Fed::Prefix(0) };
        Ok(rows.ids.len())
    }

    /// Feeds a piece of the prefix. Pieces begin at the same rows whenever they are computed, since a row's result
    /// depends on the shape of its batch.
    fn feed_prefix(&mut self, fed: usize) -> Result<()> {
        let Some((voice, rows)) = &self.prefix else { return Ok(()) };
        let dim = self.hidden.len();
        let end = (fed + PIECE_ROWS).min(rows.ids.len());
        self.backbone.feed(rows.embeds.get(fed * dim..end * dim).unwrap_or_default())?;
        self.fed = Fed::Prefix(end);
        if end == rows.ids.len() {
            self.backbone.keep_prefix(voice, end);
            self.fed = Fed::Text(0);
        }
        Ok(())
    }

    /// Feeds a piece of the text's rows; the last one alone and with its state, which makes frame 0. True while there
    /// is more.
    fn feed_text(&mut self, fed: usize) -> Result<bool> {
        let dim = self.hidden.len();
        let rows = &self.prompt.embeds;
        let last = (rows.len() / dim).saturating_sub(1);
        let end = (fed + PIECE_ROWS).min(last);
        if end > fed {
            self.backbone.feed(rows.get(fed * dim..end * dim).unwrap_or_default())?;
            self.fed = Fed::Text(end);
        }
        if end < last {
            return Ok(true);
        }
        let output = self.backbone.step(rows.get(last * dim..).unwrap_or_default())?;
        self.semantic = choose_semantic(output.logits, &self.audio, true);
        self.hidden.copy_from_slice(output.hidden);
        self.ends_withheld += u64::from(self.semantic.end_withheld);
        Ok(false)
    }

    /// Times of the last frame.
    pub fn times(&self) -> FrameTimes {
        self.times
    }

    /// Bytes of weights that the backbone reads for a frame, and the flow head with a solver.
    pub fn frame_bytes(&self, solver: Solver) -> (usize, usize) {
        let fed_back = self.audio.codes_per_frame() * self.embedding.row_bytes();
        (self.backbone.step_bytes() + fed_back, self.flow.frame_bytes(solver))
    }

    /// Where the flow head computes: `native`, or ggml's name of the device.
    pub fn flow_device(&self) -> &str {
        self.flow.device()
    }

    /// How often END had to be withheld on a first frame.
    pub fn ends_withheld(&self) -> u64 {
        self.ends_withheld
    }
}

impl FrameSource for Generator {
    fn begin(&mut self, request: Request, frame: u64) -> Result<()> {
        request.solver.validate()?;
        (self.request, self.frames) = (request, frame);
        Ok(())
    }

    fn warm(&mut self, voice: &Arc<Voice>) -> Result<()> {
        self.take_voice(voice)?;
        while let Fed::Prefix(fed) = self.fed {
            self.feed_prefix(fed)?;
        }
        Ok(())
    }

    /// Where it `follows`, the clause is the rest of a sentence whose beginning was the clause before: the prompt then
    /// has the text of both and the frames of that one, and the voice goes on in its tone.
    fn start_clause(&mut self, text: &str, voice: &Arc<Voice>, follows: bool) -> Result<()> {
        let started = Instant::now();
        self.sentence.begin(text, follows);
        self.prompter.text(self.sentence.text(), &mut self.prompt)?;
        let room = self.backbone.positions().saturating_sub(self.take_voice(voice)?);
        let (words, dim) = (self.prompt.ids.len(), self.hidden.len());
        if words + self.sentence.frames().len() > room / 2 && follows {
            self.sentence.begin(text, false);
            self.prompter.text(text, &mut self.prompt)?;
        }
        let rows = &mut self.prompt.embeds;
        for frame in self.sentence.frames() {
            let row = rows.len();
            rows.resize(row + dim, 0.0);
            self.embedding.embed(frame, rows.get_mut(row..).unwrap_or_default())?;
        }
        log::trace!("clause of {words} tokens, {} frames before it: {text}", self.sentence.frames().len());
        self.feedback_due = false;
        self.prompt_time = started.elapsed();
        Ok(())
    }

    fn feed(&mut self) -> Result<bool> {
        let started = Instant::now();
        let more = match self.fed {
            Fed::Prefix(fed) => self.feed_prefix(fed).map(|()| true),
            Fed::Text(fed) => self.feed_text(fed),
        };
        self.prompt_time += started.elapsed();
        self.times = FrameTimes { prompt: self.prompt_time, ..FrameTimes::default() };
        more
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        if self.feedback_due {
            let started = Instant::now();
            let Output { hidden, logits } = self.backbone.step(&self.feedback)?;
            self.semantic = choose_semantic(logits, &self.audio, false);
            self.hidden.copy_from_slice(hidden);
            self.times = FrameTimes { backbone: started.elapsed(), ..FrameTimes::default() };
        }
        if self.semantic.code == crate::frame::END {
            self.feedback_due = false;
            self.sentence.end();
            return Ok(None);
        }
        noise::fill(self.request.seed, self.frames, &mut self.x);
        let started = Instant::now();
        self.flow.solve(&self.hidden, self.request.solver, &mut self.x, &self.pool, |_| {})?;
        self.times.flow = started.elapsed();
        let mut frame = Frame::default();
        let acoustic = self.x.iter().map(|&x| quantise_acoustic(x, &self.audio));
        frame.codes.extend(std::iter::once(self.semantic.code).chain(acoustic));
        self.embedding.embed(&frame, &mut self.feedback)?;
        self.feedback_due = true;
        self.sentence.add(&frame);
        self.frames += 1;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_sentence_is_spoken_as_if_its_beginning_had_not_been_cut_off() {
        let (_files, model) = crate::model::tests::tiny(syrinx_quant::Recipe::F32);
        let voice = model.voices().get(None).unwrap();
        let mut generator = Generator::open(&model, &SessionOptions::default()).unwrap();
        let start = |generator: &mut Generator, text: &str, follows: bool| {
            generator.start_clause(text, voice, follows).unwrap();
            while generator.feed().unwrap() {}
        };
        let speak = |generator: &mut Generator, frames: usize| -> Vec<Frame> {
            (0..frames).map(|_| generator.next_frame().unwrap().unwrap()).collect()
        };

        let request = Request { solver: Solver::of(&model.pack().manifest().defaults), seed: 3 };
        generator.begin(request, 0).unwrap();
        start(&mut generator, "Turn left, then right.", false);
        let whole = speak(&mut generator, 12);

        generator.begin(request, 0).unwrap();
        start(&mut generator, "Turn left,", false);
        let beginning = speak(&mut generator, 5);
        assert_ne!(beginning, whole[..5], "the beginning knows nothing of the rest");
        generator.sentence.begin("Turn left,", false); // it goes on with the frames of the whole, to be compared
        whole[..5].iter().for_each(|frame| generator.sentence.add(frame));
        generator.sentence.end();
        start(&mut generator, "then right.", true);
        assert_eq!(speak(&mut generator, 7), whole[5..]);
    }
}

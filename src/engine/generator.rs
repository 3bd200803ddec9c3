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
use std::time::Instant;

use syrinx_quant::shape::Audio;

use super::cost::FrameTimes;
use super::sentence::Sentence;
use super::session::SessionOptions;
use crate::backbone::{Backbone, BackboneOptions, FrameEmbedding, Output, PrefixCache};
use crate::error::Result;
use crate::flow::{FlowEngine, FlowHead, FlowWeights, Solver, noise};
use crate::frame::{Frame, Semantic, choose_semantic, quantise_acoustic};
use crate::kernel::Pool;
use crate::pack::{Pack, Voice};
use crate::text::prompt::{Prompter, Rows};

/// What decides an utterance besides its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    pub solver: Solver,
    /// Seeds the flow's noise; the same seed, text and voice give the same frames.
    pub seed: u64,
}

/// Makes the frames of one clause after another.
#[derive(Debug)]
pub struct Generator {
    prompter: Prompter,
    /// Rows of the clause's prompt.
    prompt: Rows,
    backbone: Backbone,
    flow: FlowHead,
    embedding: FrameEmbedding,
    audio: Audio,
    pool: Arc<Pool>,
    /// Prefix rows of the voice in use.
    prefix: Option<(Voice, Rows)>,
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
    /// Frames of this clause so far.
    clause_frames: u64,
    /// Frames of the utterance so far: the noise's counter.
    frames: u64,
    ends_withheld: u64,
    times: FrameTimes,
}

impl Generator {
    /// Errors: `BadPack`, `BadOption`, `OutOfMemory`, `Backend`, `Unsupported`.
    pub fn open(
        pack: &Pack,
        options: &BackboneOptions,
        flow: FlowEngine,
        cache: PrefixCache,
        pool: Arc<Pool>,
    ) -> Result<Self> {
        crate::board::budget::check(
            pack,
            options.positions(pack)?,
            options.kv_type(pack),
            options.memory_budget_bytes,
        )?;
        let shape = pack.shape();
        let request = Request { solver: Solver::of(&pack.manifest().defaults), seed: pack.manifest().defaults.seed };
        let flow = FlowHead::new(&FlowWeights::open(pack.speech(), shape, flow, pool.threads())?, &pool)?;
        Ok(Self {
            prompter: Prompter::open(pack)?,
            prompt: Rows::default(),
            sentence: Sentence::new(),
            backbone: Backbone::open(pack, options, cache)?,
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
            request,
            clause_frames: 0,
            frames: 0,
            ends_withheld: 0,
            times: FrameTimes::default(),
        })
    }

    /// As a session's options ask for. Errors: as [`Generator::open`].
    pub(super) fn open_for(pack: &Pack, options: &SessionOptions, pool: Arc<Pool>) -> Result<Self> {
        let cache = options.prefix_folder.clone().map_or_else(PrefixCache::in_memory, PrefixCache::on_disk);
        Self::open(pack, &options.backbone(), options.flow_engine, cache, pool)
    }

    /// Begins an utterance: the noise starts over. Errors: `BadOption`.
    pub fn begin(&mut self, request: Request) -> Result<()> {
        request.solver.validate()?;
        self.request = request;
        self.frames = 0;
        self.ends_withheld = 0;
        Ok(())
    }

    /// How frames are solved from now on. Errors: `BadOption`.
    pub fn set_solver(&mut self, solver: Solver) -> Result<()> {
        solver.validate()?;
        self.request.solver = solver;
        Ok(())
    }

    /// Feeds the prompt of a clause. Where it `follows`, it is the rest of a sentence whose beginning was the clause
    /// before: the prompt then has the text of both and the frames of that one, and the voice goes on in its tone.
    ///
    /// Errors: `BadText`, `OutOfBudget`, `Backend`.
    pub fn start_clause(&mut self, text: &str, voice: &Voice, follows: bool) -> Result<()> {
        let started = Instant::now();
        self.sentence.begin(text, follows);
        self.prompter.text(self.sentence.text(), &mut self.prompt)?;
        self.warm(voice)?;
        let (words, dim) = (self.prompt.ids.len(), self.hidden.len());
        if words + self.sentence.frames().len() > self.backbone.remaining() / 2 && follows {
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
        let output = self.backbone.prompt(rows)?;
        self.semantic = choose_semantic(output.logits, &self.audio, true);
        self.hidden.copy_from_slice(output.hidden);
        self.feedback_due = false;
        self.clause_frames = 0;
        self.ends_withheld += u64::from(self.semantic.end_withheld);
        self.times = FrameTimes { prompt: started.elapsed(), ..FrameTimes::default() };
        Ok(())
    }

    /// Brings a voice's prefix into effect, from the cache where it is there. Errors: `OutOfBudget`, `Backend`.
    pub fn warm(&mut self, voice: &Voice) -> Result<()> {
        let rows = match self.prefix.take() {
            Some((known, rows)) if known == *voice => rows,
            _ => self.prompter.prefix(voice)?,
        };
        let started = self.backbone.start(&voice.name, &rows.embeds);
        self.prefix = Some((voice.clone(), rows));
        started
    }

    /// The next frame, or `None` at the clause's end. Errors: `OutOfBudget` where the context is full, `Backend`.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
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
        self.clause_frames += 1;
        self.frames += 1;
        Ok(Some(frame))
    }

    /// Positions that this clause may still use.
    pub fn remaining_positions(&self) -> usize {
        self.backbone.remaining()
    }

    /// Frames of this clause so far.
    pub fn clause_frames(&self) -> u64 {
        self.clause_frames
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

    /// How often END had to be withheld on a first frame since the utterance began.
    pub fn ends_withheld(&self) -> u64 {
        self.ends_withheld
    }
}

#[cfg(test)]
mod tests {
    use syrinx_quant::Recipe;
    use syrinx_quant::import::{ImportOptions, import};

    use super::*;
    use crate::pack::OpenOptions;

    #[test]
    fn the_rest_of_a_sentence_is_spoken_as_if_its_beginning_had_not_been_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny");
        let to = folder.path().join("pack");
        import(&ImportOptions { from, to: to.clone(), recipe: Recipe::F32, overwrite: false }, &()).unwrap();
        let pack = Pack::open(&to, OpenOptions::default()).unwrap();
        let voices = pack.load_voices().unwrap();
        let voice = voices.get(None).unwrap();
        let mut generator = Generator::open_for(&pack, &SessionOptions::default(), Arc::new(Pool::new(1))).unwrap();
        let speak = |generator: &mut Generator, frames: usize| -> Vec<Frame> {
            (0..frames).map(|_| generator.next_frame().unwrap().unwrap()).collect()
        };

        let request = Request { solver: Solver::of(&pack.manifest().defaults), seed: 3 };
        generator.begin(request).unwrap();
        generator.start_clause("Turn left, then right.", voice, false).unwrap();
        let whole = speak(&mut generator, 12);

        generator.begin(request).unwrap();
        generator.start_clause("Turn left,", voice, false).unwrap();
        let beginning = speak(&mut generator, 5);
        assert_ne!(beginning, whole[..5], "the beginning knows nothing of the rest");
        generator.sentence.begin("Turn left,", false); // it goes on with the frames of the whole, to be compared
        whole[..5].iter().for_each(|frame| generator.sentence.add(frame));
        generator.sentence.end();
        generator.start_clause("then right.", voice, true).unwrap();
        assert_eq!(speak(&mut generator, 7), whole[5..]);
    }
}

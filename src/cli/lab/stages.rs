//! The generator's stages, one by one. In: a prompt; then for each frame its noise, and what is fed back. Out: the backbone's
//! state, the frame, and each evaluation of the flow head in between.
//!
//! [`syrinx::lab::speak::Generator`] is the loop that speaks. This one lets noise and fed-back codes be given from outside, so
//! that implementations and recipes can be compared frame by frame: chaos separates free runs.

use std::sync::Arc;

use syrinx::Result;
use syrinx::lab::backbone::prompt::{PromptRows, Prompter};
use syrinx::lab::backbone::{Backbone, BackboneWeights, FrameEmbedding, KvType, PrefixCache};
use syrinx::lab::flow::{Evaluation, FlowEngine, FlowHead, FlowWeights, Solver};
use syrinx::lab::frame::{Frame, Semantic, choose_semantic, quantise_acoustic};
use syrinx::lab::kernel::Pool;
use syrinx::lab::pack::{Pack, Voice};
use syrinx_quant::shape::Audio;

/// One pack's stages, and what its backbone said last.
pub struct Stages {
    prompter: Prompter,
    pub backbone: Backbone,
    pub flow: FlowHead,
    embedding: FrameEmbedding,
    audio: Audio,
    hidden: Vec<f32>,
    logits: Vec<f32>,
    /// The state is that of the last prompt row.
    first: bool,
}

impl Stages {
    /// Errors: `BadPack`, `BadOption`, `OutOfMemory`, `Backend`, `Unsupported`.
    pub fn open(pack: &Arc<Pack>, kv: Option<KvType>, engine: FlowEngine, pool: &Pool) -> Result<Self> {
        let shape = pack.shape();
        let backbone = BackboneWeights::open(pack, pool.threads(), PrefixCache::in_memory())?;
        let flow = FlowWeights::open(pack.speech(), shape, engine, pool.threads())?;
        Ok(Self {
            prompter: Prompter::open(pack)?,
            backbone: Backbone::new(&backbone, None, kv)?,
            flow: FlowHead::new(&flow, Solver::of(&pack.manifest().defaults).steps, pool)?,
            embedding: FrameEmbedding::open(pack)?,
            audio: shape.audio.clone(),
            hidden: vec![0.0; shape.dim],
            logits: Vec::new(),
            first: true,
        })
    }

    /// Feeds the prompt of a clause; the result is its rows. Errors: `BadText`, `OutOfBudget`, `Backend`.
    pub fn start(&mut self, voice: &Arc<Voice>, text: &str) -> Result<PromptRows> {
        let prefix = self.prompter.prefix(voice)?;
        let mut words = PromptRows::default();
        self.prompter.text(text, &mut words)?;
        if !self.backbone.start(voice, &prefix.embeds)? {
            self.backbone.feed(&prefix.embeds)?;
            self.backbone.keep_prefix(voice, prefix.ids.len());
        }
        let output = self.backbone.prompt(&words.embeds)?;
        self.hidden.copy_from_slice(output.hidden);
        self.logits = output.logits.to_vec();
        self.first = true;
        Ok(PromptRows { ids: [prefix.ids, words.ids].concat(), embeds: [prefix.embeds, words.embeds].concat() })
    }

    /// State of the last row, `[dim]`.
    pub fn hidden(&self) -> &[f32] {
        &self.hidden
    }

    /// Semantic logits of the last row.
    pub fn logits(&self) -> &[f32] {
        self.logits.get(..self.audio.head_rows).unwrap_or(&self.logits)
    }

    /// The next frame's semantic code; never END for the first one.
    pub fn semantic(&self) -> Semantic {
        choose_semantic(&self.logits, &self.audio, self.first)
    }

    /// The next frame. `x` is its noise before and the flow's end point after. Errors: `Backend`.
    pub fn solve(
        &mut self,
        solver: Solver,
        x: &mut [f32],
        pool: &Pool,
        watch: impl FnMut(Evaluation<'_>),
    ) -> Result<Frame> {
        self.flow.solve(&self.hidden, solver, x, pool, watch)?;
        let mut frame = Frame::default();
        let acoustic = x.iter().map(|&x| quantise_acoustic(x, &self.audio));
        frame.codes.extend(std::iter::once(self.semantic().code).chain(acoustic));
        Ok(frame)
    }

    /// What feeds a frame back, `[dim]`. Errors: `BadPack`.
    pub fn embed(&mut self, frame: &Frame, out: &mut [f32]) -> Result<()> {
        self.embedding.embed(frame, out)
    }

    /// Feeds a row back. Errors: `OutOfBudget`, `Backend`.
    pub fn feed(&mut self, row: &[f32]) -> Result<()> {
        let output = self.backbone.step(row)?;
        self.hidden.copy_from_slice(output.hidden);
        self.logits.clear();
        self.logits.extend_from_slice(output.logits);
        self.first = false;
        Ok(())
    }
}

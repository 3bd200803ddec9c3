//! A session: what one speaker at a time needs beside the weights. In: options once, then texts. Out: a [`Speech`] for
//! each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::core::{Core, Home, give_back};
use super::cost::FrameBytes;
use super::generator::Generator;
use super::options::{SessionOptions, SpeakOptions};
use super::source::FrameSource;
use super::speech::Speech;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Solver;
use crate::model::Model;
use crate::text::nothing_to_say;

/// Speaks one text after another. Cheap beside its [`Model`]: it owns a key/value cache, the codec's state and scratch.
#[derive(Debug)]
pub struct Session {
    model: Model,
    options: SessionOptions,
    home: Home,
}

impl Model {
    /// A speaker of its own, over the same weights. Errors: `Busy` where the model has as many as it may,
    /// `OutOfMemory`, `BadOption`, `Backend`.
    pub fn session(&self, options: SessionOptions) -> Result<Session> {
        Session::open(self, options)
    }

    /// Bytes that a session takes beside the weights. Errors: `BadOption`, `Io`.
    #[doc(hidden)]
    pub fn session_bytes(&self, options: &SessionOptions) -> Result<u64> {
        self.bytes_of_session(options.context, options.kv)
    }
}

impl Session {
    /// Errors: `OutOfMemory`, `BadOption`, `Backend`; `Busy` where the model has as many sessions as it may.
    fn open(model: &Model, options: SessionOptions) -> Result<Self> {
        let core = Core { generator: Generator::open(model, &options)?, codec: model.decoder()? };
        Ok(Self { model: model.clone(), options, home: Arc::new(Mutex::new(Some(Box::new(core)))) })
    }

    /// The model that it speaks with.
    pub fn model(&self) -> &Model {
        &self.model
    }

    fn take(&self) -> Result<Box<Core>> {
        let core = self.home.lock().unwrap_or_else(PoisonError::into_inner).take();
        core.ok_or_else(|| {
            Error::new(ErrorKind::Busy, "the session is speaking: drop that speech first, or open another session")
        })
    }

    /// Computes a voice's prefix now, so that the first text in it starts sooner. Errors: `UnknownVoice`, `Backend`,
    /// `Busy` while a speech of this session lives.
    pub fn warm(&mut self, voice: Option<&str>) -> Result<()> {
        let voice = self.model.voices().get(voice)?.clone();
        let mut core = self.take()?;
        let turn = self.model.turns().take(Default::default(), Instant::now());
        let warmed = core.generator.warm(&voice);
        drop(turn);
        give_back(&self.home, core);
        warmed
    }

    /// Begins a speech whose text is pushed, in pieces of any size; nothing is computed before a block is asked for.
    ///
    /// Errors: `UnknownVoice`, `BadOption`, `Unsupported`; `Busy` while another speech of this session lives.
    pub fn speech(&mut self, options: &SpeakOptions) -> Result<Speech> {
        let script = self.model.script(options, &self.options)?;
        let core = self.take()?;
        Ok(Speech::new(self.model.clone(), self.home.clone(), core, script, options.lane))
    }

    /// Speaks a whole text. Errors: as [`Session::speech`]; `BadText` where there is nothing to say, `Busy` for more than
    /// [`Speech::MAX_WAITING_BYTES`].
    pub fn speak(&mut self, text: &str, options: &SpeakOptions) -> Result<Speech> {
        let mut speech = self.speech(options)?;
        speech.push(text)?;
        speech.finish();
        if speech.has_nothing_to_say() {
            return Err(nothing_to_say(text));
        }
        Ok(speech)
    }

    /// Bytes of weights that a frame reads. Errors: `Busy` while a speech of this session lives.
    #[doc(hidden)]
    pub fn frame_bytes(&self, options: &SpeakOptions) -> Result<FrameBytes> {
        let core = self.take()?;
        let (backbone, flow) = core.generator.frame_bytes(self.solver(options));
        let bytes = FrameBytes { backbone, flow, codec: core.codec.pass_bytes() };
        give_back(&self.home, core);
        Ok(bytes)
    }

    /// How frames are solved with these options.
    #[doc(hidden)]
    pub fn solver(&self, options: &SpeakOptions) -> Solver {
        options.solver(Solver::of(&self.model.pack().manifest().defaults))
    }
}

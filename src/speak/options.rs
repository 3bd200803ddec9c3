//! How a session and a speech are to be. In: what the caller says, and the pack's defaults for the rest. Out: a
//! [`Script`], in which nothing is left to be looked up.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::guard::Guards;
use super::markup::Markup;
use super::phrase::Phrase;
use super::source::Request;
use super::tempo::{check_speed, check_volume};
use crate::backbone::KvType;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Guided, Method, Solver};
use crate::model::{Lane, Model};
use crate::pack::Voice;
use crate::text::clause::Policy;
use crate::text::ssml::Prosody;
use crate::text::{Lexicon, Said, Speller, Ssml};

/// How a session uses its model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Positions of a clause: voice rows, text and frames together. `None`: the model's, at most 2048.
    pub context: Option<usize>,
    /// Type of the key/value cache. `None`: F32 for the recipe `f32`, else F16.
    pub kv: Option<KvType>,
    /// When a clause has gone astray; `None`: as the pack says.
    pub guards: Option<Guards>,
    /// How words are said in all of its speeches.
    pub lexicon: Option<Lexicon>,
}

impl SessionOptions {
    crate::setters::setters! {
        context: Option<usize>, kv: Option<KvType>, guards: Option<Guards>, lexicon: Option<Lexicon>,
    }
}

/// Prepared phrases by name.
pub(crate) type Phrases = BTreeMap<String, Phrase>;

/// How a text is spoken. `None` means what the pack says.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SpeakOptions {
    /// Name of a voice; the pack's first by default.
    pub voice: Option<String>,
    /// Seeds the noise: the same seed, text and voice give the same samples.
    pub seed: Option<u64>,
    /// Evaluations of the flow head, of Euler its steps.
    pub steps: Option<usize>,
    /// Strength of classifier-free guidance; 1 is none, and half the work.
    pub guidance: Option<f32>,
    /// How the flow is solved.
    pub method: Option<Method>,
    /// For which of the steps guidance is computed.
    pub guided: Option<Guided>,
    /// Frames (80 ms each) after which the whole speech is cut; none by default.
    pub max_frames: Option<u64>,
    /// Whole sentences from the start. By default text that comes in pieces begins with a first fragment, as soon as
    /// one stands by itself; text that is complete when it is pushed never does.
    pub whole_sentences: Option<bool>,
    /// Who goes first where several want to speak.
    pub lane: Lane,
    /// Language of the text, a BCP 47 tag such as `de` or `en-US`, by whose rules it is read.
    pub language: Option<String>,
    /// Whether numbers, dates and the like are read by rules, or left to the model.
    pub normalise: Option<bool>,
    /// How words are said; asked before the session's.
    pub lexicon: Option<Lexicon>,
    /// The text is SSML.
    pub ssml: Option<Ssml>,
    /// How fast it is spoken, 0.5 to 4, without change of pitch; 1 by default, which changes no bit. SSML's `prosody` goes on
    /// top of it.
    pub speed: Option<f32>,
    /// How loud, 0 to 4, as a factor; 1 by default.
    pub volume: Option<f32>,
    /// Prepared phrases that a document may name: `<audio src="NAME"/>`.
    pub phrases: Phrases,
}

impl SpeakOptions {
    crate::setters::setters! {
        voice: Option<String>, seed: Option<u64>, steps: Option<usize>, guidance: Option<f32>, method: Option<Method>,
        guided: Option<Guided>, max_frames: Option<u64>, whole_sentences: Option<bool>, lane: Lane,
        language: Option<String>, normalise: Option<bool>, lexicon: Option<Lexicon>, ssml: Option<Ssml>,
        speed: Option<f32>, volume: Option<f32>, phrases: Phrases,
    }

    /// How to solve a frame, for a pack that asks for `default`.
    #[doc(hidden)]
    pub fn solver(&self, default: Solver) -> Solver {
        Solver {
            method: self.method.unwrap_or(default.method),
            steps: self.steps.unwrap_or(default.steps),
            guidance: self.guidance.unwrap_or(default.guidance),
            guided: self.guided.unwrap_or(default.guided),
        }
    }
}

/// How one speech is spoken, with nothing left to be looked up.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub voice: Arc<Voice>,
    pub request: Request,
    pub guards: Guards,
    /// Most frames of a clause, and of all clauses together.
    pub clause_frames: u64,
    pub max_frames: u64,
    pub policy: Policy,
    /// How its text is read.
    pub speller: Arc<Speller>,
    pub ssml: Option<Ssml>,
    pub phrases: Phrases,
    /// How all of it is said.
    pub prosody: Prosody,
}

impl Script {
    /// What reads its text, where that is a document.
    pub(super) fn markup(&self) -> Option<Markup> {
        self.ssml.map(|mode| Markup::new(mode, &self.speller, &self.phrases))
    }
}

impl Model {
    /// How a speech is to be, with the pack's defaults for what nobody says. Errors: `UnknownVoice`, `BadOption`;
    /// `Unsupported` for a language without rules, or a lexicon in phones.
    pub(crate) fn script(&self, options: &SpeakOptions, session: &SessionOptions) -> Result<Script> {
        let manifest = self.pack().manifest();
        let solver = options.solver(Solver::of(&manifest.defaults));
        solver.validate()?;
        if options.max_frames == Some(0) {
            return Err(Error::new(ErrorKind::BadOption, "a frame budget of 0 leaves nothing to hear: raise it"));
        }
        Ok(Script {
            voice: self.voices().get(options.voice.as_deref())?.clone(),
            request: Request { solver, seed: options.seed.unwrap_or(manifest.defaults.seed) },
            guards: session.guards.unwrap_or(manifest.guards),
            clause_frames: u64::from(manifest.defaults.frame_budget),
            max_frames: options.max_frames.unwrap_or(u64::MAX),
            policy: match options.whole_sentences {
                Some(true) => Policy::sentences(),
                _ => Policy::default(),
            },
            speller: self.speller_for(options, session)?,
            ssml: options.ssml,
            phrases: options.phrases.clone(),
            prosody: Prosody {
                gain: options.volume.map_or(Ok(1.0), check_volume)?,
                speed: options.speed.map_or(Ok(1.0), check_speed)?,
            },
        })
    }

    /// How a text would be read: word by word what the model gets, what that was read from, and by what. Errors: as for
    /// speech; `BadText` and `Unsupported` of SSML.
    pub fn read(&self, text: &str, options: &SpeakOptions) -> Result<Vec<Said>> {
        self.speller_for(options, &SessionOptions::default())?.explain(text, options.ssml, options.phrases.keys())
    }

    /// The model's own speller where nothing is asked of it.
    fn speller_for(&self, options: &SpeakOptions, session: &SessionOptions) -> Result<Arc<Speller>> {
        let own = self.speller();
        let lexicons = [&session.lexicon, &options.lexicon];
        let changed = options.language.is_some() || options.normalise.is_some();
        if !changed && !own.reads_phones() && lexicons.iter().all(|lexicon| lexicon.is_none()) {
            return Ok(own.clone());
        }
        let mut speller = match changed {
            true => own.reading(options.language.as_deref(), options.normalise)?,
            false => Speller::clone(own),
        };
        speller = speller.for_voice(&self.voices().get(options.voice.as_deref())?.name);
        for lexicon in lexicons.into_iter().flatten() {
            speller = speller.with_lexicon(lexicon)?;
        }
        Ok(Arc::new(speller))
    }
}

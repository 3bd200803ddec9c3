//! What is compiled of the Python package. In: a pack, text in pieces. Out: blocks of samples as bytes, words, positions; and the
//! other way round ([`listen`]); the
//! iterators, arrays and loops around them are Python's own (`syrinx/`).
//!
//! The interpreter's lock is released before anything here is waited for or computed, so that other threads go on, and so
//! that two threads of Python that want one speech cannot block each other. Any thread may call anything.

#![deny(unsafe_code)]

mod listen;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use syrinx::options::{Lexicon, Ssml};
use syrinx::{Canceller, Ending, ErrorKind, ModelOptions, Next, Session, SessionOptions, SpeakOptions, to_i16};

create_exception!(_syrinx, Error, PyException, "What went wrong, in one line; `kind` says what the caller can do.");

/// The library's error as Python's, with its kind by name.
fn raised(e: syrinx::Error) -> PyErr {
    Python::attach(|py| {
        let error = Error::new_err(e.message().to_owned());
        let kind = snake(&format!("{:?}", e.kind()));
        match error.value(py).setattr("kind", kind) {
            Ok(()) => error,
            Err(other) => other,
        }
    })
}

/// `UnknownVoice` as `unknown_voice`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner) // pyo3 has raised the panic where it happened
}

/// Weights, and the sessions over them that nobody uses at the moment.
#[pyclass(frozen, module = "syrinx._syrinx")]
struct Model {
    model: syrinx::Model,
    idle: Mutex<Vec<Session>>,
}

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (folder, *, threads, parallel, verify, commercial, memory_budget_bytes, prefix_folder))]
    #[allow(clippy::too_many_arguments)] // named ones, of Python's
    fn new(
        py: Python<'_>,
        folder: PathBuf,
        threads: usize,
        parallel: usize,
        verify: bool,
        commercial: bool,
        memory_budget_bytes: Option<u64>,
        prefix_folder: Option<PathBuf>,
    ) -> PyResult<Self> {
        let options = ModelOptions::default()
            .threads(threads)
            .parallel(parallel)
            .verify(verify)
            .commercial(commercial)
            .memory_budget_bytes(memory_budget_bytes)
            .prefix_folder(prefix_folder);
        let model = py.detach(|| syrinx::Model::open(folder, options)).map_err(raised)?;
        Ok(Self { model, idle: Mutex::default() })
    }

    #[getter]
    fn name(&self) -> &str {
        &self.model.info().name
    }

    #[getter]
    fn version(&self) -> &str {
        &self.model.info().version
    }

    #[getter]
    fn licence(&self) -> &str {
        &self.model.info().licence
    }

    #[getter]
    fn languages(&self) -> Vec<String> {
        self.model.info().languages.clone()
    }

    #[getter]
    fn voices(&self) -> Vec<String> {
        self.model.info().voices.clone()
    }

    #[getter]
    fn sample_rate(&self) -> u32 {
        self.model.info().sample_rate_hz
    }

    #[getter]
    fn block_samples(&self) -> usize {
        self.model.info().samples_per_frame
    }

    /// Begins a speech, with a session of its own: of a whole text, or of one that is pushed. `strict`: the text is SSML,
    /// and what is not heard as it is written is an error or not.
    #[pyo3(signature = (text, *, voice, seed, steps, guidance, max_frames, whole_sentences, language, lexicon, strict, speed, volume))]
    #[allow(clippy::too_many_arguments)] // named ones, of Python's
    fn speech(
        slf: Bound<'_, Self>,
        text: Option<&str>,
        voice: Option<String>,
        seed: Option<u64>,
        steps: Option<usize>,
        guidance: Option<f32>,
        max_frames: Option<u64>,
        whole_sentences: Option<bool>,
        language: Option<String>,
        lexicon: Option<PathBuf>,
        strict: Option<bool>,
        speed: Option<f32>,
        volume: Option<f32>,
    ) -> PyResult<Speech> {
        let options = SpeakOptions::default()
            .ssml(strict.map(|strict| if strict { Ssml::Strict } else { Ssml::Lenient }))
            .language(language)
            .speed(speed)
            .volume(volume)
            .voice(voice)
            .seed(seed)
            .steps(steps)
            .guidance(guidance)
            .max_frames(max_frames)
            .whole_sentences(whole_sentences);
        let model = slf.get();
        let begun = slf.py().detach(|| {
            let options = options.lexicon(lexicon.map(Lexicon::open).transpose()?);
            let mut session = model.session()?;
            let speech = match text {
                Some(text) => session.speak(text, &options),
                None => session.speech(&options),
            };
            match speech {
                Ok(speech) => Ok((session, speech)),
                Err(e) => {
                    lock(&model.idle).push(session);
                    Err(e)
                }
            }
        });
        let (session, speech) = begun.map_err(raised)?;
        let canceller = speech.canceller();
        let state = State { speech: Some(speech), session: Some(session), position: 0 };
        Ok(Speech { model: slf.unbind(), state: Mutex::new(state), canceller })
    }

    /// Computes a voice's prefix now, for the next speech.
    #[pyo3(signature = (voice))]
    fn warm(&self, py: Python<'_>, voice: Option<&str>) -> PyResult<()> {
        let warmed = py.detach(|| {
            let mut session = self.session()?;
            let warmed = session.warm(voice);
            lock(&self.idle).push(session);
            warmed
        });
        warmed.map_err(raised)
    }
}

impl Model {
    /// One that nobody uses, or a new one.
    fn session(&self) -> syrinx::Result<Session> {
        let idle = lock(&self.idle).pop();
        idle.map_or_else(|| self.model.session(SessionOptions::default()), Ok)
    }
}

/// One text on its way to samples.
#[pyclass(frozen, module = "syrinx._syrinx")]
struct Speech {
    model: Py<Model>,
    state: Mutex<State>,
    canceller: Canceller,
}

/// `None` once it is over: the session is the next speech's then.
struct State {
    speech: Option<syrinx::Speech>,
    session: Option<Session>,
    position: usize,
}

/// What a call for a block gives Python.
enum Step {
    Block(Vec<f32>),
    /// Name and sample of one of the text's own marks.
    Mark(String, u64),
    /// How long to wait for text before what waits is flushed, in seconds.
    NeedText(Option<f64>),
    End(&'static str),
}

fn step(speech: &mut syrinx::Speech) -> syrinx::Result<Step> {
    let mut pcm = vec![0.0; speech.samples_per_block()];
    Ok(match speech.next_into(&mut pcm)? {
        Next::Audio(block) => {
            pcm.truncate(block.samples);
            Step::Block(pcm)
        }
        Next::Mark { name, sample } => Step::Mark(name, sample),
        Next::NeedText { flush_at } => {
            Step::NeedText(flush_at.map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64()))
        }
        Next::End(Ending::Cancelled) => Step::End("cancelled"),
        Next::End(Ending::Budget) => Step::End("budget"),
        _ => Step::End("finished"),
    })
}

#[pymethods]
impl Speech {
    fn push(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        let over = || syrinx::Error::new(ErrorKind::Ended, "the speech has ended: begin another");
        py.detach(|| lock(&self.state).speech.as_mut().ok_or_else(over)?.push(text)).map_err(raised)
    }

    fn finish(&self, py: Python<'_>) {
        py.detach(|| lock(&self.state).speech.as_mut().map(syrinx::Speech::finish));
    }

    fn flush(&self, py: Python<'_>) {
        py.detach(|| lock(&self.state).speech.as_mut().map(syrinx::Speech::flush));
    }

    /// A block as a `bytearray` of native `f32`, or a mark as `(name, sample)`; else, where text is needed, the seconds after which what waits would be
    /// flushed, or None; else the name of the ending.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let next = py.detach(|| {
            let mut state = lock(&self.state);
            let Some(speech) = &mut state.speech else { return Ok(Step::End("finished")) };
            let next = step(speech);
            state.position = syrinx::Speech::position(speech);
            next
        });
        Ok(match next.map_err(raised)? {
            Step::Block(pcm) => {
                let bytes: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
                PyByteArray::new(py, &bytes).into_any()
            }
            Step::Mark(name, sample) => (name, sample).into_pyobject(py)?.into_any(),
            Step::NeedText(wait) => wait.into_pyobject(py)?,
            Step::End(ending) => ending.into_pyobject(py)?.into_any(),
        })
    }

    fn cancel(&self) {
        self.canceller.cancel();
    }

    /// Gives the session to the next speech. Words and position stay.
    fn close(&self, py: Python<'_>) {
        let model = self.model.get();
        py.detach(|| {
            let mut state = lock(&self.state);
            state.speech = None; // first: it gives the session its state back
            lock(&model.idle).extend(state.session.take());
        });
    }

    #[getter]
    fn position(&self, py: Python<'_>) -> usize {
        py.detach(|| lock(&self.state).position)
    }

    /// `(text, first character, character past it, first sample, sample past it)` of words that nobody has taken yet.
    fn take_words(&self, py: Python<'_>) -> Vec<(String, usize, usize, u64, u64)> {
        let words = py.detach(|| lock(&self.state).speech.as_mut().map(syrinx::Speech::take_words)).unwrap_or_default();
        let word = |w: syrinx::Word| (w.text, w.chars.start, w.chars.end, w.samples.start, w.samples.end);
        words.into_iter().map(word).collect()
    }
}

/// Bytes of native `f32` as those of little-endian 16-bit integers, as every front end of Syrinx has them.
#[pyfunction]
fn int16<'py>(py: Python<'py>, samples: &[u8]) -> Bound<'py, PyBytes> {
    let (samples, _) = samples.as_chunks::<4>();
    let bytes: Vec<u8> = samples.iter().flat_map(|&bytes| to_i16(f32::from_ne_bytes(bytes)).to_le_bytes()).collect();
    PyBytes::new(py, &bytes)
}

#[pymodule]
fn _syrinx(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Model>()?;
    module.add_class::<Speech>()?;
    module.add_class::<listen::Ears>()?;
    module.add_class::<listen::Listener>()?;
    module.add("Error", module.py().get_type::<Error>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(int16, module)?)
}

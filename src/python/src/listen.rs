//! Listening for Python. In: a pack, bytes of samples. Out: texts with their words.

use std::path::PathBuf;
use std::sync::Mutex;

use pyo3::prelude::*;
use syrinx::{EarsInfo, EarsOptions, Heard, HeardWord, ListenOptions};

use crate::{lock, raised};

/// Weights of a pack that listens.
#[pyclass(frozen, module = "syrinx._syrinx")]
pub struct Ears {
    ears: syrinx::Ears,
}

/// One sound on its way to text.
#[pyclass(frozen, module = "syrinx._syrinx")]
pub struct Listener {
    listener: Mutex<syrinx::Listener>,
}

/// `(text, start, end)`; in milliseconds, as below.
type Word = (String, u64, u64);
/// `(text, words, start, end, whether it stays, language)`.
type Text = (String, Vec<Word>, u64, u64, bool, Option<String>);

fn told(heard: syrinx::Result<Vec<Heard>>) -> PyResult<Vec<Text>> {
    let word = |word: HeardWord| (word.text, word.start_ms, word.end_ms);
    let text = |heard: Heard| {
        let words = heard.words.into_iter().map(word).collect();
        (heard.text, words, heard.start_ms, heard.end_ms, heard.is_final, heard.language)
    };
    Ok(heard.map_err(raised)?.into_iter().map(text).collect())
}

impl Ears {
    fn info(&self) -> &EarsInfo {
        self.ears.info()
    }
}

#[pymethods]
impl Ears {
    #[new]
    #[pyo3(signature = (folder, *, threads, verify, commercial))]
    fn new(py: Python<'_>, folder: PathBuf, threads: usize, verify: bool, commercial: bool) -> PyResult<Self> {
        let options = EarsOptions::default().threads(threads).verify(verify).commercial(commercial);
        let ears = py.detach(|| syrinx::Ears::open(folder, options)).map_err(raised)?;
        Ok(Self { ears })
    }

    #[getter]
    fn name(&self) -> &str {
        &self.info().name
    }

    #[getter]
    fn version(&self) -> &str {
        &self.info().version
    }

    #[getter]
    fn family(&self) -> &str {
        &self.info().family
    }

    #[getter]
    fn licence(&self) -> &str {
        &self.info().licence
    }

    #[getter]
    fn languages(&self) -> Vec<String> {
        self.info().languages.clone()
    }

    #[getter]
    fn sample_rate(&self) -> u32 {
        self.info().sample_rate_hz
    }

    #[getter]
    fn delay_ms(&self) -> u32 {
        self.info().delay_ms
    }

    #[getter]
    fn longest_delay_ms(&self) -> u32 {
        self.info().longest_delay_ms
    }

    #[pyo3(signature = (*, delay_ms, pause_ms, recall_ms, phrases, phrase_bonus, language))]
    #[allow(clippy::too_many_arguments)] // named ones, of Python's
    fn listener(
        &self,
        py: Python<'_>,
        delay_ms: Option<u32>,
        pause_ms: u32,
        recall_ms: Option<u32>,
        phrases: Vec<String>,
        phrase_bonus: f32,
        language: Option<String>,
    ) -> PyResult<Listener> {
        let options = ListenOptions::default()
            .delay_ms(delay_ms)
            .pause_ms(pause_ms)
            .recall_ms(recall_ms)
            .phrases(phrases)
            .phrase_bonus(phrase_bonus)
            .language(language);
        let listener = py.detach(|| self.ears.listener(options)).map_err(raised)?;
        Ok(Listener { listener: Mutex::new(listener) })
    }
}

#[pymethods]
impl Listener {
    /// Native `f32`.
    fn feed(&self, py: Python<'_>, samples: &[u8]) -> PyResult<Vec<Text>> {
        told(py.detach(|| {
            let (samples, _) = samples.as_chunks::<4>();
            let samples: Vec<f32> = samples.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect();
            lock(&self.listener).feed(&samples)
        }))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<Vec<Text>> {
        told(py.detach(|| lock(&self.listener).flush()))
    }

    fn set_delay_ms(&self, py: Python<'_>, delay_ms: u32) -> PyResult<Vec<Text>> {
        told(py.detach(|| lock(&self.listener).set_delay_ms(delay_ms)))
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| lock(&self.listener).reset()).map_err(raised)
    }
}

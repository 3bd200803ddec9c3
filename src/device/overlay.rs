//! Prepared phrases over speech. In: whole phrases in memory, at the device's rate. Out: their samples, mixed in from
//! the next period on, whatever the model is doing.

use std::sync::Arc;

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::control::Control;

/// Phrases that may wait for the callback.
const QUEUE: usize = 16;

/// A phrase on its way to the callback.
#[derive(Clone, Debug)]
pub struct Phrase {
    /// Counts up from 1; a cancel names the last one that it means.
    pub number: u64,
    pub samples: Arc<[f32]>,
    /// Gain of the speech below: 0 holds it.
    pub duck: f32,
}

/// The engine's end: phrases go in, and come back to be freed.
pub struct PhraseQueue {
    phrases: HeapProd<Phrase>,
    spent: HeapCons<Phrase>,
}

impl PhraseQueue {
    /// Gives the phrase back where too many wait.
    pub fn push(&mut self, phrase: Phrase) -> Result<(), Phrase> {
        self.phrases.try_push(phrase)
    }

    /// A phrase that was played or stopped.
    pub fn pop_spent(&mut self) -> Option<Phrase> {
        self.spent.try_pop()
    }
}

/// The callback's end. It never frees a phrase: a spent one goes back.
pub struct Overlay {
    phrases: HeapCons<Phrase>,
    spent: HeapProd<Phrase>,
    current: Option<Phrase>,
    at: usize,
    /// Samples of a fade-out that has begun.
    fade_left: Option<u32>,
}

impl std::fmt::Debug for PhraseQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PhraseQueue").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").finish_non_exhaustive()
    }
}

/// A path for phrases to the callback and back.
pub fn phrase_path() -> (PhraseQueue, Overlay) {
    let (phrases_in, phrases_out) = HeapRb::new(QUEUE).split();
    let (spent_in, spent_out) = HeapRb::new(2 * QUEUE).split();
    let overlay = Overlay { phrases: phrases_out, spent: spent_in, current: None, at: 0, fade_left: None };
    (PhraseQueue { phrases: phrases_in, spent: spent_out }, overlay)
}

impl Overlay {
    /// Takes up the next phrase if none is played, and says the gain of the speech below.
    pub(super) fn next(&mut self, control: &Control) -> f32 {
        while self.current.is_none() {
            let Some(phrase) = self.phrases.try_pop() else { break };
            (self.current, self.at, self.fade_left) = (Some(phrase), 0, None);
            if self.cut(control) && !self.retire() {
                break;
            }
        }
        self.current.as_ref().map_or(1.0, |phrase| phrase.duck)
    }

    fn cut(&self, control: &Control) -> bool {
        self.current.as_ref().is_some_and(|phrase| phrase.number <= control.phrases_cut())
    }

    /// Adds the phrase to `out`.
    pub(super) fn mix(&mut self, out: &mut [f32], control: &Control, fade: u32) {
        if self.fade_left.is_none() && self.cut(control) {
            self.fade_left = Some(fade);
        }
        let Some(phrase) = &self.current else { return };
        let samples = phrase.samples.get(self.at..).unwrap_or_default();
        for (sample, &phrase) in out.iter_mut().zip(samples) {
            let gain = match &mut self.fade_left {
                None => 1.0,
                Some(left) => {
                    *left = left.saturating_sub(1);
                    *left as f32 / fade as f32
                }
            };
            *sample += phrase * gain;
        }
        self.at += out.len();
        if self.at >= phrase.samples.len() || self.fade_left == Some(0) {
            self.retire();
        }
    }

    /// Sends the phrase back; where there is no room it waits, silent.
    fn retire(&mut self) -> bool {
        let Some(phrase) = self.current.take() else { return true };
        match self.spent.try_push(phrase) {
            Ok(()) => true,
            Err(phrase) => {
                (self.current, self.at) = (Some(phrase), usize::MAX / 2);
                false
            }
        }
    }
}

//! What the desk knows. In: the calls of [`super::Desk`], under its lock. Out: whose turn it is, and events.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Script;
use crate::engine::lane::{Arrival, Lane, Lanes};
use crate::engine::position::Span;
use crate::engine::utterance::{Event, Mailbox};
use crate::pack::Voice;

#[derive(Debug)]
pub(super) struct Entry {
    pub id: u64,
    pub lane: Lane,
    pub script: Arc<Script>,
    pub mailbox: Arc<Mailbox>,
    pub inbox: String,
    pub has_text: bool,
    pub finished: bool,
    pub flush: bool,
    /// The next clause to generate.
    pub clause: usize,
    /// Everything has been generated.
    pub complete: bool,
    /// The epoch that its cancel began, and what else than a cancel it was.
    pub stopped: Option<(u64, Option<String>)>,
    pub started: bool,
    /// Characters heard.
    pub position: usize,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub entries: Vec<Entry>,
    pub spans: VecDeque<Span>,
    pub warm: VecDeque<Voice>,
    pub next_id: u64,
    pub last_span: u64,
    /// The utterance whose clause is being generated.
    pub speaking: Option<u64>,
    /// Up to this epoch, cuts have reached the device.
    pub cut_epoch: u64,
    pub underruns: u64,
    /// The device is away: nothing is generated.
    pub waiting: bool,
    pub closing: bool,
    /// Why nothing can be spoken any more.
    pub broken: Option<String>,
}

impl Entry {
    /// What ends this utterance, if it has ended.
    pub fn last_event(&self, spans: &VecDeque<Span>, cut_epoch: u64) -> Option<Event> {
        if spans.iter().any(|span| span.utterance == self.id) {
            return None;
        }
        let position = self.position;
        match &self.stopped {
            Some((epoch, _)) if *epoch > cut_epoch => None,
            Some((_, None)) => Some(Event::Cancelled { position }),
            Some((_, Some(why))) => Some(Event::Failed { position, message: why.clone() }),
            None => self.complete.then_some(Event::Finished),
        }
    }
}

impl State {
    pub fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    pub fn span(&mut self, number: u64) -> Option<&mut Span> {
        self.spans.iter_mut().find(|span| span.number == number)
    }

    pub fn tell(&mut self, id: u64, event: Event) {
        if let Some(entry) = self.entry(id) {
            entry.mailbox.put(event);
        }
    }

    /// Whose turn it is: the highest lane's, the earliest first; but one that speaks is left to its end, or to its
    /// clause's, where the policy says so.
    pub fn floor(&self, lanes: &Lanes, within: Option<u64>) -> Option<u64> {
        let open = || self.entries.iter().filter(|e| e.has_text && e.stopped.is_none() && !e.complete);
        let first = open().min_by_key(|e| (std::cmp::Reverse(e.lane), e.id))?;
        let speaking = open().find(|e| Some(e.id) == self.speaking);
        Some(match speaking {
            Some(speaking) if first.lane > speaking.lane => match lanes.arrival(first.lane) {
                Arrival::Interrupt => first.id,
                Arrival::AfterClause if within != Some(speaking.id) => first.id,
                _ => speaking.id,
            },
            Some(speaking) => speaking.id,
            None => first.id,
        })
    }

    /// Tells listeners what has been heard since the last call.
    pub fn report(&mut self, heard: u64) {
        let Self { entries, spans, cut_epoch, .. } = self;
        spans.retain_mut(|span| {
            let Some(entry) = entries.iter_mut().find(|entry| entry.id == span.utterance) else { return false };
            if !span.announced && span.first.is_some_and(|first| first < heard) {
                span.announced = true;
                if !std::mem::replace(&mut entry.started, true) {
                    entry.mailbox.put(Event::Started);
                }
                entry.mailbox.put(Event::Clause { chars: span.text.chars.clone() });
            }
            let over = span.heard_end().is_some_and(|end| end <= heard);
            if over {
                entry.position = entry.position.max(span.chars_at(heard));
            }
            !over
        });
        entries.retain(|entry| {
            let Some(event) = entry.last_event(spans, *cut_epoch) else { return true };
            entry.mailbox.put(event);
            false
        });
    }
}

//! SSML on its way to the model. In: a document, in pieces. Out: what it says, item by item; for clauses their places in
//! the document, their marks and how loud they are; for pauses and prepared phrases clauses of their own.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::interlude::Interlude;
use super::options::Phrases;
use super::position::ClauseText;
use crate::error::{Error, Result};
use crate::text::Speller;
use crate::text::clause::Clause;
use crate::text::normalise::Spoken;
use crate::text::phones::Phones;
use crate::text::ssml::{Document, Item, Place, Prosody, Ssml};

/// Of a pause that is there for its marks alone: something of it must be heard for them to be reached.
const LEAST_MS: u32 = 1;

#[derive(Debug)]
pub(super) struct Markup {
    document: Document,
    phrases: Phrases,
    items: VecDeque<Item>,
    /// Of the characters that the splitter has, from `first` on.
    places: VecDeque<Place>,
    first: usize,
    /// By the character before which they stand.
    marks: VecDeque<(usize, String)>,
    /// Characters whose sound is known.
    phones: VecDeque<(Range<usize>, Phones)>,
    pub prosody: Prosody,
    /// What was found wrong at the document's end.
    pub fault: Option<Error>,
}

impl Markup {
    pub fn new(mode: Ssml, speller: &Arc<Speller>, phrases: &Phrases) -> Self {
        Self {
            document: Document::new(mode, speller.clone(), phrases.keys().cloned().collect()),
            phrases: phrases.clone(),
            items: VecDeque::new(),
            places: VecDeque::new(),
            first: 0,
            marks: VecDeque::new(),
            phones: VecDeque::new(),
            prosody: Prosody::default(),
            fault: None,
        }
    }

    /// Errors: as [`Document::push`].
    pub fn push(&mut self, text: &str) -> Result<()> {
        let mut items = Vec::new();
        let read = self.document.push(text, &mut items);
        self.items.extend(items);
        read
    }

    /// What is wrong then stays in `fault`.
    pub fn finish(&mut self) {
        let mut items = Vec::new();
        self.fault = self.document.finish(&mut items).err();
        self.items.extend(items);
    }

    pub fn next(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    pub fn waiting_bytes(&self) -> usize {
        let bytes = |item: &Item| if let Item::Text(text, _) | Item::Phones(text, ..) = item { text.len() } else { 1 };
        self.items.iter().map(bytes).sum()
    }

    pub fn add_places(&mut self, places: Vec<Place>) {
        self.places.extend(places);
    }

    pub fn add_mark(&mut self, at: usize, name: String) {
        self.marks.push_back((at, name));
    }

    pub fn add_phones(&mut self, chars: Range<usize>, phones: Phones) {
        self.phones.push_back((chars, phones));
    }

    /// The phones that are known of a clause, by its own characters. Of a word that the splitter has cut none are.
    pub fn phones_of(&mut self, clause: &Clause) -> Vec<(Range<usize>, Phones)> {
        let mut known = Vec::new();
        while self.phones.front().is_some_and(|(chars, _)| chars.start < clause.end) {
            let Some((chars, phones)) = self.phones.pop_front() else { break };
            if chars.end <= clause.end
                && let Some(start) = chars.start.checked_sub(clause.start)
            {
                known.push((start..chars.end - clause.start, phones));
            }
        }
        known
    }

    /// The place of a character that the splitter has, or where the text so far ends.
    fn at(&self, char: usize) -> Place {
        let i = char.saturating_sub(self.first);
        let after = |place: &Place| Place { chars: place.chars + 1, bytes: place.bytes + 1 };
        self.places.get(i).copied().or(self.places.back().map(after)).unwrap_or_default()
    }

    /// A clause of the splitter with its places in the document. One of which nothing is said may still hold marks.
    pub fn place(&mut self, spelled: Option<ClauseText>, clause: &Clause) -> Option<ClauseText> {
        let mut text = spelled.unwrap_or_else(|| interlude(Interlude::Silence { ms: LEAST_MS }, 0));
        let source = &text.spoken.source;
        while self.marks.front().is_some_and(|&(at, _)| at < clause.end) {
            let Some((at, name)) = self.marks.pop_front() else { break };
            let relative = at.saturating_sub(clause.start);
            let byte = source.partition_point(|&char| (char as usize) < relative).min(text.spoken.text.len());
            text.marks.push((byte, name));
        }
        let start = self.at(clause.start);
        let end = self.at(clause.end.saturating_sub(1).max(clause.start));
        text.places = (clause.start..clause.end).map(|char| self.at(char)).collect();
        text.chars = start.chars..end.chars + 1;
        text.bytes = start.bytes..end.bytes + 1;
        text.prosody = self.prosody;
        let passed = (clause.end - self.first).min(self.places.len().saturating_sub(1));
        self.places.drain(..passed);
        self.first += passed;
        (!text.spoken.text.trim().is_empty() || !text.marks.is_empty()).then_some(text)
    }

    /// The prepared phrase of this name behind what the splitter has had.
    pub fn sound(&mut self, name: &str) -> Option<ClauseText> {
        let phrase = self.phrases.get(name)?.clone();
        let prosody = self.prosody;
        Some(ClauseText { prosody, ..self.interlude(Interlude::Sound(phrase)) })
    }

    /// A pause behind what the splitter has had.
    pub fn pause(&mut self, ms: u32) -> ClauseText {
        self.interlude(Interlude::Silence { ms })
    }

    fn interlude(&mut self, heard: Interlude) -> ClauseText {
        let place = self
            .places
            .back()
            .map_or(Place::default(), |place| Place { chars: place.chars + 1, bytes: place.bytes + 1 });
        let mut text = interlude(heard, place.chars);
        text.bytes = place.bytes..place.bytes;
        text.marks = self.marks.drain(..).map(|(_, name)| (0, name)).collect();
        text
    }

    /// Marks that no clause has taken.
    pub fn last_marks(&mut self) -> Option<ClauseText> {
        (!self.marks.is_empty()).then(|| self.pause(LEAST_MS))
    }
}

fn interlude(heard: Interlude, chars: usize) -> ClauseText {
    ClauseText {
        spoken: Spoken::verbatim(""),
        written: String::new(),
        places: Vec::new(),
        chars: chars..chars,
        bytes: 0..0,
        follows: false,
        interlude: Some(heard),
        prosody: Prosody::default(),
        marks: Vec::new(),
    }
}

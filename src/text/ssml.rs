//! The part of the Speech Synthesis Markup Language that people use (W3C SSML 1.1). In: a document, in pieces of any size.
//! Out: its text with the place of each character in the document, and what stands between: pauses, marks, the loudness
//! and the language of what follows.
//!
//! Strict reading refuses what is not heard as it is written, with line and column; lenient reading says so in the log
//! and reads on. `README.md` has the table of elements.

mod element;
mod scan;

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Speller;
use super::normalise::Normaliser;
use super::phones::Phones;
use crate::error::{Error, ErrorKind, Result};
use element::Element;
use scan::{Cursor, Token};

/// How a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ssml {
    /// What cannot be heard as it is written is an error.
    #[default]
    Strict,
    /// It is passed over; its text is read.
    Lenient,
}

/// What a document says.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// Text, and for each character its place in the document: characters and bytes.
    Text(String, Vec<Place>),
    /// A paragraph or sentence begins or ends.
    Cut,
    /// A pause within a sentence follows, or what is said otherwise.
    Phrase,
    /// Silence.
    Break {
        ms: u32,
    },
    /// The prepared phrase of this name.
    Audio(String),
    Mark(String),
    /// What follows is said so.
    Prosody(Prosody),
    /// What follows is in this language.
    Language(Arc<Speller>),
    /// As [`Text`](Item::Text), of which the sound is known.
    Phones(String, Vec<Place>, Phones),
}

/// How something is said beside how it would be: factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prosody {
    /// Of the samples.
    pub gain: f32,
    /// Of the speed, at the same pitch.
    pub speed: f32,
}

impl Default for Prosody {
    fn default() -> Self {
        Self { gain: 1.0, speed: 1.0 }
    }
}

/// Speeds at which speech can still be followed.
pub(crate) const SPEEDS: RangeInclusive<f32> = 0.5..=4.0;

impl Prosody {
    /// What both together make; a speed beyond [`SPEEDS`] is the nearest of them.
    pub fn and(self, other: Self) -> Self {
        let speed = (self.speed * other.speed).clamp(*SPEEDS.start(), *SPEEDS.end());
        Self { gain: self.gain * other.gain, speed }
    }
}

/// A place in what the caller pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub chars: usize,
    pub bytes: usize,
}

/// Reads a document.
#[derive(Debug)]
pub(crate) struct Document {
    mode: Ssml,
    cursor: Cursor,
    open: Vec<Element>,
    /// The root has ended.
    over: bool,
    /// For `say-as`, by the language in force.
    speller: Arc<Speller>,
    /// Names of the prepared phrases that there are.
    phrases: Vec<String>,
    warned: Vec<&'static str>,
}

/// Longest pause.
const MOST_MS: f32 = 60_000.0;

impl Document {
    pub fn new(mode: Ssml, speller: Arc<Speller>, phrases: Vec<String>) -> Self {
        let (cursor, open, warned) = Default::default();
        Self { mode, cursor, open, over: false, speller, phrases, warned }
    }

    /// Reads on. Errors: `BadText` with line and column; `Unsupported` likewise.
    pub fn push(&mut self, text: &str, out: &mut Vec<Item>) -> Result<()> {
        self.cursor.push(text);
        self.read(false, out)
    }

    /// There is no more. Errors: as [`Document::push`].
    pub fn finish(&mut self, out: &mut Vec<Item>) -> Result<()> {
        self.read(true, out)?;
        match self.open.last() {
            Some(element) if self.mode == Ssml::Strict => {
                let message = format!("<{}> has no end", element.name());
                Err(self.fault(ErrorKind::BadText, &message))
            }
            None if !self.over && self.mode == Ssml::Strict => {
                Err(self.fault(ErrorKind::BadText, "there is no <speak>: this is not SSML"))
            }
            _ => {
                while let Some(element) = self.open.pop() {
                    self.close(element, out);
                }
                Ok(())
            }
        }
    }

    fn read(&mut self, last: bool, out: &mut Vec<Item>) -> Result<()> {
        let strict = self.mode == Ssml::Strict;
        loop {
            let token = match self.cursor.next(last, strict) {
                Ok(None) => return Ok(()),
                Ok(Some(token)) => token,
                Err(what) => return Err(self.fault(ErrorKind::BadText, &what)),
            };
            match token {
                Token::Text(text) => self.text(&text, out)?,
                Token::Start(name, attributes) => self.start(&name, &attributes, out)?,
                Token::Empty(name, attributes) => {
                    let depth = self.open.len();
                    self.start(&name, &attributes, out)?;
                    while self.open.len() > depth {
                        self.end_last(out)?;
                    }
                }
                Token::End(name) => self.end(&name, out)?,
                Token::Nothing => {}
            }
            self.cursor.advance();
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<Item>) -> Result<()> {
        if self.over || self.open.is_empty() && self.mode == Ssml::Strict {
            return match text.trim().is_empty() {
                true => Ok(()),
                false => Err(self.fault(ErrorKind::BadText, "there is text outside of <speak>")),
            };
        }
        let places = self.cursor.places(text);
        match self.open.last_mut() {
            Some(element) if element.is_hidden() => return Ok(()),
            Some(Element::SayAs { content, places: held, .. } | Element::Phoneme { content, places: held, .. }) => {
                content.push_str(text);
                held.extend(places);
                return Ok(());
            }
            _ => {}
        }
        out.push(Item::Text(plain(text), places));
        Ok(())
    }

    fn start(&mut self, name: &str, attributes: &[(String, String)], out: &mut Vec<Item>) -> Result<()> {
        if self.open.last().is_some_and(Element::is_hidden) {
            self.open.push(Element::Hidden(name.to_owned()));
            return Ok(());
        }
        if self.open.is_empty() && (self.over || name != "speak") && self.mode == Ssml::Strict {
            return Err(self.fault(ErrorKind::BadText, "the first element is <speak>, and nothing follows it"));
        }
        let here = self.cursor.here();
        let element = match Element::begin(name, attributes, &mut self.around(), here, out) {
            Ok(element) => element,
            Err(fault) if self.mode == Ssml::Strict => return Err(self.fault(fault.kind, &fault.message)),
            Err(fault) => {
                log::warn!("SSML, {}: {}: passed over", self.cursor.position(), fault.message);
                Element::Plain(name.to_owned())
            }
        };
        self.open.push(element);
        Ok(())
    }

    fn around(&mut self) -> element::Around<'_> {
        let prosody = self.open.iter().rev().find_map(Element::prosody).unwrap_or_default();
        let warned = (self.mode == Ssml::Lenient).then_some(&mut self.warned);
        element::Around { prosody, speller: &mut self.speller, phrases: &self.phrases, warned }
    }

    fn end(&mut self, name: &str, out: &mut Vec<Item>) -> Result<()> {
        match self.open.iter().rposition(|element| element.name() == name) {
            Some(at) if at + 1 == self.open.len() => self.end_last(out),
            _ if self.mode == Ssml::Strict => {
                let message = format!("</{name}> ends nothing that is open");
                Err(self.fault(ErrorKind::BadText, &message))
            }
            Some(at) => {
                while self.open.len() > at {
                    self.end_last(out)?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn end_last(&mut self, out: &mut Vec<Item>) -> Result<()> {
        let Some(element) = self.open.pop() else { return Ok(()) };
        if let Element::Phoneme { phones, content, places } = element {
            if content.trim().is_empty() && self.mode == Ssml::Strict {
                let message = "phoneme: no word stands between <phoneme> and </phoneme>: write the one that is heard";
                return Err(self.fault(ErrorKind::BadText, message));
            }
            out.push(Item::Phones(plain(&content), places, phones));
            return Ok(());
        }
        if let Element::SayAs { kind, format, content, places } = element {
            return self.say_as(&kind, &format, &content, places, out);
        }
        self.close(element, out);
        self.over |= self.open.is_empty() && self.mode == Ssml::Strict;
        Ok(())
    }

    fn close(&mut self, element: Element, out: &mut Vec<Item>) {
        match element {
            Element::Block { language, .. } => {
                out.push(Item::Cut);
                self.leave_language(language, out);
            }
            Element::Speak { language } | Element::Lang { language } => self.leave_language(language, out),
            Element::Prosody(_) => out.push(Item::Prosody(self.around().prosody)),
            Element::Emphasis { prosody, pause_ms } => {
                let around = self.around().prosody;
                if prosody != around {
                    out.extend([Item::Phrase, Item::Prosody(around)]);
                    if pause_ms > 0 {
                        out.push(Item::Break { ms: pause_ms });
                    }
                }
            }
            Element::Plain(_) | Element::Hidden(_) | Element::SayAs { .. } | Element::Phoneme { .. } => {}
        }
    }

    fn leave_language(&mut self, before: Option<Arc<Speller>>, out: &mut Vec<Item>) {
        if let Some(speller) = before {
            self.speller = speller.clone();
            out.push(Item::Language(speller));
        }
    }

    /// What `say-as` holds, in words.
    fn say_as(
        &mut self,
        kind: &str,
        format: &str,
        content: &str,
        places: Vec<Place>,
        out: &mut Vec<Item>,
    ) -> Result<()> {
        let rules = Normaliser::for_language(self.speller.language()).ok();
        let said = rules.and_then(|rules| rules.say_as(kind, format, content.trim()));
        let said = match said {
            Some(said) => said,
            None if self.mode == Ssml::Strict => {
                let message = format!("say-as: \"{}\" cannot be read as {kind}", content.trim());
                return Err(self.fault(ErrorKind::BadText, &message));
            }
            None => content.to_owned(),
        };
        let at = places.first().copied().unwrap_or_default();
        let text = format!(" {} ", said.trim());
        let places = vec![at; text.chars().count()];
        out.push(Item::Text(text, places));
        Ok(())
    }

    fn fault(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("SSML, {}: {what}", self.cursor.position()))
    }
}

/// A line break is a blank, though the splitter would take it for the end of a line; and what is left of markup is text, though
/// the rules would take it for HTML.
fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '<' => '＜',
        '>' => '＞',
        _ if c.is_whitespace() => ' ',
        _ => c,
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use syrinx_quant::manifest::{Normalise, Text};

    use super::*;

    #[test]
    fn speeds_multiply_as_far_as_speech_can_be_followed() {
        let at = |speed| Prosody { speed, gain: 0.5 };
        assert_eq!(at(1.5).and(at(2.0)), Prosody { speed: 3.0, gain: 0.25 });
        assert_eq!((at(3.0).and(at(2.0)).speed, at(0.5).and(at(0.5)).speed), (4.0, 0.5));
    }

    /// What is said of a document that comes in these pieces: texts joined, everything else as it is printed.
    fn read(mode: Ssml, pieces: &[&str]) -> (String, Vec<Place>, Vec<String>) {
        let text = Text { normalise: Normalise::Language("en".into()), ..Text::default() };
        let mut document = Document::new(mode, Arc::new(Speller::new(&text).unwrap()), vec!["bell".into()]);
        let mut items = Vec::new();
        let read = pieces.iter().try_for_each(|piece| document.push(piece, &mut items));
        let read = read.and_then(|()| document.finish(&mut items));
        let (mut said, mut places, mut others) = (String::new(), Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Text(text, of) => {
                    assert_eq!(text.chars().count(), of.len());
                    said.push_str(&text);
                    places.extend(of);
                }
                Item::Language(speller) => others.push(format!("{} {}", said.len(), speller.language())),
                other => others.push(format!("{} {other:?}", said.len())),
            }
        }
        others.extend(read.err().map(|e| e.to_string()));
        (said, places, others)
    }

    const DOCUMENT: &str = "<?xml version='1.0'?><!-- <a> --><speak><p>Caf\u{e9} &amp; <s xml:lang='de'>B\u{e4}r</s></p>\
        <break time='1s'/><mark name='x'/><sub alias='b &lt; c'>d</sub><![CDATA[e <f>]]>\n\
        <say-as interpret-as='digits'>12</say-as><prosody volume='soft'>g</prosody></speak>\n";

    #[test]
    fn a_document_in_pieces_is_read_as_the_whole() {
        for mode in [Ssml::Strict, Ssml::Lenient] {
            for document in [DOCUMENT, "<speak>a &cow; b</p> < c", "<speak>a<cow/>"] {
                let whole = read(mode, &[document]);
                for (cut, _) in document.char_indices() {
                    let (a, b) = document.split_at(cut);
                    assert_eq!(read(mode, &[a, b]), whole, "{mode:?} {a:?} | {b:?}");
                }
                let single: Vec<String> = document.chars().map(String::from).collect();
                let single: Vec<&str> = single.iter().map(String::as_str).collect();
                assert_eq!(read(mode, &single), whole, "{mode:?} by characters");
            }
        }
    }

    #[test]
    fn text_knows_its_place_in_the_document() {
        let (said, places, _) = read(Ssml::Strict, &[DOCUMENT]);
        for place in &places {
            let written = DOCUMENT.chars().nth(place.chars);
            assert_eq!(written, DOCUMENT[place.bytes..].chars().next(), "characters and bytes mean the same place");
        }
        let at = |text: &str, of: &str| text[..text.find(of).expect("it is there")].chars().count();
        for word in ["Caf\u{e9}", "B\u{e4}r", "g"] {
            assert_eq!(places[at(&said, word)].chars, at(DOCUMENT, &format!(">{word}")) + 1, "{word}");
        }
        assert_eq!(places[at(&said, "b ")].chars, at(DOCUMENT, "<sub"), "a substitute is where its element is");
        assert!(places.is_sorted_by_key(|place| place.chars));
    }
}

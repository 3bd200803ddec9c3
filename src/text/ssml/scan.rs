//! A document that comes in pieces. In: text. Out: one token after another, as soon as it is there whole, and where it stands.

use quick_xml::Error as XmlError;
use quick_xml::errors::{IllFormedError, SyntaxError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::Place;

/// A tag, comment or reference is at most this long; until then its end is waited for.
const MOST_BYTES: usize = 1 << 16;
/// Text is handed on in pieces of this size.
const PIECE_BYTES: usize = 1 << 10;
/// As long as the longest beginning of a comment, section or declaration.
const BANG_BYTES: usize = 9;

pub(super) enum Token {
    Text(String),
    Start(String, Vec<(String, String)>),
    Empty(String, Vec<(String, String)>),
    End(String),
    /// A comment, a declaration.
    Nothing,
}

/// Where the document is read.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    buffer: String,
    at: usize,
    /// Bytes of the token that was given last.
    token: usize,
    place: Place,
    /// From 0.
    line: usize,
    column: usize,
}

impl Cursor {
    pub fn push(&mut self, text: &str) {
        self.buffer.drain(..std::mem::take(&mut self.at));
        self.buffer.push_str(text);
    }

    /// For people, from 1.
    pub fn position(&self) -> String {
        format!("line {}, column {}", self.line + 1, self.column + 1)
    }

    pub fn here(&self) -> Place {
        self.place
    }

    /// The places of a token's characters: its own where they are written as they are, else where it begins.
    pub fn places(&self, text: &str) -> Vec<Place> {
        let written = self.buffer.get(self.at..self.at + self.token).unwrap_or_default();
        let Place { chars, bytes } = self.place;
        let each = text.char_indices().enumerate();
        match written == text {
            true => each.map(|(i, (byte, _))| Place { chars: chars + i, bytes: bytes + byte }).collect(),
            false => each.map(|_| self.place).collect(),
        }
    }

    /// The token that was given last has been read.
    pub fn advance(&mut self) {
        let read = self.buffer.get(self.at..self.at + self.token).unwrap_or_default();
        for c in read.chars() {
            self.place.chars += 1;
            (self.line, self.column) = if c == '\n' { (self.line + 1, 0) } else { (self.line, self.column + 1) };
        }
        self.place.bytes += read.len();
        self.at += std::mem::take(&mut self.token);
    }

    /// The next token. `None`: more must come, unless this is the `last` of the text. Errors: what is wrong.
    pub fn next(&mut self, last: bool, strict: bool) -> Result<Option<Token>, String> {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        if !rest.starts_with(['<', '&']) {
            // Until the next sign, or a piece of it.
            let most = (PIECE_BYTES..rest.len()).find(|&end| rest.is_char_boundary(end)).unwrap_or(rest.len());
            let end = rest.get(..most).and_then(|piece| piece.find(['<', '&'])).unwrap_or(most);
            let text = rest.get(..end).unwrap_or_default().to_owned();
            self.token = end;
            return Ok(Some(Token::Text(text)));
        }
        let head = (MOST_BYTES..rest.len()).find(|&end| rest.is_char_boundary(end)).unwrap_or(rest.len());
        let mut reader = Reader::from_str(rest.get(..head).unwrap_or_default());
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        let event = reader.read_event();
        let found = match event {
            Ok(event) => token(event),
            Err(e) => {
                let open = match &e {
                    XmlError::Syntax(SyntaxError::InvalidBangMarkup) => rest.len() < BANG_BYTES,
                    XmlError::Syntax(_) | XmlError::IllFormed(IllFormedError::UnclosedReference) => head < MOST_BYTES,
                    _ => false,
                };
                if open && !last {
                    return Ok(None);
                }
                Err(e.to_string())
            }
        };
        match found {
            Ok(token) => {
                self.token = usize::try_from(reader.buffer_position()).unwrap_or(head).clamp(1, head);
                Ok(Some(token))
            }
            Err(_) if !strict => {
                // The sign is text.
                self.token = 1;
                Ok(Some(Token::Text(rest.get(..1).unwrap_or_default().to_owned())))
            }
            Err(what) => Err(what),
        }
    }
}

fn token(event: Event<'_>) -> Result<Token, String> {
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match event {
        Event::Start(tag) => Token::Start(name(tag.local_name().as_ref()), attributes(&tag)?),
        Event::Empty(tag) => Token::Empty(name(tag.local_name().as_ref()), attributes(&tag)?),
        Event::End(tag) => Token::End(name(tag.local_name().as_ref())),
        Event::Text(text) => Token::Text(text.decode().map_err(|e| e.to_string())?.into_owned()),
        Event::CData(text) => Token::Text(text.decode().map_err(|e| e.to_string())?.into_owned()),
        Event::GeneralRef(entity) => {
            let name = entity.decode().map_err(|e| e.to_string())?;
            match entity.resolve_char_ref().map_err(|e| e.to_string())? {
                Some(c) => Token::Text(c.to_string()),
                None => match resolve_xml_entity(&name) {
                    Some(text) => Token::Text(text.to_owned()),
                    None => return Err(format!("&{name}; is not defined")),
                },
            }
        }
        Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Eof => Token::Nothing,
    })
}

fn attributes(tag: &BytesStart<'_>) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        let value = attribute.unescape_value().map_err(|e| e.to_string())?.into_owned();
        all.push((String::from_utf8_lossy(attribute.key.as_ref()).into_owned(), value));
    }
    Ok(all)
}

//! W3C's Pronunciation Lexicon Specification 1.0. In: the document. Out: its lexemes, or what is wrong in which line.
//!
//! Of several pronunciations the first counts, as section 4.9.3 has it where none is preferred; an alias and phones are
//! kept beside each other, for packs with and without phones.

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::super::phones::Phones;
use super::{Entry, line_of};

type Fault = (usize, String);

/// What is being read of a lexeme.
#[derive(Default)]
struct Lexeme {
    graphemes: Vec<String>,
    alias: Option<String>,
    phones: Option<Phones>,
    line: usize,
}

/// Attributes that say which alphabet phones are in.
fn alphabet(name: &str) -> Option<bool> {
    match name.to_ascii_lowercase().as_str() {
        "ipa" => Some(false),
        "x-sampa" | "xsampa" => Some(true),
        _ => None,
    }
}

pub(super) fn read(text: &str, language: &mut Option<String>) -> Result<Vec<Entry>, Fault> {
    let mut reader = Reader::from_str(text);
    let mut entries = Vec::new();
    let mut lexeme = Lexeme::default();
    let (mut sampa, mut own_sampa) = (false, None);
    let mut content = String::new();
    let mut seen = false;
    loop {
        let byte = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let line = line_of(text.as_bytes(), byte);
        let fault = |what: String| (line, what);
        match reader.read_event().map_err(|e| fault(e.to_string()))? {
            Event::Start(tag) | Event::Empty(tag) => {
                let get = |name: &str| attribute(&tag, name).map_err(fault);
                content.clear();
                match tag.local_name().as_ref() {
                    b"lexicon" => {
                        seen = true;
                        *language = get("xml:lang")?.or(language.take());
                        sampa = match get("alphabet")? {
                            Some(name) => alphabet(&name).ok_or_else(|| fault(unknown(&name)))?,
                            None => false,
                        };
                    }
                    b"lexeme" => lexeme = Lexeme { line, ..Lexeme::default() },
                    b"phoneme" => {
                        own_sampa = match get("alphabet")? {
                            Some(name) => Some(alphabet(&name).ok_or_else(|| fault(unknown(&name)))?),
                            None => None,
                        };
                    }
                    _ => {}
                }
                if !seen {
                    return Err(fault("no <lexicon>: this is not a pronunciation lexicon".to_owned()));
                }
            }
            Event::Text(part) => content.push_str(&part.decode().map_err(|e| fault(e.to_string()))?),
            Event::CData(part) => content.push_str(&part.decode().map_err(|e| fault(e.to_string()))?),
            Event::GeneralRef(entity) => {
                let name = entity.decode().map_err(|e| fault(e.to_string()))?;
                match entity.resolve_char_ref().map_err(|e| fault(e.to_string()))? {
                    Some(c) => content.push(c),
                    None => content
                        .push_str(resolve_xml_entity(&name).ok_or_else(|| fault(format!("&{name}; is not defined")))?),
                }
            }
            Event::End(tag) => match tag.local_name().as_ref() {
                b"grapheme" => lexeme.graphemes.push(plain(&content)),
                b"alias" => {
                    lexeme.alias.get_or_insert(plain(&content));
                }
                b"phoneme" => {
                    let sampa = own_sampa.take().unwrap_or(sampa);
                    let phones = if sampa { Phones::from_x_sampa(&content) } else { Phones::from_ipa(&content) };
                    let phones = phones.map_err(fault)?;
                    lexeme.phones.get_or_insert(phones);
                }
                b"lexeme" => {
                    let Lexeme { graphemes, alias, phones, line } = std::mem::take(&mut lexeme);
                    if graphemes.is_empty() || graphemes.iter().any(String::is_empty) {
                        return Err((line, "a lexeme without a grapheme".to_owned()));
                    }
                    if alias.is_none() && phones.is_none() {
                        return Err((line, format!("\"{}\" has neither phoneme nor alias", graphemes.join(", "))));
                    }
                    entries.extend(graphemes.into_iter().map(|written| Entry {
                        written,
                        alias: alias.clone(),
                        phones: phones.clone(),
                        line,
                    }));
                }
                _ => {}
            },
            Event::Eof if !seen => return Err(fault("no <lexicon>: this is not a pronunciation lexicon".to_owned())),
            Event::Eof => return Ok(entries),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn unknown(alphabet: &str) -> String {
    format!("alphabet \"{alphabet}\": use ipa or x-sampa")
}

/// Blanks and line breaks are one blank.
fn plain(content: &str) -> String {
    content.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        if attribute.key.as_ref() == name.as_bytes() {
            return Ok(Some(attribute.unescape_value().map_err(|e| e.to_string())?.into_owned()));
        }
    }
    Ok(None)
}

//! Text with Markdown or HTML comes in; the same text without the marks goes out.
//!
//! Language models write Markdown whether asked to or not, and nobody wants to hear an asterisk. Structure that a
//! listener would hear as a pause (headings, items, paragraphs, table cells) becomes a line break or a comma.
//! Every alternative of the pattern stops at the next character that could open it again, so the pass is linear.

mod formula;

use regex::{Captures, Regex};

use super::rules::RulesError;
use super::track::Track;

const MARKS: &str = r#"(?mx)
  (?<line>
      ^[\ \t]*(?:```|~~~)[^\n]*$                       # code fence
    | ^[\ \t]*(?:[-*_=][\ \t]*){3,}$                   # rule, heading underline
    | ^[\ \t]*\|?(?:[\ \t]*:?-+:?[\ \t]*\|)+[\ \t:-]*$ # rule of a table
    | ^[\ \t]*(?:\#{1,6}|>+|[-*+])[\ \t]+              # heading, quotation, item
  )
| ^[\ \t]*(?<number>[0-9]{1,3})[.)][\ \t]+          # numbered item
| !?\[(?<label>[^\[\]\n]*)\](?:\([^()\ \t\n]*(?:\ "[^"\n]*")?\)|\u{2063}+)
| \$\$(?<display>[^$]+)\$\$
| \\\[(?<bracketed>[^\[\]]+)\\\]
| \\\((?<inline>[^()\n]*(?:\([^()\n]*\)[^()\n]*)*)\\\)
| \$(?<dollars>[A-Za-z\\][^$\n]*[\\^_=+][^$\n]*)\$
| (?<note>\[\^?[0-9]+\])
| (?<comment><!--(?:[^-]|-[^-])*-->)
| </?(?<tag>[A-Za-z][A-Za-z0-9-]*)(?:[\ \t\n]+[A-Za-z_:-]+=[^<>]*|=[^<>\ \t\n]*)?[\ \t]*/?>
| <(?<link>https?://[^<>\ \t\n]+)>
| &(?<entity>\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});
| \\(?<escaped>[!-/:-@\[-`{-~])
| (?<stars>\*+)
| (?<ticks>`+|~~+)
"#;

/// Tags that end what stands before them; the others are heard as nothing.
const BLOCK_TAGS: &[&str] = &[
    "p",
    "br",
    "hr",
    "div",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "section",
    "article",
    "header",
    "footer",
    "blockquote",
    "pre",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
];
const CELL_TAGS: &[&str] = &["td", "th"];

#[derive(Debug, Clone)]
pub(super) struct Markup {
    marks: Regex,
}

impl Markup {
    pub fn new() -> Result<Markup, RulesError> {
        let marks = Regex::new(MARKS).map_err(|e| RulesError::new(0, format!("markup: {e}")))?;
        Ok(Markup { marks })
    }

    /// `is_ordinal`: whether a figure with a stop before such a word, in a text of one line or not, is no item's number.
    pub fn strip(&self, source: &Track, is_ordinal: &dyn Fn(&str, bool) -> bool) -> Track {
        let mut plain = Track::default();
        let one_line = !source.text().trim().contains('\n');
        let mut copied = 0;
        for found in self.marks.captures_iter(source.text()) {
            let Some(whole) = found.get(0) else { continue };
            plain.copy(source, copied..whole.start());
            match found.name("number") {
                Some(number) if !is_ordinal(next_word(&source.text()[whole.end()..]), one_line) => {
                    plain.push('\n', source.at(whole.start()));
                    plain.copy(source, number.range());
                    plain.push(' ', source.at(number.end()));
                }
                Some(_) => plain.copy(source, whole.range()),
                None => replace(&found, source, &mut plain),
            }
            copied = whole.end();
        }
        plain.copy(source, copied..source.text().len());
        plain
    }
}

fn replace(found: &Captures, source: &Track, plain: &mut Track) {
    let Some(whole) = found.get(0) else { return };
    let at = source.at(whole.start());
    if found.name("line").is_some() {
        plain.push('\n', at); // An item or heading begins, small letter or not.
        return;
    }
    let formula = ["display", "bracketed", "inline", "dollars"].into_iter().find_map(|name| found.name(name));
    if let Some(formula) = formula {
        formula::spell(source, formula.range(), plain);
        return;
    }
    let kept = found.name("label").or(found.name("link"));
    if let Some(kept) = kept.or(found.name("escaped")) {
        plain.copy(source, kept.range());
    } else if let Some(tag) = found.name("tag") {
        let tag = tag.as_str().to_ascii_lowercase();
        if BLOCK_TAGS.contains(&tag.as_str()) {
            plain.push_str("\n\n", at);
        } else if CELL_TAGS.contains(&tag.as_str()) {
            plain.push_str(", ", at);
        }
    } else if let Some(entity) = found.name("entity") {
        match decode(entity.as_str()) {
            Some(c) => plain.push(c, at),
            None => plain.copy(source, whole.range()),
        }
    } else if found.name("stars").is_some() && is_operator(source.text(), whole.start(), whole.end()) {
        plain.push('*', at);
    }
}

/// The letters at the start of a text.
fn next_word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len())]
}

/// A star between figures or blanks multiplies; one that touches a word is emphasis.
fn is_operator(text: &str, start: usize, end: usize) -> bool {
    let side = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit() || c == ' ');
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    let after = text.get(end..).and_then(|t| t.chars().next());
    side(before) && side(after)
}

fn decode(entity: &str) -> Option<char> {
    if let Some(code) = entity.strip_prefix('#') {
        let code = match code.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => code.parse(),
        };
        return code.ok().and_then(char::from_u32);
    }
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" | "rsquo" | "lsquo" => '\'',
        "nbsp" => ' ',
        "mdash" => '—',
        "ndash" => '–',
        "hellip" => '…',
        "deg" => '°',
        "euro" => '€',
        "pound" => '£',
        "times" => '×',
        "shy" => '\u{ad}',
        _ => return None,
    })
}

//! What a rule says: words, `{group|verb}` or `{group|verb:name}` for a part of the match, `[…]` for what is said only
//! if its groups took part in the match.

use regex::Captures;

use super::verbs::Verb;

#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Words(String),
    Part { group: String, verb: Verb, name: String },
    Optional(Template),
}

/// A piece of speech, and the byte of the source text that it reads, where it reads one.
pub(super) struct Said {
    pub words: String,
    pub at: Option<usize>,
}

impl Template {
    /// `groups` are the names that the pattern defines.
    pub fn parse(source: &str, groups: &[&str]) -> Result<Template, String> {
        let mut rest = source;
        let template = parse(&mut rest, groups)?;
        match rest.is_empty() {
            true => Ok(template),
            false => Err("`]` without `[`".into()),
        }
    }

    /// Reads a match aloud; `None` when a verb has no reading for its part, so that another rule may try.
    pub fn say(&self, found: &Captures, mut read: impl FnMut(Verb, &str, &str) -> Option<String>) -> Option<Vec<Said>> {
        let mut said = Vec::new();
        self.say_into(found, &mut read, &mut said)?;
        Some(said)
    }

    fn say_into(
        &self,
        found: &Captures,
        read: &mut dyn FnMut(Verb, &str, &str) -> Option<String>,
        said: &mut Vec<Said>,
    ) -> Option<()> {
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => said.push(Said { words: words.clone(), at: None }),
                Piece::Part { group, verb, name } => {
                    if let Some(part) = found.name(group) {
                        said.push(Said { words: read(*verb, name, part.as_str())?, at: Some(part.start()) });
                    }
                }
                Piece::Optional(inner) if inner.takes_part(found) => inner.say_into(found, read, said)?,
                Piece::Optional(_) => {}
            }
        }
        Some(())
    }

    fn takes_part(&self, found: &Captures) -> bool {
        self.0.iter().all(|piece| match piece {
            Piece::Part { group, .. } => found.name(group).is_some(),
            Piece::Words(_) | Piece::Optional(_) => true,
        })
    }
}

/// Parses up to the end or an unmatched `]`, which is left in `rest`.
fn parse(rest: &mut &str, groups: &[&str]) -> Result<Template, String> {
    let mut pieces = Vec::new();
    while let Some(c) = rest.chars().next() {
        match c {
            '{' => {
                let (inside, after) = rest[1..].split_once('}').ok_or("`{` without `}`")?;
                pieces.push(part(inside, groups)?);
                *rest = after;
            }
            '[' => {
                *rest = &rest[1..];
                pieces.push(Piece::Optional(parse(rest, groups)?));
                *rest = rest.strip_prefix(']').ok_or("`[` without `]`")?;
            }
            ']' => break,
            _ => {
                let end = rest.find(['{', '[', ']']).unwrap_or(rest.len());
                let (words, after) = rest.split_at(end);
                pieces.push(Piece::Words(words.to_owned()));
                *rest = after;
            }
        }
    }
    Ok(Template(pieces))
}

fn part(inside: &str, groups: &[&str]) -> Result<Piece, String> {
    let (group, verb) = inside.split_once('|').ok_or_else(|| format!("`{{{inside}}}` is not {{group|verb}}"))?;
    if !groups.contains(&group) {
        return Err(format!("the pattern has no group `{group}`"));
    }
    let (verb, name) = verb.split_once(':').unwrap_or((verb, ""));
    let verb = Verb::named(verb).ok_or_else(|| format!("there is no verb `{verb}`"))?;
    Ok(Piece::Part { group: group.to_owned(), verb, name: name.to_owned() })
}

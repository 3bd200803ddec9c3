//! Numbers in words, by CLDR's rules. In: the rule sets of a language and a number. Out: its words.
//!
//! The format is that of ICU's `RuleBasedNumberFormat`, without fractions and signs. A rule has a base value and a
//! text; the rule with the greatest base that is no greater than the number is taken. `←←` is the number divided by the
//! rule's divisor (the greatest power of its radix in its base), `→→` what remains, `=…=` the number itself, each by
//! the rule set that is named between the arrows or else by the rule's own; `[…]` is left out where nothing remains.

use std::collections::HashMap;

/// Rule sets refer to each other this deep; CLDR's need a few levels for each power of a thousand.
const DEPTH: usize = 48;

#[derive(Debug)]
pub(super) struct Spellout {
    names: HashMap<String, usize>,
    sets: Vec<Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    base: u128,
    divisor: u128,
    text: Vec<Piece>,
    /// Whether both quotient and remainder are said.
    splits: bool,
}

#[derive(Debug)]
enum Piece {
    Words(String),
    Quotient(Set),
    Remainder(Set),
    Same(Set),
    /// Only if something remains.
    Optional(Vec<Piece>),
    /// The form for one, and that for others, by the quotient.
    Plural(String, String),
}

#[derive(Debug)]
enum Set {
    Own,
    Named(String),
    /// The rule before this one.
    Previous,
    /// Figures: the number is beyond the language's words.
    Figures,
}

impl Spellout {
    /// Rule sets, one after the other: `%name`, then a rule in each line, `base[/radix]: text`. Errors: the line.
    pub fn parse(source: &str) -> Result<Spellout, (usize, String)> {
        let mut names = HashMap::new();
        let mut sets: Vec<Vec<Rule>> = Vec::new();
        for (i, line) in source.lines().enumerate() {
            if let Some(name) = line.strip_prefix('%') {
                names.insert(name.trim_start_matches('%').to_owned(), sets.len());
                sets.push(Vec::new());
            } else if !line.is_empty() && !line.starts_with('#') {
                let fault = |message: &str| (i + 1, format!("spell-out rules: {message}"));
                let (head, text) = line.split_once(": ").or(line.split_once(':')).ok_or_else(|| fault("no colon"))?;
                let (base, radix) = head.split_once('/').unwrap_or((head, "10"));
                let base: u128 = base.parse().map_err(|_| fault("the base is no number"))?;
                let radix: u128 =
                    radix.parse().ok().filter(|&r| r > 1).ok_or_else(|| fault("the radix is no number"))?;
                let mut divisor = 1;
                while divisor <= base / radix {
                    divisor *= radix;
                }
                let mut rest = text;
                let text = pieces(&mut rest, false).map_err(fault)?;
                let has = |wanted: fn(&Piece) -> bool| {
                    text.iter().any(|piece| match piece {
                        Piece::Optional(inner) => inner.iter().any(wanted),
                        piece => wanted(piece),
                    })
                };
                let splits = has(|p| matches!(p, Piece::Quotient(_))) && has(|p| matches!(p, Piece::Remainder(_)));
                sets.last_mut().ok_or_else(|| fault("a rule before any set"))?.push(Rule {
                    base,
                    divisor,
                    text,
                    splits,
                });
            }
        }
        for set in &mut sets {
            set.sort_by_key(|rule| rule.base);
        }
        Ok(Spellout { names, sets })
    }

    pub fn has(&self, set: &str) -> bool {
        self.names.contains_key(set)
    }

    /// The words of a number; `None` beyond the largest that the language has words for.
    pub fn spell(&self, set: &str, number: u128) -> Option<String> {
        let mut words = String::new();
        self.set(*self.names.get(set)?, number, DEPTH, &mut words)?;
        Some(words)
    }

    fn set(&self, set: usize, number: u128, depth: usize, out: &mut String) -> Option<()> {
        let rules = self.sets.get(set)?;
        let mut at = rules.iter().rposition(|rule| rule.base <= number)?;
        let rule = &rules[at];
        if rule.splits && rule.base % rule.divisor != 0 && number.is_multiple_of(rule.divisor) {
            at = at.checked_sub(1)?;
        }
        self.rule(set, at, number, depth, out)
    }

    fn rule(&self, set: usize, at: usize, number: u128, depth: usize, out: &mut String) -> Option<()> {
        let rule = self.sets.get(set)?.get(at)?;
        self.say(&rule.text, (set, at), number, rule.divisor, depth.checked_sub(1)?, out)
    }

    fn say(
        &self,
        pieces: &[Piece],
        own: (usize, usize),
        number: u128,
        divisor: u128,
        depth: usize,
        out: &mut String,
    ) -> Option<()> {
        for piece in pieces {
            let (set, value) = match piece {
                Piece::Words(words) => {
                    out.push_str(words);
                    continue;
                }
                Piece::Optional(inner) => {
                    if !number.is_multiple_of(divisor) {
                        self.say(inner, own, number, divisor, depth, out)?;
                    }
                    continue;
                }
                Piece::Plural(one, other) => {
                    out.push_str(if number / divisor == 1 { one } else { other });
                    continue;
                }
                Piece::Quotient(set) => (set, number / divisor),
                Piece::Remainder(set) => (set, number % divisor),
                Piece::Same(set) => (set, number),
            };
            match set {
                Set::Own => self.set(own.0, value, depth, out)?,
                Set::Named(name) => self.set(*self.names.get(name)?, value, depth.checked_sub(1)?, out)?,
                Set::Previous => self.rule(own.0, own.1.checked_sub(1)?, value, depth, out)?,
                Set::Figures => return None,
            }
        }
        Some(())
    }
}

/// Parses up to the end, or to the `]` that ends an optional part.
fn pieces(rest: &mut &str, optional: bool) -> Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    *rest = rest.strip_prefix('\'').unwrap_or(rest);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '←' | '→' | '=' => {
                let close = after.find(c).ok_or("an arrow is not closed")?;
                let (name, mut tail) = (&after[..close], &after[close + c.len_utf8()..]);
                let set = match name.strip_prefix('%') {
                    Some(name) => Set::Named(name.trim_start_matches('%').to_owned()),
                    None if name.is_empty() => match (c, tail.strip_prefix('→')) {
                        ('→', Some(further)) => {
                            tail = further;
                            Set::Previous
                        }
                        _ => Set::Own,
                    },
                    None => Set::Figures,
                };
                pieces.push(match c {
                    '←' => Piece::Quotient(set),
                    '→' => Piece::Remainder(set),
                    _ => Piece::Same(set),
                });
                *rest = tail;
            }
            '[' => {
                *rest = after;
                pieces.push(Piece::Optional(self::pieces(rest, true)?));
                *rest = rest.strip_prefix(']').ok_or("a bracket is not closed")?;
            }
            ']' if optional => break,
            '$' => {
                let (inside, tail) = after.split_once(")$").ok_or("a plural is not closed")?;
                let form = |name: &str| Some(inside.split_once(name)?.1.split_once('}')?.0.to_owned());
                let other = form("other{").ok_or("a plural without `other`")?;
                pieces.push(Piece::Plural(form("one{").unwrap_or_else(|| other.clone()), other));
                *rest = tail;
            }
            _ => {
                let end = rest.find(['←', '→', '=', '[', ']', '$']).unwrap_or(rest.len()).max(c.len_utf8());
                pieces.push(Piece::Words(rest[..end].to_owned()));
                *rest = &rest[end..];
            }
        }
    }
    Ok(pieces)
}

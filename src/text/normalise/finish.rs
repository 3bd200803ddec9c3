//! Words and loose punctuation come in; one space between words and one mark at a time go out.
//!
//! The last stage is also the guarantee of the output alphabet: it emits letters, `' . , ? ! ; : -` and space, and
//! nothing else passes. Which letters there are was settled before (`clean`): for English those of ASCII.

use super::rules::Rules;
use super::track::Track;

/// Whether the text ends here or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Closed,
    Open,
}

/// Marks in rising strength: of several in a row, the strongest is kept.
const MARKS: &str = ",:;.!?";

/// What stands between two words.
#[derive(Default)]
struct Gap {
    space: Option<u32>,
    mark: Option<(char, u32)>,
    stops: usize,
}

impl Gap {
    fn add(&mut self, mark: char, at: u32) {
        self.stops += usize::from(mark == '.');
        let stronger = match self.mark {
            Some((held, _)) => MARKS.find(mark) > MARKS.find(held),
            None => true,
        };
        if stronger {
            self.mark = Some((mark, at));
        }
    }

    /// The mark to write before `next`: dots that trail off into a small letter are a pause.
    fn settle(&self, next: char) -> Option<(char, u32)> {
        match self.mark {
            Some(('.', at)) if self.stops > 1 && next.is_lowercase() => Some((',', at)),
            mark => mark,
        }
    }
}

pub(super) fn finish(words: &Track, ending: Ending, rules: &Rules) -> Track {
    let is_letter = |c: char| c.is_ascii_alphabetic() || rules.keeps(c);
    let mut out = Track::default();
    let mut gap = Gap::default();
    let mut before = ' ';
    let mut chars = words.text().char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let at = words.at(i);
        let after = chars.peek().map_or(' ', |&(_, c)| c);
        if is_letter(c) {
            if out.last().is_some() {
                let mark = gap.settle(c);
                if let Some((mark, mark_at)) = mark {
                    out.push(mark, mark_at);
                }
                if gap.space.is_some() || mark.is_some() {
                    out.push(' ', gap.space.unwrap_or(at));
                }
            }
            gap = Gap::default();
            out.push(c, at);
        } else if MARKS.contains(c) {
            gap.add(c, at);
        } else if "'-".contains(c) && is_letter(before) && is_letter(after) {
            out.push(c, at);
        } else {
            if c == '-' && before == ' ' && after == ' ' {
                gap.add(',', at);
            }
            gap.space.get_or_insert(at);
        }
        before = c;
    }
    close(&mut out, &gap, ending, words.at(words.text().len()));
    out
}

fn close(out: &mut Track, gap: &Gap, ending: Ending, end: u32) {
    if out.last().is_none() {
        return;
    }
    match (gap.mark, ending) {
        (Some((mark, at)), Ending::Open) => out.push(mark, at),
        (Some((mark @ ('.' | '!' | '?'), at)), Ending::Closed) => out.push(mark, at),
        (_, Ending::Closed) => out.push('.', end),
        (None, Ending::Open) => {}
    }
}

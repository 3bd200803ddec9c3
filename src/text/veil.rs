//! Text of a language model comes in, in pieces; the same text goes out with what nobody should hear blotted out.
//!
//! Thoughts, tool calls, JSON and the addresses of links run over many sentences and pieces, so this happens before the
//! text is cut into clauses. Every character stays in its place: thoughts become blanks, and the address of a link
//! becomes [`BLOT`], which is no blank and parts no words.

/// What stands for a character that is not heard.
pub(super) const BLOT: char = '\u{2063}';
/// Tags whose content is meant for programs.
const TAGS: &[&str] = &[
    "think",
    "thinking",
    "thought",
    "reasoning",
    "reflection",
    "scratchpad",
    "tool_call",
    "tool_calls",
    "tool_response",
    "function_call",
    "function_calls",
    "script",
    "style",
];
/// Marks before a tool call that reaches to the end of its JSON.
const CALLS: &[&str] = &["[TOOL_CALLS]", "<|tool_call|>", "<|python_tag|>"];
/// Languages of fenced blocks that nobody reads aloud.
const FENCES: &[&str] = &["json", "jsonl", "tool_code", "tool_call", "tool_calls", "tool_outputs"];
/// A link's address is at most this long; a longer one is text.
const ADDRESS_CHARS: usize = 2_048;

/// What the characters are within.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Within {
    Text,
    /// Up to this word.
    Until(String),
    /// JSON of open brackets, inside a string, behind a backslash.
    Json {
        depth: usize,
        quoted: bool,
        escaped: bool,
    },
    /// After a mark of a tool call, before its bracket.
    Call,
    /// The address of a link.
    Address(usize),
}

#[derive(Debug)]
pub struct Veil {
    within: Within,
    /// What may be the start of something hidden, or of its end.
    held: String,
    /// Whether the last character given out ended a line, and which it was.
    line_start: bool,
    last: char,
}

impl Veil {
    pub(crate) fn new() -> Veil {
        Veil { within: Within::Text, held: String::new(), line_start: true, last: '\n' }
    }

    /// Passes on what is certain.
    pub fn push(&mut self, text: &str, out: &mut impl Extend<char>) {
        for c in text.chars() {
            self.held.push(c);
            self.settle(out);
        }
    }

    /// Passes on the rest: nothing more comes.
    pub fn finish(&mut self, out: &mut impl Extend<char>) {
        while let Some(c) = self.held.chars().next() {
            self.held.remove(0);
            self.pass(c, out);
            self.settle(out);
        }
    }

    /// The whole text at once.
    pub fn over(text: &str) -> String {
        let mut veil = Veil::new();
        let mut out = String::with_capacity(text.len());
        veil.push(text, &mut out);
        veil.finish(&mut out);
        out
    }

    /// Whether something is held back.
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Decides on what is held, character by character.
    fn settle(&mut self, out: &mut impl Extend<char>) {
        while !self.held.is_empty() {
            let opened = match &self.within {
                Within::Text => match self.opening() {
                    Opening::Maybe => return,
                    Opening::None => None,
                    Opening::Found(len, within) => Some((len, within)),
                },
                Within::Until(end) => {
                    if self.held == *end {
                        Some((end.chars().count(), Within::Text))
                    } else if end.starts_with(&self.held) {
                        return;
                    } else {
                        None
                    }
                }
                Within::Json { .. } | Within::Call | Within::Address(_) => None,
            };
            match opened {
                Some((len, within)) => {
                    let mark = if matches!(within, Within::Address(_)) { BLOT } else { ' ' };
                    for _ in 0..len {
                        self.held.remove(0);
                        self.give(mark, out);
                    }
                    if self.within == Within::Text {
                        self.line_start = false;
                    }
                    self.within = within;
                }
                None => {
                    let c = self.held.remove(0);
                    self.pass(c, out);
                }
            }
        }
    }

    fn give(&mut self, c: char, out: &mut impl Extend<char>) {
        out.extend([c]);
        self.last = c;
        self.line_start = c == '\n' || self.line_start && c == ' ';
    }

    /// One character, by what it is within.
    fn pass(&mut self, c: char, out: &mut impl Extend<char>) {
        match &mut self.within {
            Within::Text => self.give(c, out),
            Within::Until(_) => self.give(' ', out),
            Within::Call => {
                match c {
                    '{' | '[' => self.within = Within::Json { depth: 1, quoted: false, escaped: false },
                    '\n' => self.within = Within::Text,
                    _ => {}
                }
                self.give(if c == '\n' { c } else { ' ' }, out);
            }
            Within::Address(left) => {
                *left = left.saturating_sub(1);
                if *left == 0 || c == ')' || c.is_whitespace() {
                    self.within = Within::Text;
                }
                self.give(if c.is_whitespace() { c } else { BLOT }, out);
            }
            Within::Json { depth, quoted, escaped } => {
                match c {
                    _ if *escaped => *escaped = false,
                    '\\' if *quoted => *escaped = true,
                    '"' => *quoted = !*quoted,
                    '{' | '[' if !*quoted => *depth += 1,
                    '}' | ']' if !*quoted => *depth -= 1,
                    _ => {}
                }
                if *depth == 0 {
                    self.within = Within::Text;
                }
                self.give(' ', out);
            }
        }
    }

    /// What the characters held begin, where they are text.
    fn opening(&self) -> Opening {
        let held = self.held.as_str();
        if let Some(name) = held.strip_prefix('<') {
            let name = name.to_ascii_lowercase();
            let tag = name.strip_suffix('>');
            if let Some(tag) = tag.filter(|tag| TAGS.contains(tag)) {
                return Opening::Found(held.chars().count(), Within::Until(format!("</{tag}>")));
            }
            if TAGS.iter().any(|tag| tag.len() >= name.len() && tag.starts_with(&name)) {
                return Opening::Maybe;
            }
        }
        if CALLS.contains(&held) {
            return Opening::Found(held.chars().count(), Within::Call);
        }
        if held.len() > 1 && CALLS.iter().any(|call| call.starts_with(held)) {
            return Opening::Maybe;
        }
        if self.line_start && (held.starts_with('{') || held.starts_with("[{")) {
            let inner = held.trim_start_matches(['[', '{']).trim_start();
            let depth = held.chars().filter(|c| "[{".contains(*c)).count();
            return match inner.chars().next() {
                Some('"') => Opening::Found(held.chars().count(), Within::Json { depth, quoted: true, escaped: false }),
                None if held.len() < 32 => Opening::Maybe,
                _ => Opening::None,
            };
        }
        if self.line_start && held.starts_with('`') {
            if let Some(language) = held.strip_prefix("```") {
                return match language.strip_suffix('\n') {
                    Some(language) if FENCES.contains(&language.trim()) => {
                        Opening::Found(held.chars().count(), Within::Until("```".into()))
                    }
                    None if FENCES.iter().any(|fence| fence.starts_with(language.trim_end())) => Opening::Maybe,
                    _ => Opening::None,
                };
            }
            if "```".starts_with(held) {
                return Opening::Maybe;
            }
        }
        if held == "[" {
            return Opening::Maybe;
        }
        if held == "(" && self.last == ']' {
            return Opening::Found(1, Within::Address(ADDRESS_CHARS));
        }
        Opening::None
    }
}

enum Opening {
    None,
    /// More must come first.
    Maybe,
    /// This many characters open it.
    Found(usize, Within),
}

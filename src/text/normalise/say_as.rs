//! Text of which the caller says what it is. In: a kind (SSML's `interpret-as`), a format, the text. Out: words.

use super::Normaliser;
use super::rules::Rules;

impl Normaliser {
    /// `cardinal`, `ordinal`, `digits`, `characters` (or `spell-out`), `verbatim`, `date` (formats of `d`, `m`, `y`),
    /// `time`, `telephone`, `currency`, `unit`, `address`, `fraction`. `None`: another kind, or a text that is none of it.
    pub fn say_as(&self, kind: &str, format: &str, text: &str) -> Option<String> {
        let rules = self.rules.as_ref();
        let number = rules.number.as_ref();
        let text = text.trim();
        let said = match kind {
            "cardinal" | "number" => number.number(&figures(text)?),
            "ordinal" => number.ordinal(&figures(text).filter(|figures| !figures.contains(['-', '.']))?),
            "digits" => number.digits(&text.chars().filter(|c| c.is_ascii_digit()).collect::<String>()),
            "characters" | "spell-out" => rules.characters(text, false),
            "verbatim" => rules.characters(text, true),
            "telephone" => rules.telephone(text),
            "date" => self.date(format, text)?,
            "time" | "currency" | "unit" | "address" | "fraction" => self.speak_open(text).text,
            _ => return None,
        };
        (!said.trim().is_empty()).then_some(said)
    }

    /// Figures in the order that `format` names, as `dmy`; without one as the language's rules read them.
    fn date(&self, format: &str, text: &str) -> Option<String> {
        let mut parts = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
        let (mut day, mut month, mut year) = (None, None, None);
        if text.contains(char::is_alphabetic) || format.is_empty() {
            return Some(self.speak_open(text).text);
        }
        for field in format.chars() {
            match field {
                'd' => day = Some(parts.next()?),
                'm' => month = Some(parts.next()?),
                'y' => year = Some(parts.next()?),
                _ => return None,
            }
        }
        let months = &self.rules.months;
        let name = month
            .map(|month| months.get(month.trim_start_matches('0')).cloned())
            .map_or(Some(None), |m| m.map(Some))?;
        if day.is_some_and(|day| !matches!(day.parse(), Ok(1..=31))) {
            return None;
        }
        let written = match (day, month, &name, year) {
            (Some(day), Some(month), _, Some(year)) if year.len() == 4 => format!("{year}-{month:0>2}-{day:0>2}"),
            (Some(day), _, Some(name), Some(year)) => format!("{day} {name} {year}"),
            (Some(day), _, Some(name), None) => format!("{day} {name}"),
            (None, _, Some(name), Some(year)) => format!("{name} {}", self.rules.number.year(year)),
            (None, _, None, Some(year)) => self.rules.number.year(year),
            (None, _, Some(name), None) => name.clone(),
            (Some(day), _, None, _) => self.rules.number.ordinal(day),
            (None, _, None, None) => return None,
        };
        Some(self.speak_open(&written).text)
    }
}

impl Rules {
    /// Character by character; signs too where they are asked for.
    fn characters(&self, text: &str, signs: bool) -> String {
        let mut words = Vec::new();
        for c in text.chars() {
            if c.is_ascii_digit() {
                words.push(self.number.cardinal(&c.to_string()));
            } else if c.is_alphabetic() {
                words.push(self.spell(&c.to_string()));
            } else if signs {
                let named = [&self.signs, &self.address.symbols, &self.symbols];
                words.extend(named.into_iter().find_map(|names| names.get(&c)).cloned());
            }
        }
        words.join(" ")
    }

    /// Figure by figure, with a pause where the writer left one.
    fn telephone(&self, text: &str) -> String {
        let groups = text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty());
        let said: Vec<String> = groups.map(|group| self.number.digits(group)).collect();
        let plus = self.symbols.get(&'+').filter(|_| text.starts_with('+'));
        plus.map_or(String::new(), |plus| format!("{plus} ")) + &said.join(", ")
    }
}

/// A number as written, without blanks.
fn figures(text: &str) -> Option<String> {
    let figures: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '−' { '-' } else { c }).collect();
    let within = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | ',' | '\'');
    (figures.chars().all(within) && figures.contains(|c: char| c.is_ascii_digit())).then_some(figures)
}

//! How a message is written for the speaker. In: the server's message, mostly SSML. Out: SSML in which signs that are to be said
//! are said.

use super::settings::{Punctuation, Settings};

const SOME: &str = "@#&*_=+/\\|~^<>{}[]$%";
const MOST: &str = "\"'`()-:;";

/// A text: signs are said as the settings want, or all of it is spelled.
pub fn text(message: &str, settings: &Settings) -> String {
    let is_said = |c: char| match settings.punctuation {
        _ if settings.spelling => !c.is_whitespace(),
        Punctuation::None => false,
        Punctuation::Some => SOME.contains(c),
        Punctuation::Most => SOME.contains(c) || MOST.contains(c),
        Punctuation::All => c.is_ascii_punctuation(),
    };
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(c) = rest.chars().next() {
        let (written, said) = match c {
            '<' => (rest.find('>').map_or(rest.len(), |end| end + 1), None),
            '&' => entity(rest).map_or((1, Some('&')), |(len, c)| (len, Some(c))),
            c => (c.len_utf8(), Some(c)),
        };
        let (now, later) = rest.split_at(written);
        match said.filter(|c| is_said(*c)) {
            // What it does to the melody stays, where it is said too.
            Some(c) if settings.spelling || !matches!(c, '.' | ',' | ';' | ':' | '!' | '?') => {
                out.push_str(&alone(now))
            }
            Some(_) => {
                out.push_str(&alone(now));
                out.push_str(now);
            }
            None => out.push_str(now),
        }
        rest = later;
    }
    out
}

/// A character, or its name.
pub fn character(message: &str, settings: &Settings) -> String {
    let message = message.trim_matches('\n');
    let mut characters = message.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) if c.is_whitespace() => name("space"),
        (Some(c), None) if c.is_uppercase() && settings.capitals => {
            format!("<speak>capital{}</speak>", alone(&escaped(message)))
        }
        (Some(_), None) => format!("<speak>{}</speak>", alone(&escaped(message))),
        _ => name(message),
    }
}

/// A key, as `shift_a` or `KP_Enter`.
pub fn key(message: &str) -> String {
    let parts = message.trim().split('_').filter(|part| !part.is_empty());
    let said = parts.map(|part| match part.chars().count() {
        1 => alone(&escaped(part)),
        _ => format!(" {} ", escaped(part)),
    });
    let said: String = said.collect();
    match said.is_empty() {
        true => format!("<speak>{}</speak>", alone("_")),
        false => format!("<speak>{said}</speak>"),
    }
}

/// The name of something.
pub fn name(message: &str) -> String {
    format!("<speak>{}</speak>", escaped(&message.trim().replace(['_', '-'], " ")))
}

fn alone(written: &str) -> String {
    format!(" <say-as interpret-as=\"verbatim\">{written}</say-as> ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A reference at the beginning of a text: its bytes, and the character.
fn entity(text: &str) -> Option<(usize, char)> {
    let names = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\'')];
    names.into_iter().find(|(name, _)| text.starts_with(name)).map(|(name, c)| (name.len(), c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(lines: &[&str]) -> Settings {
        let mut settings = Settings::default();
        settings.set(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        settings
    }

    fn said(c: &str) -> String {
        alone(c)
    }

    #[test]
    fn signs_are_said_as_far_as_is_wanted_and_never_those_of_the_markup() {
        let message = "<speak>a, <mark name=\"x-1\"/>b &amp; (c)</speak>";
        assert_eq!(text(message, &settings(&[])), message);
        let some = format!("<speak>a, <mark name=\"x-1\"/>b {} (c)</speak>", said("&amp;"));
        assert_eq!(text(message, &settings(&["punctuation_mode=some"])), some);
        let all = text(message, &settings(&["punctuation_mode=all"]));
        assert!(all.starts_with(&format!("<speak>a{}, <mark name=\"x-1\"/>b", said(","))), "{all}");
        assert!(all.ends_with(&format!("{}c{}</speak>", said("("), said(")"))), "{all}");
    }

    #[test]
    fn a_spelled_text_is_said_character_by_character() {
        let spelled = text("<speak>a1 &lt;</speak>", &settings(&["spelling_mode=on"]));
        assert_eq!(spelled, format!("<speak>{}{} {}</speak>", said("a"), said("1"), said("&lt;")));
    }

    #[test]
    fn a_character_is_named_and_a_capital_where_that_is_wanted() {
        let none = settings(&[]);
        assert_eq!(character("<", &none), format!("<speak>{}</speak>", said("&lt;")));
        assert_eq!(character(" ", &none), "<speak>space</speak>");
        assert_eq!(character("space", &none), "<speak>space</speak>");
        assert_eq!(character("B", &none), format!("<speak>{}</speak>", said("B")));
        let spell = settings(&["cap_let_recogn=spell"]);
        assert_eq!(character("B", &spell), format!("<speak>capital{}</speak>", said("B")));
        assert_eq!(character("b", &spell), format!("<speak>{}</speak>", said("b")));
    }

    #[test]
    fn keys_are_said_part_by_part() {
        assert_eq!(key("shift_a"), format!("<speak> shift {}</speak>", said("a")));
        assert_eq!(key("_"), format!("<speak>{}</speak>", said("_")));
        assert_eq!(key("Page Up"), "<speak> Page Up </speak>");
        assert_eq!(name("screen-lock_on"), "<speak>screen lock on</speak>");
    }
}

//! Why nothing of a text is heard. In: a text of which the spelling has left nothing. Out: an error that names what could
//! not be spoken.

use crate::error::{Error, ErrorKind};

/// As many letters as a line has room for.
const NAMED: usize = 8;

/// `BadText`: the text is empty, is nothing but marks, or is in letters that the model does not know.
pub fn nothing_to_say(text: &str) -> Error {
    let mut letters: Vec<String> = Vec::new();
    let mut more = false;
    for letter in text.chars().filter(|c| c.is_alphanumeric()).map(String::from) {
        if letters.contains(&letter) {
            continue;
        }
        more = letters.len() == NAMED;
        if more {
            break;
        }
        letters.push(letter);
    }
    let message = match (letters.is_empty(), text.trim().is_empty()) {
        (true, true) => "the text is empty: give at least one word".to_owned(),
        (true, false) => "the text has no word: give at least one".to_owned(),
        _ => {
            let others = if more { " …" } else { "" };
            let letters = letters.join(" ");
            format!(
                "nothing in the text can be spoken: this pack does not know the letters {letters}{others}: choose one for \
                 their language, or write the text in Latin letters"
            )
        }
    };
    Error::new(ErrorKind::BadText, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_another_script_is_told_from_an_empty_one() {
        let message = |text| nothing_to_say(text).message().to_owned();
        assert!(message(" \n").contains("empty"));
        assert!(message("?!").contains("no word"));
        let cyrillic = message("Добрый день, ааа");
        assert!(cyrillic.contains("letters Д о б р ы й д е …") && !cyrillic.contains("empty"), "{cyrillic}");
        assert!(message("你好").contains("letters 你 好:"));
    }
}

//! Phones. In: the International Phonetic Alphabet, or X-SAMPA, which every keyboard can write. Out: IPA in one form, or
//! the first sign that is neither.
//!
//! The inventory is that of the IPA's chart of 2020: its letters, its diacritics, stress, length, tones and breaks.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A word's sound, in IPA: composed letters, `ɡ` `ː` `ˈ` for the `g` `:` `'` that people write, no brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phones(String);

/// X-SAMPA (Wells 1995), longer signs before those that they begin with.
#[rustfmt::skip]
const X_SAMPA: &[(&str, &str)] = &[
    ("_B_L", "\u{1dc5}"), ("_H_T", "\u{1dc4}"), ("_R_F", "\u{1dc8}"),
    ("||", "‖"), ("|\\|\\", "ǁ"), ("r\\`", "ɻ"), ("G\\_<", "ʛ"), ("J\\_<", "ʄ"),
    ("b_<", "ɓ"), ("d_<", "ɗ"), ("g_<", "ɠ"), ("s\\", "ɕ"), ("x\\", "ɧ"), ("z\\", "ʑ"),
    ("_\"", "\u{308}"), ("_+", "\u{31f}"), ("_-", "\u{320}"), ("_/", "\u{30c}"), ("_0", "\u{325}"),
    ("_=", "\u{329}"), ("_>", "ʼ"), ("_?\\", "ˤ"), ("_\\", "\u{302}"), ("_^", "\u{32f}"), ("_}", "\u{31a}"),
    ("_~", "\u{303}"), ("_A", "\u{318}"), ("_a", "\u{33a}"), ("_B", "\u{30f}"), ("_c", "\u{31c}"),
    ("_d", "\u{32a}"), ("_e", "\u{334}"), ("_F", "\u{302}"), ("_G", "ˠ"), ("_H", "\u{301}"), ("_h", "ʰ"),
    ("_j", "ʲ"), ("_k", "\u{330}"), ("_L", "\u{300}"), ("_l", "ˡ"), ("_M", "\u{304}"), ("_m", "\u{33b}"),
    ("_N", "\u{33c}"), ("_n", "ⁿ"), ("_O", "\u{339}"), ("_o", "\u{31e}"), ("_q", "\u{319}"), ("_R", "\u{30c}"),
    ("_r", "\u{31d}"), ("_T", "\u{30b}"), ("_t", "\u{324}"), ("_v", "\u{32c}"), ("_w", "ʷ"), ("_X", "\u{306}"),
    ("_x", "\u{33d}"), ("_", "\u{361}"),
    ("d`", "ɖ"), ("l`", "ɭ"), ("n`", "ɳ"), ("r`", "ɽ"), ("s`", "ʂ"), ("t`", "ʈ"), ("z`", "ʐ"), ("@`", "ɚ"),
    ("3`", "ɝ"), ("B\\", "ʙ"), ("G\\", "ɢ"), ("h\\", "ɦ"), ("H\\", "ʜ"), ("I\\", "ᵻ"), ("j\\", "ʝ"), ("J\\", "ɟ"),
    ("K\\", "ɮ"), ("l\\", "ɺ"), ("L\\", "ʟ"), ("M\\", "ɰ"), ("N\\", "ɴ"), ("O\\", "ʘ"), ("p\\", "ɸ"), ("r\\", "ɹ"),
    ("R\\", "ʀ"), ("U\\", "ᵿ"), ("v\\", "ʋ"), ("X\\", "ħ"), ("@\\", "ɘ"), ("3\\", "ɞ"), ("?\\", "ʕ"), ("<\\", "ʢ"),
    (">\\", "ʡ"), ("!\\", "ǃ"), ("|\\", "ǀ"), ("=\\", "ǂ"), ("-\\", "‿"), (":\\", "ˑ"),
    ("A", "ɑ"), ("B", "β"), ("C", "ç"), ("D", "ð"), ("E", "ɛ"), ("F", "ɱ"), ("G", "ɣ"), ("H", "ɥ"), ("I", "ɪ"),
    ("J", "ɲ"), ("K", "ɬ"), ("L", "ʎ"), ("M", "ɯ"), ("N", "ŋ"), ("O", "ɔ"), ("P", "ʋ"), ("Q", "ɒ"), ("R", "ʁ"),
    ("S", "ʃ"), ("T", "θ"), ("U", "ʊ"), ("V", "ʌ"), ("W", "ʍ"), ("X", "χ"), ("Y", "ʏ"), ("Z", "ʒ"),
    ("\"", "ˈ"), ("%", "ˌ"), (":", "ː"), (".", "."), ("-", ""), ("'", "ʲ"), ("=", "\u{329}"), ("~", "\u{303}"),
    ("`", "˞"), ("@", "ə"), ("{", "æ"), ("}", "ʉ"), ("1", "ɨ"), ("2", "ø"), ("3", "ɜ"), ("4", "ɾ"), ("5", "ɫ"),
    ("6", "ɐ"), ("7", "ɤ"), ("8", "ɵ"), ("9", "œ"), ("&", "ɶ"), ("?", "ʔ"), ("^", "ꜛ"), ("!", "ꜜ"), ("|", "|"),
    ("g", "ɡ"), (" ", " "),
];

/// Letters of the chart beside `a` to `z`.
const LETTERS: &str = "æçðøħŋœɐɑɒɓɔɕɖɗɘəɚɛɜɝɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢβθχᵻᵿᵊǀǁǂǃ\
                       ʣʤʥʦʧʨⱱꭧꭦ";
/// Its signs; beside them combining marks are allowed behind a letter.
const SIGNS: &str = "ʰʲʷˠˤˡⁿʼ˞ˈˌːˑ.|‖‿ꜛꜜ↗↘˥˦˧˨˩ ";

impl Phones {
    /// Errors: the first sign that the IPA does not have.
    pub fn from_ipa(text: &str) -> Result<Phones, String> {
        let text = text.trim().trim_matches(['/', '[', ']']);
        let mut phones = String::new();
        for c in text.nfd() {
            let c = match c {
                'g' => 'ɡ',
                ':' => 'ː',
                '\'' | '’' => 'ˈ',
                ',' => 'ˌ',
                _ => c,
            };
            let mark = is_combining_mark(c) && !phones.is_empty();
            if !(is_phone(c) || SIGNS.contains(c) || mark) {
                return Err(format!("`{c}` is no sign of the phonetic alphabet"));
            }
            phones.push(c);
        }
        Phones::checked(&phones)
    }

    /// Errors: the first sign that X-SAMPA does not have.
    pub fn from_x_sampa(text: &str) -> Result<Phones, String> {
        let mut rest = text.trim();
        let mut phones = String::new();
        while let Some(c) = rest.chars().next() {
            let known = X_SAMPA.iter().find_map(|(sign, ipa)| Some((*ipa, rest.strip_prefix(sign)?)));
            let (ipa, after) = match known {
                Some(known) => known,
                None if c.is_ascii_lowercase() => rest.split_at(1),
                None => return Err(format!("`{c}` is no sign of X-SAMPA")),
            };
            phones.push_str(ipa);
            rest = after;
        }
        Phones::checked(&phones)
    }

    fn checked(phones: &str) -> Result<Phones, String> {
        match phones.chars().any(is_phone) {
            true => Ok(Phones(phones.nfc().collect())),
            false => Err("there are no phones".to_owned()),
        }
    }

    /// In IPA.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_phone(c: char) -> bool {
    c.is_ascii_lowercase() || LETTERS.contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_sampa_becomes_the_ipa_that_it_stands_for() {
        for (sampa, ipa) in [
            ("\"k{tr@l", "ˈkætrəl"),
            ("S{N\"haI", "ʃæŋˈhaɪ"),
            ("\"tSEr\\i", "ˈtʃɛɹi"),
            ("b_<E~", "ɓɛ\u{303}"),
            ("d`i:n_=", "ɖiːn\u{329}"),
            ("t_hu:", "tʰuː"),
            ("\"zIC6", "ˈzɪçɐ"),
            ("o~", "õ"),
            ("g@\"rA:Z", "ɡəˈrɑːʒ"),
        ] {
            let phones = Phones::from_x_sampa(sampa).unwrap();
            assert_eq!(phones.as_str(), ipa, "{sampa}");
            assert_eq!(Phones::from_ipa(ipa).unwrap(), phones, "what is converted is in the inventory");
        }
    }

    #[test]
    fn every_sign_of_x_sampa_is_in_the_inventory() {
        for (sign, ipa) in X_SAMPA {
            let phones = Phones::from_x_sampa(&format!("a{sign}")).unwrap();
            let converted = format!("a{ipa}").trim().nfc().collect::<String>();
            assert_eq!(phones.as_str().trim(), converted, "{sign} is hidden by a sign before it");
            Phones::from_ipa(phones.as_str()).unwrap_or_else(|e| panic!("{sign}: {e}"));
        }
    }

    #[test]
    fn a_sign_that_is_no_phone_is_named() {
        assert!(Phones::from_ipa("kæ7").unwrap_err().contains("`7`"));
        assert!(Phones::from_x_sampa("k{;").unwrap_err().contains("`;`"));
        assert!(Phones::from_ipa(" // ").is_err() && Phones::from_x_sampa("\"").is_err());
        assert_eq!(Phones::from_ipa("/gəʊ:'/").unwrap().as_str(), "ɡəʊːˈ");
    }
}

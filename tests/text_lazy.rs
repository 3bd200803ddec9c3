//! Promise: a program pays for the rules of those languages that it speaks, and for no other.

use syrinx::lab::text::Speller;
use syrinx::lab::text::normalise::Normaliser;
use syrinx_quant::manifest::{Normalise, Text};

/// One test, since what has been compiled is the process's own.
#[test]
fn a_pack_compiles_the_rules_of_its_own_language_alone() {
    Speller::new(&Text::default()).expect("a pack that reads text as people write it");
    assert!(Normaliser::compiled().is_empty(), "{:?}", Normaliser::compiled());
    let german = Text { normalise: Normalise::Language("de-AT".into()), ..Text::default() };
    Speller::new(&german).expect("the built-in rules are sound");
    assert_eq!(Normaliser::compiled(), ["de"]);
    let us = Text { normalise: Normalise::Language("en-US".into()), ..Text::default() };
    for _ in 0..3 {
        Speller::new(&us).expect("the built-in rules are sound");
    }
    assert_eq!(Normaliser::compiled(), ["de", "en-US"]);
}

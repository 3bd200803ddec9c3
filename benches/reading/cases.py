"""The public cases and our own through other engines beside ours: how many are read as wanted, before anybody judges style.

    python benches/reading/cases.py [--reading FOLDER] [LANGUAGE...]

FOLDER is laid out as tests/data/reading is, the default. Spacing, capitals, marks and the English "and" are style; engines whose
output is phones are asked for those of what is written and of what is wanted, which must be the same. What of ours differs is
judged in `judged.tsv`: `cargo test --release --workspace --test text_reading -- --nocapture` prints faults by language and kind.
"""

import argparse
import pathlib
import unicodedata

import engines
import ours

LANGUAGES = "cases en de es fr it pt nl ar hi".split()
SAME = (("ا\u064e", "آ"), ("न्द", "ंद"), ("छः", "छह"), ("meter", "metre"), ("liter", "litre"))


def cases(folder, language):
    """(what is written, readings that are wanted)."""
    if language in ("cases", "nl"):
        path = folder / "cases.tsv" if language == "cases" else ours.ROOT / "tests/data/reading/nl.tsv"
        for line in path.read_text().splitlines():
            if not line.startswith("# ") and line.count("\t") >= 2:
                _, written, wanted = line.split("\t")[:3]
                yield written.replace("\\n", "\n"), wanted.split(";;")
        return
    for path in sorted((folder / "nemo" / language).glob("*.tsv")):
        spoken_first = language == "de" or language == "ar" and path.stem in ("fraction", "measure")
        for line in path.read_text().splitlines():
            if "\t" in line:
                a, b = line.split("\t", 1)
                written, wanted = (b, a) if spoken_first else (a, b)
                yield written, wanted.split("~")


def letters(text, language):
    text = text.lower().replace("'", "").replace("’", "")
    for a, b in SAME:
        text = text.replace(a, b)
    words = "".join(c if c.isalnum() or unicodedata.combining(c) or unicodedata.category(c) == "Mc" else " " for c in text).split()
    return "".join(word for word in words if language not in ("en", "cases") or word != "and")


class Gruut:
    name = "gruut"
    voices = {"en": "en-us", "de": "de", "es": "es", "fr": "fr", "it": "it", "pt": "pt"}

    def read(self, text, language):
        import gruut

        return " ".join(sentence.text_spoken for sentence in gruut.sentences(text, lang=self.voices[language]))


class WeText:
    name = "wetext"
    voices = {"en": "en"}

    def __init__(self):
        from wetext import Normalizer

        self.normaliser = Normalizer(lang="en", operator="tn")

    def read(self, text, _language):
        return self.normaliser.normalize(text)


class Ours:
    name = "ours"

    def read(self, text, language):
        return ours.said(text, language)


class Sounds:
    """An engine of phones: whether two texts sound alike."""

    def __init__(self, engine):
        self.name, self.engine = engine.name, engine
        self.voices = {"en": "en"} if self.name == "misaki" else dict.fromkeys(LANGUAGES)

    def read(self, text, language):
        return self.engine.text(text, language)


def sounds(phones):
    return "".join(c for c in phones if c.isalpha())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reading", type=pathlib.Path, default=ours.ROOT / "tests/data/reading")
    parser.add_argument("languages", nargs="*", default=LANGUAGES)
    options = parser.parse_args()
    all_engines = [Ours(), Gruut(), WeText(), Sounds(engines.Misaki()), Sounds(engines.Espeak())]
    print("| | cases | " + " | ".join(engine.name for engine in all_engines) + " |")
    print("|---|---|" + "---|" * len(all_engines))
    for set_ in options.languages:
        language = "en" if set_ == "cases" else set_
        here = list(cases(options.reading, set_))
        columns = []
        for engine in all_engines:
            if not isinstance(engine, Ours) and language not in engine.voices:
                columns.append("")
                continue
            right = failed = 0
            for written, wanted in here:
                try:
                    said = engine.read(written, language)
                    if isinstance(engine, Sounds):
                        right += any(sounds(said) == sounds(engine.read(one.strip(), language)) for one in wanted)
                    else:
                        right += any(letters(said, set_) == letters(one, set_) for one in wanted)
                except (ArithmeticError, AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
                    failed += 1
            columns.append(f"{right}" + (f" ({failed} not read)" if failed else ""))
        print(f"| {set_} | {len(here)} | " + " | ".join(columns) + " |", flush=True)


if __name__ == "__main__":
    main()

"""Stage `lexicon`: how the words of a language sound, one file for each accent.

In: misaki's dictionaries (hexgrad, Apache-2.0), whose phones are the teacher's own, and a working folder's prose, some of whose
words are regular inflections that the dictionaries lack. Out: `lexicon/<accent>.tsv`, lines of word, tab and phones in IPA, for
`syrinx pack --lexicon`, and the same as training reads it. Words that sound otherwise beside other words, as another part of speech
or with a capital letter are left out: the model reads their letters, and the sentence around them.
"""

import json
import re
from collections import Counter
from importlib import resources

from .alphabet import ipa

ACCENTS = ("us", "gb")
GRADES = ("gold", "silver")
TEACHER = str.maketrans({"ɾ": "T", "ʔ": "t"})  # as misaki rewrites them for this teacher
CONTEXT = {"a", "the", "to", "used", "lead", "leads"}  # beside these: heteronyms, which the dictionaries mark
SAME_BUT_STRESS = re.compile("[ˈˌ]")
VOWELS = frozenset("AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻo")
FLAPPING = frozenset("AIOWYiuæɑəɛɪɹʊʌ")  # before a t that becomes a flap


def dictionary(accent):
    """{word in small letters: phones}; of a heteronym None."""
    words = {}
    for grade in GRADES:
        read = json.loads((resources.files("misaki.data") / f"{accent}_{grade}.json").read_text(encoding="utf-8"))
        for word, sound in sorted(read.items(), key=lambda item: item[0] != item[0].lower()):
            if word.isupper() and len(word) > 1 or not re.fullmatch(r"[A-Za-z]+(?:'[A-Za-z]+)*", word):
                continue
            sounds = {sound} if isinstance(sound, str) else set(sound.values()) - {None}
            first = sound if isinstance(sound, str) else sound["DEFAULT"]
            alike = len({SAME_BUT_STRESS.sub("", one) for one in sounds}) == 1 and {"NOUN", "VERB", "ADJ"}.isdisjoint(
                () if isinstance(sound, str) else sound
            )
            known = words.setdefault(word.lower(), first if alike else None)
            if word != word.lower() and known and SAME_BUT_STRESS.sub("", known) != SAME_BUT_STRESS.sub("", first):
                words[word.lower()] = None
    words["i"] = "ˌI"  # the word, more often than the letter
    return {word: sound and sound.translate(TEACHER) for word, sound in words.items()}


def ending_s(stem, accent):
    if stem[-1] in "ptkfθ":
        return stem + "s"
    if stem[-1] in "szʃʒʧʤ":
        return stem + ("ɪz" if accent == "gb" else "ᵻz")
    return stem + "z"


def ending_ed(stem, accent):
    if stem[-1] in "pkfθʃsʧ":
        return stem + "t"
    if stem[-1] == "d":
        return stem + ("ɪd" if accent == "gb" else "ᵻd")
    if stem[-1] != "t":
        return stem + "d"
    if accent == "gb":
        return stem + "ɪd"
    return stem[:-1] + "Tᵻd" if stem[-2:-1] in FLAPPING else stem + "ᵻd"


def ending_ing(stem, accent):
    if accent == "gb" and stem[-1] in "əː":
        return None
    if accent == "us" and stem[-1] == "t" and stem[-2:-1] in FLAPPING:
        return stem[:-1] + "Tɪŋ"
    return stem + "ɪŋ"


def inflected(word, words, accent):
    """Phones of a regular plural, possessive, past or gerund of a word that is known, as misaki makes them, else None."""
    doubled = re.findall(r"^(.*([bcdgklmnprstvxz]))\2(?:ed|ing)$", word)
    doubled = [stem for stem, _ in doubled]
    for ending, of, stems in (
        ("'s", ending_s, [word[:-2]]),
        ("s'", ending_s, [word[:-2]]),
        ("ies", ending_s, [word[:-3] + "y"]),
        ("es", ending_s, [word[:-1], word[:-2]]),
        ("s", ending_s, [] if word.endswith("ss") else [word[:-1]]),
        ("ied", ending_ed, [word[:-3] + "y"]),
        ("ed", ending_ed, [word[:-2], word[:-1], *doubled]),
        ("ing", ending_ing, [word[:-3], word[:-3] + "e", *doubled]),
    ):
        if word.endswith(ending):
            for stem in stems:
                if len(stem) > 1 and (sound := words.get(stem)):
                    return of(sound, accent)
    return None


def build(accent, forms=()):
    """{word: phones} of an accent, with the regular inflections among `forms` and without others: letters do for these."""
    known, forms = dictionary(accent), set(forms)
    made = {form: inflected(form, known, accent) for form in forms - set(known)}
    words = {word: sound for word, sound in known.items() if word in forms or sound != inflected(word, known, accent)}
    return {word: sound for word, sound in sorted((words | made).items()) if sound and word not in CONTEXT}


def run(home, least):
    """Write both accents'. An inflection counts if the prose has it `least` times."""
    seen = Counter()
    for path in home.folder("prose").glob("*.txt"):
        seen.update(re.findall(r"[a-z]+(?:'[a-z]+)*", path.read_text().lower()))
    forms = [form for form, count in seen.items() if count >= least]
    for accent in ACCENTS:
        words = build(accent, forms)
        covered = sum(count for form, count in seen.items() if form in words) / max(1, seen.total())
        lines = (f"{word}\t/{ipa(sound)}/\n" for word, sound in words.items())
        (home.folder("lexicon") / f"{accent}.tsv").write_text("".join(lines))
        (home.folder("lexicon") / f"{accent}.json").write_text(json.dumps(words, ensure_ascii=False))
        home.log(f"lexicon: {accent}, {len(words)} words, {covered:.1%} of the prose")


class Sounds:
    """Phonemes of sentences: of each word the lexicon's, of others espeak-ng's, which hears their neighbours where it keeps words
    apart. Words are divided by blanks and hyphens, here by blanks, so that text and phonemes have the same."""

    def __init__(self, home):
        from .g2p import Phonemes

        self.words = {accent: load(home, accent) for accent in ACCENTS}
        self.others = {accent: Phonemes(accent) for accent in ACCENTS}
        self.alone = {accent: {} for accent in ACCENTS}

    def of_context(self, word, after, accent):
        """Of the articles and `to`, by the phonemes after them in the same clause."""
        vowel = after.lstrip("ˈˌ")[:1] in VOWELS if after else None
        if word == "a":
            return "ə"
        if word == "the":
            return "ði" if vowel else "ðə"
        return {None: "tu" if accent == "us" else "tuː", False: "tə", True: "tʊ"}[vowel]

    def one(self, text, heard, accent):
        """Of one sentence; `heard` are espeak-ng's words of it, or None where they are not as many."""
        made, after = [], ""
        for i, word in reversed(list(enumerate(re.split("[ -]", text)))):
            before, bare, marks = re.fullmatch(r"(\W*)(.*?)(\W*)", word).groups()
            small = bare.lower()
            if marks.strip("'"):
                after = ""
            if small in ("a", "the", "to"):
                sound = self.of_context(small, after, accent)
            elif not (sound := self.words[accent].get(small, "" if not small else None)) and small:
                if heard:
                    sound = re.sub(r"[.,?!;:]", "", heard[i])
                else:
                    alone = self.alone[accent]
                    if small not in alone:
                        alone[small] = re.sub(r"[.,?!;:]", "", self.others[accent]([bare])[0]).replace(" ", "")
                    sound = alone[small]
            made.append("".join(mark for mark in before + sound + marks if mark != "'"))
            after = "" if before.strip("'") else sound
        return " ".join(reversed(made))

    def __call__(self, texts, accent):
        def strange(text):
            words = re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())
            return any(word not in self.words[accent] and word not in ("a", "the", "to") for word in words)

        odd = [text for text in texts if strange(text)]
        heard = dict(zip(odd, (line.split(" ") for line in self.others[accent](odd)))) if odd else {}
        made = []
        for text in texts:
            words = heard.get(text)
            made.append(self.one(text, words if words and len(words) == len(re.split("[ -]", text)) else None, accent))
        return made


def load(home, accent):
    """{word: the teacher's symbols}."""
    return json.loads((home.folder("lexicon") / f"{accent}.json").read_text())

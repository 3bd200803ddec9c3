"""Cardinals and ordinals 0 to 10,000 of every language beside num2words and unicode-rbnf: what differs, by kind.

    python benches/reading/counted.py [LANGUAGE...]
"""

import re
import sys
import unicodedata

import num2words
from unicode_rbnf import RbnfEngine

import ours

LANGUAGES = "en de fr es it pt nl ar hi sv".split()
NUMBERS = range(10_001)


def letters(words):
    """Spacing and hyphens, the Dutch and French accents of style, and the older spelling of the Arabic hundred are none."""
    words = words.lower().replace("één", "een").replace("مائة", "مئة").replace("مائت", "مئت")
    return "".join(c for c in unicodedata.normalize("NFC", words) if c.isalpha() or unicodedata.combining(c))


def num2words_of(number, kind, language):
    try:
        return [num2words.num2words(number, lang=language, to=kind)]
    except (NotImplementedError, OverflowError, IndexError, KeyError, TypeError, ValueError):
        return []


def rbnf_of(engine, number, kind):
    sets = [name for name in engine.rulesets if name.startswith(f"spellout-{kind}") or kind == "cardinal" and name == "spellout-numbering"]
    said = []
    for name in sets:
        try:
            said.append(engine.format_number(number, ruleset_names=[name]).text)
        except (ValueError, KeyError):
            pass
    return said


def kind_of(is_, want):
    """What is different, as letters: the same for all numbers that differ alike."""
    start = 0
    while start < min(len(is_), len(want)) and is_[start] == want[start]:
        start += 1
    end = 0
    while end < min(len(is_), len(want)) - start and is_[-1 - end] == want[-1 - end]:
        end += 1
    return f"{is_[start:len(is_) - end] or '∅'} / {want[start:len(want) - end] or '∅'}"


def main():
    print("| language | what | package | compared | different | the kinds: ours / theirs, how many, an example |")
    print("|---|---|---|---|---|---|")
    for language in sys.argv[1:] or LANGUAGES:
        engine = RbnfEngine.for_language(language)
        for kind in ("cardinal", "ordinal"):
            read = ours.say_as(NUMBERS, kind, language)
            for name, of in (
                ("num2words", lambda n: num2words_of(n, kind, language)),
                ("unicode-rbnf", lambda n: rbnf_of(engine, n, kind)),
            ):
                compared, kinds = 0, {}
                for number in NUMBERS:
                    theirs = [re.sub(r"\u00ad", "", words) for words in of(number)]
                    if not theirs:
                        continue
                    compared += 1
                    mine = letters(read.get(number, ""))
                    if mine not in map(letters, theirs):
                        nearest = min(map(letters, theirs), key=lambda words: abs(len(words) - len(mine)))
                        kinds.setdefault(kind_of(mine, nearest), []).append((number, read.get(number), theirs[0]))
                told = sorted(kinds.items(), key=lambda item: -len(item[1]))
                shown = "; ".join(f"{what}: {len(all_)} ({all_[0][0]}: {all_[0][1]}, {all_[0][2]})" for what, all_ in told[:5])
                rest = f"; and {len(told) - 5} kinds" if len(told) > 5 else ""
                different = sum(map(len, kinds.values()))
                print(f"| {language} | {kind} | {name} | {compared} | {different} | {shown}{rest} |", flush=True)


if __name__ == "__main__":
    main()

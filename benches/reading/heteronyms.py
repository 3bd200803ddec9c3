"""Words that are spelled alike: how many sound right in their sentences, ours, misaki's and espeak-ng's.

    python benches/reading/heteronyms.py [--words] [FILE or FOLDER]

A file has a sentence with the word between stars, a tab and its phones: tests/data/reading/heteronyms.tsv is the default. A folder is
one of Google's WikipediaHomographData (Apache-2.0): `wordids.tsv` and `eval/*.tsv`, or another part of it named by --part.
Ours says a word only where a rule of its neighbours does; the model decides of the others, and they are counted as open.
"""

import argparse
import csv
import pathlib
from collections import Counter, defaultdict

import engines
import ours
import phones


def of_file(path):
    """(sentence, start, end, right phones)."""
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            sentence, sound = line.split("\t")
            before, word, after = sentence.split("*")
            yield before + word + after, len(before), len(before) + len(word), sound


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def of_folder(folder, part):
    sounds = {row["wordid"]: row["pronunciation"] for row in table(folder / "wordids.tsv")}
    for path in sorted((folder / part).glob("*.tsv")):
        for row in table(path):
            sentence, start, end = row["sentence"], int(row["start"]), int(row["end"])
            if sentence[start:end].lower() == row["homograph"].lower() and "\n" not in sentence:
                yield sentence, start, end, sounds[row["wordid"]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=pathlib.Path, default=ours.ROOT / "tests/data/reading/heteronyms.tsv")
    parser.add_argument("--part", default="eval")
    parser.add_argument("--words", action="store_true", help="every word by itself")
    parser.add_argument("--wrong", metavar="WORD", help="what ours has wrong or open of a word")
    parser.add_argument("--only-ours", action="store_true")
    options = parser.parse_args()
    items = list(of_folder(options.path, options.part) if options.path.is_dir() else of_file(options.path))
    may_be = defaultdict(set)
    if options.path.is_dir():
        for row in table(options.path / "wordids.tsv"):
            may_be[row["homograph"].lower()].add(row["pronunciation"])
    for sentence, start, end, sound in items:
        may_be[sentence[start:end].lower()].add(sound)

    def verdict(said, word, right):
        """Whether the candidate that is nearest is the right one; None where several are."""
        if not said:
            return None
        far = {one: phones.distance(phones.classes(said), phones.classes(one)) for one in may_be[word]}
        nearest = [one for one in far if far[one] == min(far.values())]
        return nearest == [right] if len(nearest) == 1 else None

    def ours_of():
        for item, words in zip(items, ours.lines([sentence for sentence, *_ in items], "en-US")):
            here = [word for word in words if word["start"] <= item[1] < word["end"]]
            yield here[0]["phones"] if here else ""

    others = [] if options.only_ours else [engines.Misaki(), engines.Espeak()]
    said = {"ours": list(ours_of())}
    for engine in others:
        said[engine.name] = [
            engine.word(sentence, start, end, may_be[sentence[start:end].lower()]) for sentence, start, end, _ in items
        ]
    total, decided, words = defaultdict(Counter), defaultdict(Counter), defaultdict(lambda: defaultdict(Counter))
    for name, all_ in said.items():
        for number, ((sentence, start, end, right), sound) in enumerate(zip(items, all_)):
            word = sentence[start:end].lower()
            is_right = verdict(sound, word, right)
            total[name][is_right] += 1
            if said["ours"][number]:
                decided[name][is_right] += 1
            words[word][name][is_right] += 1
            if name == "ours" and options.wrong == word and not is_right:
                print(f"{sound or '(open)'} for {right}: {sentence[:start]}*{sentence[start:end]}*{sentence[end:]}")
    for word in sorted(words) if options.words else ():
        shares = ", ".join(f"{name} {of[True]} right {of[False]} wrong {of[None]} open" for name, of in words[word].items())
        print(f"{word}: {shares}")
    for name, of in total.items():
        of_ours = decided[name]
        print(f"{name}: of {len(items)}: {of[True]} right ({100 * of[True] / len(items):.1f} %), {of[False]} wrong, {of[None]} open; of the "
              f"{of_ours.total()} that ours decides {of_ours[True]} right ({100 * of_ours[True] / max(1, of_ours.total()):.1f} %)")


if __name__ == "__main__":
    main()

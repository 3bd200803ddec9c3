"""How many values of slots, and whole commands, are in transcripts.

    python score.py ../shared/data/commands/label.json OURS.tsv THEIRS.tsv
    python score.py --invented NOISE.tsv

A line of a TSV is a file's name and its text. A value counts where its words stand in the text one after the other;
capitals, punctuation and the choice between "8" and "eight" do not matter. The even and the odd commands (by name) are told
apart as well, so that what was chosen on one half can be seen on the other. In noise every word is invented.
"""

import json
import pathlib
import re
import sys

NUMBERS = {
    "8": "eight", "12": "twelve", "16": "sixteen", "20": "twenty", "1": "one", "2": "two", "3": "three", "4": "four",
}


def words(text):
    text = re.sub(r"(\d+)[- ]?(oz|ounces?)\b", r"\1 ounce", text.lower())
    found = re.findall(r"[a-z]+|\d+", text.replace("'", ""))
    return " " + " ".join(NUMBERS.get(word, word) for word in found) + " "


def main():
    if sys.argv[1] == "--invented":
        texts = [line.split("\t")[1] for line in pathlib.Path(sys.argv[2]).read_text().splitlines()]
        print(f"{sum(len(text.split()) for text in texts)} words in {len(texts)} recordings of noise", *filter(None, texts), sep="; ")
        return
    labels = json.loads(pathlib.Path(sys.argv[1]).read_text())
    for path in sys.argv[2:]:
        lines = [line.split("\t") for line in pathlib.Path(path).read_text().splitlines()]
        texts = {pathlib.Path(line[0]).stem: line[1] if len(line) > 1 else "" for line in lines}
        for half, chosen in ("", labels), (" of the even", sorted(labels)[::2]), (" of the odd", sorted(labels)[1::2]):
            found = values = whole = 0
            for file in chosen:
                text = words(texts.get(pathlib.Path(file).stem, ""))
                here = [words(value) in text for value in labels[file]["slots"].values()]
                found, values, whole = found + sum(here), values + len(here), whole + all(here)
            print(f"{path}: {found} of {values} values{half}, {100 * found / values:.1f} %; "
                  f"{whole} of {len(chosen)} commands, {100 * whole / len(chosen):.1f} %")


if __name__ == "__main__":
    main()

"""How many values of slots, and whole commands, are in transcripts.

    python score.py ../shared/data/commands/label.json OURS.tsv THEIRS.tsv

A line of a TSV is a file's name and its text. A value counts where its words stand in the text one after the other;
capitals, punctuation and the choice between "8" and "eight" do not matter.
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
    labels = json.loads(pathlib.Path(sys.argv[1]).read_text())
    for path in sys.argv[2:]:
        lines = [line.split("\t") for line in pathlib.Path(path).read_text().splitlines()]
        texts = {pathlib.Path(line[0]).stem: line[1] if len(line) > 1 else "" for line in lines}
        found = values = whole = 0
        for file, label in labels.items():
            text = words(texts.get(pathlib.Path(file).stem, ""))
            here = [words(value) in text for value in label["slots"].values()]
            found, values, whole = found + sum(here), values + len(here), whole + all(here)
        print(f"{path}: {found} of {values} values, {100 * found / values:.1f} %; "
              f"{whole} of {len(labels)} commands, {100 * whole / len(labels):.1f} %")


if __name__ == "__main__":
    main()

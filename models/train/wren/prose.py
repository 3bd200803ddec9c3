"""Stage `prose`: plain sentences out of texts that are had elsewhere, for what is to be said.

In: files or folders of plain text, HTML, or Mallard pages. Out: `prose/<name>.txt`, a sentence a line in the characters that may
be said (`sentences.clean`), numbers in words; nothing twice, nothing that is kept for evaluation. Texts stay in the working folder.
"""

import gzip
import html
import random
import re
from pathlib import Path

from .corpus import key
from .home import eval_sentences
from .sentences import clean, number

SHORTEST, LONGEST, FEWEST_WORDS = 20, 240, 4
LEFT_OUT = re.compile(r"[A-Z]{2,}|[a-z][A-Z]|\b[A-Za-z]\.|[\[\]{}<>=\\|_/@#*^~]|\d{5,}|\d[.,]\d|[A-Za-z]\d|\d[A-Za-z]|\.[A-Za-z]")
MARKS = str.maketrans({"’": "'", "‘": "'", "“": " ", "”": " ", '"': " ", "(": ", ", ")": ", ", "—": ", ", "–": ", ", "\u00a0": " "})


def plain(path):
    """The paragraphs of a file."""
    read = gzip.open if path.suffix == ".gz" else open
    with read(path, "rt", errors="ignore") as file:
        text = file.read()
    if "<" in text[:200] and re.search(r"<(?:html|page|p)\b", text, re.I):
        text = re.sub(r"(?s)<(script|style|pre|code|screen|head)\b.*?</\1>", " ", text)
        text = re.sub(r"</?(?:p|li|div|td|th|h\d|title|item|br)\b[^>]*>", "\n\n", text)
        yield from html.unescape(re.sub(r"<[^>]+>", "", text)).split("\n\n")
    else:
        yield from re.split(r"\n\s*\n", text)


def sentences(paragraph):
    text = re.sub(r"\s+", " ", paragraph.replace("--", ", ")).translate(MARKS).strip()
    for one in re.split(r"(?<=[.?!]) +(?=[A-Z])", text):
        one = one.strip(" ,;:-'")
        if not re.match(r"[A-Z].*[.?!]$", one) or LEFT_OUT.search(one[:-1]):
            continue
        one = re.sub(r"\d+", lambda m: number(int(m[0])), one)
        one = re.sub(r"(?<=[,;:.?!])(?: *[,;:])+| +(?=[,;:.?!])|(?<!\w)'|'(?!\w)| - ", " ", one)
        one = re.sub(r"[,;: ]+([.?!]$)| +([,;:])", r"\1\2", one)
        said = clean(one)
        if said and SHORTEST <= len(said) <= LONGEST and len(said.split()) >= FEWEST_WORDS:
            yield said


def run(home, name, paths, most):
    """All sentences of `paths` as `prose/<name>.txt`, at most `most` of them by chance."""
    seen = {key(text) for group in eval_sentences().values() for text in group}
    found = []
    for path in paths:
        path = Path(path)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_file():
                continue
            for paragraph in plain(file):
                for one in sentences(paragraph):
                    if key(one) not in seen:
                        seen.add(key(one))
                        found.append(one)
    random.Random(0).shuffle(found)
    (home.folder("prose") / f"{name}.txt").write_text("\n".join(found[:most]) + "\n")
    home.log(f"prose: {name}, {len(found)} sentences, {min(most, len(found))} kept")

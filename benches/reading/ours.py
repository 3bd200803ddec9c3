"""What Syrinx reads: words of many texts, by `syrinx read --json`. SYRINX names the program, else target/release/syrinx."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SYRINX", str(ROOT / "target/release/syrinx"))
MOST_BYTES = 100_000  # of one argument of a program: the system's bound is 128 KiB


def words(text, language, *options):
    """A reading, word by word: `said`, `start`, `end`, `by`, `phones`."""
    command = [PROGRAM, "read", "--json", "--language", language, *options, "--", text]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def said(text, language):
    return " ".join(word["said"] for word in words(text, language) if word["said"])


def chunks(texts, length):
    """Consecutive texts that go into one argument: each as (number, text)."""
    chunk, size = [], 0
    for number, text in enumerate(texts):
        if chunk and size + length(text) > MOST_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append((number, text))
        size += length(text)
    if chunk:
        yield chunk


def say_as(numbers, kind, language):
    """{number: words}, of `say-as` in SSML, where nothing around a number says what it is."""
    element = '<s><say-as interpret-as="{}">{}</say-as></s>'
    found = {}
    for chunk in chunks(numbers, lambda number: len(element) + len(kind) + len(str(number))):
        document, places = "<speak>", {}
        for _, number in chunk:
            before, _ = element.format(kind, "\0").split("\0")
            places[len(document) + len(before)] = number
            document += element.format(kind, number)
        for word in words(document + "</speak>", language, "--ssml"):
            if word["said"]:
                number = places[word["start"]]
                found[number] = f"{found.get(number, '')} {word['said']}".strip()
    return {number: words.rstrip(".") for number, words in found.items()}


def lines(texts, language):
    """For each text its words, the places counted in that text."""
    found = [[] for _ in texts]
    for chunk in chunks(texts, lambda text: len(text.encode()) + 2):
        starts, whole = [], ""
        for number, text in chunk:
            starts.append((len(whole), number))
            whole += text + "\n\n"
        at = 0
        for word in words(whole, language):
            while at + 1 < len(starts) and word["start"] >= starts[at + 1][0]:
                at += 1
            start, number = starts[at]
            found[number].append({**word, "start": word["start"] - start, "end": word["end"] - start})
    return found

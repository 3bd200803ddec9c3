"""A lexicon in a pack: size, start-up and first audio, by two packs in turns.

    python benches/reading/pack_lexicon.py [--pack models/wren-en] [--pairs 10]

Writes `target/reading/us.lexicon`, misaki's words in compact form, for its size; and a copy of the pack that reads as phones the letters
that it knows: every word is looked up and comes out as it is written, so that both packs say the same.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

import ours

sys.path.insert(0, str(ours.ROOT / "models/train"))
from wren import alphabet, lexicon  # noqa: E402

TARGET = ours.ROOT / "target/reading"


def compact(name, words):
    path = TARGET / f"{name}.tsv"
    path.write_text("".join(f"{word}\t/{phones}/\n" for word, phones in words.items()))
    made = TARGET / f"{name}.lexicon"
    done = subprocess.run(
        [ours.PROGRAM, "pack", "--lexicon", str(path), "--to", str(made)], capture_output=True, text=True, check=True
    )
    print(f"{name}: {path.stat().st_size / 1e6:.2f} MB as text; compact: {done.stderr.strip().split(': ', 1)[1]}")
    return made


def with_lexicon(pack, file):
    copy = TARGET / "pack"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(pack, copy)
    shutil.copy(file, copy / "words.lexicon")
    letters = "".join(f'"{letter}" = "{read}"\n' for letter, read in zip("abcdefɡhijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"))
    manifest = (copy / "pack.toml").read_text()
    before, after = manifest.split("\n[guards]")
    data = file.read_bytes()
    manifest = (
        f"{before}\n[text.phones]\n{letters}\n[[text.lexicons]]\nfile = \"words.lexicon\"\n\n[guards]{after}\n"
        f"[[files]]\nname = \"words.lexicon\"\nbytes = {len(data)}\nsha256 = \"{hashlib.sha256(data).hexdigest()}\"\n"
    )
    (copy / "pack.toml").write_text(manifest)
    return copy


def bench(pack):
    command = [ours.PROGRAM, "bench", "--json", "--frames", "2", "--pack", str(pack)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pack", type=pathlib.Path, default=ours.ROOT / "models/wren-en")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--prepared", action="store_true", help="the packs are there already")
    options = parser.parse_args()
    TARGET.mkdir(parents=True, exist_ok=True)
    if options.prepared:
        copy = TARGET / "pack"
    else:
        words = lexicon.build("us")
        compact("us", {word: alphabet.ipa(sound) for word, sound in words.items()})
        copy = with_lexicon(options.pack, compact("letters", {word: word.replace("'", "") for word in words}))
    figures = {"without": [], "with": []}
    for _ in range(options.pairs):
        for name, pack in (("without", options.pack), ("with", copy)):
            figures[name].append(bench(pack))
    for what, of in (
        ("first audio, ms", lambda report: report["ttfa_ms"]),
        ("load, ms", lambda report: report["load_ms"]),
        ("peak memory, MB", lambda report: report["rss_peak_mb"]),
    ):
        pairs = [(of(a), of(b)) for a, b in zip(figures["without"], figures["with"])]
        more = statistics.median(b - a for a, b in pairs)
        medians = [statistics.median(side) for side in zip(*pairs)]
        print(f"{what}: without {medians[0]:.2f}, with {medians[1]:.2f}; median of {len(pairs)} differences {more:+.2f}")


if __name__ == "__main__":
    main()

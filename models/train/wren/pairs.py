"""Stage `pairs`: two ways of speaking with one pack, sentence by sentence and in turns.

In: the `syrinx` binary, a pack, options of `syrinx say` for either way, the sentences of `voice-eval`. Out: `pairs/<name>.tsv`, a
line a pair, drawn by chance with a fixed seed, so that a run that was stopped goes on and half of one is a fair sample;
`pairs/<name>.md`: word error by kind and by voice with the interval of the change, marks, failures, and processor time, which other
work on the machine disturbs less than the clock. The four voices say the same sentences, so an interval draws sentences with all
their voices.
"""

import csv
import random
import resource
from collections import defaultdict

import numpy as np

from .judge import Words, difference
from .quality import NAMES, PLACES, marks
from .sizes import SAMPLE_RATE_HZ
from .teacher import VOICES
from .voice_eval import KINDS, chosen, failures, say

ORDER_SEED = 20_261_129
WAYS = ("before", "after")
OF_A_WAY = ("wrong", "samples", "seconds", "processor_s", *NAMES, "heard")
COLUMNS = ("voice", "kind", "text", "words", *(f"{way} {name}" for way in WAYS for name in OF_A_WAY))


def planned(count):
    """(voice, kind, text) of `count` sentences of each kind in every voice, shuffled."""
    pairs = [(voice, kind, text) for kind, texts in chosen(count).items() for text in texts for voice in VOICES]
    random.Random(ORDER_SEED).shuffle(pairs)
    return pairs


def known(path):
    """Lines of an earlier run."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file, dialect="excel-tab"))


def processor_seconds():
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(home, syrinx, pack, count, threads, name, options, sounds):
    """`options`: of `say`, before and after; `sounds`: of how many pairs, evenly spread, the judges of sound hear."""
    path = home.folder("pairs") / f"{name}.tsv"
    lines = known(path)
    done = {(line["voice"], line["kind"], line["text"]) for line in lines}
    judge, fresh, plan = Words(home, threads), not lines, planned(count)
    every = max(1, len(plan) // sounds) if sounds else len(plan) + 1
    with open(path, "a", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, dialect="excel-tab")
        if fresh:
            out.writeheader()
        for voice, kind, text in (pair for pair in plan if pair not in done):
            line = {"voice": voice, "kind": kind, "text": text}
            order = range(2) if len(lines) % 2 == 0 else (1, 0)
            spoken = {}
            for i in order:
                began = processor_seconds()
                audio, seconds = say(syrinx, pack, voice, text, path.with_suffix(".wav"), ("--threads", str(threads), *options[i]))
                spent = {"samples": len(audio), "seconds": f"{seconds:.3f}", "processor_s": f"{processor_seconds() - began:.3f}"}
                line |= {f"{WAYS[i]} {key}": value for key, value in spent.items()}
                spoken[WAYS[i]] = audio
            for way, audio in spoken.items():
                sound = audio if len(audio) else np.zeros(SAMPLE_RATE_HZ, np.float32)
                missed, line["words"], line[f"{way} heard"] = judge.wrong(text, sound)
                line[f"{way} wrong"] = missed
                if (len(lines) + 1) % every == 0 and len(audio):
                    line |= {f"{way} {mark}": f"{value:.4f}" for mark, value in zip(NAMES, marks(audio))}
            out.writerow(line)
            file.flush()
            lines.append(line)
    report(home, name)


def changed(lines):
    """Word error before, after, and its change with the interval, of lines grouped by sentence."""
    texts = defaultdict(lambda: np.zeros(3, int))
    for line in lines:
        texts[line["text"]] += [int(line[column]) for column in ("before wrong", "after wrong", "words")]
    before, after, said = np.array(list(texts.values())).T
    change, low, high = difference(before, after, said)
    return before.sum() / said.sum(), after.sum() / said.sum(), change, low, high


def row(title, lines):
    before, after, change, low, high = changed(lines)
    return f"| {title} | {len(lines)} | {before:.2%} | {after:.2%} | {change:+.2%} [{low:+.2%}, {high:+.2%}] |\n"


def of_sound(lines):
    """Means of the judges of sound on lines that they heard both ways, and the change with its interval."""
    text = "| | before | after | change, 95 % |\n|---|---|---|---|\n"
    for mark, places in zip(NAMES, PLACES):
        values = np.array([[float(line[f"{way} {mark}"] or "nan") for way in WAYS] for line in lines])
        before, after = values[~np.isnan(values).any(1)].T
        change, low, high = difference(before, after, np.ones(len(before)))
        cells = (f"{before.mean():.{places}f}", f"{after.mean():.{places}f}", f"{change:+.3f} [{low:+.3f}, {high:+.3f}]")
        text += f"| {mark} | {' | '.join(cells)} |\n"
    return text


def summary(lines):
    """Everything that is told of the lines of a run."""
    parts = ["| | pairs | before | after | change, 95 % |\n|---|---|---|---|---|\n"]
    for column, names in (("kind", KINDS), ("voice", VOICES)):
        groups = {name: [line for line in lines if line[column] == name] for name in names}
        parts += [row(name, group) for name, group in groups.items() if group]
    parts.append(row("all", lines))
    heard = [line for line in lines if line[f"before {NAMES[0]}"] and line[f"after {NAMES[0]}"]]
    if heard:
        parts.append(f"\n{len(heard)} of these pairs:\n\n{of_sound(heard)}")
    parts.append("\n")
    for way in WAYS:
        samples = [int(line[f"{way} samples"]) for line in lines]
        failed = 0
        for voice in VOICES:
            spoken = [(line["text"], range(n)) for line, n in zip(lines, samples) if line["voice"] == voice]
            failed += len(failures(spoken)) if spoken else 0
        spent = sum(float(line[f"{way} processor_s"]) for line in lines) * SAMPLE_RATE_HZ / max(1, sum(samples))
        parts.append(
            f"{way}: {failed} of {len(lines)} empty, early or endless; {sum(samples) / SAMPLE_RATE_HZ / 60:.1f} min of speech; "
            f"processor time of the whole command, loading included, {spent:.4f} of it\n"
        )
    return "".join(parts)


def report(home, name):
    path = home.folder("pairs") / f"{name}.tsv"
    lines = known(path)
    if not lines:
        raise SystemExit(f"no pairs in {path}: run `pairs` first")
    text = summary(lines)
    path.with_suffix(".md").write_text(text)
    print(text)

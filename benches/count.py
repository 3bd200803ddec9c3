#!/usr/bin/env python3
"""Instructions per frame under callgrind, against the counts in counts.tsv: `make count`.

Time on a shared machine varies by tens of percent, instructions hardly at all, so a slower inner loop shows here first. Each
stage runs twice, for fewer and for more frames; the difference, divided, is what one frame takes, without loading and warming
up. Valgrind has no AVX-512: the AVX2 kernels are counted (SYRINX_ISA=avx2), whatever this processor has.

More than 3 % above the committed count fails; so does more than 3 % below, until it is written down with `--accept`.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
COUNTS = HERE / "counts.tsv"
TOLERANCE = 0.03
ISA = "avx2"
FEWER, MORE = 2, 6
# Whole frames are counted on the smallest pack alone: valgrind takes fifty times as long as the processor.
COUNTED = [
    ("flow", "tiny q8"),
    ("flow", "tiny q4-all"),
    ("flow", "mid q8"),
    ("flow", "mid q4-all"),
    ("codec", "tiny q8"),
    ("codec", "mid q8"),
    ("frame", "tiny q8"),
]


def program():
    """The bench `work`, built."""
    built = subprocess.run(
        ["cargo", "bench", "--no-run", "--bench", "work", "--message-format=json"],
        cwd=HERE.parent, check=True, stdout=subprocess.PIPE, text=True,
    )
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "work")


def run(command, frames):
    """What the program says on standard error, having made so many frames."""
    env = os.environ | {"SYRINX_ISA": ISA}
    ran = subprocess.run(command, input=f"{frames}\n", capture_output=True, text=True, env=env, check=False)
    if ran.returncode:
        sys.exit(f"count: {' '.join(command)} failed:\n{ran.stderr}")
    if ran.stdout.splitlines()[0] != ISA:
        sys.exit(f"count: this processor has no {ISA}; the committed counts are of it")
    return ran.stderr


def instructions(work, stage, pack, frames):
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    stderr = run([*callgrind, work, stage, pack], frames)
    return int(re.search(r"Collected : (\d+)", stderr)[1])


def main():
    accept = sys.argv[1:] == ["--accept"]
    if sys.argv[1:] and not accept:
        sys.exit("usage: count.py [--accept]")
    lines = COUNTS.read_text().splitlines()[1:] if COUNTS.exists() else []
    expected = {(stage, pack): int(count) for stage, pack, count in (line.split("\t") for line in lines)}
    work = program()
    found, bad = {}, []
    print(f"{'stage':<8}{'pack':<14}{'expected':>14}{'found':>14}{'change':>9}")
    for stage, pack in COUNTED:
        run([work, stage, pack], 1)  # makes the pack where there is none
        fewer, more = (instructions(work, stage, pack, frames) for frames in (FEWER, MORE))
        count = found[stage, pack] = (more - fewer) // (MORE - FEWER)
        before = expected.get((stage, pack))
        change = count / before - 1 if before else float("inf")
        print(f"{stage:<8}{pack:<14}{before or '-':>14}{count:>14}{change:>9.1%}", flush=True)
        if abs(change) > TOLERANCE:
            bad.append(f"{stage} of {pack}")
    if accept:
        rows = [f"{stage}\t{pack}\t{count}" for (stage, pack), count in found.items()]
        COUNTS.write_text("\n".join([f"stage\tpack\tinstructions per frame ({ISA})", *rows]) + "\n")
    elif bad:
        sys.exit(f"count: FAILED, more than {TOLERANCE:.0%} off: {', '.join(bad)}. If that is meant: make count-accept")


if __name__ == "__main__":
    main()

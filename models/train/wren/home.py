"""The working folder: where every stage finds the output of the one before it.

In: `--home` or the environment variable WREN_HOME. Out: paths. Nothing large is kept in the repository.
"""

import os
import time
from pathlib import Path

REPOSITORY_EVAL = Path(__file__).resolve().parent.parent / "eval"


class Home:
    """Paths under the working folder; folders are made when first asked for."""

    def __init__(self, root=None):
        root = root or os.environ.get("WREN_HOME")
        if not root:
            raise SystemExit("no working folder: pass --home or set WREN_HOME")
        self.root = Path(root).expanduser()

    def folder(self, name):
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, line):
        """Append one dated line to log.md and print it."""
        stamp = time.strftime("%Y-%m-%d %H:%M")
        with open(self.folder(".") / "log.md", "a") as file:
            file.write(f"- {stamp} {line}\n")
        print(line, flush=True)


def eval_sentences():
    """All held-out sentences, {file stem: [sentence]}."""
    return {
        path.stem: [line.strip() for line in path.read_text().splitlines() if line.strip()]
        for path in sorted(REPOSITORY_EVAL.glob("*.txt"))
    }

"""Semantic codes with a meaning: the phones heard in the two halves of an 80 ms frame.

In: frames with their phones. Out: one code per frame, 12.5 per second.
A learnt codebook can be ignored by the decoder; one that names phones cannot, it needs no audio to be known,
and its rows can be shared between codes (`phones` are factors).
"""

import json
from collections import Counter

import numpy as np

from .corpus import entries
from .frames import SILENCE, Frames

CLASSES = ["aɑæʌəɐᵊɚ", "iɪᵻeɛɜ", "oɔuʊɒQO", "AIWY", "pbtdkɡTʔ", "fvθðszʃʒhʧʤ", "mnŋ", "lɹwj", SILENCE]


class Codes:
    """The table of kept pairs, most frequent first; other pairs take the nearest kept one."""

    def __init__(self, pairs):
        self.pairs = [tuple(p) for p in pairs]
        self.phones = sorted({phone for pair in self.pairs for phone in pair})
        self.index = {pair: i for i, pair in enumerate(self.pairs)}
        self.group = {phone: i for i, members in enumerate(CLASSES) for phone in members}
        place = {phone: i for i, phone in enumerate(self.phones)}
        self.first = np.array([place[a] for a, _ in self.pairs])
        self.second = np.array([place[b] for _, b in self.pairs])
        self.silence = self.index[SILENCE, SILENCE]

    def distance(self, a, b):
        if a == b:
            return 0
        return 1 if self.group.get(a, -1) == self.group.get(b, -2) else 3

    def __getitem__(self, pair):
        if pair not in self.index:
            self.index[pair] = min(
                range(len(self.pairs)),
                key=lambda i: (self.distance(pair[0], self.pairs[i][0]) + self.distance(pair[1], self.pairs[i][1]), i),
            )
        return self.index[pair]

    def __len__(self):
        return len(self.pairs)

    def encode(self, frames):
        return np.array([self[pair] for pair in frames.pairs], dtype=np.int16)


def build(home, size):
    """Stage `codes`: keep the `size` most frequent pairs of everything scripted and spoken so far."""
    counts = Counter()
    for stage in ("script", "corpus"):
        for entry in entries(home.folder(stage)):
            counts.update(Frames(entry).pairs)
    kept = [pair for pair, _ in counts.most_common(size)]
    share = sum(counts[pair] for pair in kept) / sum(counts.values())
    (home.folder(".") / "codes.json").write_text(json.dumps(kept, ensure_ascii=False))
    home.log(f"codes: {len(kept)} of {len(counts)} pairs kept, {share:.2%} of {sum(counts.values())} frames")


def load(home):
    return Codes(json.loads((home.folder(".") / "codes.json").read_text()))

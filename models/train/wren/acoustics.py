"""Acoustic values with a meaning: what a frame's phones leave open.

In: a frame's log-mel columns, its code, the voice and the pitch. Out: `acoustic_dim` values in [-1, 1] per frame:
  0     the voice
  1, 2  pitch of the two halves against the voice's mean (0 where nothing is voiced)
  3 ..  principal components of the log-mel spectrum's difference from the mean of that code and voice
Nothing is learnt beside the means and components, so the values never change their meaning: decoder, backbone and flow head can be
trained at the same time, zero means "as always", and the decoder cannot leave the code out.
"""

import numpy as np
import torch

from .pitch import pitch_values
from .precision import placed
from .sizes import FRAME_SAMPLES, PATCH_SAMPLES, CodecSizes
from .spectra import LogMel
from .teacher import VOICE_HZ, VOICES

BANDS, COLUMNS, QUIET = 40, 4, 0.02
VOICE, PITCH, SPECTRUM = 0, slice(1, 3), 3
SHRINK_FRAMES, ROUNDS = 30, 4
LARGEST_SPREAD, LEAST_SPREAD = 0.35, 0.12
VOICE_IDS = {name: i for i, name in enumerate(VOICES)}


def levels(values, count=CodecSizes().acoustic_levels):
    """Values in [-1, 1] as integers 0 .. count - 1."""
    return np.rint((values + 1) / 2 * (count - 1)).astype(np.uint8)


class Columns:
    """Log-mel columns of whole frames: audio [frames * 1,920] -> [frames, COLUMNS * BANDS]."""

    def __init__(self):
        self.mel = LogMel(1024, PATCH_SAMPLES, BANDS)

    @torch.no_grad()
    def __call__(self, audio):
        mel = self.mel(placed(audio)[None])[0].T.logaddexp(torch.tensor(QUIET).log())
        return mel.view(-1, COLUMNS, FRAME_SAMPLES // PATCH_SAMPLES // COLUMNS, BANDS).mean(2).flatten(1).cpu().numpy()


def means(columns, keys):
    """Additive tables, one per key, fitted in turn to what the others leave; rare entries shrink to zero."""
    total = columns.mean(0)
    tables = [np.zeros((key.max() + 1, columns.shape[1]), np.float32) for key in keys]
    rest = columns - total
    for _ in range(ROUNDS):
        for table, key in zip(tables, keys):
            rest += table[key]
            sums = np.zeros_like(table)
            np.add.at(sums, key, rest)
            table[:] = sums / (np.bincount(key, minlength=len(table)) + SHRINK_FRAMES)[:, None]
            rest -= table[key]
    return total, tables, rest


class Acoustics:
    """The fitted tables; `home/acoustics.npz`."""

    def __init__(self, arrays, sizes=CodecSizes()):
        self.arrays, self.sizes, self.columns = arrays, sizes, Columns()
        self.total, self.first, self.second, self.own, self.voice, self.basis, self.spread = (
            arrays[name] for name in ("total", "first", "second", "own", "voice", "basis", "spread")
        )

    def values(self, columns, codes, table, voice, pitch_hz):
        """columns [frames, COLUMNS * BANDS], codes [frames] of the code table `table`, pitch_hz [2 * frames] ->
        float32 [frames, acoustic_dim]."""
        out = np.zeros((len(codes), self.sizes.acoustic_dim), np.float32)
        top = self.sizes.acoustic_levels - 1
        out[:, VOICE] = np.rint(top * voice / (len(VOICES) - 1)) / top * 2 - 1
        out[:, PITCH] = pitch_values(pitch_hz, VOICE_HZ[voice])
        mean = self.total + self.first[table.first[codes]] + self.second[table.second[codes]] + self.own[codes] + self.voice[voice]
        out[:, SPECTRUM:] = ((columns - mean) @ self.basis / self.spread).clip(-1, 1)
        return out


def fit(home, table, utterances):
    """Fit means and components on `utterances`: (audio, codes, voice); written once, like the code table."""
    columns, codes, voices, patches = [], [], [], []
    analyse = Columns()
    for audio, named, voice in utterances:
        columns.append(analyse(audio))
        codes.append(named)
        voices.append(np.full(len(named), voice))
        patches.append(audio.reshape(-1, PATCH_SAMPLES))
    columns, codes, voices = np.concatenate(columns), np.concatenate(codes).astype(int), np.concatenate(voices)
    keys = (table.first[codes], table.second[codes], codes, voices)
    lengths = (len(table.phones), len(table.phones), len(table), len(VOICES))
    total, tables, rest = means(columns, keys)
    tables = [np.pad(t, ((0, n - len(t)), (0, 0))) for t, n in zip(tables, lengths)]
    variance, basis = np.linalg.eigh(np.cov(rest.T))
    count = CodecSizes().acoustic_dim - SPECTRUM
    variance, basis = variance[::-1], basis[:, ::-1][:, :count]
    wanted = np.maximum(LEAST_SPREAD, LARGEST_SPREAD * (variance[:count] / variance[0]) ** 0.25)
    arrays = dict(zip(("first", "second", "own", "voice"), tables)) | {
        "total": total,
        "basis": basis.astype(np.float32),
        "spread": (np.sqrt(variance[:count]) / wanted).astype(np.float32),
        "patch_spread": patch_spread(np.concatenate(patches)),
    }
    np.savez(home.folder(".") / "acoustics.npz", **arrays)
    home.log(
        f"acoustics: {len(codes)} frames, log-mel spread {columns.std():.2f}, without the means {rest.std():.2f}, "
        f"components keep {variance[:count].sum() / variance.sum():.0%} of that"
    )


def cosine_basis():
    """Orthonormal DCT-IV of one patch [coefficient, sample]."""
    half = torch.arange(PATCH_SAMPLES) + 0.5
    return torch.cos(torch.pi / PATCH_SAMPLES * half[:, None] * half[None]) * (2 / PATCH_SAMPLES) ** 0.5


def patch_spread(patches):
    """Root mean square of each cosine coefficient of speech, the largest one 1."""
    spread = np.sqrt(np.square(patches @ cosine_basis().cpu().numpy().T).mean(0)) + 1e-4
    return (spread / spread.max()).astype(np.float32)


def load(home):
    with np.load(home.folder(".") / "acoustics.npz") as stored:
        return Acoustics({name: stored[name] for name in stored.files})

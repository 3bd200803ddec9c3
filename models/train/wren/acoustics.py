"""Acoustic values with a meaning: what a frame's phones leave open.

In: a frame's log-mel columns, its code, the voice and the pitch. Out: `value_dim` values in [-1, 1] per frame:
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

    def __init__(self, arrays):
        self.arrays, self.columns = arrays, Columns()
        self.total, self.first, self.second, self.own, self.voice, self.basis, self.spread = (
            arrays[name] for name in ("total", "first", "second", "own", "voice", "basis", "spread")
        )
        self.sizes = CodecSizes(value_dim=SPECTRUM + self.basis.shape[1])

    def means(self, codes, table, voice):
        """Mean columns [frames, COLUMNS * BANDS] of codes [frames] of the code table `table` in one voice, or in a voice each."""
        of_phones = self.first[table.first[codes]] + self.second[table.second[codes]]
        return self.total + of_phones + self.own[codes] + self.voice[voice]

    def values(self, columns, codes, table, voice, pitch_hz):
        """columns [frames, COLUMNS * BANDS], codes [frames] of the code table `table`, pitch_hz [2 * frames] ->
        float32 [frames, value_dim]."""
        out = np.zeros((len(codes), self.sizes.value_dim), np.float32)
        top = self.sizes.acoustic_levels - 1
        out[:, VOICE] = np.rint(top * voice / (len(VOICES) - 1)) / top * 2 - 1
        out[:, PITCH] = pitch_values(pitch_hz, VOICE_HZ[voice])
        out[:, SPECTRUM:] = ((columns - self.means(codes, table, voice)) @ self.basis / self.spread).clip(-1, 1)
        return out


def analysed(utterances):
    """Of `utterances`, (audio, codes, voice) each: columns [frames, COLUMNS * BANDS], codes and voices [frames], and the sound in
    patches."""
    columns, codes, voices, patches = [], [], [], []
    analyse = Columns()
    for audio, named, voice in utterances:
        columns.append(analyse(audio))
        codes.append(named)
        voices.append(np.full(len(named), voice))
        patches.append(audio.reshape(-1, PATCH_SAMPLES))
    return np.concatenate(columns), np.concatenate(codes).astype(int), np.concatenate(voices), np.concatenate(patches)


def components(rest, columns, count):
    """Variance of all principal components of `rest` [frames, COLUMNS * BANDS], and the first `count` of them as columns. A frame
    weighs as much as it is louder than what counts as quiet: otherwise the noise of silence is a component."""
    weights = np.maximum(columns.mean(1) - np.log(QUIET), 0) + 1e-3
    variance, basis = np.linalg.eigh(np.cov(rest.T, aweights=weights))
    return variance[::-1], basis[:, ::-1][:, :count].astype(np.float32)


def spread_of(variance, largest):
    """What one unit of a value is worth: the weaker a component, the less of [-1, 1] it fills, down to LEAST_SPREAD."""
    wanted = np.maximum(LEAST_SPREAD, LARGEST_SPREAD * (variance / largest) ** 0.25)
    return (np.sqrt(variance) / wanted).astype(np.float32)


def fit(home, table, utterances, count):
    """Fit means and `count` components on `utterances`: (audio, codes, voice); written once, like the code table."""
    columns, codes, voices, patches = analysed(utterances)
    keys = (table.first[codes], table.second[codes], codes, voices)
    lengths = (len(table.phones), len(table.phones), len(table), len(VOICES))
    total, tables, rest = means(columns, keys)
    tables = [np.pad(t, ((0, n - len(t)), (0, 0))) for t, n in zip(tables, lengths)]
    variance, basis = components(rest, columns, count)
    arrays = dict(zip(("first", "second", "own", "voice"), tables)) | {
        "total": total,
        "basis": basis,
        "spread": spread_of(variance[:count], variance[0]),
        "patch_spread": patch_spread(patches),
    }
    np.savez(home.folder(".") / "acoustics.npz", **arrays)
    home.log(
        f"acoustics: {len(codes)} frames, log-mel spread {columns.std():.2f}, without the means {rest.std():.2f}, "
        f"components keep {variance[:count].sum() / variance.sum():.0%} of that"
    )


def extend(home, table, utterances, count):
    """Add the components that `acoustics.npz` lacks of `count`. Those that it has keep their meaning, and a model goes on."""
    known = load(home)
    columns, codes, voices, _ = analysed(utterances)
    rest = columns - known.means(codes, table, voices)
    left = rest - rest @ known.basis @ known.basis.T
    count -= known.basis.shape[1]
    variance, basis = components(left, columns, count)
    largest = (known.spread[0] * LARGEST_SPREAD) ** 2
    arrays = known.arrays | {
        "basis": np.concatenate([known.basis, basis], 1),
        "spread": np.concatenate([known.spread, spread_of(variance[:count], largest)]),
    }
    np.savez(home.folder(".") / "acoustics.npz", **arrays)
    home.log(
        f"acoustics: {count} components more on {len(codes)} frames, which keep {variance[:count].sum() / variance.sum():.0%} of "
        f"what the {known.basis.shape[1]} before them left"
    )


def cosine_basis():
    """Orthonormal DCT-IV of one patch [coefficient, sample]."""
    half = torch.arange(PATCH_SAMPLES) + 0.5
    return torch.cos(torch.pi / PATCH_SAMPLES * half[:, None] * half[None]) * (2 / PATCH_SAMPLES) ** 0.5


def lapped_basis():
    """Orthonormal lapped transform with sine window (MDCT; Princen and Bradley 1986) [coefficient, samples of two patches]."""
    sample, half = (torch.arange(n, dtype=torch.float64) + 0.5 for n in (2 * PATCH_SAMPLES, PATCH_SAMPLES))
    waves = torch.cos(torch.pi / PATCH_SAMPLES * (sample[None] + PATCH_SAMPLES / 2) * half[:, None])
    return (torch.sin(torch.pi / (2 * PATCH_SAMPLES) * sample) * waves * (2 / PATCH_SAMPLES) ** 0.5).float()


def patch_spread(patches):
    """Root mean square of each cosine coefficient of speech, the largest one 1."""
    spread = np.sqrt(np.square(patches @ cosine_basis().cpu().numpy().T).mean(0)) + 1e-4
    return (spread / spread.max()).astype(np.float32)


def load(home):
    with np.load(home.folder(".") / "acoustics.npz") as stored:
        return Acoustics({name: stored[name] for name in stored.files})

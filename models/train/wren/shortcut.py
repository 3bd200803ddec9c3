"""Stage `shortcut`: the spectrum of an utterance without making its sound.

In: what the teacher knows before its waveform generator (`Sketch`), and for fitting the corpus. Out: log-mel columns per frame, and
from these the acoustic values. The generator takes nine tenths of the teacher's time and adds little that the spectrum of a
frame depends on: a net of three layers explains 98 % of the columns' variance on clips that it has not seen, so a language
model can learn the values of twenty hours for the price of two.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import acoustics
from . import codes as code_table
from .acoustics import BANDS, COLUMNS, VOICE_IDS, levels
from .frames import Frames
from .pitch import PITCH_SAMPLES, VOICED_HZ, half_frames
from .precision import autocast
from .sizes import FRAME_SAMPLES
from .teacher import FEATURES_DIM, VOICES, Teacher
from .train_codec import Speech

REACH_SAMPLES = 480  # the features of this much before and after a column are read too
EPOCHS, BATCH, PEAK_RATE = 8, 1024, 1e-3
HELD_OUT_ONE_IN = 12


class Shortcut(nn.Module):
    """Inputs of one column -> its log-mel bands."""

    def __init__(self):
        super().__init__()
        inputs = 3 * FEATURES_DIM + 2 + len(VOICES)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.register_buffer("usual", torch.zeros(BANDS))
        self.net = nn.Sequential(nn.Linear(inputs, 512), nn.SiLU(), nn.Linear(512, 256), nn.SiLU(), nn.Linear(256, BANDS))

    def forward(self, x):
        return self.net((x - self.mean) / self.spread) + self.usual


def inputs(sketch, frames, voice):
    """[frames * COLUMNS, inputs]: features before, at and after each column, pitch, whether voiced, the voice."""
    count = len(frames.pairs) * COLUMNS
    width = FRAME_SAMPLES // COLUMNS
    centre = frames.first_sample + width * np.arange(count) + width / 2
    features = sketch.features[0].T
    parts = []
    for offset in (-REACH_SAMPLES, 0, REACH_SAMPLES):
        place = np.clip((centre + offset) / PITCH_SAMPLES - 0.5, 0, len(features) - 1.001)
        low = place.astype(int)
        share = (place - low)[:, None].astype(np.float32)
        parts.append(features[low] * (1 - share) + features[low + 1] * share)
    pitch_hz = sketch.pitch_hz[np.clip(centre / PITCH_SAMPLES, 0, len(sketch.pitch_hz) - 1).astype(int)]
    voiced = pitch_hz > VOICED_HZ
    parts.append(np.stack([np.log(np.where(voiced, pitch_hz, 100) / 100), voiced], 1))
    parts.append(np.eye(len(VOICES))[np.full(count, voice)])
    return np.concatenate(parts, 1).astype(np.float32)


def fit(home, threads):
    """Learn the columns of the corpus."""
    torch.set_num_threads(threads)
    teacher, speech = Teacher(home, "middle", threads), Speech(home, code_table.load(home))
    analyse, rng = acoustics.Columns(), np.random.default_rng(0)
    known, wanted, kept = [], [], []
    for clip in speech.clips:
        sketch = teacher.sketch(clip.entry["phonemes"], clip.entry["voice"])
        known.append(inputs(sketch, clip.frames, clip.voice))
        wanted.append(analyse(speech.cut(clip, 0, len(clip))[0]).reshape(-1, BANDS))
        kept.append(np.full(len(known[-1]), rng.integers(HELD_OUT_ONE_IN) == 0))
    x, y = torch.from_numpy(np.concatenate(known)), torch.from_numpy(np.concatenate(wanted))
    kept = torch.from_numpy(np.concatenate(kept))
    (x, x_kept), (y, y_kept) = ((a[~kept], a[kept]) for a in (x, y))
    net = Shortcut()
    net.mean, net.spread, net.usual = x.mean(0), x.std(0) + 1e-3, y.mean(0)
    optimiser = torch.optim.AdamW(net.parameters(), PEAK_RATE, weight_decay=0.01)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(x)).split(BATCH)
        for i, rows in enumerate(order):
            optimiser.param_groups[0]["lr"] = PEAK_RATE * (1.01 - (epoch + i / len(order)) / EPOCHS)
            with autocast():
                made = net(x[rows])
            optimiser.zero_grad()
            F.mse_loss(made.float(), y[rows]).backward()
            optimiser.step()
    with torch.no_grad():
        left = F.mse_loss(net(x_kept), y_kept) / y_kept.var()
    torch.save(net.state_dict(), home.folder(".") / "shortcut.pt")
    home.log(f"shortcut: {len(x)} columns, {left:.1%} of the variance left open on clips that were kept back")


class Sketcher:
    """The teacher with the shortcut in place of its generator."""

    def __init__(self, home):
        torch.set_num_threads(1)
        self.teacher, self.net = Teacher(home, "middle"), Shortcut()
        self.net.load_state_dict(torch.load(home.folder(".") / "shortcut.pt", weights_only=True))
        self.codes, self.acoustics = code_table.load(home), acoustics.load(home)

    @torch.inference_mode()
    def levels(self, entry):
        """Acoustic levels [frames, acoustic_dim]; the durations go into the entry."""
        sketch = self.teacher.sketch(entry["phonemes"], entry["voice"])
        entry["durations"] = sketch.durations.tolist()
        frames, voice = Frames(entry), VOICE_IDS[entry["voice"]]
        columns = self.net(torch.from_numpy(inputs(sketch, frames, voice))).numpy().reshape(-1, COLUMNS * BANDS)
        pitch_hz = half_frames(sketch.pitch_hz, frames.first_sample, len(frames.pairs))
        return levels(self.acoustics.values(columns, self.codes.encode(frames), self.codes, voice, pitch_hz))

"""The teacher's pitch, moved by a hair so that every frame holds whole cycles.

In: a pitch curve in Hz, 80 values per second (0 where nothing is voiced), and where the frames lie. Out: the mean pitch of each
half frame, its values as the format keeps them, and the phase of every sample.

A decoder that is only told a pitch has to invent the phase of every harmonic and keep it for seconds. Trained on spectra alone it
found a way out: one waveform per patch, and every voice a monotone of 100 Hz. The teacher's source is a sum of sines of one
phase, so here the phase is ours to choose: every frame begins at the beginning of a cycle, and as many cycles fit into it as
the two values of its pitch say. What is voiced is then a function of the codes. The pitch is off by 3 Hz in the mean, by 6 at most,
and by half a level.
"""

import numpy as np
import torch
import torch.nn.functional as F

from .precision import placed
from .sizes import FRAME_SAMPLES, SAMPLE_RATE_HZ, CodecSizes

PITCH_SAMPLES = 300  # per value of the curve
VOICED_HZ = 10.0  # the teacher's own threshold
LEAST_VOICED = 0.25
PITCH_RANGE = 0.45  # natural log of the ratio that fills [-1, 1]


def half_frames(pitch_hz, first_sample, frames):
    """Mean pitch in Hz [2 * frames] of the half frames from `first_sample` on, which may lie before the curve."""
    half = FRAME_SAMPLES // 2
    index = (first_sample + half * np.arange(2 * frames)[:, None] + np.arange(0, half, PITCH_SAMPLES // 5)) // PITCH_SAMPLES
    inside = (index >= 0) & (index < len(pitch_hz))
    curve = np.where(inside, np.asarray(pitch_hz)[np.clip(index, 0, len(pitch_hz) - 1)], 0)
    voiced = curve > VOICED_HZ
    return (curve * voiced).sum(1) / np.maximum(voiced.sum(1), 1) * (voiced.mean(1) > LEAST_VOICED)


def pitch_values(half_hz, voice_hz):
    """Pitch of half frames [2 * frames] against the voice's mean, as values [frames, 2] in [-1, 1]; 0 where nothing is voiced."""
    hz = np.asarray(half_hz, np.float32).reshape(-1, 2)
    return np.where(hz > 0, np.log(np.maximum(hz, 1) / voice_hz) / PITCH_RANGE, 0).clip(-1, 1)


def locked_cycles(values, voice_hz, first_sample, samples):
    """Phase in cycles [samples] from the pitch values [frames, 2] of frames that begin at `first_sample`: whole cycles in each
    frame, pitch linear in it. Outside the frames nothing is voiced, and the phase is 0."""
    top = (CodecSizes().acoustic_levels - 1) / 2
    hz = voice_hz * np.exp(PITCH_RANGE * np.rint(values * top) / top)
    cycles = np.rint(hz.mean(1) * FRAME_SAMPLES / SAMPLE_RATE_HZ)
    glide = (hz[:, 1] - hz[:, 0]) / hz.mean(1)
    cycles, glide = (placed(of_frame.astype(np.float32))[:, None] for of_frame in (cycles, glide))
    place = (torch.arange(FRAME_SAMPLES) + 0.5) / FRAME_SAMPLES
    phase = (cycles * (place + glide * (place**2 - place))).flatten()[max(0, -first_sample) :]
    before = max(0, first_sample)
    return F.pad(phase, (before, max(0, samples - before - len(phase))))[:samples]

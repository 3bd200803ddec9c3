"""The teacher's pitch, moved by a hair so that every frame begins at a quarter of a cycle.

In: pitch in Hz, 80 values per second (0 where nothing is voiced), and where the frames lie. Out: the phase of every sample in
cycles, and per frame what a decoder must know of it: the quarter in which the frame ends and the pitch of its two halves.

A decoder that is only told a pitch has to invent the phase of every harmonic and keep it for seconds; trained on spectra alone it
smears them. The teacher's source is a sum of sines of one phase, so here the phase is ours to choose: correcting it by
at most an eighth of a cycle per frame (under 3 Hz of pitch) makes it one of four symbols, which the language model can
carry on exactly, and makes voiced speech a function of the codes.
"""

import numpy as np

from .sizes import FRAME_SAMPLES, SAMPLE_RATE_HZ

PITCH_SAMPLES = 300  # per value of the teacher's pitch curve
VOICED_HZ = 10.0  # the teacher's own threshold
QUARTERS = 4


def snapped(pitch_hz, first_sample, frames, shake=None):
    """(phase in cycles [samples], quarters at the end of each frame [frames], pitch in Hz of half frames [frames, 2]).

    `shake`, a random generator, moves the frames' ends by up to two quarters more: a language model will not keep the phase
    as well as the teacher does, and the decoder has to follow it none the less."""
    count = len(pitch_hz) * PITCH_SAMPLES
    sample = np.arange(count)
    centres = PITCH_SAMPLES * np.arange(len(pitch_hz)) + (PITCH_SAMPLES - 1) / 2
    phase = np.interp(sample, centres, np.cumsum(pitch_hz.astype(np.float64)) * PITCH_SAMPLES / SAMPLE_RATE_HZ)
    bounds = first_sample + FRAME_SAMPLES * np.arange(frames + 1)
    at_bounds = np.interp(bounds, sample, phase)
    nearest = np.rint(at_bounds * QUARTERS)
    if shake is not None:
        nearest += shake.integers(-2, 2, len(nearest))
    phase += np.interp(sample, bounds, nearest / QUARTERS - at_bounds)
    half = FRAME_SAMPLES // 2
    voiced = np.repeat(np.where(pitch_hz > VOICED_HZ, pitch_hz, np.nan), PITCH_SAMPLES)
    voiced = np.pad(voiced, (0, max(0, bounds[-1] - count)), constant_values=np.nan)[first_sample : bounds[-1]]
    parts = voiced.reshape(frames, 2, half)
    known = np.isfinite(parts)
    mean_hz = np.where(known, parts, 0).sum(-1) / np.maximum(known.sum(-1), 1)
    return phase, (nearest[1:] % QUARTERS).astype(int), mean_hz * (known.mean(-1) > 0.25)

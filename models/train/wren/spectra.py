"""Log-mel spectra: the encoder's input and, with single bins, the distance the codec is trained by."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .precision import autocast, on_gpu, placed
from .sizes import SAMPLE_RATE_HZ

FLOOR = 1e-5
RESOLUTIONS = ((2048, 120), (1024, 80), (512, 64), (256, 32), (128, 16))
HARMONICS_WINDOW, HARMONICS_HZ, HARMONICS_WEIGHT = 2048, 1_500, 0.3
GRAIN_WINDOWS, GRAIN_WEIGHT = (2048, 1024, 512, 256), 1.0
GRAIN_HZ, GRAIN_FLOOR = 3_000, 2e-4  # from there on speech is mostly noise; the floor is the amplitude of white noise
HIGH_FLOOR = 1e-3  # likewise, of a finished decoder's
LOW_PASS_TAPS = 65
WINDOWS_AT_ONCE = 2  # on a CPU


def mel_filters(window_samples, bands):
    """Triangular filters [bands, window / 2 + 1], HTK mel scale, 0 Hz to half the sample rate."""
    edges_mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700), bands + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    bins_hz = np.fft.rfftfreq(window_samples, 1 / SAMPLE_RATE_HZ)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    filters = np.minimum((bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre))
    return placed(np.maximum(filters, 0).astype(np.float32))


class Power(torch.autograd.Function):
    """Squared magnitude of a complex spectrum; by hand, as its derivatives would otherwise take most of a step on a CPU."""

    @staticmethod
    def forward(context, spectrum):
        context.save_for_backward(spectrum)
        parts = torch.view_as_real(spectrum)
        return torch.linalg.vecdot(parts, parts)

    @staticmethod
    def backward(context, slope):
        (spectrum,) = context.saved_tensors
        return torch.view_as_complex(torch.view_as_real(spectrum) * (2 * slope)[..., None])


class LogMel(nn.Module):
    """[batch, samples] -> [batch, bands, samples / hop]."""

    def __init__(self, window_samples, hop_samples, bands):
        super().__init__()
        self.window_samples, self.hop_samples = window_samples, hop_samples
        self.register_buffer("filters", mel_filters(window_samples, bands), persistent=False)
        self.register_buffer("window", torch.hann_window(window_samples), persistent=False)

    def power(self, audio):
        """[batch, bins, samples / hop]."""
        edge = self.window_samples - self.hop_samples
        padded = F.pad(audio.float(), (edge // 2, edge - edge // 2))
        return Power.apply(
            torch.stft(padded, self.window_samples, self.hop_samples, window=self.window, center=False, return_complex=True)
        )

    def bands(self, power, first=0, floor=FLOOR):
        with autocast(False):
            return torch.log((self.filters[first:] @ power.add(floor**2).sqrt()).clamp(min=FLOOR))

    def forward(self, audio):
        return self.bands(self.power(audio))


class Window(LogMel):
    """What one length of window shows, (log-mel, grain, harmonics) with None for what it is not asked for.

    Grain is the log magnitude of every bin from GRAIN_HZ on. Mel bands average a hiss; single bins tell one that is new at every
    moment from one that comes again in every patch, which is a comb of lines there. Harmonics are single bins up to HARMONICS_HZ,
    where mel bands are too wide to tell one pitch from another."""

    def __init__(self, window_samples, bands):
        super().__init__(window_samples, window_samples // 4, bands)
        self.of_grain, self.of_harmonics = window_samples in GRAIN_WINDOWS, window_samples == HARMONICS_WINDOW
        self.floor = float(GRAIN_FLOOR * self.window.square().sum().sqrt())
        self.first, self.low = (int(hz / SAMPLE_RATE_HZ * window_samples) for hz in (GRAIN_HZ, HARMONICS_HZ))
        self.high = int((self.filters[:, : self.first] > 0).any(1).sum())  # the first band that has nothing below GRAIN_HZ

    def forward(self, audio, high=False):
        """With `high` nothing below GRAIN_HZ, nor what is too weak to be heard: the slope of a logarithm is steepest in silence."""
        power, floor = self.power(audio), self.floor * (HIGH_FLOOR / GRAIN_FLOOR if high else 1)
        grain = 0.5 * power[:, self.first :].add(floor**2).log() if self.of_grain else None
        harmonics = 0.5 * power[:, : self.low].add(FLOOR**2).log() if self.of_harmonics and not high else None
        return self.bands(power, *((self.high, floor) if high else ())), grain, harmonics


class Spectra(nn.Module):
    """What sounds are compared by: log-mel spectra at five resolutions, the grain at four, and the bins of harmonics."""

    def __init__(self):
        super().__init__()
        self.windows = nn.ModuleList(Window(n, bands) for n, bands in RESOLUTIONS)

    def some(self):
        """The windows of one step: all of them on a GPU, on a CPU `WINDOWS_AT_ONCE` by chance, which is the same on average."""
        count = len(self.windows)
        return range(count) if on_gpu() else torch.randperm(count)[:WINDOWS_AT_ONCE].tolist()

    def forward(self, audio, which=None, high=False):
        return [self.windows[i](audio, high) for i in (range(len(self.windows)) if which is None else which)]


def apart(one, other):
    """Distance of two sounds by the same windows of `Spectra`: (mel, grain, harmonics), means of L1 distances over all windows that
    have them; of some windows, what comes to these means on average."""
    share = len(one) / len(RESOLUTIONS)
    sums = [one[0][0].new_zeros(()) for _ in range(3)]
    for mine, theirs in zip(one, other):
        for kind, (a, b) in enumerate(zip(mine, theirs)):
            if a is not None:
                sums[kind] = sums[kind] + F.l1_loss(a, b)
    return tuple(total / (share * count) for total, count in zip(sums, (len(RESOLUTIONS), len(GRAIN_WINDOWS), 1)))


class LowPass(nn.Module):
    """[batch, samples] below GRAIN_HZ, by a windowed sinc."""

    def __init__(self):
        super().__init__()
        place = torch.arange(LOW_PASS_TAPS) - LOW_PASS_TAPS // 2
        taps = torch.sinc(2 * GRAIN_HZ / SAMPLE_RATE_HZ * place) * torch.hann_window(LOW_PASS_TAPS + 2, periodic=False)[1:-1]
        self.register_buffer("taps", (taps / taps.sum())[None, None], persistent=False)

    def forward(self, audio):
        return F.conv1d(audio[:, None], self.taps, padding=LOW_PASS_TAPS // 2)[:, 0]

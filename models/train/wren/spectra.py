"""Log-mel spectra: the encoder's input and, with single bins, the distance the codec is trained by."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .precision import autocast, placed
from .sizes import SAMPLE_RATE_HZ

FLOOR = 1e-5
RESOLUTIONS = ((2048, 120), (1024, 80), (512, 64), (256, 32), (128, 16))
HARMONICS_WINDOW, HARMONICS_HZ, HARMONICS_WEIGHT = 2048, 1_500, 0.3
GRAIN_WINDOWS, GRAIN_WEIGHT = (2048, 1024, 512, 256), 1.0
GRAIN_HZ, GRAIN_FLOOR = 3_000, 2e-4  # from there on speech is mostly noise; the floor is the amplitude of white noise
LOW_PASS_TAPS = 65


def mel_filters(window_samples, bands):
    """Triangular filters [bands, window / 2 + 1], HTK mel scale, 0 Hz to half the sample rate."""
    edges_mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700), bands + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    bins_hz = np.fft.rfftfreq(window_samples, 1 / SAMPLE_RATE_HZ)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    filters = np.minimum((bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre))
    return placed(np.maximum(filters, 0).astype(np.float32))


class LogMel(nn.Module):
    """[batch, samples] -> [batch, bands, samples / hop]."""

    def __init__(self, window_samples, hop_samples, bands):
        super().__init__()
        self.window_samples, self.hop_samples = window_samples, hop_samples
        self.register_buffer("filters", mel_filters(window_samples, bands), persistent=False)
        self.register_buffer("window", torch.hann_window(window_samples), persistent=False)

    def forward(self, audio):
        edge = self.window_samples - self.hop_samples
        padded = F.pad(audio.float(), (edge // 2, edge - edge // 2))
        spectrum = torch.stft(padded, self.window_samples, self.hop_samples, window=self.window, center=False, return_complex=True)
        # the same as abs(), with a backward pass three times as fast
        magnitude = torch.view_as_real(spectrum).square().sum(-1).add(FLOOR**2).sqrt()
        with autocast(False):
            return torch.log((self.filters @ magnitude).clamp(min=FLOOR))


class LowBins(LogMel):
    """Single bins up to `HARMONICS_HZ`, where mel bands are too wide to tell one pitch from another."""

    def __init__(self, window_samples, hop_samples):
        super().__init__(window_samples, hop_samples, 1)
        bins = int(HARMONICS_HZ / SAMPLE_RATE_HZ * window_samples)
        self.register_buffer("filters", torch.eye(bins, window_samples // 2 + 1), persistent=False)


class Grain(nn.Module):
    """Log magnitude of every bin from GRAIN_HZ on [batch, bins, time]. Mel bands average a hiss; single bins tell one that is new
    at every moment from one that comes again in every patch, which is a comb of lines there."""

    def __init__(self, window_samples):
        super().__init__()
        self.register_buffer("window", torch.hann_window(window_samples), persistent=False)
        self.floor = float(GRAIN_FLOOR * self.window.square().sum().sqrt())
        self.first = int(GRAIN_HZ / SAMPLE_RATE_HZ * window_samples)

    def forward(self, audio):
        size = len(self.window)
        spectrum = torch.stft(audio.float(), size, size // 4, window=self.window, center=False, return_complex=True)
        return 0.5 * torch.view_as_real(spectrum[:, self.first :]).square().sum(-1).add(self.floor**2).log()


class Spectra(nn.Module):
    """What sounds are compared by: log-mel spectra at five resolutions, the bins of harmonics, and the grain at four."""

    def __init__(self):
        super().__init__()
        self.mels = nn.ModuleList(LogMel(n, n // 4, bands) for n, bands in RESOLUTIONS)
        self.low = LowBins(HARMONICS_WINDOW, HARMONICS_WINDOW // 4)
        self.grains = nn.ModuleList(Grain(n) for n in GRAIN_WINDOWS)

    def forward(self, audio):
        return [*(mel(audio) for mel in self.mels), self.low(audio), *(grain(audio) for grain in self.grains)]


def apart(one, other):
    """Distance of two sounds by their `Spectra`: (mel, harmonics, grain), each a mean of L1 distances."""
    distances = [F.l1_loss(a, b) for a, b in zip(one, other)]
    mels, low, grains = distances[: len(RESOLUTIONS)], distances[len(RESOLUTIONS)], distances[len(RESOLUTIONS) + 1 :]
    return sum(mels) / len(mels), low, sum(grains) / len(grains)


class LowPass(nn.Module):
    """[batch, samples] below GRAIN_HZ, by a windowed sinc."""

    def __init__(self):
        super().__init__()
        place = torch.arange(LOW_PASS_TAPS) - LOW_PASS_TAPS // 2
        taps = torch.sinc(2 * GRAIN_HZ / SAMPLE_RATE_HZ * place) * torch.hann_window(LOW_PASS_TAPS + 2, periodic=False)[1:-1]
        self.register_buffer("taps", (taps / taps.sum())[None, None], persistent=False)

    def forward(self, audio):
        return F.conv1d(audio[:, None], self.taps, padding=LOW_PASS_TAPS // 2)[:, 0]

"""Log-mel spectra: the encoder's input and the distance the codec is trained by."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .precision import autocast, placed
from .sizes import SAMPLE_RATE_HZ

FLOOR = 1e-5
RESOLUTIONS = ((2048, 120), (1024, 80), (512, 64), (256, 32), (128, 16))
HARMONICS_WINDOW, HARMONICS_HZ, HARMONICS_WEIGHT = 2048, 1_500, 0.3


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


class MelDistance(nn.Module):
    """Mean L1 of log-mel spectra at five resolutions, and of the harmonics' bins."""

    def __init__(self):
        super().__init__()
        self.mels = nn.ModuleList(LogMel(n, n // 4, bands) for n, bands in RESOLUTIONS)
        self.low = LowBins(HARMONICS_WINDOW, HARMONICS_WINDOW // 4)

    def forward(self, made, wanted):
        with torch.no_grad():
            targets = [mel(wanted) for mel in (self.low, *self.mels)]
        low, *others = (F.l1_loss(mel(made), target) for mel, target in zip((self.low, *self.mels), targets))
        return sum(others) / len(others) + HARMONICS_WEIGHT * low

"""A critic that tells the codec's sound from the teacher's, in training only.

In: sounds [n, samples]. Out: for each of several views of them the features of every layer, the last one a score. A decoder
trained on spectral distances alone gives the mean of what cannot be known, and that is heard as roughness; here it is pulled
to what could be speech. Spectra show the critic noise and harmonics (as in EnCodec), folded waveforms the shape of a cycle (as in
HiFi-GAN); folded at the decoder's own patches, they show what each of these does alike, and what happens between two of them.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from .precision import on_gpu
from .sizes import PATCH_SAMPLES

WINDOWS = (2048, 1024, 512)
PERIODS = (2, 3, 5, 7, 11)
SPECTRUM_WIDTH, PERIOD_WIDTHS, PATCH_WIDTHS = 32, (16, 32, 64, 128), (16, 32, 64)
SLOPE, LEAST_MAGNITUDE = 0.1, 1e-3
FEATURE_WEIGHT = 5.0


def conv(inputs, outputs, kernel, stride=1):
    """Two-dimensional: first axis with a kernel of `kernel[0]` and the stride, nothing is lost at the edges."""
    padding = tuple(k // 2 for k in kernel)
    return weight_norm(nn.Conv2d(inputs, outputs, kernel, (stride, 1), padding))


class View(nn.Module):
    """Convolutions over what `image` makes of a sound."""

    def features(self, audio):
        x, seen = self.image(audio).contiguous(memory_format=torch.channels_last), []
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), SLOPE)
            seen.append(x)
        return [*seen, self.layers[-1](x)]


class Spectrum(View):
    """Complex spectra [n, 3, bins, time], compressed so that weak high frequencies are seen, with each bin's height beside them."""

    def __init__(self, window_samples):
        super().__init__()
        self.register_buffer("window", torch.hann_window(window_samples), persistent=False)
        self.register_buffer("height", torch.linspace(-1, 1, window_samples // 2 + 1)[:, None], persistent=False)
        width = SPECTRUM_WIDTH
        self.layers = nn.ModuleList(
            [
                conv(3, width, (9, 3), 2),
                conv(width, width, (9, 3), 2),
                conv(width, width, (9, 3), 2),
                conv(width, width, (3, 3)),
                conv(width, 1, (3, 3)),
            ]
        )

    def image(self, audio):
        size = len(self.window)
        spectrum = torch.stft(audio, size, size // 4, window=self.window, normalized=True, return_complex=True)
        parts = torch.view_as_real(spectrum)
        parts = parts * (parts.square().sum(-1, keepdim=True) + LEAST_MAGNITUDE**2) ** -0.25
        height = self.height.expand(len(audio), 1, *parts.shape[1:3])
        return torch.cat([parts.movedim(3, 1), height], 1)


class Period(View):
    """The waveform folded: [n, 1, samples / period, period]."""

    def __init__(self, period):
        super().__init__()
        self.period = period
        widths = (1, *PERIOD_WIDTHS)
        self.layers = nn.ModuleList(conv(a, b, (5, 1), 3) for a, b in zip(widths, widths[1:]))
        self.layers += [conv(widths[-1], widths[-1], (5, 1)), conv(widths[-1], 1, (3, 1))]

    def image(self, audio):
        return F.pad(audio, (0, -audio.shape[1] % self.period)).unflatten(1, (-1, self.period))[:, None]


class Patches(View):
    """The waveform and its differences, folded at the patches, seams in the middle: [n, 2, PATCH_SAMPLES, patches]."""

    def __init__(self):
        super().__init__()
        widths = (2, *PATCH_WIDTHS)
        self.layers = nn.ModuleList(conv(a, b, (7, 3), 3) for a, b in zip(widths, widths[1:]))
        self.layers += [conv(widths[-1], widths[-1], (5, 3)), conv(widths[-1], 1, (3, 3))]

    def image(self, audio):
        whole = audio[:, PATCH_SAMPLES // 2 :]
        whole = whole[:, : whole.shape[1] // PATCH_SAMPLES * PATCH_SAMPLES]
        steps = F.pad(whole.diff(dim=1), (1, 0))
        return torch.stack([whole, steps], 1).unflatten(2, (-1, PATCH_SAMPLES)).transpose(2, 3)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.views = nn.ModuleList([*(Spectrum(n) for n in WINDOWS), *(Period(n) for n in PERIODS), Patches()])

    def some(self):
        """The views of one step: all of them on a GPU, on a CPU one spectrum, two periods and the patches."""
        count = len(self.views)
        if on_gpu():
            return range(count)
        spectra, periods = (torch.randperm(len(of)).tolist() for of in (WINDOWS, PERIODS))
        return [spectra[0], *(len(WINDOWS) + i for i in periods[:2]), count - 1]

    def forward(self, audio, which=None):
        return [self.views[i].features(audio) for i in (range(len(self.views)) if which is None else which)]


def scoring(real, made):
    """The critic's own loss (hinge): real sounds above 1, made ones below -1."""
    losses = [F.relu(1 - r[-1].float()).mean() + F.relu(1 + m[-1].float()).mean() for r, m in zip(real, made)]
    return sum(losses) / len(losses)


def feature_distance(real, made):
    """Mean L1 between the features of real sounds and of made ones, against the size of the real ones."""
    pairs = [(r.detach().float(), m.float()) for rs, ms in zip(real, made) for r, m in zip(rs[:-1], ms[:-1])]
    return sum((r - m).abs().mean() / (r.abs().mean() + 1e-6) for r, m in pairs) / len(pairs)


def persuasion(real, made):
    """What the decoder loses by: made sounds that score low, or whose features are far from the real ones."""
    scores = sum(m[-1].float().mean() for m in made) / len(made)
    return FEATURE_WEIGHT * feature_distance(real, made) - scores

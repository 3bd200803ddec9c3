"""The codec: a causal decoder exactly as the Voxtral format has it.

In: one semantic code, `value_dim` values in [-1, 1] and `noise_dim` noise codes per frame. Out: audio at 24 kHz, 1,920 samples per
frame. Code and values are given by the phones and by `acoustics`; rows of the codebook are sums of phone factors and a row of their
own. Noise codes are acoustic codes like the others to the format, with no meaning: at run time they are what the flow head starts
from, rounded, since its velocity for them is zero. A decoder without them has one hiss, and says it again in every patch.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from .acoustics import SPECTRUM, cosine_basis, lapped_basis
from .layers import WindowLayer
from .precision import placed
from .sizes import PATCH_SAMPLES


class CausalConv(nn.Module):
    def __init__(self, inputs, outputs, kernel, padding):
        super().__init__()
        self.conv = weight_norm(nn.Conv1d(inputs, outputs, kernel, bias=False))
        self.left, self.padding = kernel - 1, padding

    def forward(self, x):
        return self.conv(F.pad(x.transpose(1, 2), (self.left, 0), mode=self.padding)).transpose(1, 2)


class CausalUpsample(nn.Module):
    def __init__(self, dim, kernel, stride):
        super().__init__()
        self.conv = weight_norm(nn.ConvTranspose1d(dim, dim, kernel, stride, bias=False))
        self.extra = kernel - stride

    def forward(self, x):
        return self.conv(x.transpose(1, 2))[..., : -self.extra].transpose(1, 2)


class Output(CausalConv):
    """The last convolution, learnt as the coefficients of a lapped transform: each spans two patches and fades in and out, so that
    no seam is left between patches. They are counted in units of their spread in speech: a step of the optimiser then disturbs the
    weak high frequencies as little, for their size, as the strong low ones. A kernel of one tap less than the format's, and the two
    patches of the transform, make the plain convolution that the format has."""

    def __init__(self, sizes, spread):
        super().__init__(sizes.dim, PATCH_SAMPLES, sizes.output_kernel - 1, "reflect")
        self.left += 1  # the coefficients of the patch before the first, which reach into it
        basis = placed(spread)[:, None] * lapped_basis()
        self.register_buffer("now", basis[:, :PATCH_SAMPLES].contiguous(), persistent=False)
        self.register_buffer("later", basis[:, PATCH_SAMPLES:].contiguous(), persistent=False)

    def forward(self, x):
        y = super().forward(x)
        return y[:, 1:] @ self.now.to(y.dtype) + y[:, :-1] @ self.later.to(y.dtype)

    def folded(self):
        """The convolution's weight [patch, dim, kernel] in samples; the last tap hears the present."""
        weight = self.conv.weight.detach()
        now, later = (torch.einsum("fs,fct->sct", part, weight) for part in (self.now, self.later))
        return F.pad(now, (1, 0)) + F.pad(later, (0, 1))

    def unfolded(self, samples):
        """Coefficients' weight [patch, dim, kernel - 1] nearest to a convolution's in samples: exact for one that was folded."""
        size = (self.now.square() + self.later.square()).sum(1)[:, None, None]
        present, before = (torch.einsum("fs,sct->fct", part, samples) for part in (self.now, self.later))
        return (present[..., 1:] + before[..., :-1]) / size


class Plain(CausalConv):
    """The last convolution without overlap, for a finished decoder that keeps its sound: cosine coefficients of each patch, in
    units of their spread likewise."""

    def __init__(self, sizes, spread):
        super().__init__(sizes.dim, PATCH_SAMPLES, sizes.output_kernel, "reflect")
        self.register_buffer("basis", placed(spread)[:, None] * cosine_basis(), persistent=False)

    def forward(self, x):
        y = super().forward(x)
        return y @ self.basis.to(y.dtype)

    def folded(self):
        return torch.einsum("fs,fct->sct", self.basis, self.conv.weight.detach())

    def unfolded(self, samples):
        return torch.einsum("fs,sct->fct", self.basis / self.basis.square().sum(1, keepdim=True), samples)


class Stage(nn.Module):
    def __init__(self, sizes, count, window):
        super().__init__()
        self.layers = nn.ModuleList(
            WindowLayer(sizes.dim, sizes.n_heads, sizes.hidden_dim, window, sizes.norm_eps, sizes.qk_norm_eps) for _ in range(count)
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Decoder(nn.Module):
    def __init__(self, sizes, patch_spread, lapped=True):
        super().__init__()
        self.decoder_blocks = nn.ModuleList()
        window = sizes.window
        for stride in sizes.strides:
            window //= stride
        for i, (kernel, stride, count) in enumerate(zip(sizes.kernels, sizes.strides, sizes.lengths)):
            window *= stride
            latent = sizes.semantic_dim + sizes.acoustic_dim
            self.decoder_blocks.append(
                CausalUpsample(sizes.dim, kernel, stride) if i else CausalConv(latent, sizes.dim, kernel, "replicate")
            )
            self.decoder_blocks.append(Stage(sizes, count, window))
        self.output_proj = Output(sizes, patch_spread) if lapped else Plain(sizes, patch_spread)

    def forward(self, latent):
        """[batch, frames, semantic_dim + acoustic_dim] -> [batch, samples]."""
        x = latent
        for block in self.decoder_blocks:
            x = block(x)
        return self.output_proj(x).flatten(1)


class Codebook(nn.Module):
    """Rows first[a] + second[b] + own[code] for the code of phones (a, b)."""

    def __init__(self, codes, dim, std):
        super().__init__()
        self.first = nn.Parameter(torch.randn(len(codes.phones), dim) * std)
        self.second = nn.Parameter(torch.randn(len(codes.phones), dim) * std)
        self.own = nn.Parameter(torch.zeros(len(codes), dim))
        self.register_buffer("a", placed(codes.first), persistent=False)
        self.register_buffer("b", placed(codes.second), persistent=False)

    def rows(self):
        return self.first[self.a] + self.second[self.b] + self.own


class Codec(nn.Module):
    def __init__(self, codes, acoustics, sizes=None, lapped=True):
        super().__init__()
        self.sizes = sizes = sizes or acoustics.sizes
        self.decoder = Decoder(sizes, acoustics.arrays["patch_spread"], lapped)
        self.codebook = Codebook(codes, sizes.semantic_dim, 0.4)

    def levels(self, acoustic):
        """Integers 0 .. acoustic_levels - 1."""
        return torch.round((acoustic.clamp(-1, 1) + 1) / 2 * (self.sizes.acoustic_levels - 1))

    def values(self, levels):
        return self.sizes.values(levels)

    def noise(self, shape):
        """Noise codes [*shape, noise_dim] as the runtime draws them: normals, cut off at the ends of the levels."""
        return self.values(self.levels(torch.randn(*shape, self.sizes.noise_dim)))

    def decode(self, codes, values, noise=None):
        """Codes [batch, frames], acoustic values [batch, frames, value_dim] and noise [batch, frames, noise_dim], drawn where there
        is none -> [batch, samples]."""
        noise = self.noise(codes.shape) if noise is None else noise
        return self.decoder(torch.cat([self.codebook.rows()[codes], values, noise], -1))


class Predictor(nn.Module):
    """Guesses the spectral values from the phones around a frame and the voice, in training only: the decoder must also speak from
    values as smooth as the flow head's."""

    def __init__(self, codes, voices, sizes, reach=3, dim=192):
        super().__init__()
        self.phones = Codebook(codes, 64, 0.3)
        self.voice = nn.Embedding(voices, 32)
        self.reach = reach
        self.net = nn.Sequential(
            nn.Linear(64 * (2 * reach + 1) + 32, dim),
            nn.SiLU(),
            nn.Linear(dim, dim),
            nn.SiLU(),
            nn.Linear(dim, sizes.value_dim - SPECTRUM),
        )

    def forward(self, codes, voice):
        rows = F.pad(self.phones.rows()[codes], (0, 0, self.reach, self.reach))
        around = rows.unfold(1, 2 * self.reach + 1, 1).flatten(2)
        voice = self.voice(voice)[:, None].expand(-1, codes.shape[1], -1)
        return self.net(torch.cat([around, voice], -1))

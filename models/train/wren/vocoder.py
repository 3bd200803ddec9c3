"""The teacher's sound generator, Kokoro's ISTFTNet, in the fastest type: nine tenths of the teacher's time go here.

In: features [batch, 512, T] at 80 per second, pitch in Hz [batch, T], style [batch, 256], and the phase of the voice in cycles
[batch, 300 T]. Out: audio at 24 kHz [batch, 300 T].
Two upsamplers, each followed by the mean of three residual blocks with style-conditioned instance norm and snake activations, to a
spectrum of 11 bins every 5 samples. Its source of sines is given a phase instead of integrating one of its own (`pitch`).
"""

import numpy as np
import torch
import torch.nn.functional as F

from .kokoro import STYLE
from .pitch import PITCH_SAMPLES, VOICED_HZ
from .precision import on_gpu

PREFIX, STORED = "decoder/generator/", "decoder.decoder.generator."
DILATIONS = (1, 3, 5)
UPSAMPLERS = ((10, 5), (6, 3))  # stride and padding
EXTRA = ((6, 3), (1, 0))  # of the source's convolutions
SINE_WEIGHTS, SINE_GAIN = "onnx::MatMul_6993", 0.1
WINDOW_SAMPLES, HOP_SAMPLES, BINS = 20, 5, 11
OVERLAP_GAIN = 1.5  # the graph leaves the sum of its overlapping squared windows in


class Generator:
    """On the default device: in half precision on a GPU, where its finer steps than BF16's are free, else in float32."""

    def __init__(self, weights):
        layers, _, stored = weights
        self.type = torch.float16 if on_gpu() else torch.float32

        def tensor(array):
            return None if array is None else torch.tensor(np.ascontiguousarray(array), dtype=self.type)

        self.layers = {
            path.removeprefix(PREFIX): tuple(map(tensor, pair)) for path, pair in layers.items() if path.startswith(PREFIX)
        }
        self.up = [
            (tensor(stored[f"/decoder/{PREFIX}{name}_output_0"]), tensor(stored[f"{STORED}ups.{i}.bias"]))
            for i, name in enumerate(("Mul", "Mul_1"))
        ]
        self.last = tensor(stored[f"/decoder/{PREFIX}Mul_2_output_0"]), tensor(stored[f"{STORED}conv_post.bias"])
        self.alphas = {
            name.removeprefix(STORED): tensor(value)
            for name, value in stored.items()
            if name.startswith(STORED) and ".alpha" in name
        }
        self.sines = [torch.tensor(stored[name].reshape(-1)) for name in (SINE_WEIGHTS, f"{STORED}m_source.l_linear.bias")]
        self.window = torch.hann_window(WINDOW_SAMPLES)

    def snake(self, x, block, side, i, style):
        gain, shift = F.linear(style, *self.layers[f"{block}/adain{side}.{i}/fc"])[:, :, None].chunk(2, 1)
        x = F.instance_norm(x, eps=1e-5) * (1 + gain) + shift
        alpha = self.alphas[f"{block}.alpha{side}.{i}"]
        return x + torch.sin(alpha * x).square() / alpha

    def residual(self, x, block, style):
        for i, dilation in enumerate(DILATIONS):
            weight, bias = self.layers[f"{block}/convs1.{i}"]
            y = self.snake(x, block, 1, i, style)
            y = F.conv1d(y, weight, bias, padding=dilation * (weight.shape[2] // 2), dilation=dilation)
            weight, bias = self.layers[f"{block}/convs2.{i}"]
            x = x + F.conv1d(self.snake(y, block, 2, i, style), weight, bias, padding=weight.shape[2] // 2)
        return x

    def source(self, pitch_hz, cycles):
        """Magnitude and phase of the harmonics, [batch, 2 * BINS, 60 T + 1]."""
        weights, bias = self.sines
        turns = cycles[..., None] * torch.arange(1, len(weights) + 1)
        sines = torch.sin(2 * torch.pi * (turns % 1.0)).float() @ weights * SINE_GAIN
        voiced = (pitch_hz > VOICED_HZ).repeat_interleave(PITCH_SAMPLES, 1)
        spectrum = torch.stft(
            torch.tanh(sines * voiced + bias),
            WINDOW_SAMPLES,
            HOP_SAMPLES,
            window=self.window,
            pad_mode="replicate",
            return_complex=True,
        )
        return torch.cat([spectrum.abs(), spectrum.angle()], 1)

    @torch.inference_mode()
    def __call__(self, features, pitch_hz, style, cycles):
        source = self.source(pitch_hz, cycles).to(self.type)
        x, style = features.to(self.type), style[:, :STYLE].to(self.type)
        for i, ((stride, padding), (step, edge)) in enumerate(zip(UPSAMPLERS, EXTRA)):
            weight, bias = self.layers[f"noise_convs.{i}"]
            extra = self.residual(F.conv1d(source, weight, bias, stride=step, padding=edge), f"noise_res.{i}", style)
            x = F.conv_transpose1d(F.leaky_relu(x, 0.1), *self.up[i], stride=stride, padding=padding)
            x = (F.pad(x, (1, 0), mode="reflect") if i else x) + extra
            x = sum(self.residual(x, f"resblocks.{3 * i + k}", style) for k in range(3)) / 3
        weight, bias = self.last
        x = F.conv1d(F.leaky_relu(x, 0.01), weight, bias, padding=weight.shape[2] // 2).float()
        spectrum = torch.polar(x[:, :BINS].exp(), torch.sin(x[:, BINS:]))
        return torch.istft(spectrum, WINDOW_SAMPLES, HOP_SAMPLES, window=self.window) * OVERLAP_GAIN


class Mixed(Generator):
    """On a CPU with BF16 instructions: residual blocks multiply in BF16 and keep everything between two products in float32. Its
    sound is 42 to 44 dB above the difference, where all of it in BF16 is at 27 dB, in less than half of float32's time. Time comes
    before channels, as those products have it; all else would be transposed for each of them."""

    def __init__(self, weights):
        super().__init__(weights)
        self.products = {
            path: (weight[:, :, None].to(torch.bfloat16, memory_format=torch.channels_last), bias)
            for path, (weight, bias) in self.layers.items()
            if "/convs" in path
        }

    def conv(self, x, path, dilation=1):
        """x [batch, time, channels]."""
        weight, bias = self.products[path]
        image = x.bfloat16().transpose(1, 2)[:, :, None]
        y = F.conv2d(image, weight, padding=(0, dilation * (weight.shape[3] // 2)), dilation=(1, dilation))
        return y[:, :, 0].transpose(1, 2) + bias

    def snake(self, x, block, side, i, style):
        gain, shift = F.linear(style, *self.layers[f"{block}/adain{side}.{i}/fc"])[:, None].chunk(2, 2)
        mean = x.mean(1, keepdim=True)  # `var_mean` over time takes ten times as long
        scale = (1 + gain) * (x.square().mean(1, keepdim=True) - mean.square() + 1e-5).rsqrt()
        x = torch.addcmul(shift - mean * scale, x, scale)
        alpha = self.alphas[f"{block}.alpha{side}.{i}"].transpose(1, 2)
        return torch.addcmul(x, torch.sin(alpha * x).square_(), 1 / alpha)

    def residual(self, x, block, style):
        x = x.transpose(1, 2).contiguous()
        for i, dilation in enumerate(DILATIONS):
            y = self.conv(self.snake(x, block, 1, i, style), f"{block}/convs1.{i}", dilation)
            x = x + self.conv(self.snake(y, block, 2, i, style), f"{block}/convs2.{i}")
        return x.transpose(1, 2)

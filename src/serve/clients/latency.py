#!/usr/bin/env python3
"""How soon the service speaks, and how soon it stops: medians and 95th percentiles of many requests.

In: the program `syrinx-serve`, which this starts. Out: a line for each figure, and one of JSON. What is measured is a client's
time, on this machine, over loopback: nothing is taken from the service's own clocks but when it has nothing more to do.

    latency.py [--count 100] [library] [http] [websocket] [cancel] [eight]

`library` is the wheel of src/python in this process, beside which the others are to be seen; it is left out where it is not installed.
"""

import argparse
import base64
import http.client
import importlib.util
import json
import os
import pathlib
import re
import statistics
import subprocess
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).parents[3]
RATE_HZ = 24_000
SENTENCES = [
    "In three hundred metres, turn left into Harbour Street.",
    "The next train to the airport leaves at ten past four from platform two.",
    "Your order is number seventy one.",
    "It will rain in the afternoon, and it gets colder towards the evening.",
    "I have put the milk on your list; is there anything else?",
]
LONG = "This goes on for quite some time, and nobody knows when it will be over. " * 40


class Service:
    """A process of its own, on a port that is free."""

    def __init__(self, *more):
        program = os.environ.get("SYRINX_SERVE", ROOT / "target/release/syrinx-serve")
        command = [program, "--listen", "127.0.0.1:0", "--pack", ROOT / "models/wren-en", *more]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        found = None
        while not found:
            found = re.search(r"http://([\d.]+):(\d+)", self.process.stderr.readline())
        self.host, self.port = found[1], int(found[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(30) == 0

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def peak_mb(self):
        return peak_mb(self.process.pid)

    def is_quiet(self, connection):
        connection.request("GET", "/metrics")
        return b"\nsyrinx_requests_running 0\n" in connection.getresponse().read()


def peak_mb(process):
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def ask(connection, path, body):
    """A request, and its body as it comes: pairs of seconds since the request and bytes."""
    began = time.perf_counter()
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    while piece := answer.read1(65536):
        yield time.perf_counter() - began, piece


def pcm(text):
    return {"model": "wren", "input": text, "response_format": "pcm"}


def speak(connection, text):
    return ask(connection, "/v1/audio/speech", pcm(text))


def figures(name, seconds, **more):
    """Median and 95th percentile, in milliseconds."""
    ms = sorted(1e3 * second for second in seconds)
    middle, p95 = statistics.median(ms), ms[min(len(ms) - 1, round(0.95 * len(ms)))]
    print(
        f"{name}: median {middle:.1f} ms, p95 {p95:.1f} ms, of {len(ms)}",
        *(f"{k} {v}" for k, v in more.items()),
        sep="  ",
    )
    return {"median_ms": round(middle, 2), "p95_ms": round(p95, 2), "count": len(ms), **more}


def in_process(_, count):
    """From a text to its first block, without any service."""
    import syrinx

    model, first = syrinx.Model(ROOT / "models/wren-en"), []
    for turn in range(count + 3):
        began = time.perf_counter()
        speech = model.speak(SENTENCES[turn % len(SENTENCES)])
        next(speech)
        first.append(time.perf_counter() - began)
        speech.samples()
    return figures("library, first block", first[3:])


def over_http(service, count):
    """From the request to the first byte of sound, on a connection that stays."""
    connection, first, factors = service.connect(), [], []
    for turn in range(count + 3):
        pieces = list(speak(connection, SENTENCES[turn % len(SENTENCES)]))
        first.append(pieces[0][0])
        factors.append(pieces[-1][0] / (sum(len(piece) for _, piece in pieces) / 2 / RATE_HZ))
    return figures("http, first byte", first[3:], real_time_factor=round(statistics.median(factors[3:]), 3))


def over_websocket(service, count):
    """From the first token to the first sound, where a token comes each 50 ms, as from a language model."""
    from websockets.sync.client import connect

    first = []
    with connect(f"ws://{service.host}:{service.port}/tts/websocket") as socket:
        for turn in range(count + 3):
            context, tokens = str(uuid.uuid4()), re.findall(r"\s*\S+", SENTENCES[turn % len(SENTENCES)])
            asked = {
                "context_id": context,
                "continue": True,
                "output_format": {"container": "raw", "encoding": "pcm_s16le"},
            }
            began, heard = time.perf_counter(), None
            for number, token in enumerate(tokens):
                socket.send(json.dumps({**asked, "transcript": token, "continue": number + 1 < len(tokens)}))
                next_at = began + (number + 1) / 20
                while not heard and (wait := next_at - time.perf_counter()) > 0:
                    heard = sound_within(socket, wait, context)
                if heard:
                    break
            while not heard:
                heard = sound_within(socket, 10, context)
            first.append(heard - began)
            socket.send(json.dumps({"context_id": context, "cancel": True}))
            while json.loads(socket.recv(10)).get("type") != "done":
                pass
    return figures("websocket, first token to first byte at 20 tokens/s", first[3:])


def sound_within(socket, seconds, context):
    try:
        message = json.loads(socket.recv(seconds))
    except TimeoutError:
        return None
    assert message["type"] != "error" and message["context_id"] == context, message
    return time.perf_counter() if message["type"] == "chunk" and base64.b64decode(message["data"]) else None


def cancel(service, count):
    """From a client's going to the end of computing, seen by asking every millisecond or so."""
    watch, ends, looks = service.connect(), [], []
    for _ in range(count + 3):
        connection = service.connect()
        speech = speak(connection, LONG)
        for _ in range(5):
            next(speech)
        assert not service.is_quiet(watch), "it was over before it was cancelled"
        began = time.perf_counter()
        connection.close()
        speech.close()
        while not service.is_quiet(watch):
            pass
        ends.append(time.perf_counter() - began)
        began = time.perf_counter()
        service.is_quiet(watch)
        looks.append(time.perf_counter() - began)
    return figures("cancel to the end of computing", ends[3:], a_look_ms=round(1e3 * statistics.median(looks), 2))


def eight(service, count):
    """Eight at once, which play from the first byte on: how soon, and how long anything was missing."""
    first, missing, factors = [], [], []
    rounds = -(-count // 8)
    for turn in range(rounds):
        gate = threading.Barrier(8)

        def play(number, turn=turn, gate=gate):
            connection = service.connect()
            connection.connect()
            gate.wait()
            text = " ".join(SENTENCES[(turn + number + more) % len(SENTENCES)] for more in range(2))
            pieces = list(speak(connection, text))
            began, samples, late = pieces[0][0], 0, 0.0
            for at, piece in pieces:
                late = max(late, at - began - samples / RATE_HZ)  # what had come was played before this came
                samples += len(piece) // 2
            first.append(began)
            missing.append(late)
            factors.append(pieces[-1][0] / (samples / RATE_HZ))

        threads = [threading.Thread(target=play, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    late = sum(second > 0.001 for second in missing)
    more = {
        "underruns": late,
        "slowest_real_time_factor": round(max(factors), 3),
        "peak_mb": round(service.peak_mb(), 1),
    }
    return figures("eight at once, first byte", first, **more)


PARTS = {"library": in_process} if importlib.util.find_spec("syrinx") else {}
PARTS |= {"http": over_http, "websocket": over_websocket, "cancel": cancel, "eight": eight}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="of requests for a figure")
    parser.add_argument("parts", nargs="*", metavar="PART", help="of " + ", ".join(PARTS))
    arguments = parser.parse_args()
    results = {}
    for part in arguments.parts or PARTS:
        with Service(*(["--speakers", "8"] if part == "eight" else ["--speakers", "1"])) as service:
            results[part] = PARTS[part](service, arguments.count)
    print(json.dumps(results))


if __name__ == "__main__":
    main()

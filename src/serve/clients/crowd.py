#!/usr/bin/env python3
"""Eight clients that come, go and cancel by chance, for as long as is wanted: does the service lose memory, descriptors or requests?

In: the program `syrinx-serve`, which this starts. Out: a line a minute (requests, resident memory, descriptors), then what the
metrics say beside what the clients have sent, and the slope of the memory after the first minutes.

    crowd.py [--minutes 60] [--clients 8]
"""

import argparse
import http.client
import json
import pathlib
import random
import re
import threading
import time
from collections import Counter

from latency import LONG, RATE_HZ, SENTENCES, Service

WARM_MINUTES = 5


def client(service, until, seen, seed):
    """One that plays what it gets, as it comes; one in three leaves early, one in eight before its answer, one in ten is wrong."""
    chance = random.Random(seed)
    while time.time() < until:
        time.sleep(chance.uniform(0, 2))
        text = chance.choice([*SENTENCES, " ".join(SENTENCES), LONG])
        body = {"input": text, "response_format": "pcm", "speed": chance.choice([None, None, 1.5])}
        if wrong := chance.random() < 0.1:
            body["speed"] = 9
        connection = http.client.HTTPConnection(service.host, service.port, timeout=60)
        connection.request("POST", "/v1/audio/speech", json.dumps(body), {"content-type": "application/json"})
        seen["sent"] += 1
        if chance.random() < 1 / 8:
            connection.close()
            seen["left before the answer"] += 1
            continue
        answer = connection.getresponse()
        seen[answer.status] += 1
        leaves = time.time() + chance.uniform(0, 5) if chance.random() < 1 / 3 else until + 60
        while not wrong and (piece := answer.read1(9600)):
            time.sleep(len(piece) / 2 / RATE_HZ)
            if time.time() > min(leaves, until):
                seen["left in the midst"] += 1
                break
        connection.close()


def state(process):
    """Resident bytes that are the process's own, and descriptors."""
    folder = pathlib.Path(f"/proc/{process}")
    own = re.search(r"RssAnon:\s+(\d+)", (folder / "status").read_text())
    return int(own[1]) * 1024, len(list((folder / "fd").iterdir()))


def metrics(service):
    connection = service.connect()
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    seen = Counter()
    with Service("--speakers", str(arguments.clients)) as service:
        process, began = service.process.pid, time.time()
        _, descriptors = state(process)
        until = began + 60 * arguments.minutes
        crowd = [threading.Thread(target=client, args=(service, until, seen, seed)) for seed in range(arguments.clients)]
        for one in crowd:
            one.start()
        points = []
        while any(one.is_alive() for one in crowd):
            time.sleep(10)
            minute = (time.time() - began) / 60
            points.append((minute, *state(process)))
            if len(points) % 6 == 0:
                print(f"{minute:.0f} min: {seen['sent']} requests, {points[-1][1] / 1e6:.1f} MB, {points[-1][2]} descriptors", flush=True)
        while metrics(service)["syrinx_requests_running"]:
            time.sleep(0.1)
        told = metrics(service)
        _, left = state(process)
    counted = {name: value for name, value in told.items() if 'endpoint="speech"' in name}
    later = [(minute, size) for minute, size, _ in points if minute > min(WARM_MINUTES, arguments.minutes / 2)]
    mean = [sum(axis) / len(later) for axis in zip(*later)]
    slope = sum((m - mean[0]) * (s - mean[1]) for m, s in later) / sum((m - mean[0]) ** 2 for m, _ in later)
    print(dict(seen), counted, told['syrinx_cancelled_total{why="disconnect"}'], sep="\n")
    print(f"memory: {slope * 60 / 1e6:+.2f} MB an hour after the first minutes; descriptors: {descriptors} before, {left} after")
    assert sum(counted.values()) == seen["sent"], "a request is not accounted for"
    assert left <= descriptors + 1, "descriptors are not given back"  # one asks for the metrics


main()

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import urllib.request
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).parents[3]
sys.path.append(str(ROOT / "src/python/adapters"))  # pipecat's pipeline is that of the wheel's tests


class Service(NamedTuple):
    http: str
    wyoming: tuple

    def metrics(self):
        page = urllib.request.urlopen(f"{self.http}/metrics").read().decode()
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}


@contextlib.contextmanager
def running(*more, at="tcp://127.0.0.1:0"):
    program = os.environ.get("SYRINX_SERVE", ROOT / "target/release/syrinx-serve")
    where = ["--listen", "127.0.0.1:0", "--wyoming", at, "--pack", ROOT / "models/wren-en"]
    command = [program, *where, "--speakers", "1", "--queue", "0", *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wyoming = None
    for line in process.stderr:
        if found := re.search(r"tcp://([\d.]+):(\d+)", line):
            wyoming = (found[1], int(found[2]))
        if found := re.search(r"http://\S+", line):
            break
    yield Service(found[0], wyoming)
    process.terminate()
    assert process.wait(30) == 0


@pytest.fixture
def service():
    with running() as service:
        yield service


@pytest.fixture(scope="session")
def ears(tmp_path_factory):
    """A pack that listens: $SYRINX_EARS, or the tiny checkpoint, which hears words where there are none."""
    if folder := os.environ.get("SYRINX_EARS"):
        return folder
    folder = tmp_path_factory.mktemp("ears") / "pack"
    program = os.environ.get("SYRINX", ROOT / "target/release/syrinx")
    subprocess.run([program, "pack", "--from", ROOT / "tests/data/hear/tiny", "--to", folder], check=True)
    return folder


@pytest.fixture
def listening(ears):
    with running("--ears", ears, "--listeners", "1") as service:
        yield service

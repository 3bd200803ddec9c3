import json
import os
import pathlib
import subprocess

import numpy
import pytest

import syrinx

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="session")
def model():
    return syrinx.Model(parallel=2)


@pytest.fixture(scope="session")
def program():
    """The program, whose samples are everyone's."""
    path = pathlib.Path(os.environ.get("SYRINX_PROGRAM", ROOT / "target/release/syrinx"))
    assert path.exists(), f"{path}: cargo build --release"
    return path


def pack_of(program, folder, checkpoint):
    to = folder / checkpoint
    command = [program, "pack", "--from", ROOT / "tests/data/hear" / checkpoint, "--to", to]
    subprocess.run(command, check=True, capture_output=True)
    return to


@pytest.fixture(scope="session")
def streaming(program, tmp_path_factory):
    """A pack that answers while somebody speaks; it hears words where there are none."""
    return pack_of(program, tmp_path_factory.mktemp("ears"), "tiny")


@pytest.fixture(scope="session")
def by_turns(program, tmp_path_factory):
    """A pack that hears turn by turn."""
    return pack_of(program, tmp_path_factory.mktemp("ears"), "whisper")


@pytest.fixture(scope="session")
def signal():
    """The signal of the reference, as 16-bit integers."""
    data = (ROOT / "tests/data/hear/golden_tiny.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    begin, end = json.loads(data[8 : 8 + length])["signal"]["data_offsets"]
    floats = numpy.frombuffer(data[8 + length + begin : 8 + length + end], "<f4")
    return (floats * 32768).astype(numpy.int16)

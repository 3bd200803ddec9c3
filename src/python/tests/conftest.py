import os
import pathlib

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

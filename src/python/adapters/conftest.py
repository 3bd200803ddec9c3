import time

import pytest

import syrinx
from syrinx import _speech

LONG = "This goes on for quite some time, and nobody knows when it will be over. " * 60


@pytest.fixture(scope="session")
def model():
    return syrinx.Model(parallel=2)


class Blocks:
    """Blocks that were computed since the beginning of a test, of all speeches."""

    def __init__(self):
        self.count = 0

    def rest(self, seconds=0.5):
        """How many more there are after a while."""
        before = self.count
        time.sleep(seconds)
        return self.count - before


@pytest.fixture
def computed(monkeypatch):
    blocks, step = Blocks(), _speech.Speech._step

    def counting(speech):
        block, wait = step(speech)
        blocks.count += block is not None
        return block, wait

    monkeypatch.setattr(_speech.Speech, "_step", counting)
    return blocks

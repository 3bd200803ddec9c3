import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from wren.codes import SILENCE, Codes


@pytest.fixture
def codes():
    phones = [SILENCE, "p", "t", "s", "ɑ", "ɪ", "m"]
    return Codes([(a, b) for a in phones for b in phones if (a, b) != ("t", "p")])


@pytest.fixture(autouse=True)
def repeatable():
    torch.manual_seed(7)

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from wren.acoustics import BANDS, COLUMNS, SPECTRUM, Acoustics
from wren.codes import Codes
from wren.frames import SILENCE
from wren.sizes import PATCH_SAMPLES, CodecSizes
from wren.teacher import VOICES


@pytest.fixture
def codes():
    phones = [SILENCE, "p", "t", "s", "ɑ", "ɪ", "m"]
    return Codes([(a, b) for a in phones for b in phones if (a, b) != ("t", "p")])


@pytest.fixture
def acoustics(codes):
    rng = np.random.default_rng(4)
    width, phones = COLUMNS * BANDS, len(codes.phones)

    def table(*shape):
        return rng.normal(size=shape).astype(np.float32)

    arrays = {
        "total": table(width),
        "first": table(phones, width),
        "second": table(phones, width),
        "own": table(len(codes), width),
        "voice": table(len(VOICES), width),
        "basis": table(width, CodecSizes().value_dim - SPECTRUM),
        "spread": np.full(CodecSizes().value_dim - SPECTRUM, 30, np.float32),
        "patch_spread": np.linspace(1, 0.05, PATCH_SAMPLES, dtype=np.float32),
    }
    return Acoustics(arrays)


@pytest.fixture(autouse=True)
def repeatable():
    torch.manual_seed(7)

"""Failures are counted where speech is missing or has the wrong length."""

import numpy as np
import pytest

from wren.sizes import FRAME_SAMPLES
from wren.voice_eval import failures, say


def spoken(frames_per_letter, text="all good things come to an end"):
    return text, np.zeros(int((len(text) + 12) * frames_per_letter * FRAME_SAMPLES), np.float32)


@pytest.mark.parametrize("frames_per_letter", [0.0, 0.2, 3.0])
def test_missing_early_and_runaway_speech_is_counted(frames_per_letter):
    usual = [spoken(1.0), spoken(0.8), spoken(1.3)]
    assert not failures(usual)
    assert failures([*usual, spoken(frames_per_letter, "this one")]) == ["this one"]


def test_a_refusal_of_the_runtime_is_silence(tmp_path):
    audio, _ = say("false", "pack", "us-female", "Hello.", tmp_path / "out.wav")
    assert len(audio) == 0

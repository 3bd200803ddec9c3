"""Failures are counted where speech is missing or has the wrong length; two runs are compared sentence by sentence."""

import json

import numpy as np
import pytest

from wren.home import Home
from wren.judge import difference, interval
from wren.sizes import FRAME_SAMPLES
from wren.voice_eval import KINDS, chosen, compare, evenly, failures, say


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


def test_sentences_are_taken_from_all_over_a_kind_and_no_more_than_there_are():
    assert evenly(list("abcdefgh"), 4) == list("aceg") and evenly(list("abc"), 9) == list("abc")
    kinds = chosen(20)
    assert set(kinds) == set(KINDS) and all(len(set(texts)) == 20 for texts in kinds.values())
    assert not set(kinds["prose"]) & set(kinds["as trained"])


def test_an_interval_holds_the_rate_and_is_narrower_with_more_sentences():
    few, many = interval([0, 1, 2, 0], [10] * 4), interval([0, 1, 2, 0] * 40, [10] * 160)
    assert few[0] == many[0] == pytest.approx(3 / 40)
    assert few[1] < many[1] < many[0] < many[2] < few[2]


def test_the_same_errors_in_other_sentences_are_no_difference_beyond_chance():
    said = [10] * 50
    same = difference([1, 0] * 25, [0, 1] * 25, said)
    worse = difference([0] * 50, [1] * 50, said)
    assert same[0] == 0 and same[1] < 0 < same[2]
    assert worse == pytest.approx((0.1, 0.1, 0.1))


def test_two_runs_are_compared_on_what_both_have_spoken(tmp_path):
    home = Home(tmp_path)
    for name, wrong in (("one", (1, 0, 5)), ("two", (0, 0))):
        with open(home.folder("voice-eval") / f"{name}.jsonl", "w") as file:
            for i, missed in enumerate(wrong):
                line = {"voice": "us-male", "kind": "prose", "text": str(i), "heard": "", "wrong": missed, "words": 10}
                file.write(json.dumps(line) + "\n")
    compare(home, "one", "two")
    assert "prose, 2 sentences: one 5.00%, two 0.00%, change -5.00%" in (tmp_path / "log.md").read_text()

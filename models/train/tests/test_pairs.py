"""Pairs are drawn fairly, a run that was stopped goes on where it was, and what is told of one is what was heard."""

import re
from collections import Counter

import numpy as np
import pytest

from wren import pairs
from wren.home import Home
from wren.pairs import known, planned, run, summary
from wren.quality import NAMES
from wren.teacher import VOICES


class Stopped(Exception):
    pass


@pytest.fixture
def heard(monkeypatch):
    """A runtime that speaks a frame a letter, and a judge that misses a word of whatever is spoken with `--steps 1`."""
    spoken = []

    def say(syrinx, pack, voice, text, path, options):
        if len(spoken) == 11:
            raise Stopped
        spoken.append((voice, text, options))
        return np.full((len(text) + 12) * 1920, float(options[-1] == "1"), np.float32), 0.5

    class Words:
        def __init__(self, home, threads):
            pass

        def wrong(self, text, audio):
            return int(audio[0]), 10, 'said "so"\tand so'

    monkeypatch.setattr(pairs, "say", say)
    monkeypatch.setattr(pairs, "Words", Words)
    monkeypatch.setattr(pairs, "marks", lambda audio: np.full(len(NAMES), 2 + float(audio[0])))
    return spoken


def speak(tmp_path):
    run(Home(tmp_path), "syrinx", "pack", 2, 1, "steps", (["--steps", "7"], ["--steps", "1"]), 12)


def test_every_voice_says_the_same_sentences_and_a_part_of_a_run_has_all_of_them_mixed():
    plan = planned(20)
    assert plan == planned(20) and len(set(plan)) == len(plan) == 20 * 3 * len(VOICES)
    assert set(Counter(text for _, _, text in plan).values()) == {len(VOICES)}
    assert min(Counter(kind for _, kind, _ in plan[:60]).values()) > 10
    assert min(Counter(voice for voice, *_ in plan[:60]).values()) > 5


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, heard):
    with pytest.raises(Stopped):
        speak(tmp_path)
    lines = known(tmp_path / "pairs" / "steps.tsv")
    assert len(lines) == 5 and len(heard) == 11
    heard.clear()
    with pytest.raises(Stopped):
        speak(tmp_path)
    assert not {(line["voice"], line["text"]) for line in lines} & {(voice, text) for voice, text, _ in heard}
    lines = known(tmp_path / "pairs" / "steps.tsv")
    assert [(line["voice"], line["kind"], line["text"]) for line in lines] == planned(2)[:10]
    assert all(line["before heard"] == 'said "so"\tand so' for line in lines)
    assert [bool(line[f"after {NAMES[0]}"]) for line in lines] == [False, True] * 5


def test_the_two_ways_take_turns_in_being_first(tmp_path, heard):
    with pytest.raises(Stopped):
        speak(tmp_path)
    assert [options[-1] for *_, options in heard] == ["7", "1", "1", "7", "7", "1", "1", "7", "7", "1", "1"]


def test_what_is_told_is_what_was_heard(tmp_path, heard):
    with pytest.raises(Stopped):
        speak(tmp_path)
    text = summary(known(tmp_path / "pairs" / "steps.tsv"))
    assert re.search(r"\| all \| 5 \| 0.00% \| 10.00% \| \+10.00% \[\+10.00%, \+10.00%\] \|", text)
    assert re.search(r"\| DistillMOS \| 2.00 \| 3.00 \| \+1.000 \[\+1.000, \+1.000\] \|", text)
    assert text.count("0 of 5 empty, early or endless") == 2

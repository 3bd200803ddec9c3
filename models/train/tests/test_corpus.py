"""What is spoken, and that an interrupted stage goes on where it stopped."""

import json

import numpy as np
import pytest

from wren import corpus, shortcut
from wren.acoustics import COLUMNS
from wren.corpus import entries, held_out_requests, key, requests
from wren.frames import Frames
from wren.home import Home, eval_sentences
from wren.sentences import ALLOWED, Script
from wren.sizes import FRAME_SAMPLES, UNIT_SAMPLES, CodecSizes
from wren.teacher import FEATURES_DIM, Sketch
from wren.tokens import sketched as sketched_levels


def sketched(phonemes):
    """Two units per symbol, features that say where they are."""
    durations = np.full(len(phonemes) + 2, 2)
    count = 2 * durations.sum()
    features = np.tile(np.arange(count, dtype=np.float32), (1, FEATURES_DIM, 1))
    return Sketch(features, np.full(count, 120.0), np.zeros((1, 128)), durations)


@pytest.fixture
def spoken(tmp_path, monkeypatch):
    """A corpus stage with a teacher that counts and may die in mid-sentence."""

    class Teacher:
        calls, dies_at = 0, None

        def __init__(self, home, reach):
            pass

        def speak(self, phonemes, voice, cycles_of):
            Teacher.calls += 1
            if Teacher.calls == Teacher.dies_at:
                raise KeyboardInterrupt
            sketch = sketched(phonemes)
            assert len(cycles_of(sketch)) == sketch.durations.sum() * UNIT_SAMPLES
            return np.full(sketch.durations.sum() * UNIT_SAMPLES, len(phonemes) / 1000, dtype=np.float32), sketch

        def sketch(self, phonemes, voice):
            return sketched(phonemes)

    def few(seed, stage):
        yield from ((f"Sentence {n}.", "us-male", "p" * n) for n in range(1, 1000))

    monkeypatch.setattr(corpus, "Teacher", Teacher)
    monkeypatch.setattr(corpus, "requests", few)
    return Home(tmp_path), Teacher


def test_an_interrupted_corpus_goes_on_at_the_last_whole_line(spoken):
    home, teacher = spoken
    teacher.dies_at = 6
    with pytest.raises(KeyboardInterrupt):
        corpus.run(home, "corpus", 0, hours=0.01)
    index, pcm = home.folder("corpus") / "000.jsonl", home.folder("corpus") / "000.pcm"
    with open(index, "a") as file:
        file.write('{"text": "half a li')
    with open(pcm, "ab") as file:
        file.write(b"left over")
    corpus.run(home, "corpus", 0, hours=0.01)
    lines = list(entries(home.folder("corpus")))
    assert [line["text"] for line in lines] == [f"Sentence {n}." for n in range(1, len(lines) + 1)]
    samples = np.fromfile(pcm, dtype="<i2")
    assert len(samples) == lines[-1]["start"] + lines[-1]["samples"]
    for line in lines:
        cut = samples[line["start"] : line["start"] + line["samples"]]
        assert set(cut) == {round(len(line["phonemes"]) / 1000 * 32_767)}


def test_an_interrupted_sketch_goes_on_at_the_last_whole_line(tmp_path, monkeypatch, spoken):
    class Sketcher:
        def __init__(self, home):
            pass

        def levels(self, entry):
            n = len(entry["phonemes"])
            entry["durations"] = sketched(entry["phonemes"]).durations.tolist()
            return np.full((n, CodecSizes().acoustic_dim), n % 21, np.uint8)

    monkeypatch.setattr(shortcut, "Sketcher", Sketcher)
    home = Home(tmp_path)
    corpus.run(home, "sketch", 0, hours=0.005)
    with open(home.folder("sketch") / "000.levels", "ab") as file:
        file.write(b"left over")
    corpus.run(home, "sketch", 0, hours=0.01)
    for line in entries(home.folder("sketch")):
        levels = sketched_levels(home.folder("sketch"), line)
        assert levels.shape == (len(line["phonemes"]), CodecSizes().acoustic_dim)
        assert (levels == len(line["phonemes"]) % 21).all()


def test_a_column_of_a_sketch_reads_the_features_around_its_middle():
    entry = {"text": "pɑpɑ", "phonemes": "pɑpɑ", "durations": [2] * 6}
    frames = Frames(entry)
    rows = shortcut.inputs(sketched(entry["phonemes"]), frames, 1)
    centres = frames.first_sample + FRAME_SAMPLES // COLUMNS * (np.arange(len(rows)) + 0.5)
    for i, offset in enumerate((-480, 0, 480)):
        wanted = np.clip((centres + offset) / 300 - 0.5, 0, 23)
        np.testing.assert_allclose(rows[:, i * FEATURES_DIM], wanted, atol=0.01)
    np.testing.assert_array_equal(rows[:, -4:], np.tile([0, 1, 0, 0], (len(rows), 1)))


def test_a_half_written_line_is_not_an_utterance(tmp_path):
    (tmp_path / "000.jsonl").write_text(json.dumps({"text": "One."}) + '\n{"text": "Tw')
    assert [entry["text"] for entry in entries(tmp_path)] == ["One."]


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_the_script_is_speakable_and_repeatable(share):
    first, second = Script(3, share), Script(3, share)
    drawn = [first.utterance() for _ in range(3000)]
    assert drawn == [second.utterance() for _ in range(3000)]
    assert all(ALLOWED.fullmatch(text) and text[-1] in ".?!" and len(text) <= 301 for text in drawn)
    assert any(" " not in text for text in drawn) and max(map(len, drawn)) > 200


def test_held_out_sentences_are_never_requested_for_training(monkeypatch):
    said = next(requests(5, "corpus"))[0]
    monkeypatch.setattr(corpus, "eval_sentences", lambda: {"everyday": [said.upper()]})
    source = requests(5, "corpus")
    assert all(key(next(source)[0]) != key(said) for _ in range(300))


def test_every_held_out_sentence_is_spoken_once():
    wanted = [text for group in eval_sentences().values() for text in group]
    assert sorted(text for text, _, _ in held_out_requests()) == sorted(wanted)
    assert len(wanted) == 260

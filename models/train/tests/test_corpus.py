"""What is spoken, and that an interrupted stage goes on where it stopped."""

import json

import numpy as np
import pytest

from wren import corpus
from wren.corpus import entries, held_out_requests, key, requests
from wren.home import Home, eval_sentences
from wren.sentences import ALLOWED, Script
from wren.teacher import UNIT_SAMPLES


@pytest.fixture
def spoken(tmp_path, monkeypatch):
    """A corpus stage with a teacher that counts and may die in mid-sentence."""

    class Teacher:
        calls, dies_at = 0, None

        def __init__(self, home, with_audio):
            pass

        def speak(self, phonemes, voice, phase_of):
            Teacher.calls += 1
            if Teacher.calls == Teacher.dies_at:
                raise KeyboardInterrupt
            durations = np.full(len(phonemes) + 2, 2)
            phase_of(np.full(durations.sum() * 2, 120.0), durations)
            return np.full(durations.sum() * UNIT_SAMPLES, len(phonemes) / 1000, dtype=np.float32), durations

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

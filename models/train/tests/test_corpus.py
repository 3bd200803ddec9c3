"""What is spoken, and that an interrupted stage goes on where it stopped."""

import json

import numpy as np
import pytest

from wren import alphabet, corpus, tokens
from wren.corpus import entries, held_out_requests, key, requests
from wren.frames import Frames
from wren.home import Home, eval_sentences
from wren.sentences import ALLOWED, Script
from wren.sizes import UNIT_SAMPLES, CodecSizes
from wren.teacher import batches
from wren.tokens import cut


@pytest.fixture
def spoken(tmp_path, monkeypatch):
    """A corpus stage with 40 lines and a teacher of two units per symbol, who may die in mid-sentence."""

    class Teacher:
        calls, dies_at = 0, None

        def __init__(self, home, sounds):
            pass

        def speak(self, requests, cycles_of):
            for place, (phonemes, _) in reversed(list(enumerate(requests))):
                Teacher.calls += 1
                if Teacher.calls == Teacher.dies_at:
                    raise KeyboardInterrupt
                durations = np.full(len(phonemes) + 2, 2)
                pitch_hz = np.full(2 * durations.sum(), 120.0)
                samples = durations.sum() * UNIT_SAMPLES
                assert len(cycles_of(place, durations, pitch_hz)) == samples
                yield place, durations, pitch_hz, np.full(samples, len(phonemes) / 1000, dtype=np.float32)

    monkeypatch.setattr(corpus, "Teacher", Teacher)
    home = Home(tmp_path)
    lines = [{"text": f"Sentence {n}.", "voice": "us-male", "phonemes": "p" * n} for n in range(1, 41)]
    (home.folder("lines") / "corpus-000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return home, Teacher


def test_an_interrupted_corpus_goes_on_at_the_last_whole_line(spoken):
    home, teacher = spoken
    teacher.dies_at = 20
    with pytest.raises(KeyboardInterrupt):
        corpus.run(home, "corpus", 0, minutes=1)
    index, pcm = home.folder("corpus") / "000.jsonl", home.folder("corpus") / "000.pcm"
    with open(index, "a") as file:
        file.write('{"text": "half a li')
    with open(pcm, "ab") as file:
        file.write(b"left over")
    corpus.run(home, "corpus", 0, minutes=1)
    lines = list(entries(home.folder("corpus")))
    assert [line["text"] for line in lines] == [f"Sentence {n}." for n in range(1, 41)]
    samples = np.fromfile(pcm, dtype="<i2")
    assert len(samples) == lines[-1]["start"] + lines[-1]["samples"]
    for line in lines:
        cut = samples[line["start"] : line["start"] + line["samples"]]
        assert set(cut) == {round(len(line["phonemes"]) / 1000 * 32_767)}


def test_a_batch_holds_utterances_of_one_length_and_every_utterance_is_in_one():
    lengths = [3, 5, 3, 3, 40, 5, 3]
    drawn = list(batches(lengths, total=10))
    assert sorted(place for batch in drawn for place in batch) == list(range(len(lengths)))
    assert all(len({lengths[place] for place in batch}) == 1 and lengths[batch[0]] * len(batch) <= max(10, 40) for batch in drawn)
    assert max(map(len, drawn)) == 3


def test_a_corpus_becomes_frames_with_values_that_find_their_samples(spoken, codes, acoustics, monkeypatch):
    home, _ = spoken
    corpus.run(home, "corpus", 0, minutes=1)
    monkeypatch.setattr(tokens.code_table, "load", lambda home: codes)
    monkeypatch.setattr(tokens.acoustics, "load", lambda home: acoustics)
    tokens.run(home, "corpus", 0)
    stored, entry = np.load(home.folder("tokens") / "corpus-000.npz"), list(entries(home.folder("corpus")))[9]
    frames = Frames(entry)
    begin, end = stored["frame_ends"][8:10]
    np.testing.assert_array_equal(stored["codes"][begin:end], codes.encode(frames))
    assert stored["values"][begin:end].shape == (len(frames.pairs), CodecSizes().value_dim)
    assert stored["first"][9] == entry["start"] + frames.first_sample
    assert (stored["begin"][9], stored["end"][9]) == (entry["start"], entry["start"] + entry["samples"])
    text = stored["text"][stored["text_ends"][8] : stored["text_ends"][9]]
    text = alphabet.text(text)
    assert text == "sentence 10." and stored["places"][begin:end].max() < len(text)


def test_samples_beyond_a_recording_are_silence():
    pcm = np.full(4, 16_384, np.int16)
    np.testing.assert_array_equal(cut(pcm, -2, 8), [0, 0, 0.5, 0.5, 0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(cut(pcm, -5, 3), np.zeros(3))
    np.testing.assert_array_equal(cut(pcm, 2, 4), [0.5, 0.5, 0, 0])


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


def test_held_out_sentences_are_never_requested_for_training(tmp_path, monkeypatch):
    said = next(requests(Home(tmp_path), 5, "corpus"))[0]
    monkeypatch.setattr(corpus, "eval_sentences", lambda: {"everyday": [said.upper()]})
    source = requests(Home(tmp_path), 5, "corpus")
    assert all(key(next(source)[0]) != key(said) for _ in range(300))


def test_every_held_out_sentence_is_spoken_once():
    wanted = [text for group in eval_sentences().values() for text in group]
    assert sorted(text for text, _, _ in held_out_requests()) == sorted(wanted)
    assert len(wanted) == 460

"""Promises: what the program hears, whatever the pieces and the type of samples; errors by their kind."""

import json
import subprocess
import threading
import time

import numpy
import pytest

import syrinx


@pytest.fixture(scope="module")
def ears(streaming):
    return syrinx.Ears(streaming)


def finals(texts):
    return [heard for heard in texts if heard.is_final]


def test_it_hears_what_the_program_hears(ears, streaming, program, signal, tmp_path):
    raw = tmp_path / "signal.raw"
    raw.write_bytes(signal.tobytes())
    command = [program, "hear", raw, "--raw", "16000", "--json", "--pack", streaming]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    expected = [line for line in map(json.loads, lines) if line["final"]]
    heard = finals(ears.listener().texts([signal]))
    assert [text.text for text in heard] == [line["text"] for line in expected] and heard
    assert [text.end for text in heard] == [line["end_ms"] / 1000 for line in expected]
    words = [(word["text"], word["start_ms"] / 1000, word["end_ms"] / 1000) for word in expected[0]["words"]]
    assert [tuple(word) for word in heard[0].words] == words


def test_pieces_and_types_change_nothing(ears, signal):
    whole = finals(ears.listener().texts([signal]))
    floats = signal.astype(numpy.float32) / 32768
    for sound in [signal, floats, floats.astype(numpy.float64), floats[::-1][::-1], list(map(float, floats))]:
        pieces = (sound[at : at + 997] for at in range(0, len(sound), 997))
        assert finals(ears.listener().texts(pieces)) == whole


def test_a_text_grows_until_it_stays(ears, signal):
    texts = list(ears.listener().texts(numpy.array_split(signal, 40)))
    assert not texts[0].is_final and texts[-1].is_final
    for before, after in zip(texts, texts[1:]):
        assert before.is_final or after.text.startswith(before.text)


def test_a_flush_ends_a_text_and_a_reset_forgets_it(ears, signal):
    listener = ears.listener()
    listener.feed(signal)
    assert finals(listener.flush())
    assert listener.flush() == []
    listener.feed(signal[:8000])
    listener.reset()
    assert listener.flush() == []
    first = finals(listener.feed(signal) + listener.set_delay(0.24))
    assert first[0].end > len(signal) / ears.sample_rate, "times go on"
    assert listener.feed(numpy.zeros(0, numpy.float32)) == []


def test_what_ears_are(ears, by_turns):
    assert (ears.family, ears.sample_rate, ears.delay) == ("voxtral-realtime", 16000, 0.48)
    turns = syrinx.Ears(by_turns)
    assert (turns.family, turns.delay, turns.languages) == ("whisper", 0, ["mul"])
    assert turns.name in repr(turns)
    silence = numpy.zeros(32000, numpy.int16)
    assert list(turns.listener(language="en").texts([silence])) == []


def test_errors_tell_what_to_do(ears, by_turns, monkeypatch):
    turns = syrinx.Ears(by_turns)
    for open_it, kind, says in [
        (lambda: ears.listener(delay=0.1), "bad_option", "80 to 2400"),
        (lambda: ears.listener(language="en"), "bad_option", "language"),
        (lambda: turns.listener(phrases="Syrinx"), "bad_option", "phrases"),
        (lambda: turns.listener(language="tlh"), "bad_option", "tlh"),
        (lambda: syrinx.Ears(syrinx.default_pack()), "unsupported", "speaks"),
        (lambda: syrinx.Model(by_turns), "unsupported", "listens"),
        (lambda: syrinx.Ears("/nowhere"), "bad_pack", "/nowhere"),
    ]:
        with pytest.raises(syrinx.Error, match=says) as error:
            open_it()
        assert error.value.kind == kind
    monkeypatch.delenv("SYRINX_EARS", raising=False)
    with pytest.raises(syrinx.Error, match="SYRINX_EARS"):
        syrinx.Ears()
    monkeypatch.setenv("SYRINX_EARS", str(by_turns))
    assert syrinx.Ears().family == "whisper"
    listener = ears.listener(phrases=["Syrinx", "the harbour"])
    with pytest.raises(TypeError, match="int32"):
        listener.feed(numpy.zeros(10, numpy.int32))
    with pytest.raises(ValueError, match="one channel"):
        listener.feed(numpy.zeros((10, 2), numpy.float32))


def test_other_threads_go_on_while_it_computes(ears, signal):
    sound = numpy.tile(signal, 20)
    done = threading.Event()
    listener = ears.listener()
    thread = threading.Thread(target=lambda: (listener.feed(sound), done.set()))
    began = time.monotonic()
    thread.start()
    turns = 0
    while not done.is_set():
        time.sleep(0.001)
        turns += 1
    took = time.monotonic() - began
    thread.join()
    assert turns > took / 0.05, f"{turns} turns in {took:.2f} s"


def test_listeners_at_a_time_hear_what_each_hears_alone(ears, signal):
    parts = [signal[begin:] for begin in range(0, 4000, 1000)]
    alone = [finals(ears.listener().texts([part])) for part in parts]
    together = [None] * len(parts)

    def hear(at):
        together[at] = finals(ears.listener().texts([parts[at]]))

    threads = [threading.Thread(target=hear, args=(at,)) for at in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone

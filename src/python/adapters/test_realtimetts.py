"""Promises of the engine in RealtimeTTS' own stream: tokens in, the model's samples and its words out, a stop that stops computing."""

import os
import threading
import time

import numpy
import pytest
from conftest import LONG

import syrinx

TEXT = "Turn left in 300 m. Then keep right at the café."


@pytest.fixture(scope="module", autouse=True)
def nobody_hears(tmp_path_factory):
    """A device that takes everything at once, for what is not muted."""
    path = tmp_path_factory.mktemp("alsa") / "asound.conf"
    path.write_text("pcm.!default { type null }\nctl.!default { type null }\n")
    os.environ["ALSA_CONFIG_PATH"] = str(path)  # before PortAudio is loaded


@pytest.fixture
def stream_of():
    from RealtimeTTS import TextToAudioStream

    from syrinx.realtimetts import SyrinxEngine

    def open_stream(model, muted=True, on_word=None, **options):
        return TextToAudioStream(SyrinxEngine(model, **options), muted=muted, on_word=on_word)

    return open_stream


def play(stream, text, rate_hz=None):
    """All samples; where a rate is given, at the pace at which they are heard."""
    chunks = []

    def on_chunk(chunk):
        chunks.append(chunk)
        if rate_hz:
            time.sleep(len(chunk) / 2 / rate_hz)

    stream.feed(text).play(on_audio_chunk=on_chunk)
    return numpy.frombuffer(b"".join(chunks), "<i2")


def test_a_text_is_the_models_samples(model, stream_of):
    heard = play(stream_of(model, seed=7), iter(["Turn ", "left."]))
    expected = syrinx.to_int16(model.speak(iter("Turn left."), seed=7).samples())
    assert numpy.array_equal(heard, expected)


def test_words_are_told_as_they_are_played(model, stream_of):
    words = []
    heard = play(stream_of(model, muted=False, on_word=words.append), TEXT, model.sample_rate)
    assert [word.word for word in words] == TEXT.split()
    assert words[0].start_time == 0
    assert words[-1].end_time == pytest.approx(len(heard) / model.sample_rate)


def test_tokens_are_spoken_before_the_last_has_come(model, stream_of):
    heard = threading.Event()

    def tokens():
        yield "This is the first sentence. And"
        assert heard.wait(30)
        yield " here is the second one."

    stream = stream_of(model)
    chunks = []

    def on_chunk(chunk):
        chunks.append(chunk)
        heard.set()

    stream.feed(tokens()).play(on_audio_chunk=on_chunk)
    assert len(chunks) > 10


def test_a_stop_stops_computing_and_the_stream_can_be_used_again(model, stream_of, computed):
    stream = stream_of(model)
    heard = threading.Event()
    stream.feed(LONG).play_async(on_audio_chunk=lambda _: heard.set())
    assert heard.wait(30)
    stream.stop()
    assert computed.rest() == 0 and computed.count < 1000
    assert len(play(stream, "Go on.")) > 0


def test_a_voice_is_set_and_an_unknown_one_is_an_error_that_says_so(model, stream_of):
    stream = stream_of(model)
    stream.engine.set_voice(stream.engine.get_voices()[-1])
    expected = syrinx.to_int16(model.speak(iter("Go on."), voice=model.voices[-1]).samples())
    assert numpy.array_equal(play(stream, "Go on."), expected)
    stream.engine.set_voice("nobody")
    with pytest.raises(syrinx.Error, match="nobody") as error:
        play(stream, "Go on.")
    assert error.value.kind == "unknown_voice"

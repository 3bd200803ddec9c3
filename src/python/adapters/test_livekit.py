"""Promises of the plugin by LiveKit's own streams: text in pieces, sound with words, a close that stops computing, errors."""

import asyncio

import numpy
import pytest
from conftest import LONG
from livekit.agents import APIError
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

import syrinx
from syrinx.livekit import TTS

TEXT = "Turn left in 300 m. Then keep right at the café."


def run(talk):
    async def all_of_it():
        return await asyncio.wait_for(talk(), 60)

    return asyncio.run(all_of_it())


async def heard(stream):
    sound, words = b"", []
    async for event in stream:
        sound += event.frame.data.tobytes()
        words += event.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT) or []
    return sound, words


def is_sound_of(frame, speech):
    """Its samples, and the 10 ms of silence by which LiveKit marks an end."""
    heard, expected = numpy.frombuffer(frame.data, "<i2"), syrinx.to_int16(speech.samples())
    end = heard[len(expected) :]
    return numpy.array_equal(heard[: len(expected)], expected) and len(end) <= 240 and not end.any()


def test_pieces_become_sound_and_a_transcript_that_is_the_text(model):
    async def talk():
        async with TTS(model).stream() as stream:
            for at in range(0, len(TEXT), 3):
                stream.push_text(TEXT[at : at + 3])
            stream.flush()
            stream.end_input()
            return await heard(stream)

    sound, words = run(talk)
    assert len(sound) / 2 / model.sample_rate > 1.5
    assert "".join(words) == TEXT and [word.strip() for word in words] == TEXT.split()
    assert words[0].start_time == 0 and all(word.start_time < word.end_time for word in words)
    assert words[-1].end_time == pytest.approx(len(sound) / 2 / model.sample_rate)


def test_a_whole_text_is_the_models_samples(model):
    async def talk():
        return await TTS(model, seed=7, voice=model.voices[-1]).synthesize("Turn left.").collect()

    frame = run(talk)
    assert (frame.sample_rate, frame.num_channels) == (model.sample_rate, 1)
    assert is_sound_of(frame, model.speak("Turn left.", seed=7, voice=model.voices[-1]))


def test_sound_comes_before_the_text_is_complete(model):
    async def talk():
        async with TTS(model).stream() as stream:
            stream.push_text("Turn left at the light. Then")
            first = await stream.__anext__()
            stream.push_text(" keep right.")
            stream.end_input()
            _, words = await heard(stream)
            return (first.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT) or []) + words

    assert "".join(run(talk)) == "Turn left at the light. Then keep right."


def test_a_stream_that_is_closed_stops_computing(model, computed):
    async def talk():
        stream = TTS(model).stream()
        stream.push_text(LONG)
        await stream.__anext__()
        await stream.aclose()
        return await asyncio.to_thread(computed.rest)

    assert run(talk) == 0 and computed.count < 1000
    assert len(model.speak("Go on.").samples()) > 0


def test_options_are_those_of_the_next_stream(model):
    async def talk():
        tts = TTS(model)
        await tts.synthesize("Go on.").collect()
        tts.update_options(speed=2.0)
        return await tts.synthesize("Turn left.").collect()

    assert is_sound_of(run(talk), model.speak("Turn left.", speed=2.0))


def test_what_cannot_be_spoken_is_no_fault_and_an_error_is_not_tried_again(model):
    async def talk():
        errors = []
        async with TTS(model).stream() as stream:
            stream.push_text("?!")
            stream.end_input()
            sound, words = await heard(stream)
        assert not any(sound) and not words
        tts = TTS(model, voice="nobody")
        tts.on("error", errors.append)
        with pytest.raises(APIError, match="unknown_voice"):
            await tts.synthesize("Turn left.").collect()
        return errors

    assert [error.recoverable for error in run(talk)][-1] is False


def test_it_says_what_it_is(model):
    tts = TTS(model)
    assert (tts.model, tts.provider) == (model.name, "syrinx")
    assert tts.capabilities.streaming and tts.capabilities.aligned_transcript

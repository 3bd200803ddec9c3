"""Promises of the service in pipecat's own pipeline: tokens in, sound and words out, an interruption that stops computing."""

import asyncio

import numpy
from conftest import LONG
from pipecat.frames.frames import (
    InterruptionFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
)
from pipeline import run, turn

import syrinx
from syrinx.pipecat import SyrinxTTSService

TOKENS = ["Turn", " le", "ft in", " 300 m", ". Then", " keep", " right", "."]


def test_tokens_become_sound_and_words_with_their_times(model):
    async def script(worker, ear):
        await worker.queue_frames(turn(TOKENS))

    ear, errors = run(SyrinxTTSService(model), script)
    assert not errors
    assert len(ear.of(TTSStartedFrame)) == len(ear.of(TTSStoppedFrame)) == 1
    blocks = ear.of(TTSAudioRawFrame)
    assert all((block.sample_rate, block.num_channels) == (model.sample_rate, 1) for block in blocks)
    assert len(ear.sound()) / 2 / model.sample_rate > 1.5
    words = ear.of(TTSTextFrame)
    assert [word.text for word in words] == "".join(TOKENS).split()
    times = [word.pts for word in words]
    assert times == sorted(times) and times[0] < times[-1]


def test_the_sound_is_the_models(model):
    async def script(worker, ear):
        await worker.queue_frame(TTSSpeakFrame("Turn left."))

    ear, _ = run(SyrinxTTSService(model, settings=SyrinxTTSService.Settings(seed=7)), script)
    expected = syrinx.to_int16(model.speak("Turn left.", seed=7).samples())
    assert numpy.array_equal(numpy.frombuffer(ear.sound(), "<i2"), expected)


def test_sound_comes_before_the_text_is_complete(model):
    async def script(worker, ear):
        await worker.queue_frames(turn(TOKENS)[:-1])
        await ear.wait_for(TTSAudioRawFrame)
        await worker.queue_frame(LLMFullResponseEndFrame())

    ear, errors = run(SyrinxTTSService(model), script)
    assert ear.of(TTSAudioRawFrame) and not errors


def test_an_interruption_stops_computing_and_the_next_turn_is_heard(model, computed):
    async def script(worker, ear):
        await worker.queue_frames(turn([LONG]))
        await ear.wait_for(TTSAudioRawFrame)
        await worker.queue_frame(InterruptionFrame())
        await ear.wait_for(InterruptionFrame)
        assert await asyncio.to_thread(computed.rest) == 0
        before = len(ear.of(TTSAudioRawFrame))
        await worker.queue_frames(turn(TOKENS))
        await ear.wait_for(TTSAudioRawFrame, before + 1)
        await ear.wait_for(TTSStoppedFrame)

    ear, errors = run(SyrinxTTSService(model), script)
    assert not errors and computed.count < 1000
    assert [word.text for word in ear.of(TTSTextFrame)][-7:] == "".join(TOKENS).split()[-7:]


def test_a_voice_is_changed_between_turns(model):
    async def script(worker, ear):
        for voice in model.voices[-2:]:
            await worker.queue_frame(TTSUpdateSettingsFrame(delta=SyrinxTTSService.Settings(voice=voice)))
            await worker.queue_frame(TTSSpeakFrame("Turn left."))

    ear, errors = run(SyrinxTTSService(model), script)
    first, second = (model.speak("Turn left.", voice=voice).samples() for voice in model.voices[-2:])
    expected = syrinx.to_int16(numpy.concatenate([first, second]))
    assert numpy.array_equal(numpy.frombuffer(ear.sound(), "<i2"), expected) and not errors


def test_an_error_is_reported_upstream_by_its_kind(model):
    async def script(worker, ear):
        await worker.queue_frame(TTSSpeakFrame("Turn left."))
        await ear.wait_for(TTSStoppedFrame)

    ear, errors = run(SyrinxTTSService(model, settings=SyrinxTTSService.Settings(voice="nobody")), script)
    assert any("unknown_voice" in error.error for error in errors) and not ear.of(TTSAudioRawFrame)

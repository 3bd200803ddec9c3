"""pipecat's services for OpenAI and Cartesia, which only need another address: tokens in; sound, words and errors out; an interruption."""

import asyncio
import time

import numpy
import openai
from pipecat.frames.frames import InterruptionFrame, TTSAudioRawFrame, TTSSpeakFrame, TTSStoppedFrame, TTSTextFrame
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.services.tts_service import TextAggregationMode
from pipeline import run, turn

TEXT = "Turn left in 300 m. Then keep right."
LONG = "This goes on for quite some time, and nobody knows when it will be over. " * 50


def cartesia(service, voice="us-male", **more):
    settings = CartesiaTTSService.Settings(voice=voice)
    url = service.http.replace("http", "ws") + "/tts/websocket"
    return CartesiaTTSService(api_key="-", url=url, sample_rate=24000, settings=settings, **more)


def test_openais_service_hears_the_samples_of_openais_client(service):
    async def script(worker, ear):
        await worker.queue_frame(TTSSpeakFrame(TEXT))

    settings = OpenAITTSService.Settings(voice="alloy")
    tts = OpenAITTSService(api_key="-", base_url=f"{service.http}/v1", sample_rate=24000, settings=settings)
    ear, errors = run(tts, script)
    client = openai.OpenAI(base_url=f"{service.http}/v1", api_key="-")
    expected = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format="pcm").read()
    assert ear.sound() == expected and not errors


def test_cartesias_service_hears_tokens_with_their_words(service):
    async def script(worker, ear):
        await worker.queue_frames(turn([TEXT[at : at + 4] for at in range(0, len(TEXT), 4)]))
        await ear.wait_for(TTSStoppedFrame)

    ear, errors = run(cartesia(service, text_aggregation_mode=TextAggregationMode.TOKEN), script)
    assert not errors
    assert [word.text for word in ear.of(TTSTextFrame)] == TEXT.split()
    times = [word.pts for word in ear.of(TTSTextFrame)]
    assert times == sorted(times) and len(set(times)) > 4
    assert numpy.frombuffer(ear.sound(), "<i2").any()


def test_cartesias_service_speaks_sentence_by_sentence_as_it_does_by_default(service):
    async def script(worker, ear):
        await worker.queue_frames(turn([TEXT]))
        await ear.wait_for(TTSStoppedFrame)

    ear, errors = run(cartesia(service), script)
    assert not errors and [word.text for word in ear.of(TTSTextFrame)] == TEXT.split()


def test_an_interruption_stops_computing_and_the_next_turn_is_heard(service):
    def speaks():
        return service.metrics()[("syrinx_requests_running",)]

    async def script(worker, ear):
        await worker.queue_frames(turn([LONG]))
        await ear.wait_for(TTSAudioRawFrame)
        assert speaks()
        await worker.queue_frame(InterruptionFrame())
        await ear.wait_for(InterruptionFrame)
        deadline = time.monotonic() + 1
        while speaks() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert not speaks()
        before = len(ear.of(TTSAudioRawFrame))
        await worker.queue_frames(turn([TEXT]))
        await ear.wait_for(TTSAudioRawFrame, before + 1)
        await ear.wait_for(TTSStoppedFrame)

    ear, errors = run(cartesia(service), script)
    assert not errors and [word.text for word in ear.of(TTSTextFrame)][-7:] == TEXT.split()[-7:]
    assert service.metrics()[("syrinx_cancelled_total", "disconnect")] == 1


def test_an_unknown_voice_is_an_error_in_the_pipeline(service):
    async def script(worker, ear):
        await worker.queue_frame(TTSSpeakFrame(TEXT))
        await asyncio.sleep(1)

    ear, errors = run(cartesia(service, voice="nobody"), script)
    assert any("nobody" in error.error for error in errors) and not ear.of(TTSAudioRawFrame)

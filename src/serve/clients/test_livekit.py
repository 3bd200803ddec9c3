"""LiveKit's plugins for OpenAI and Cartesia, which only need another address: as they ask by default, with words, interrupted."""

import asyncio
import time

import aiohttp
import pytest
from livekit.agents import APIError
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT, APIConnectOptions
from livekit.plugins import cartesia
from livekit.plugins import openai as plugin

TEXT = "Turn left in 300 m. Then keep right."
LONG = "This goes on for quite some time, and nobody knows when it will be over. " * 50
ONCE = APIConnectOptions(max_retry=0)


def run(talk):
    async def all_of_it():
        async with aiohttp.ClientSession() as session:
            return await asyncio.wait_for(talk(session), 60)

    return asyncio.run(all_of_it())


def of_openai(service, **more):
    return plugin.TTS(base_url=f"{service.http}/v1", api_key="-", **more)


def of_cartesia(service, session, voice="us-male"):
    return cartesia.TTS(api_key="-", base_url=service.http, voice=voice, sample_rate=24000, http_session=session)


@pytest.mark.parametrize(
    "more",
    [{}, {"model": "tts-1"}, {"response_format": "pcm"}, {"response_format": "opus"}, {"response_format": "wav"}],
)
def test_openais_plugin_is_heard_as_it_asks(service, more):
    async def talk(_):
        async with of_openai(service, voice="us-male", **more) as tts:
            return await tts.synthesize(TEXT, conn_options=ONCE).collect()

    frame = run(talk)
    assert frame.sample_rate == 24000 and 1.5 < frame.duration < 10
    assert max(frame.data) > 1000


def test_openais_plugin_reads_an_error(service):
    async def talk(_):
        async with of_openai(service, voice="nobody") as tts:
            await tts.synthesize(TEXT, conn_options=ONCE).collect()

    with pytest.raises(APIError, match="nobody") as error:
        run(talk)
    assert error.value.status_code == 400 and not error.value.retryable


def test_cartesias_plugin_hears_tokens_with_their_words(service):
    async def talk(session):
        async with of_cartesia(service, session).stream(conn_options=ONCE) as stream:
            for at in range(0, len(TEXT), 4):
                stream.push_text(TEXT[at : at + 4])
            stream.end_input()
            seconds, words = 0, []
            async for event in stream:
                seconds += event.frame.duration
                words += event.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT) or []
            return seconds, words

    seconds, words = run(talk)
    assert "".join(words).split() == TEXT.split() and seconds > 1.5
    assert words[0].start_time == 0 and words[-1].end_time == pytest.approx(seconds, abs=0.1)


def test_cartesias_plugin_speaks_a_whole_text(service):
    async def talk(session):
        return await of_cartesia(service, session).synthesize(TEXT, conn_options=ONCE).collect()

    assert run(talk).duration > 1.5


def test_a_stream_that_is_closed_stops_computing(service):
    def speaks():
        return service.metrics()[("syrinx_requests_running",)]

    async def talk(session):
        tts = of_cartesia(service, session)
        stream = tts.stream(conn_options=ONCE)
        stream.push_text(LONG)
        await stream.__anext__()
        assert speaks()
        await stream.aclose()
        await tts.aclose()
        deadline = time.monotonic() + 1
        while speaks() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return speaks()

    assert not run(talk)


def test_cartesias_plugin_ends_with_an_error_where_there_is_one(service):
    """It takes the error for an end without sound: it looks at `done` first, which Cartesia sets in both."""

    async def talk(session):
        async with of_cartesia(service, session, voice="nobody").stream(conn_options=ONCE) as stream:
            stream.push_text(TEXT)
            stream.end_input()
            async for _ in stream:
                pass

    with pytest.raises(APIError, match="no audio frames"):
        run(talk)

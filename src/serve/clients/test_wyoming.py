"""Wyoming's own client, as Home Assistant uses it: one connection to ask what there is, and a new one for each answer."""

import asyncio

import openai
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

TEXT = "Turn left in 300 m."


async def heard(client, last):
    """The samples up to the event that Home Assistant waits for, and the kinds of events on the way."""
    sound, kinds = b"", []
    while True:
        event = await asyncio.wait_for(client.read_event(), 30)
        kinds.append(event.type)
        if AudioStart.is_type(event.type):
            assert AudioStart.from_event(event).rate == 24000
        if AudioChunk.is_type(event.type):
            sound += AudioChunk.from_event(event).audio
        if last.is_type(event.type):
            return sound, kinds


def test_its_voices_are_read(service):
    async def ask():
        async with AsyncTcpClient(*service.wyoming) as client:
            await client.write_event(Describe().event())
            return Info.from_event(await asyncio.wait_for(client.read_event(), 1))

    (program,) = asyncio.run(ask()).tts
    assert program.installed and program.supports_synthesize_streaming
    assert "us-male" in [voice.name for voice in program.voices if voice.installed and voice.languages == ["en"]]


def test_a_text_is_the_samples_of_http(service):
    http = openai.OpenAI(base_url=f"{service.http}/v1", api_key="-").audio.speech
    expected = http.create(model="wren", voice="us-male", input=TEXT, response_format="pcm").read()

    async def ask():
        async with AsyncTcpClient(*service.wyoming) as client:
            await client.write_event(Synthesize(text=TEXT, voice=SynthesizeVoice(name="us-male")).event())
            return await heard(client, AudioStop)

    assert asyncio.run(ask())[0] == expected


def test_an_answer_that_is_still_being_written_is_spoken_once(service):
    async def ask():
        async with AsyncTcpClient(*service.wyoming) as client:
            await client.write_event(SynthesizeStart(voice=SynthesizeVoice(name="us-male")).event())
            for piece in ["The first sentence ", "is here. The", " second one", " is too."]:
                await client.write_event(SynthesizeChunk(text=piece).event())
                await asyncio.sleep(0.05)
            await client.write_event(Synthesize(text="The first sentence is here. The second one is too.").event())
            await client.write_event(SynthesizeStop().event())
            return await heard(client, SynthesizeStopped)

    sound, kinds = asyncio.run(ask())
    assert kinds[0] == "audio-start" and kinds[-2:] == ["audio-stop", "synthesize-stopped"]
    assert 2.0 < len(sound) / 48000 < 6.0

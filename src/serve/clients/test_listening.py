"""What hears: OpenAI's own client, and Wyoming's as Home Assistant uses it, with a sentence that the service itself speaks."""

import asyncio
import io
import wave

import openai
import pytest
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioStart, AudioStop, wav_to_chunks
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info

TEXT = "Turn left at the harbour, then go straight on until you see the church."


def client_of(service, **options):
    return openai.OpenAI(base_url=f"{service.http}/v1", api_key="-", **options)


@pytest.fixture
def sound(listening):
    speech = client_of(listening).audio.speech.create(
        model="wren", voice="us-male", input=TEXT, response_format="wav", extra_body={"stream": False, "seed": 1}
    )
    return speech.read()


def hear(service, sound, **options):
    return client_of(service).audio.transcriptions.create(model="whisper-1", file=("a.wav", sound), **options)


def test_every_form_is_the_same_text(listening, sound):
    plain = hear(listening, sound, temperature=0.0, prompt="Syrinx, Wren")
    assert plain.text and plain.usage.type == "duration"
    assert hear(listening, sound, response_format="text", prompt="Syrinx, Wren").strip() == plain.text
    assert hear(listening, sound, response_format="srt").startswith("1\n00:00:")
    assert hear(listening, sound, response_format="vtt").startswith("WEBVTT\n\n00:00:")
    verbose = hear(
        listening, sound, response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en"
    )
    with wave.open(io.BytesIO(sound)) as file:
        seconds = file.getnframes() / file.getframerate()
    assert abs(verbose.duration - seconds) < 0.01
    assert " ".join(segment.text for segment in verbose.segments) == verbose.text
    assert all(0 <= word.start <= word.end <= seconds + 3 for word in verbose.words)
    print(verbose.text)


def test_a_text_is_streamed_as_it_grows(listening, sound):
    events = list(hear(listening, sound, stream=True))
    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert events[-1].type == "transcript.text.done" and events[-1].text == hear(listening, sound).text
    assert "".join(event.delta for event in events[:-1]) == events[-1].text


def test_errors_are_read_with_their_code_and_field(listening, service):
    with pytest.raises(openai.BadRequestError) as error:
        hear(listening, b"ID3 this is an MP3 file")
    assert (error.value.code, error.value.param) == ("unsupported_audio", "file") and "WAV" in error.value.message
    assert len(client_of(listening).models.list().data) == 2
    with pytest.raises(openai.InternalServerError) as error:
        client_of(service, max_retries=0).audio.transcriptions.create(model="x", file=("a.wav", b"RIFF"))
    assert error.value.status_code == 501 and "--ears" in error.value.message


def test_a_busy_service_asks_openais_client_to_come_again(listening, sound):
    async def hold():
        async with AsyncTcpClient(*listening.wyoming) as client:
            await client.write_event(AudioStart(rate=16000, width=2, channels=1).event())
            while not listening.metrics()[("syrinx_listeners_running",)]:
                await asyncio.sleep(0.02)
            once = client_of(listening, max_retries=0).audio.transcriptions
            with pytest.raises(openai.RateLimitError):
                once.create(model="whisper-1", file=("a.wav", sound))

    asyncio.run(hold())


def test_home_assistants_way_is_the_text_of_http(listening, sound):
    expected = hear(listening, sound).text

    async def ask():
        async with AsyncTcpClient(*listening.wyoming) as client:
            await client.write_event(Describe().event())
            (program,) = Info.from_event(await asyncio.wait_for(client.read_event(), 1)).asr
            assert program.installed and program.supports_transcript_streaming and program.models[0].languages
            await client.write_event(Transcribe(language="en", transcript_names=["Syrinx"]).event())
            with wave.open(io.BytesIO(sound)) as file:
                for event in wav_to_chunks(file, 1024, start_event=True, stop_event=True):
                    await client.write_event(event.event())
            kinds, grown = [], ""
            while True:
                event = await asyncio.wait_for(client.read_event(), 30)
                kinds.append(event.type)
                if TranscriptChunk.is_type(event.type):
                    grown += TranscriptChunk.from_event(event).text
                if Transcript.is_type(event.type):
                    text = Transcript.from_event(event).text
                if TranscriptStop.is_type(event.type):
                    return kinds, grown, text

    kinds, grown, text = asyncio.run(ask())
    assert TranscriptStart.is_type(kinds[0]) and grown == text == expected and text


def test_a_service_without_ears_says_so(service):
    async def ask():
        async with AsyncTcpClient(*service.wyoming) as client:
            await client.write_event(Transcribe().event())
            await client.write_event(AudioStop().event())
            return await asyncio.wait_for(client.read_event(), 5)

    event = asyncio.run(ask())
    assert Error.is_type(event.type) and Error.from_event(event).code == "no_ears"

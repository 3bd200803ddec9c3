"""OpenAI's own client against the service: stream, file, errors, retries, a client that leaves. And Prometheus' reader."""

import io
import time

import openai
import pytest
import soundfile

TEXT = "Turn left in 300 m."


def client_of(service, **options):
    return openai.OpenAI(base_url=f"{service.http}/v1", api_key="-", **options)


def test_a_speech_is_streamed_and_is_the_same_as_the_whole(service):
    client = client_of(service)
    speech = client.audio.speech.create(model="wren", voice="us-male", input=TEXT, response_format="pcm")
    with client.audio.speech.with_streaming_response.create(
        model="wren", voice="us-male", input=TEXT, response_format="pcm"
    ) as response:
        pieces = list(response.iter_bytes(3840))
    assert b"".join(pieces) == speech.read() and len(pieces) > 5


def test_what_a_client_gets_that_names_no_form_is_what_its_type_says(service):
    speech = client_of(service).audio.speech.with_raw_response.create(
        model="tts-1", voice="alloy", input=TEXT, extra_body={"stream": False}
    )
    file = soundfile.info(io.BytesIO(speech.content))
    assert file.format == {"audio/mpeg": "MP3", "audio/wav": "WAV"}[speech.headers["content-type"]]
    assert file.samplerate == 24000 and file.frames > 24000


def test_errors_are_read_with_their_code_and_field(service):
    client = client_of(service)
    with pytest.raises(openai.BadRequestError) as error:
        client.audio.speech.create(model="wren", voice="nobody", input=TEXT)
    assert (error.value.code, error.value.param) == ("unknown_voice", "voice") and error.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")
    assert [model.id for model in client.models.list()] == ["wren"]


def test_a_client_that_is_refused_comes_again_when_it_was_told_to(service):
    client = client_of(service, max_retries=1)
    long = "This goes on for quite some time. " * 100
    with client.audio.speech.with_streaming_response.create(
        model="wren", voice="us-male", input=long, response_format="pcm"
    ) as response:
        pieces = response.iter_bytes(3840)  # the connection is closed with it
        next(pieces)
        before = time.monotonic()
        with pytest.raises(openai.RateLimitError):
            client.audio.speech.create(model="wren", voice="us-male", input=TEXT)
        assert time.monotonic() - before >= 0.9
    deadline = time.monotonic() + 30
    while service.metrics()[("syrinx_requests_running",)] and time.monotonic() < deadline:
        time.sleep(0.02)
    counts = service.metrics()
    assert counts[("syrinx_cancelled_total", "disconnect")] == 1
    assert counts[("syrinx_requests_total", "429", "speech")] == 2

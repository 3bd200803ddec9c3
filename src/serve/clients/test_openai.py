"""OpenAI's own client against the service: stream, file, errors, retries, a client that leaves. And Prometheus' reader."""

import io
import os
import pathlib
import re
import subprocess
import time
import urllib.request
import wave

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).parents[3]
TEXT = "Turn left in 300 m."


@pytest.fixture
def service():
    program = os.environ.get("SYRINX_SERVE", ROOT / "target/release/syrinx-serve")
    command = [program, "--listen", "127.0.0.1:0", "--pack", ROOT / "models/wren-en", "--speakers", "1", "--queue", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if found := re.search(r"http://\S+", line):
            break
    yield found[0]
    process.terminate()
    assert process.wait(30) == 0


def client_of(service, **options):
    return openai.OpenAI(base_url=f"{service}/v1", api_key="-", **options)


def metrics(service):
    page = urllib.request.urlopen(f"{service}/metrics").read().decode()
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}


def test_a_speech_is_streamed_and_is_the_same_as_the_whole(service):
    client = client_of(service)
    speech = client.audio.speech.create(model="wren", voice="us-male", input=TEXT, response_format="pcm")
    with client.audio.speech.with_streaming_response.create(
        model="wren", voice="us-male", input=TEXT, response_format="pcm"
    ) as response:
        pieces = list(response.iter_bytes(3840))
    assert b"".join(pieces) == speech.read() and len(pieces) > 5


def test_what_a_client_gets_that_names_no_form_is_a_wav_file(service, tmp_path):
    speech = client_of(service).audio.speech.create(
        model="tts-1", voice="alloy", input=TEXT, extra_body={"stream": False}
    )
    with wave.open(io.BytesIO(speech.read())) as file:
        assert file.getframerate() == 24000 and file.getnframes() > 24000


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
    while metrics(service)[("syrinx_requests_running",)] and time.monotonic() < deadline:
        time.sleep(0.02)
    counts = metrics(service)
    assert counts[("syrinx_cancelled_total", "disconnect")] == 1
    assert counts[("syrinx_requests_total", "429", "speech")] == 2

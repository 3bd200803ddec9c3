"""Mistral's own client on the same path: at once, and as events; samples are floats."""

import base64

import numpy
import openai
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

TEXT = "Turn left in 300 m."


def test_mistrals_client_hears_the_samples_of_openais(service):
    http = openai.OpenAI(base_url=f"{service.http}/v1", api_key="-").audio.speech
    expected = http.create(model="wren", voice="us-male", input=TEXT, response_format="pcm").read()
    expected = numpy.frombuffer(expected, "<i2")
    speech = Mistral(api_key="-", server_url=service.http).audio.speech
    asked = {"input": TEXT, "model": "voxtral", "voice_id": "us-male", "response_format": "pcm"}
    whole = base64.b64decode(speech.complete(**asked).audio_data)
    pieces = b""
    with speech.complete(**asked, stream=True) as events:
        for event in events:
            if event.event == "speech.audio.delta":
                pieces += base64.b64decode(event.data.audio_data)
    assert event.event == "speech.audio.done" and event.data.usage.completion_tokens * 7680 == len(whole)
    assert pieces == whole
    assert numpy.abs(numpy.frombuffer(whole, "<f4") * 32768 - expected).max() < 1.01


def test_a_voice_that_is_not_there_is_an_error_of_its_own(service):
    with pytest.raises(SDKError) as error:
        Mistral(api_key="-", server_url=service.http).audio.speech.complete(input=TEXT, voice_id="nobody")
    assert error.value.status_code == 400

"""What libFLAC and libopus, as libsndfile has them, make of the service's forms."""

import io

import numpy as np
import openai
import pytest
import soundfile

TEXT = "Turn left in 300 m."


def sound(service, form, **more):
    client = openai.OpenAI(base_url=f"{service.http}/v1", api_key="-")
    asked = {"model": "wren", "voice": "us-male", "input": TEXT, "response_format": form}
    return client.audio.speech.create(**asked, extra_body=more).read()


@pytest.mark.parametrize("stream", [True, False])
def test_flac_is_the_samples_and_opus_sounds_like_them(service, stream):
    samples = np.frombuffer(sound(service, "pcm"), "<i2")
    flac, rate_hz = soundfile.read(io.BytesIO(sound(service, "flac", stream=stream)), dtype="int16")
    assert rate_hz == 24000 and np.array_equal(flac, samples)
    opus, rate_hz = soundfile.read(io.BytesIO(sound(service, "opus", stream=stream)))
    assert rate_hz in (24000, 48000)
    opus = opus[:: rate_hz // 24000]
    assert abs(len(opus) - len(samples)) <= 1
    assert np.corrcoef(opus[: len(samples)], samples[: len(opus)])[0, 1] > 0.9

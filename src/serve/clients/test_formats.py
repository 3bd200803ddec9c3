"""What libsndfile and FFmpeg make of the service's forms."""

import io

import av
import numpy as np
import openai
import pytest
import soundfile

TEXT = "Turn left in 300 m."


def sound(service, form, **more):
    client = openai.OpenAI(base_url=f"{service.http}/v1", api_key="-")
    asked = {"model": "wren", "voice": "us-male", "input": TEXT, "response_format": form}
    return client.audio.speech.create(**asked, extra_body=more).read()


def read(sound):
    """All samples as floats, by libsndfile: what is whole has a length."""
    return soundfile.read(io.BytesIO(sound))


def read_as_it_comes(sound):
    """By FFmpeg: libsndfile reads no FLAC without a length."""
    with av.open(io.BytesIO(sound)) as file:
        blocks = [block.to_ndarray()[0] for block in file.decode(audio=0)]
        rate_hz = file.streams.audio[0].rate
    samples = np.concatenate(blocks)
    return samples / 32768 if samples.dtype.kind == "i" else samples, rate_hz


@pytest.mark.parametrize("stream, decoded", [(True, read_as_it_comes), (False, read)])
def test_flac_is_the_samples_and_opus_sounds_like_them(service, stream, decoded):
    samples = np.frombuffer(sound(service, "pcm"), "<i2")
    flac, rate_hz = decoded(sound(service, "flac", stream=stream))
    assert rate_hz == 24000 and np.array_equal(flac * 32768, samples)
    opus, rate_hz = decoded(sound(service, "opus", stream=stream))
    assert rate_hz in (24000, 48000)
    opus = opus[:: rate_hz // 24000]
    assert abs(len(opus) - len(samples)) <= 1
    assert np.corrcoef(opus[: len(samples)], samples[: len(opus)])[0, 1] > 0.9

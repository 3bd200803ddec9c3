"""curl: a speech as it comes, its headers, an error's line, a client that leaves."""

import json
import subprocess

import pytest

JSON = ["-H", "content-type: application/json"]


def curl(service, *arguments):
    path, *more = arguments
    done = subprocess.run(["curl", "-sS", f"{service.http}{path}", *more], capture_output=True, timeout=60)
    return done.returncode, done.stdout


def body(**more):
    return json.dumps({"model": "wren", "input": "Turn left in 300 m.", **more})


@pytest.mark.parametrize("form, magic", [("wav", b"RIFF"), ("flac", b"fLaC"), ("opus", b"OggS")])
def test_a_speech_is_a_file_of_its_form(service, form, magic):
    code, sound = curl(service, "/v1/audio/speech", *JSON, "-d", body(response_format=form))
    assert code == 0 and sound.startswith(magic) and len(sound) > 5000


def test_an_error_has_its_status_and_says_what_to_do(service):
    code, said = curl(service, "/v1/audio/speech", *JSON, "-d", body(voice="nobody"), "-w", "\n%{http_code}")
    answer, status = said.decode().rsplit("\n", 1)
    assert (code, status) == (0, "400") and json.loads(answer)["error"]["code"] == "unknown_voice"


def test_a_text_comes_as_events_with_its_words(service):
    code, said = curl(
        service,
        "/v1/audio/speech",
        *JSON,
        "-N",
        "-d",
        body(stream_format="sse", response_format="pcm", word_timestamps=True),
    )
    events = [json.loads(line[6:]) for line in said.decode().splitlines() if line.startswith("data: ")]
    words = [word["word"] for event in events for word in event.get("words", [])]
    assert code == 0 and words == ["Turn", "left", "in", "300", "m."]
    assert events[-1]["type"] == "speech.audio.done"


def test_a_client_that_leaves_is_counted_as_one(service):
    text = "This goes on for quite some time. " * 100
    code, _ = curl(
        service, "/v1/audio/speech", *JSON, "-d", body(input=text), "--max-time", "0.3", "--limit-rate", "50k"
    )
    assert code == 28  # its own time was over
    counts = service.metrics()
    assert counts[("syrinx_requests_total", "200", "speech")] == 1

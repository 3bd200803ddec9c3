"""curl: files and events as they come, an error's line, a client that is killed."""

import json
import subprocess
import time

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


def test_a_client_that_is_killed_stops_its_speech(service):
    text = "This goes on for quite some time. " * 100
    command = ["curl", "-sN", f"{service.http}/v1/audio/speech", *JSON, "-d", body(input=text, response_format="pcm")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert len(process.stdout.read(10_000)) == 10_000
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while service.metrics()[("syrinx_requests_running",)] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert service.metrics()[("syrinx_cancelled_total", "disconnect")] == 1

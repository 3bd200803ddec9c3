"""Cartesia's own client on the WebSocket: a text in pieces with times of its words, and a cancel."""

import time

from cartesia import Cartesia

FORMAT = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000}
VOICE = {"mode": "id", "id": "us-male"}


def connect(service):
    client = Cartesia(api_key="-", websocket_base_url=service.http.replace("http", "ws"))
    return client.tts.websocket_connect()


def test_a_text_in_pieces_is_heard_with_its_words(service):
    with connect(service) as connection:
        context = connection.context(model_id="wren", voice=VOICE, output_format=FORMAT, add_timestamps=True)
        for piece in ["Turn left ", "in 300 m."]:
            context.push(piece)
        context.no_more_inputs()
        sound, words = b"", []
        for message in context.receive():
            if message.type == "chunk":
                sound += message.audio
            elif message.type == "timestamps":
                words += message.word_timestamps.words
            else:
                assert message.type == "done", message
    assert words == ["Turn", "left", "in", "300", "m."] and len(sound) > 48000


def test_a_cancelled_context_stops_computing(service):
    with connect(service) as connection:
        context = connection.context(model_id="wren", voice=VOICE, output_format=FORMAT)
        context.push("This goes on for quite some time. " * 100)
        for message in context.receive():
            if message.type == "chunk":
                context.cancel()
                break
        deadline = time.monotonic() + 30
        while service.metrics()[("syrinx_requests_running",)] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert service.metrics()[("syrinx_cancelled_total", "disconnect")] == 1

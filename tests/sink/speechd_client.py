"""What a client of speech-dispatcher is told: marks in their order, and how soon a cancelled speech is over.

    speechd_client.py    writes one JSON object
"""

import json
import threading
import time

import speechd

WAIT_S = 20
TEXT = '<speak>One.<mark name="first"/> Two and three.<mark name="second"/> Four.</speak>'


class Speech:
    """One message, and what was told of it."""

    def __init__(self, client, text):
        self.told, self.over, self.begun = [], threading.Event(), threading.Event()
        client.speak(text, callback=self.tell, event_types=tuple(speechd.CallbackType.__dict__[n] for n in EVENTS))

    def tell(self, kind, index_mark=None):
        self.told.append(index_mark if kind == speechd.CallbackType.INDEX_MARK else str(kind))
        if kind == speechd.CallbackType.BEGIN:
            self.begun.set()
        if kind in (speechd.CallbackType.END, speechd.CallbackType.CANCEL):
            self.over.set()


EVENTS = ("BEGIN", "CANCEL", "END", "INDEX_MARK")
client = speechd.SSIPClient("test", socket_path=None)
try:
    client.set_output_module("syrinx")
    voices = [list(voice) for voice in client.list_synthesis_voices()]
    client.set_data_mode(speechd.DataMode.SSML)
    marked = Speech(client, TEXT)
    marked.over.wait(WAIT_S)
    long = Speech(client, "<speak>" + "One and two and three. " * 30 + "</speak>")
    long.begun.wait(WAIT_S)
    time.sleep(1)
    asked = time.monotonic()
    client.cancel()
    long.over.wait(WAIT_S)
    taken_ms = (time.monotonic() - asked) * 1e3
    print(json.dumps({"voices": voices, "marked": marked.told, "cancelled": long.told, "cancel_ms": round(taken_ms)}))
finally:
    client.close()

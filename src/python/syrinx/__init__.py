"""Offline speech for devices, and the other way round.

>>> import syrinx
>>> model = syrinx.Model()                         # the voice of the package syrinx-wren-en
>>> model.save("out.wav", "Turn left in 300 m.")
>>> for block in model.speak("Turn left."):        # float32, shape (1920,), 80 ms at 24 kHz, as it is made
...     play(block)
>>> listener = syrinx.Ears("packs/ears-base").listener()
>>> for heard in listener.texts(microphone):       # float32 or int16 at 16 kHz, in pieces of any length
...     print(heard.text)
"""

from ._ears import Ears, Heard, HeardWord, Listener
from ._model import Model, default_pack
from ._speech import Mark, Speech, Word, to_int16
from ._syrinx import Error, __version__

__all__ = [
    "Ears",
    "Error",
    "Heard",
    "HeardWord",
    "Listener",
    "Mark",
    "Model",
    "Speech",
    "Word",
    "__version__",
    "default_pack",
    "to_int16",
]

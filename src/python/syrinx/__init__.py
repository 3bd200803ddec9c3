"""Offline speech for devices.

>>> import syrinx
>>> model = syrinx.Model()                         # the voice of the package syrinx-wren-en
>>> model.save("out.wav", "Turn left in 300 m.")
>>> for block in model.speak("Turn left."):        # float32, shape (1920,), 80 ms at 24 kHz, as it is made
...     play(block)
"""

from ._model import Model, default_pack
from ._speech import Mark, Speech, Word, to_int16
from ._syrinx import Error, __version__

__all__ = ["Error", "Mark", "Model", "Speech", "Word", "__version__", "default_pack", "to_int16"]

"""The English voice wren for Syrinx: a folder, and nothing that runs."""

import os

__version__ = "0.2.2"


def path():
    """The folder of the pack."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "pack")

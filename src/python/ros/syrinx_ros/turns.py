"""Who speaks, and who waits. In: those that want to speak, as they come. Out: a turn for each, in that order."""

import collections
import contextlib
import threading


class Turns:
    """One speaks at a time. Whoever comes, waits for those before, in a thread of its own."""

    def __init__(self):
        self._line = collections.deque()
        self._moved = threading.Condition()

    def __len__(self):
        with self._moved:
            return len(self._line)

    @contextlib.contextmanager
    def turn(self, gone):
        """Waits; gives whether it came to it: not where `gone()` is true before."""
        place = object()
        with self._moved:
            self._line.append(place)
            # Looked at ten times a second, since nobody tells when it becomes so.
            while self._line[0] is not place and not gone():
                self._moved.wait(0.1)
        try:
            yield not gone()
        finally:
            with self._moved:
                self._line.remove(place)
                self._moved.notify_all()

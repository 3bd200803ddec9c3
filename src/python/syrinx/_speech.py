"""One speech: text in, blocks of samples out, to a loop of threads or of asyncio."""

import asyncio
import threading
from typing import NamedTuple

import numpy

from . import _syrinx


class Word(NamedTuple):
    """A word of the text, as it was written. Exact where clauses begin and end, an estimate by their pace in between."""

    text: str
    start: float  # seconds from the beginning of the speech
    end: float
    position: int  # of its first character in the text
    position_end: int


class Mark(NamedTuple):
    """One of the text's own marks: SSML's `mark`."""

    name: str
    time: float  # seconds from the beginning of the speech


def to_int16(samples):
    """Samples (float32, any shape) as 16-bit integers, rounded and clipped as in Syrinx's files and streams."""
    samples = numpy.ascontiguousarray(samples, dtype=numpy.float32)
    integers = numpy.frombuffer(_syrinx.int16(samples.tobytes()), dtype="<i2")
    return integers.reshape(samples.shape)


class Speech:
    """Speech as it is made: an iterator, and an asynchronous one, of blocks (float32 in -1..1, shape (block_samples,), mono).

    Where its text is pushed, it ends where text is needed, and goes on after a `push`. Any thread may ask for the next
    block, one at a time; `cancel` and `position` wait for nothing longer than a block.
    """

    def __init__(self, core, text, sample_rate):
        # `text`: what comes in pieces; None for what the core has already, or what is pushed.
        self._core = core
        self._sample_rate = sample_rate
        self._lock = threading.Lock()  # of `_pieces`: a generator cannot be entered twice
        self._pieces = None
        self._later = None
        self._words = []
        self._marks = []
        self._ending = None
        self._waiting = None  # the task that waits for the next piece of `_later`
        if hasattr(text, "__aiter__"):
            self._later = text.__aiter__()
        elif text is not None:
            self._pieces = iter(text)

    # Text

    def push(self, text):
        """Adds text. Raises Error: `ended` where it is complete, `busy` where more than 1 MiB would wait."""
        self._core.push(text)

    def finish(self):
        """The text is complete."""
        self._core.finish()

    def flush(self):
        """Speaks what was pushed without waiting for the end of the sentence."""
        self._core.flush()

    # Samples

    def __iter__(self):
        return self

    def __next__(self):
        if self._later is not None:
            raise TypeError("the text comes asynchronously: use `async for`")
        with self._lock:
            while True:
                block, _ = self._step()
                if block is not None:
                    return block
                if self._ending is not None or self._pieces is None:
                    raise StopIteration
                try:
                    piece = next(self._pieces, None)
                except BaseException:
                    self.close()  # the text has failed, and so has the speech
                    raise
                self._feed(piece)

    def _step(self):
        """A block, or None and how long to wait for text."""
        if self._ending is not None:
            return None, None
        while True:
            try:
                next = self._core.next()
            except BaseException:
                self._end("failed")
                raise
            if not isinstance(next, tuple):
                break
            name, sample = next
            self._marks.append(Mark(name, sample / self._sample_rate))
        self._collect()
        if isinstance(next, bytearray):
            return numpy.frombuffer(next, dtype=numpy.float32), None
        if isinstance(next, str):
            self._end(next)
            return None, None
        return None, next

    def _feed(self, piece):
        if piece is None:
            self._pieces = self._later = None
            self._core.finish()
        else:
            self._core.push(piece)

    def _collect(self):
        rate = self._sample_rate
        for text, position, position_end, start, end in self._core.take_words():
            self._words.append(Word(text, start / rate, end / rate, position, position_end))

    def _end(self, ending):
        self._ending = self._ending or ending
        self._core.close()

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            while True:
                block, wait = await asyncio.to_thread(self._step_alone)
                if block is not None:
                    return block
                if self._ending is not None:
                    raise StopAsyncIteration
                if self._later is None:
                    if self._pieces is None:
                        raise StopAsyncIteration
                    self._feed(await asyncio.to_thread(next, self._pieces, None))
                    continue
                if self._waiting is None:
                    self._waiting = asyncio.ensure_future(_next_of(self._later))
                done, _ = await asyncio.wait({self._waiting}, timeout=wait)
                if not done:
                    self.flush()  # nothing came in time: what there is is spoken
                    continue
                piece, self._waiting = self._waiting.result(), None
                self._feed(piece)
        except StopAsyncIteration:
            raise
        except BaseException:  # the task was cancelled, or the text has failed
            self.cancel()
            raise

    def _step_alone(self):
        with self._lock:
            return self._step()

    async def aclose(self):
        """Ends it; nothing more is computed."""
        self.cancel()
        if self._waiting is not None:
            self._waiting.cancel()
        await asyncio.to_thread(self.close)

    def samples(self):
        """All that is still to come, as one array (float32, shape (samples,))."""
        blocks = list(self)
        return numpy.concatenate(blocks) if blocks else numpy.zeros(0, numpy.float32)

    # How it stands

    def cancel(self):
        """Ends it before its next block, from any thread."""
        self._core.cancel()

    @property
    def position(self):
        """Characters of the text that have been spoken with the blocks given out."""
        return self._core.position

    @property
    def words(self):
        """The words of the clauses that are complete, as `Word`s."""
        return list(self._words)

    @property
    def marks(self):
        """The marks of SSML that have been passed, as `Mark`s."""
        return list(self._marks)

    @property
    def ending(self):
        """None while it goes on; else "finished", "cancelled", "budget", or "failed"."""
        return self._ending

    def close(self):
        """Ends it where it is. At its end that has happened already."""
        self._core.cancel()
        self._end("cancelled")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.aclose()

    def __del__(self):
        if core := getattr(self, "_core", None):
            core.cancel()
            core.close()


async def _next_of(pieces):
    try:
        return await pieces.__anext__()
    except StopAsyncIteration:
        return None

"""Ears: weights that listen, opened once, for any number of sounds at a time."""

import os
from typing import List, NamedTuple, Optional

import numpy

from . import _syrinx


class HeardWord(NamedTuple):
    """A word that was heard, with what is written next to it. Its times are estimates, in seconds."""

    text: str
    start: float
    end: float


class Heard(NamedTuple):
    """A text that was heard. Times are seconds from the listener's first sample."""

    text: str  # all of it, from the last text that was ended
    words: List[HeardWord]
    start: float
    end: float
    is_final: bool  # it stays; otherwise it comes again, with more
    language: Optional[str]  # that was found in it, where the pack tells


class Ears:
    """Weights of a pack that listens. Any thread may listen with it.

    folder: the pack; None is $SYRINX_EARS.
    threads: of each listener's work.
    verify: compare every file with its hash.
    commercial: refuse a pack whose licence forbids commercial use.

    Raises Error: `bad_pack`, `newer_pack`, `licence`, `io`, `unsupported` for one that speaks, `out_of_memory`, `backend`.
    """

    def __init__(self, folder=None, *, threads=1, verify=True, commercial=False):
        folder = os.environ.get("SYRINX_EARS") if folder is None else folder
        if folder is None:
            error = _syrinx.Error("no pack that listens: name a folder, or set SYRINX_EARS")
            error.kind = "bad_pack"
            raise error
        self._ears = _syrinx.Ears(folder, threads=threads, verify=verify, commercial=commercial)

    @property
    def name(self):
        """Name of the pack."""
        return self._ears.name

    @property
    def version(self):
        """Version of the pack."""
        return self._ears.version

    @property
    def family(self):
        """`voxtral-realtime`, which answers while somebody speaks, or `whisper`, which hears turn by turn."""
        return self._ears.family

    @property
    def licence(self):
        """SPDX identifier of the pack's licence."""
        return self._ears.licence

    @property
    def languages(self):
        """BCP 47 tags of the languages that it understands."""
        return self._ears.languages

    @property
    def sample_rate(self):
        """Samples per second that it hears."""
        return self._ears.sample_rate

    @property
    def delay(self):
        """Seconds from the end of a word to its text where nobody says otherwise; 0 where it hears turn by turn."""
        return self._ears.delay_ms / 1000

    def listener(self, *, delay=None, pause=0.8, recall=None, phrases=(), phrase_bonus=2.0, language=None):
        """One stream of sound.

        delay: seconds from the end of a word to its text, 0.08 to 2.4 in steps of 0.08; longer is more accurate.
        pause: seconds of silence that end a text.
        recall: seconds that the text is remembered while a stream goes on; None is 160.
        phrases: that are expected, such as names; for packs that answer while somebody speaks.
        phrase_bonus: what a token that continues one is likelier by, in natural logarithms.
        language: that is spoken, such as "en", for packs that hear turn by turn; None: the model tells.

        Raises Error: `bad_option`, also for what this kind of pack cannot do; `bad_pack`, `backend`.
        """
        phrases = [phrases] if isinstance(phrases, str) else list(phrases)
        core = self._ears.listener(
            delay_ms=_ms(delay),
            pause_ms=_ms(pause),
            recall_ms=_ms(recall),
            phrases=phrases,
            phrase_bonus=phrase_bonus,
            language=language,
        )
        return Listener(core)

    def __repr__(self):
        return f"<syrinx.Ears {self.name} {self.version}, {self.family}>"


class Listener:
    """One stream of sound. Any thread may feed it, one at a time; the others wait.

    >>> for heard in listener.texts(pieces):           # of a microphone, a file, a socket
    ...     print(heard.text, "" if heard.is_final else "…")
    """

    def __init__(self, core):
        self._core = core

    def feed(self, samples):
        """Hears samples, and returns what came of it: a list of Heard, each text that was ended, then the one that is open.

        samples: of one channel at `Ears.sample_rate`, in pieces of any length: floats of full scale 1, or int16.
        """
        return _heard(self._core.feed(_floats(samples).tobytes()))

    def flush(self):
        """What was said has an end here: its text comes at once. What follows is heard afresh."""
        return _heard(self._core.flush())

    def set_delay(self, seconds):
        """As `flush`; what follows is told another delay after it."""
        return _heard(self._core.set_delay_ms(_ms(seconds)))

    def reset(self):
        """Forgets what was heard and has not ended. Times go on."""
        self._core.reset()

    def texts(self, pieces):
        """An iterator of Heard: all that is heard in an iterable of pieces, as `feed` takes them, and behind its end."""
        for samples in pieces:
            yield from self.feed(samples)
        yield from self.flush()


def _ms(seconds):
    return None if seconds is None else round(seconds * 1000)


def _floats(samples):
    samples = numpy.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(f"samples of one channel are wanted, of shape (n,), not {samples.shape}")
    if samples.dtype == numpy.int16:
        return samples.astype(numpy.float32) / numpy.float32(32768)
    if samples.dtype.kind != "f":
        raise TypeError(f"samples are floats or int16, not {samples.dtype}")
    return samples.astype(numpy.float32)


def _heard(texts):
    def seconds(ms):
        return ms / 1000

    return [
        Heard(
            text,
            [HeardWord(word, seconds(start), seconds(end)) for word, start, end in words],
            seconds(start),
            seconds(end),
            is_final,
            language,
        )
        for text, words, start, end, is_final, language in texts
    ]

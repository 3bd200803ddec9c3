"""Models: weights, opened once, for any number of speeches at a time."""

import os
import wave

from . import _syrinx
from ._speech import Speech, to_int16


def default_pack():
    """The folder of the pack that is used where nobody names one: $SYRINX_PACK, or that of the package syrinx-wren-en."""
    if folder := os.environ.get("SYRINX_PACK"):
        return folder
    try:
        import syrinx_wren_en
    except ImportError:
        error = _syrinx.Error("no pack: name a folder, set SYRINX_PACK, or pip install syrinx[wren]")
        error.kind = "bad_pack"
        raise error from None
    return syrinx_wren_en.path()


class Model:
    """Weights, shared by all speeches. Any thread may speak with it.

    folder: a pack; None is `default_pack()`.
    threads: of one speech's work.
    parallel: speeches that may compute at the same time; the others take turns by the block.
    verify: compare every file with its hash.
    commercial: refuse a pack whose licence forbids commercial use.
    memory_budget_bytes: that weights and speeches may take; None is what is available.
    prefix_folder: where voices' prefixes are kept for the next start; None keeps them in memory.

    Raises Error: `bad_pack`, `newer_pack`, `licence`, `io`, `unsupported`, `bad_option`, `out_of_memory`, `backend`.
    """

    def __init__(
        self,
        folder=None,
        *,
        threads=1,
        parallel=1,
        verify=True,
        commercial=False,
        memory_budget_bytes=None,
        prefix_folder=None,
    ):
        self._model = _syrinx.Model(
            default_pack() if folder is None else folder,
            threads=threads,
            parallel=parallel,
            verify=verify,
            commercial=commercial,
            memory_budget_bytes=memory_budget_bytes,
            prefix_folder=prefix_folder,
        )

    @property
    def name(self):
        """Name of the pack."""
        return self._model.name

    @property
    def version(self):
        """Version of the pack."""
        return self._model.version

    @property
    def licence(self):
        """SPDX identifier of the pack's licence."""
        return self._model.licence

    @property
    def languages(self):
        """BCP 47 tags of the languages that it speaks."""
        return self._model.languages

    @property
    def voices(self):
        """Names of its voices, the default first."""
        return self._model.voices

    @property
    def sample_rate(self):
        """Samples per second."""
        return self._model.sample_rate

    @property
    def block_samples(self):
        """Samples of a block."""
        return self._model.block_samples

    def speak(
        self,
        text=None,
        *,
        voice=None,
        seed=None,
        steps=None,
        guidance=None,
        max_seconds=None,
        whole_sentences=None,
        language=None,
        lexicon=None,
        ssml=None,
        speed=None,
        volume=None,
    ):
        """Begins a speech; nothing is computed before a block is asked for.

        text: a string; an iterable of strings, such as the tokens of a language model, cut up anywhere; an asynchronous
            iterable of them, for `async for`; or None, where it is pushed.
        voice: one of `voices`; None is the first.
        seed: the same seed, text and voice give the same samples; None is the pack's.
        steps, guidance: of the flow head; None is what the pack says.
        max_seconds: after which speech is cut.
        whole_sentences: True waits for whole sentences; False begins text that comes in pieces before its first is complete.
        language: a tag such as "de" or "en-US", by whose rules numbers, dates and the like are read.
        lexicon: a file that says how words are said (PLS, or two columns).
        ssml: "strict" or "lenient" where the text is SSML; its marks are in `Speech.marks`.
        speed: 0.5 to 4, without change of pitch; 1 changes nothing. Words and marks follow it.
        volume: 0 to 4, as a factor.

        Raises Error: `unknown_voice`, `bad_option`, `busy` where the model has as many speeches as it may,
        `out_of_memory`, `unsupported` for a language without rules, `bad_text` where a string has nothing to say.
        """
        if ssml not in (None, "strict", "lenient"):
            raise ValueError(f'ssml is "strict" or "lenient", not {ssml!r}')
        max_frames = None
        if max_seconds is not None:
            max_frames = max(1, round(max_seconds * self.sample_rate / self.block_samples))
        whole = isinstance(text, str)
        core = self._model.speech(
            text if whole else None,
            voice=voice,
            seed=seed,
            steps=steps,
            guidance=guidance,
            max_frames=max_frames,
            whole_sentences=whole_sentences,
            language=language,
            lexicon=lexicon,
            strict=None if ssml is None else ssml == "strict",
            speed=speed,
            volume=volume,
        )
        return Speech(core, None if whole else text, self.sample_rate)

    def save(self, path, text, **options):
        """Speaks a text (as `speak`) into a WAV file of 16 bits, and returns its length in seconds."""
        samples = 0
        with self.speak(text, **options) as speech, wave.open(os.fspath(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate)
            for block in speech:
                file.writeframes(to_int16(block).tobytes())
                samples += len(block)
        return samples / self.sample_rate

    def warm(self, voice=None):
        """Computes a voice's prefix now, so that the first text in it starts sooner."""
        self._model.warm(voice)

    def __repr__(self):
        return f"<syrinx.Model {self.name} {self.version}, voices {', '.join(self.voices)}>"

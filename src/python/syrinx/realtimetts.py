"""Speech for RealtimeTTS, in its process: an engine that takes a language model's tokens as they come.

>>> TextToAudioStream(syrinx.realtimetts.SyrinxEngine(voice="us-male")).feed(tokens).play()

16 bits at the model's rate, and the time of every word for `on_word`. `stop` ends computing before the next block of 80 ms.
Needs `pip install realtimetts`, and PyAudio.
"""

import pyaudio
from RealtimeTTS import BaseEngine, TimingInfo

from ._model import Model
from ._speech import to_int16


class SyrinxEngine(BaseEngine):
    """Of a model; any number may share one.

    model: None opens the default pack.
    options: as those of `Model.speak`: voice, seed, language, speed, volume, lexicon, ...
    """

    def __init__(self, model=None, **options):
        self._model = Model() if model is None else model
        self._options = options
        self._speech = None

    def post_init(self):
        """What is said after the base class has set what it expects."""
        self.engine_name = "syrinx"
        self.can_consume_generators = True  # text is not cut into sentences before it is spoken
        self.provides_word_timings = True

    def get_stream_info(self):
        return pyaudio.paInt16, 1, self._model.sample_rate

    def get_voices(self):
        """Names."""
        return self._model.voices

    def set_voice(self, voice):
        """For the texts that begin from now on."""
        self.set_voice_parameters(voice=voice)

    def set_voice_parameters(self, **voice_parameters):
        """As the options of the engine, for the texts that begin from now on."""
        self._options = {**self._options, **voice_parameters}

    def synthesize(self, text, sentence_count=0):
        """Speaks a string, or an iterable of strings. Raises syrinx.Error."""
        super().synthesize(text, sentence_count)
        pieces = [text] if isinstance(text, str) else text
        before, told, samples = self.audio_duration, 0, 0
        with self._model.speak(pieces, **self._options) as self._speech:
            for block in self._speech:
                if self.stop_synthesis_event.is_set():
                    break
                self.queue.put(to_int16(block).tobytes())
                samples += len(block)
                told += self._tell(before, self._speech.words[told:])
            self._tell(before, self._speech.words[told:])
        self.audio_duration = before + samples / self._model.sample_rate
        return not self.stop_synthesis_event.is_set()

    def _tell(self, before, words):
        for word in words:
            self.timings.put(TimingInfo(before + word.start, before + word.end, word.text))
        return len(words)

    def stop(self):
        super().stop()
        if speech := self._speech:
            speech.cancel()

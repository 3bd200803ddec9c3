"""Speech for pipecat, in its process: a TTS service that takes a language model's tokens as they come.

>>> tts = SyrinxTTSService(syrinx.Model(), settings=SyrinxTTSService.Settings(voice="us-male"))
>>> Pipeline([transport.input(), stt, context.user(), llm, tts, transport.output(), context.assistant()])

Audio frames are blocks of 80 ms at the model's rate; every word comes as a frame of its own, to be shown when it is heard.
An interruption stops computing before the next block. Needs `pip install pipecat-ai`.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Optional

from pipecat.frames.frames import ErrorFrame, TTSAudioRawFrame, TTSStoppedFrame
from pipecat.services.settings import NOT_GIVEN, TTSSettings
from pipecat.services.tts_service import TextAggregationMode, TTSService

from ._model import Model
from ._speech import to_int16
from ._syrinx import Error

_OPTIONS = ("voice", "language", "speed", "volume", "seed")


@dataclass
class SyrinxTTSSettings(TTSSettings):
    """Of the speeches that begin from now on: as the arguments of `Model.speak`."""

    speed: Optional[float] = field(default_factory=lambda: NOT_GIVEN)
    volume: Optional[float] = field(default_factory=lambda: NOT_GIVEN)
    seed: Optional[int] = field(default_factory=lambda: NOT_GIVEN)


class SyrinxTTSService(TTSService):
    """A service over a model; services may share one.

    model: None opens the default pack.
    settings: voice, language, speed, volume, seed; they may be changed by `TTSUpdateSettingsFrame`.
    text_aggregation_mode: tokens are spoken as they come; `SENTENCE` is for text filters that want whole sentences.
    """

    Settings = SyrinxTTSSettings

    def __init__(self, model=None, *, settings=None, text_aggregation_mode=TextAggregationMode.TOKEN, **more):
        self._weights = Model() if model is None else model
        defaults = self.Settings(
            model=self._weights.name, voice=None, language=None, speed=None, volume=None, seed=None
        )
        if settings is not None:
            defaults.apply_update(settings)
        super().__init__(
            settings=defaults,
            text_aggregation_mode=text_aggregation_mode,
            append_trailing_space=True,  # between sentences; tokens bring their own
            push_text_frames=False,  # words are pushed with their times
            push_start_frame=True,
            sample_rate=self._weights.sample_rate,  # the transport converts it to its own
            **more,
        )
        self._texts = {}  # of open contexts: queues of pieces; None ends one
        self._tasks = {}

    def can_generate_metrics(self):
        return True

    @property
    def supports_processing_metrics(self):
        return False  # `run_tts` hands the text on

    def language_to_service_language(self, language):
        return str(language.value)

    async def run_tts(self, text, context_id):
        if context_id not in self._texts:
            pieces = self._texts[context_id] = asyncio.Queue()
            options = {name: getattr(self._settings, name) for name in _OPTIONS}  # as they are now
            self._tasks[context_id] = self.create_task(self._speak(context_id, pieces, options))
        self._texts[context_id].put_nowait(text)
        await self.start_tts_usage_metrics(text)
        yield None  # its audio comes from the task

    async def flush_audio(self, context_id=None):
        """The text of a context is complete."""
        if text := self._texts.get(context_id or self.get_active_audio_context_id()):
            text.put_nowait(None)

    async def on_audio_context_interrupted(self, context_id):
        await self._silence(context_id)
        await super().on_audio_context_interrupted(context_id)

    async def cancel(self, frame):
        await self._silence(*self._tasks)
        await super().cancel(frame)

    async def cleanup(self):
        await self._silence(*self._tasks)
        await super().cleanup()

    async def _silence(self, *contexts):
        for context_id in contexts:
            self._texts.pop(context_id, None)
            if task := self._tasks.pop(context_id, None):
                await self.cancel_task(task)  # and the speech in it

    async def _speak(self, context_id, text, options):
        try:
            await self._speak_all(context_id, text, options)
        except Error as error:
            await self.append_to_audio_context(context_id, ErrorFrame(error=f"{error.kind}: {error}"))
        await self.append_to_audio_context(context_id, TTSStoppedFrame(context_id=context_id))
        await self.remove_audio_context(context_id)
        self._texts.pop(context_id, None)
        self._tasks.pop(context_id, None)

    async def _speak_all(self, context_id, text, options):
        words = 0
        async with self._weights.speak(_pieces(text), **options) as speech:
            async for block in speech:
                sound = to_int16(block).tobytes()
                frame = TTSAudioRawFrame(sound, self.sample_rate, num_channels=1, context_id=context_id)
                await self.append_to_audio_context(context_id, frame)
                words += await self._tell_words(context_id, speech.words[words:])
            await self._tell_words(context_id, speech.words[words:])

    async def _tell_words(self, context_id, words):
        if words:
            await self.add_word_timestamps([(word.text, word.start) for word in words], context_id)
        return len(words)


async def _pieces(text):
    while (piece := await text.get()) is not None:
        yield piece

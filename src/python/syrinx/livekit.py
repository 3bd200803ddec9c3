"""Speech for LiveKit's agents, in their process: a TTS that takes a language model's tokens as they come.

>>> session = AgentSession(tts=syrinx.livekit.TTS(voice="us-male"), use_tts_aligned_transcript=True, ...)

16 bits at the model's rate, and every word with its time. A stream that is closed, as by an interruption, stops computing
before the next block of 80 ms. Needs `pip install livekit-agents`.
"""

import asyncio
import threading

from livekit.agents import APIError, APIStatusError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice.io import TimedString

from ._model import Model
from ._speech import to_int16
from ._syrinx import Error

# What may be tried again, as LiveKit knows it: by the status of HTTP.
_STATUS = {"busy": 429, "out_of_memory": 503}


class TTS(tts.TTS):
    """Of a model; any number may share one.

    model: None opens the default pack.
    options: as those of `Model.speak`: voice, seed, language, speed, volume, lexicon, ...
    """

    def __init__(self, model=None, **options):
        self._weights = Model() if model is None else model
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=self._weights.sample_rate,
            num_channels=1,
        )
        self._options = options

    @property
    def model(self):
        return self._weights.name

    @property
    def provider(self):
        return "syrinx"

    def update_options(self, **options):
        """For the streams that begin from now on."""
        self._options = {**self._options, **options}

    def prewarm(self):
        threading.Thread(target=self._weights.warm, args=(self._options.get("voice"),)).start()

    def synthesize(self, text, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(self, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return SynthesizeStream(tts=self, conn_options=conn_options)


class SynthesizeStream(tts.SynthesizeStream):
    """One text, which is pushed in pieces."""

    async def _run(self, output_emitter):
        request = utils.shortuuid("syrinx_")
        output_emitter.initialize(
            request_id=request,
            sample_rate=self._tts.sample_rate,
            num_channels=self._tts.num_channels,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=request)
        try:
            await self._speak(output_emitter)
        except Error as error:
            if error.kind in _STATUS:
                raise APIStatusError(str(error), status_code=_STATUS[error.kind]) from error
            raise APIError(f"{error.kind}: {error}", retryable=False) from error
        output_emitter.end_segment()

    async def _speak(self, output_emitter):
        text, speech, told, silent = _Text(), None, 0, True

        async def pieces():
            async for piece in self._input_ch:
                if isinstance(piece, self._FlushSentinel):
                    speech.flush()
                    piece = ""  # that it goes on
                else:
                    self._mark_started()
                    text.whole += piece
                yield piece

        speech = await asyncio.to_thread(self._tts._weights.speak, pieces(), **self._tts._options)
        async with speech:
            async for block in speech:
                output_emitter.push(to_int16(block).tobytes())
                silent = False
                told += text.tell(output_emitter, speech.words[told:])
        text.tell(output_emitter, speech.words[told:])
        if silent and text.whole.strip():
            # Nothing in it can be spoken, such as a smiley: that is no fault, but LiveKit takes it for one.
            output_emitter.push(bytes(2 * (self._tts.sample_rate // 100)))


class _Text:
    """What was pushed, whose words are told with the spaces before them, so that they add up to it."""

    def __init__(self):
        self.whole = ""
        self.told = 0  # characters

    def tell(self, output_emitter, words):
        for word in words:
            text = self.whole[self.told : word.position_end]
            self.told = word.position_end
            output_emitter.push_timed_transcript(TimedString(text, start_time=word.start, end_time=word.end))
        return len(words)

"""pipecat's pipeline with one service in it, and an ear at its end: for the tests here and those of the speech service."""

import asyncio

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner


class Ear(FrameProcessor):
    """The end of a pipeline: keeps all that comes."""

    def __init__(self):
        super().__init__()
        self.frames, self.came = [], asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        self.came.set()
        await self.push_frame(frame, direction)

    def of(self, kind):
        return [frame for frame in self.frames if isinstance(frame, kind)]

    def sound(self):
        return b"".join(frame.audio for frame in self.of(TTSAudioRawFrame))

    async def wait_for(self, kind, count=1):
        async with asyncio.timeout(30):
            while len(self.of(kind)) < count:
                self.came.clear()
                await self.came.wait()


def run(service, script):
    """A pipeline, while a script plays on it. Returns its ear, and the errors that it reported."""

    async def play():
        ear, errors, started = Ear(), [], asyncio.Event()
        worker = PipelineWorker(Pipeline([service, ear]), cancel_on_idle_timeout=False, enable_rtvi=False)
        worker.set_reached_upstream_filter((ErrorFrame,))
        worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
        worker.add_event_handler("on_frame_reached_upstream", lambda _, frame: errors.append(frame))
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)

        async def act():
            await asyncio.wait_for(started.wait(), 30)
            await script(worker, ear)
            await worker.queue_frame(EndFrame())

        await asyncio.gather(runner.run(), act())
        return ear, errors

    return asyncio.run(play())


def turn(tokens):
    return [LLMFullResponseStartFrame(), *map(LLMTextFrame, tokens), LLMFullResponseEndFrame()]

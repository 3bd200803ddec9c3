"""Promises: blocks for a loop that is never blocked, text that comes asynchronously, cancellation."""

import asyncio

import numpy
import pytest

import syrinx

TEXT = "Turn left in 300 m. Then keep right."


async def gathered(speech):
    return numpy.concatenate([block async for block in speech])


def test_blocks_come_to_a_loop(model):
    assert numpy.array_equal(asyncio.run(gathered(model.speak(TEXT))), model.speak(TEXT).samples())


def test_the_loop_goes_on_meanwhile(model):
    async def both():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        blocks = 0
        async for _ in model.speak(TEXT):
            blocks += 1
        ticking.cancel()
        return ticks, blocks

    ticks, blocks = asyncio.run(both())
    assert ticks > blocks > 10


def test_text_comes_asynchronously_and_what_waits_is_spoken(model):
    async def run():
        more = asyncio.Event()

        async def tokens():
            yield "Well then"  # no sentence: it is flushed as nothing comes
            await more.wait()
            yield ", turn left."

        speech = model.speak(tokens())
        first = await asyncio.wait_for(speech.__anext__(), 30)
        more.set()
        rest = await gathered(speech)
        return first, rest, speech

    first, rest, speech = asyncio.run(run())
    assert len(first) == model.block_samples and len(rest) > len(first) and speech.ending == "finished"
    assert " ".join(word.text for word in speech.words) == "Well then, turn left."


def test_such_text_is_refused_in_a_plain_loop(model):
    async def tokens():
        yield "x"

    with pytest.raises(TypeError, match="async for"):
        next(model.speak(tokens()))


def test_a_task_that_is_cancelled_stops_its_speech(model):
    async def run():
        speech = model.speak("It goes on and on and on, and on, and on, for quite some time.")
        task = asyncio.create_task(gathered(speech))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await speech.aclose()
        return speech

    assert asyncio.run(run()).ending == "cancelled"


def test_a_block_that_is_closed_early_gives_its_place_back(model):
    async def run():
        async with model.speak("It goes on and on and on.") as speech:
            async for _ in speech:
                break
        return speech

    assert asyncio.run(run()).ending == "cancelled"


def test_an_error_of_the_text_ends_the_speech(model):
    async def tokens():
        yield "Well, "
        raise RuntimeError("the language model has gone")

    async def run():
        await gathered(model.speak(tokens()))

    with pytest.raises(RuntimeError, match="has gone"):
        asyncio.run(run())


def test_many_at_once(model):
    async def run():
        return await asyncio.gather(*(gathered(model.speak(TEXT, seed=seed)) for seed in range(8)))

    for seed, samples in enumerate(asyncio.run(run())):
        assert numpy.array_equal(samples, model.speak(TEXT, seed=seed).samples())

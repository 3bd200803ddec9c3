"""Promises of the node, on stand-ins for ROS: texts and goals become sound in their order and at its pace; they can be stopped."""

import threading
import time
import types

import numpy
import pytest

TEXT = "Turn left in 300 m."
LONG = "This goes on for quite some time, and nobody knows when it will be over."


def sound_of(node):
    messages = node.publishers["audio"].messages
    return numpy.concatenate([message.audio.audio_data.float32_data for message in messages]).astype(numpy.float32)


def speak(node, *texts):
    for text in texts:
        node.topics["tts"](types.SimpleNamespace(data=text))
    node._texts.join()


def begin(work, *arguments):
    results = []
    thread = threading.Thread(target=lambda: results.append(work(*arguments)))
    thread.start()
    return thread, results


def test_a_text_becomes_messages_at_the_pace_of_their_sound(node, model):
    began = time.monotonic()
    speak(node, TEXT)
    took = time.monotonic() - began
    expected = model.speak(TEXT, voice=model.voices[-1]).samples()
    assert numpy.array_equal(sound_of(node), expected)
    seconds = len(expected) / model.sample_rate
    assert seconds - 0.3 < took < seconds + 0.5
    message = node.publishers["audio"].messages[0]
    info = message.audio.info
    assert (info.format, info.channels, info.rate, info.chunk) == (1, 1, model.sample_rate, model.block_samples)
    assert (message.header.frame_id, message.header.stamp) == ("mouth", "now")


def test_a_goal_is_told_its_sound_and_succeeds(node, model, goal):
    asked = goal(TEXT, rate=1.5, volume=0.5)
    result = node.actions["say"].execute(asked)
    assert (asked.ending, result.text) == ("succeeded", TEXT)
    assert [feedback.audio for feedback in asked.feedback] == node.publishers["audio"].messages
    expected = model.speak(TEXT, voice=model.voices[-1], speed=1.5, volume=0.5).samples()
    assert numpy.array_equal(sound_of(node), expected)


def test_a_goal_that_is_cancelled_stops_and_tells_what_was_heard(node, goal):
    asked = goal(LONG)
    thread, results = begin(node.actions["say"].execute, asked)
    assert asked.came.wait(30)
    time.sleep(1)
    asked.is_cancel_requested = True
    assert node.actions["say"].cancel(asked)
    before = len(node.publishers["audio"].messages)
    thread.join(1)
    assert not thread.is_alive() and asked.ending == "canceled"
    assert len(node.publishers["audio"].messages) <= before + 1
    assert LONG.startswith(results[0].text) and 0 < len(results[0].text) < len(LONG)


def test_goals_are_spoken_in_turn_and_one_that_waits_can_be_cancelled(node, goal):
    first, second, third = goal("Go on."), goal("Go left."), goal("Go right.")
    threads = []
    for asked in (first, second, third):
        threads.append(begin(node.actions["say"].execute, asked)[0])
        time.sleep(0.05)
    second.is_cancel_requested = True
    node.actions["say"].cancel(second)
    for thread in threads:
        thread.join(30)
    assert [asked.ending for asked in (first, second, third)] == ["succeeded", "canceled", "succeeded"]
    assert second.feedback == []
    told = [feedback.audio for asked in (first, third) for feedback in asked.feedback]
    assert told == node.publishers["audio"].messages


def test_a_stop_ends_what_is_heard_and_what_waits(node, goal):
    heard, waits = goal(LONG), goal(LONG)
    threads = [begin(node.actions["say"].execute, asked)[0] for asked in (heard, waits)]
    assert node.publishers["audio"].came.wait(30)
    while len(node._turns) < 2:
        time.sleep(0.01)
    node.topics["stop"](None)
    for thread in threads:
        thread.join(2)
    assert [heard.ending, waits.ending] == ["aborted", "aborted"]
    before = len(node.publishers["audio"].messages)
    speak(node, "Go on.")
    assert len(node.publishers["audio"].messages) > before


def test_texts_are_spoken_one_after_another_and_those_that_wait_are_stopped_too(node, model):
    speak(node, "Go on.", "Go left.")
    expected = [model.speak(text, voice=model.voices[-1]).samples() for text in ("Go on.", "Go left.")]
    assert numpy.array_equal(sound_of(node), numpy.concatenate(expected))
    before = len(node.publishers["audio"].messages)
    node.publishers["audio"].came.clear()
    for text in (LONG, LONG, LONG):
        node.topics["tts"](types.SimpleNamespace(data=text))
    assert node.publishers["audio"].came.wait(30)
    node.topics["stop"](None)
    node._texts.join()
    assert len(node.publishers["audio"].messages) < before + 10


@pytest.mark.parametrize("wrong", [{"text": " ?! "}, {"text": TEXT, "rate": 9.0}, {"text": TEXT, "language": "tlh"}])
def test_what_cannot_be_spoken_is_aborted_and_the_next_is_heard(node, goal, wrong):
    asked = goal(**wrong)
    assert node.actions["say"].execute(asked).text == "" and asked.ending == "aborted"
    asked = goal("Go on.")
    node.actions["say"].execute(asked)
    assert asked.ending == "succeeded"


def test_goals_are_rejected_where_too_many_wait(node, goal):
    threads = [begin(node.actions["say"].execute, goal("Go on. Go on.")) for _ in range(9)]
    while len(node._turns) < 9:
        time.sleep(0.01)
    assert node.actions["say"].accept(None) == 2
    node.topics["stop"](None)
    for thread, _ in threads:
        thread.join(5)
    assert node.actions["say"].accept(None) == 1

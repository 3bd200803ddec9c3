"""Stand-ins for the few classes of ROS 2 that the node uses: PyPI has no rclpy. They show that the node does what it should when it
is called as rclpy documents it, not that rclpy calls it so."""

import pathlib
import sys
import threading
import types

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))


class Message(types.SimpleNamespace):
    """A message whose fields are there when they are asked for."""

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        value = Message()
        setattr(self, name, value)
        return value


class Clock:
    def now(self):
        return self

    def to_msg(self):
        return "now"


class Logger:
    lines = []

    def info(self, line):
        self.lines.append(line)

    error = info


class Publisher:
    def __init__(self):
        self.messages = []
        self.came = threading.Event()

    def publish(self, message):
        self.messages.append(message)
        self.came.set()


class Node:
    parameters = {}

    def __init__(self, name):
        self.name, self.declared, self.topics, self.publishers = name, {}, {}, {}

    def declare_parameter(self, name, value):
        self.declared[name] = self.parameters.get(name, value)

    def get_parameter(self, name):
        return types.SimpleNamespace(value=self.declared[name])

    def create_publisher(self, kind, topic, qos):
        return self.publishers.setdefault(topic, Publisher())

    def create_subscription(self, kind, topic, callback, qos, callback_group):
        self.topics[topic] = callback

    def get_clock(self):
        return Clock()

    def get_logger(self):
        return Logger()


class ActionServer:
    def __init__(self, node, kind, name, execute, *, callback_group, goal_callback, cancel_callback):
        self.execute, self.accept, self.cancel = execute, goal_callback, cancel_callback
        node.actions = {name: self}


class Goal:
    """A goal's handle, as the server gives it to the node."""

    def __init__(self, text, language="en", volume=1.0, rate=1.0):
        self.goal_id = object()
        self.request = Message(text=text, language=language, volume=volume, rate=rate)
        self.is_cancel_requested, self.ending, self.feedback = False, None, []
        self.came = threading.Event()

    def publish_feedback(self, feedback):
        self.feedback.append(feedback)
        self.came.set()

    def succeed(self):
        self.ending = "succeeded"

    def canceled(self):
        self.ending = "canceled"

    def abort(self):
        self.ending = "aborted"


def module(name, **contents):
    made = types.ModuleType(name)
    vars(made).update(contents)
    sys.modules[name] = made


class Executor:
    pass


module("rclpy")
module(
    "rclpy.action",
    ActionServer=ActionServer,
    CancelResponse=Message(ACCEPT=1),
    GoalResponse=Message(ACCEPT=1, REJECT=2),
)
module("rclpy.callback_groups", ReentrantCallbackGroup=Executor)
module("rclpy.executors", MultiThreadedExecutor=Executor)
module("rclpy.node", Node=Node)
module("rclpy.qos", qos_profile_sensor_data="sensor data")
module("std_msgs")
module("std_msgs.msg", Empty=Message, String=Message)
module("audio_common_msgs")
module("audio_common_msgs.msg", AudioStamped=Message)
module("audio_common_msgs.action", TTS=types.SimpleNamespace(Result=Message, Feedback=Message))


@pytest.fixture(scope="session")
def model():
    import syrinx

    return syrinx.Model(parallel=2)


@pytest.fixture
def node(model, monkeypatch):
    from syrinx_ros.node import Speaker

    monkeypatch.setattr(Node, "parameters", {"voice": model.voices[-1], "frame_id": "mouth"})
    return Speaker(model)


@pytest.fixture
def goal():
    return Goal

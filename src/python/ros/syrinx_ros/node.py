"""Speech as a node of ROS 2. In: texts of the topic `tts`, goals of the action `say`. Out: sound on the topic `audio`, in messages
of audio_common, at the pace at which it is heard: its subscribers keep five messages, and drop the others.

Texts and goals are spoken in the order in which they come. A goal that is cancelled, or all of them by the topic `stop`, ends
before the next block of 80 ms. What was not heard of a text is not in its result.
"""

import queue
import threading
import time

import rclpy
from audio_common_msgs.action import TTS
from audio_common_msgs.msg import AudioStamped
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from std_msgs.msg import Empty, String

import syrinx

from .turns import Turns

# PortAudio's number for floats, by which audio_common names formats.
FLOAT32 = 1
# Goals that may wait; each takes a thread. More are rejected.
MOST_WAITING = 8
# Texts of the topic that may wait; more are left out.
MOST_TEXTS = 32
# Blocks that are sent before the first has been heard: what a late message may be late by.
AHEAD = 2


class Speaker(Node):
    """The node. Parameters: `pack` (a folder), `voice`, `frame_id` of its messages."""

    def __init__(self, model=None):
        super().__init__("syrinx")
        for name in ("pack", "voice", "frame_id"):
            self.declare_parameter(name, "")
        self._model = model or syrinx.Model(self._text_of("pack"))
        self._turns = Turns()
        self._stops = 0  # how often all were stopped
        self._speech = None  # that is heard
        self._audio = self.create_publisher(AudioStamped, "audio", qos_profile_sensor_data)
        self._texts = queue.Queue(MOST_TEXTS)
        threading.Thread(target=self._speak_texts, daemon=True).start()
        group = ReentrantCallbackGroup()
        self.create_subscription(String, "tts", self._hear, 10, callback_group=group)
        self.create_subscription(Empty, "stop", self._stop, 10, callback_group=group)
        self._server = ActionServer(
            self,
            TTS,
            "say",
            self._execute,
            callback_group=group,
            goal_callback=self._accept,
            cancel_callback=lambda _: CancelResponse.ACCEPT,  # looked at before each block
        )
        self.get_logger().info(f"speaks with {self._model.name}: voices {', '.join(self._model.voices)}")

    def _text_of(self, parameter):
        return self.get_parameter(parameter).value or None

    def _hear(self, message):
        try:
            self._texts.put_nowait((message.data, self._stopped()))
        except queue.Full:
            self.get_logger().error(f"{MOST_TEXTS} texts wait: one more is left out")

    def _speak_texts(self):
        while True:
            text, stopped = self._texts.get()
            with self._turns.turn(stopped) as mine:
                if mine:
                    self._speak(text, {}, stopped, lambda message: None)
            self._texts.task_done()

    def _stop(self, _):
        self._stops += 1
        if speech := self._speech:
            speech.cancel()

    def _stopped(self):
        """Whether all were stopped since now."""
        before = self._stops
        return lambda: self._stops != before

    def _accept(self, _):
        return GoalResponse.ACCEPT if len(self._turns) <= MOST_WAITING else GoalResponse.REJECT

    def _execute(self, goal):
        asked, stopped = goal.request, self._stopped()

        def gone():
            return goal.is_cancel_requested or stopped()

        options = {"speed": asked.rate, "volume": asked.volume}
        if asked.language and asked.language not in self._model.languages:
            options["language"] = asked.language
        result = TTS.Result()
        with self._turns.turn(gone) as mine:
            heard = self._speak(asked.text, options, gone, lambda message: self._tell(goal, message)) if mine else 0
        result.text = asked.text[: heard or 0]
        if goal.is_cancel_requested:
            goal.canceled()
        elif heard is None or stopped():
            goal.abort()
        else:
            goal.succeed()
        return result

    def _tell(self, goal, message):
        feedback = TTS.Feedback()
        feedback.audio = message
        goal.publish_feedback(feedback)

    def _speak(self, text, options, gone, tell):
        """Speaks a text, as long as nobody stops it. Gives the characters that were heard; None where it cannot be spoken."""
        try:
            with self._model.speak(text, voice=self._text_of("voice"), **options) as self._speech:
                speech, began = self._speech, time.monotonic()
                for count, block in enumerate(speech):
                    heard_at = began + (count - AHEAD) * len(block) / self._model.sample_rate
                    time.sleep(max(0.0, heard_at - time.monotonic()))
                    if gone():
                        break
                    message = self._message(block)
                    self._audio.publish(message)
                    tell(message)
                return speech.position
        except syrinx.Error as error:
            self.get_logger().error(f"cannot speak: {error.kind}: {error}")
            return None
        finally:
            self._speech = None

    def _message(self, block):
        message = AudioStamped()
        message.header.frame_id = self._text_of("frame_id") or ""
        message.header.stamp = self.get_clock().now().to_msg()
        message.audio.audio_data.float32_data = block.tolist()
        message.audio.info.format = FLOAT32
        message.audio.info.channels = 1
        message.audio.info.rate = self._model.sample_rate
        message.audio.info.chunk = len(block)
        return message


def main():
    rclpy.init()
    node = Speaker()
    # One thread for each goal that may be there, and some for those who stop them.
    executor = MultiThreadedExecutor(num_threads=MOST_WAITING + 4)
    executor.add_node(node)
    try:
        executor.spin()
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()

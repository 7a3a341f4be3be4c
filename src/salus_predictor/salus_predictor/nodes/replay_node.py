"""Plays a bag to the graph: recorded bytes and stamps, a step at a time, as the predictor answers.

It stands in for `ros2 bag play`, which knows nothing of lockstep: that plays by the clock and would
run ahead of a slow predictor.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from salus_msgs.msg import FailureForecast, PolicyAction

from salus_data.bags.replay import ANSWERS, NOT_PLAYED, Lockstep, Played, Replay
from salus_data.bags.source import Bag
from salus_data.topic_names import camera_of
from salus_predictor.online.agreement import Agreement
from salus_ros import topics
from salus_ros.bag_topics import RECORDED, camera_topics
from salus_ros.diagnostics import Diagnostics
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter

TICK = 0.02
"""Seconds of wall time between two looks at what is due."""
GATED = (topics.PERCEIVED, topics.EPISODE)
"""What moves the predictor on to another step or episode, and so waits for the one before."""
GIVE_UP_AFTER = 3
"""Steps in succession without any forecast that end a replay: nobody answers."""


@dataclass(frozen=True)
class ReplayParameters:
    """Parameters of replay_node."""

    bag: str = parameter("", "the bag: a folder, or a file .mcap or .db3")
    bag_namespace: str = parameter("", "namespace in the bag; empty: the one that has a contract")
    lockstep: bool = parameter(True, "wait for the forecast of each step; else play by log time")
    rate: float = parameter(
        1.0, "without lockstep: recorded seconds a second of wall time", low=0.01, high=1000.0
    )
    patience: float = parameter(
        5.0, "wall time to wait for a forecast", unit="s", low=0.1, high=600.0
    )
    start_timeout: float = parameter(
        60.0, "wall time to wait for a predictor that starts", unit="s", low=0.1, high=600.0
    )


class ReplayNode(Node):
    """Publishes what was recorded, but for forecasts, warnings and states of nodes.

    Args:
        on_forecast: hears every forecast that comes.

    Attributes:
        status: exit status once the replay is over: 0 every step was answered, 1 some were not.
    """

    def __init__(
        self, on_forecast: Callable[[FailureForecast], None] | None = None, **node_options: Any
    ) -> None:
        super().__init__("replay_node", **node_options)
        self._tell = on_forecast
        self._settings = p = declare(self, ReplayParameters)
        self.status: int | None = None
        self._bag = Bag(Path(p.bag))
        recorded = {topic.name: topic for topic in RECORDED}
        names = {name: topic.type_name for name, topic in recorded.items()}
        share = get_package_share_directory("salus_msgs")
        try:
            self._replay = Replay(self._bag, p.bag_namespace or None, names)
            self._replay.require_same_definitions(Path(share, "msg"))
        except BaseException:
            self._bag.close()
            raise
        for camera in filter(None, map(camera_of, self._replay.types)):
            recorded |= {topic.name: topic for topic in camera_topics(camera)}
        self._publishers_of = {
            name: self.create_publisher(recorded[name].message, name, recorded[name].qos)
            for name in self._replay.types
            if name not in NOT_PLAYED
        }
        self._messages: Iterator[Played] = self._replay.messages()
        self._next: Played | None = None
        self._gate, self.agreement = Lockstep(), Agreement()
        self.unanswered = self._silent = 0
        self._started = False
        self._since = time.monotonic()  # of the latest progress
        self._begin: tuple[float, int] | None = None  # wall time and log time of the first message
        self._diagnostics = Diagnostics(self)
        self.create_subscription(
            FailureForecast, topics.FORECAST, self._on_forecast, topics.STEP_QOS
        )
        self.create_timer(TICK, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def forecasts(self) -> int:
        """Forecasts that were heard."""
        return self._gate.answered

    def close(self) -> None:
        """Close the bag."""
        self._bag.close()

    # --- when to go on ---------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.status is not None:
            return
        if not self._started and not self._listened_to():
            return
        overdue = time.monotonic() - self._since > self._settings.patience
        if self._gate.waiting and overdue:
            self._give_up()
        if self.status is None:
            self._play()

    def _listened_to(self) -> bool:
        """Whether whoever answers has found every topic; a message to nobody would be lost."""
        needed = (topics.CONTRACT, topics.EPISODE, topics.PERCEIVED, topics.ACTION_PROPOSED)
        there = [self._publishers_of[name] for name in needed if name in self._publishers_of]
        self._started = self.count_publishers(topics.FORECAST) > 0 and all(
            publisher.get_subscription_count() > 0 for publisher in there
        )
        timeout = self._settings.start_timeout
        if not self._started and time.monotonic() - self._since > timeout:
            if self._settings.lockstep:
                self.get_logger().error(
                    f"nobody answers after {timeout:.0f} s; does predictor_node "
                    f"run in namespace {self.get_namespace()}?"
                )
                self.status = 1
            else:
                self._started = True
        return self._started

    def _give_up(self) -> None:
        for episode, step in self._gate.give_up():
            self.unanswered += 1
            self._silent += 1
            self._diagnostics.warn(f"no forecast for step {step} of episode {episode}")
        self._since = time.monotonic()
        if self._silent >= GIVE_UP_AFTER:
            self.get_logger().error(f"no forecast for {self._silent} steps in succession; gives up")
            self.status = 1

    def _on_forecast(self, message: FailureForecast) -> None:
        self._gate.answer((message.episode_id, int(message.step)))
        self.agreement.computed(message)
        if self._tell is not None:
            self._tell(message)
        self._silent = 0
        self._since = time.monotonic()
        if self._started and self.status is None:
            self._play()

    # --- playing ---------------------------------------------------------------------------------

    def _play(self) -> None:
        """Publish what is due, up to the first message that has to wait."""
        while (message := self._next or next(self._messages, None)) is not None:
            self._next = message
            if not self._due(message):
                return
            self._next = None
            self._publish(message)
        if not self._gate.waiting or not self._settings.lockstep:
            self._finish()

    def _due(self, message: Played) -> bool:
        if self._settings.lockstep:
            return message.topic not in GATED or not self._gate.waiting
        now = time.monotonic()
        if self._begin is None or message.time < self._begin[1]:
            self._begin = (now, message.time)
        wall, log = self._begin
        return (message.time - log) / 1e9 <= (now - wall) * self._settings.rate

    def _publish(self, message: Played) -> None:
        if message.topic in ANSWERS:
            if message.topic == topics.FORECAST:
                self.agreement.recorded(deserialize_message(message.data, FailureForecast))
            return
        publisher = self._publishers_of.get(message.topic)
        if publisher is None:
            return
        publisher.publish(message.data)
        if message.topic == topics.ACTION_PROPOSED:
            proposal = deserialize_message(message.data, PolicyAction)
            self._gate.ask((proposal.episode_id, int(proposal.step)))
            self._since = time.monotonic()
            self._diagnostics.step()
            self._diagnostics.ok(f"episode {proposal.episode_id}, step {proposal.step}")

    def _finish(self) -> None:
        for problem in self._bag.problems:
            self.get_logger().warning(problem)
        self.get_logger().info(self.line())
        self.status = 1 if self.unanswered or self._bag.problems else 0

    def result(self) -> dict[str, Any]:
        """What the replay came to, as plain data."""
        compared = self.agreement.compared
        return {
            "steps": self._gate.asked,
            "forecasts": self.forecasts,
            "unanswered": self.unanswered,
            "compared": compared,
            "largest_difference": self.agreement.difference if compared else None,
            "problems": list(self._bag.problems),
        }

    def line(self) -> str:
        """What the replay came to."""
        agreement = self.agreement
        compared = (
            f"{agreement.compared} recorded by the same model differ by at most "
            f"{agreement.difference:.1e}"
            if agreement.compared
            else "none recorded by this model to compare with"
        )
        return (
            f"{self._gate.asked} steps played, {self.forecasts} forecasts, {self.unanswered} steps "
            f"without one in time; {compared}"
        )


def main() -> None:
    """Run replay_node as a process."""
    run_node(ReplayNode)

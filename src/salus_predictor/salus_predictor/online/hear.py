"""Messages of the graph into the monitor; the same for the live node and for a bag."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from salus_data import topic_names as topics
from salus_data.errors import SalusError
from salus_data.messages import (
    contract_from_message,
    ee_from,
    joints_from,
    perceived_from,
    stamp_of,
)
from salus_predictor.online.monitor import Monitor

STARTED: Final = 1
"""EpisodeEvent.KIND_STARTED; the core reads messages without ROS."""


def _values(message: Any) -> Any:
    return np.asarray(message.values, np.float64)


PARTS: Final[dict[str, dict[str, Callable[[Any], Any]]]] = {
    topics.JOINT_STATES: {"joints": joints_from},
    topics.EE_POSE: {"pose": ee_from},
    topics.PERCEIVED: {"perceived": perceived_from},
    topics.ACTION_PROPOSED: {"proposed": _values},
    topics.ACTION: {"executed": _values},
    topics.UNCERTAINTY: {
        "validity": lambda message: np.asarray(message.validity, np.uint8),
        "uncertainty": _values,
    },
    topics.EMBEDDING: {"embedding": lambda message: np.asarray(message.values, np.float32)},
}
"""Topic -> part of a step -> its value in a message of the topic."""

HEARD: Final = (topics.CONTRACT, topics.EPISODE, *PARTS)
"""Every topic that a forecast needs."""


class Hearing:
    """Puts each message of the graph in its place; the monitor then has what it can report.

    Attributes:
        monitor: that is fed.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._past: set[str] = set()

    def hear(self, topic: str, message: Any) -> str:
        """Take one message.

        Args:
            topic: one of `HEARD`.
            message: an object of rclpy or of the library rosbags.

        Returns:
            Why it was left out: `late_messages`, `double_messages`; empty where it counts.

        Raises:
            SalusError: it is not what the topic carries, or the contract cannot be followed.
        """
        if topic == topics.CONTRACT:
            contract = contract_from_message(message)
            signals, embedding = int(message.policy_signals), int(message.embedding_size)
            self.monitor.on_contract(contract, signals, embedding)
            return ""
        if topic == topics.EPISODE:
            if int(message.kind) == STARTED:
                self._begin(str(message.episode_id), stamp_of(message))
            return ""
        if topic != topics.PERCEIVED:
            return self._fill(topic, message)
        self._begin(str(message.episode_id), stamp_of(message))
        if message.episode_id != self.monitor.episode:
            return "late_messages"
        try:
            return self._fill(topic, message)
        finally:
            self.monitor.join.number(stamp_of(message), int(message.step))

    def _begin(self, episode: str, stamp: int) -> None:
        if episode == self.monitor.episode or episode in self._past:
            return
        if self.monitor.episode:
            self._past = {self.monitor.episode}
        self.monitor.begin(episode, stamp)

    def _fill(self, topic: str, message: Any) -> str:
        """Put the parts of a step in their place; the first ones count."""
        parts = self.monitor.join.at(stamp_of(message))
        refused: SalusError | None = None
        left_out = ""
        for part, convert in PARTS[topic].items():
            if getattr(parts, part) is not None:
                left_out = "double_messages"
                continue
            try:
                setattr(parts, part, convert(message))
            except SalusError as error:
                refused = error
        if refused is not None:
            raise refused
        return left_out
